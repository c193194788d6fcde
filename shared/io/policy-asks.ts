import { AsyncLocalStorage } from 'node:async_hooks';
import { randomBytes } from 'node:crypto';
import { parentPort } from 'node:worker_threads';
import type { DispositionRecord } from '../core/disposition.ts';
import { generateRfc3464Message as generate, type Report, type ReportParams } from '../core/dsn/generate.ts';
import { checkInjectedMail, type HookMessage, type InjectedMail } from '../core/hook.ts';
import { hookMessage, type MessageFacts } from '../core/hook-message.ts';
import { newMessageId } from './ids.ts';

// What a hook asks of the process, from inside the policy's thread. Policy files get this module under the name 'rebound'.

/** `call`: on behalf of which call it is asked. */
export type Question = { id: number; call: number } & (
  | { what: 'content'; limit: number | undefined }
  | { what: 'inject'; mail: InjectedMail }
);

export type Reply = { id: number } & ({ value: unknown } | { problem: string });

/** Questions at once; others wait, so that a loop without `await` fills no memory but its own. */
const mostAtOnce = 16;
/** Octets. What is larger is not even copied; what mail may have is for `ingress.maxSize` to say. */
const largest = 128 * 1024 * 1024;

const calls = new AsyncLocalStorage<number>();
const asked = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
const waiting: (() => void)[] = [];
let lastId = 0;

/** Runs a hook so that what it asks, now or later, is asked on behalf of this call. */
export const runCall = <T>(call: number, work: () => T): T => calls.run(call, work);

/** The message of a call, whose content is asked for when the hook wants it. */
export const messageOf = (facts: MessageFacts, call: number): HookMessage =>
  hookMessage(facts, async (limit) => {
    if (limit !== undefined && !(limit >= 0)) throw new RangeError('content: expected a number of octets');
    return (await ask((id) => ({ id, call, what: 'content', limit }))) as Uint8Array | undefined;
  });

/** See `HookMail`. */
export async function injectMessage(mail: InjectedMail): Promise<string> {
  const call = calls.getStore();
  if (call === undefined) throw new Error('injectMessage: there is no hook that is running');
  const { content, ...rest } = checkInjectedMail(mail);
  if (content.length > largest) throw new RangeError('injectMessage: the message is too large');
  // A copy: the octets may be a part of something far larger, which would go along.
  const octets = typeof content === 'string' ? content : Uint8Array.from(content);
  return (await ask((id) => ({ id, call, what: 'inject', mail: { ...rest, content: octets } }))) as string;
}

/** See `HookMail`. */
export function generateRfc3464Message(
  params: ReportParams,
  original: Uint8Array | undefined,
  record: DispositionRecord,
): Report | undefined {
  const isCut = original !== undefined && original.length < record.size;
  const limited = isCut && params.original_limit === undefined ? { ...params, original_limit: original.length } : params;
  return generate(limited, original, record, { now: Date.now(), messageId: newMessageId(), boundary: randomBytes(16).toString('hex') });
}

export function hearReply(reply: Reply): void {
  const question = asked.get(reply.id);
  asked.delete(reply.id);
  if ('problem' in reply) question?.reject(new Error(reply.problem));
  else question?.resolve(reply.value);
  waiting.shift()?.();
}

async function ask(questionOf: (id: number) => Question): Promise<unknown> {
  if (asked.size >= mostAtOnce) await new Promise<void>((resolve) => waiting.push(resolve));
  const id = ++lastId;
  return new Promise((resolve, reject) => {
    parentPort?.postMessage({ kind: 'ask', ...questionOf(id) });
    asked.set(id, { resolve, reject });
  });
}
