import { recipientsOf, type DispositionRecord } from './disposition.ts';
import { readFields, valuesOf } from './dsn/field.ts';
import { decodeText } from './dsn/octets.ts';
import { headerOf } from './dsn/original.ts';
import type { HookMessage } from './hook.ts';

/** What is known of a message without reading it. */
export type MessageFacts = Pick<HookMessage, 'id' | 'sender' | 'recipients' | 'size'>;

/** Octets of the beginning of a message in which its header is looked for, and fields of it that are looked at. */
const longestHeader = 256 * 1024;
const mostFields = 2000;

export const hookMessage = (facts: MessageFacts, content: HookMessage['content']): HookMessage => ({
  ...facts,
  content,
  header: async (name) => valuesOf(readFields(decodeText(headerOf((await content(longestHeader)) ?? new Uint8Array())), mostFields), name),
});

export const factsOf = (record: Pick<DispositionRecord, 'id' | 'sender' | 'recipient' | 'size'>): MessageFacts => ({
  id: record.id,
  sender: record.sender,
  recipients: recipientsOf(record),
  size: record.size,
});
