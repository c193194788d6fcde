import { decodeXtext } from '../core/xtext.ts';
import type { Envelope } from '../core/envelope.ts';
import type { FoundMessages, SentMessage } from '../core/inbound/match.ts';
import type { Transaction } from './queues.ts';
import type { RedisLink } from './redis.ts';
import { canonicalAddress } from './report-addresses.ts';

/**
 * What was sent with a return path at which reports arrive here, so that they find it. One hash per day: `i:<id>` the
 * message, `r:<return path>` and `e:<ENVID>` the ids of the newest messages with it.
 */
export interface SentIndex {
  /** Adds one command to the transaction that accepts the message. */
  add(tx: Transaction, message: SentMessage, envelope: Envelope): void;
  find(pointers: { returnPaths: readonly string[]; envelopeId?: string; ids: readonly string[] }): Promise<FoundMessages>;
}

const dayMs = 86_400_000;
/** A report later than this finds nothing. Senders of mail keep it for five days (RFC 5321 §4.5.4.1), people complain later. */
const days = 14;
/** Messages of one return path, or ENVID, and day. */
const mostIds = 20;
const mostReturnPaths = 100;
const longestKey = 500;

const addScript = `
redis.call('HSET', KEYS[1], 'i:' .. ARGV[1], ARGV[2])
for i = 5, #ARGV do
  local ids = redis.call('HGET', KEYS[1], ARGV[i]) or ''
  redis.call('HSET', KEYS[1], ARGV[i], string.sub(ARGV[1] .. ids, 1, #ARGV[1] * ARGV[4]))
end
redis.call('EXPIRE', KEYS[1], ARGV[3])
return 0`;

export function openSentIndex(redis: RedisLink): SentIndex {
  redis.client.defineCommand('reboundSent', { lua: addScript });
  return {
    add: (tx, message, { sender, envid }) => {
      const fields = [returnPathField(sender), ...(envid === undefined ? [] : [envelopeIdField(decodeXtext(envid) ?? envid)])];
      const call = tx.redis as unknown as { reboundSent(count: number, ...args: (string | number)[]): void };
      const seconds = ((days + 1) * dayMs) / 1000;
      call.reboundSent(1, dayKey(redis, message.created), message.id, JSON.stringify(message), seconds, mostIds, ...fields);
    },
    find: async ({ returnPaths, envelopeId, ids }) => {
      const paths = returnPaths.slice(0, mostReturnPaths).map(returnPathField);
      const fields = [...paths, ...(envelopeId ? [envelopeIdField(envelopeId)] : [])];
      const keys = lastDays(Date.now()).map((day) => redis.key(`sent:${day}`));
      const listed = await Promise.all(keys.map((key) => readFields(redis, key, fields)));
      // Newest day first, and of a day the newest id.
      const verp = listed.flatMap((values) => values.slice(0, paths.length).flatMap(splitIds));
      const envid = listed.flatMap((values) => values.slice(paths.length).flatMap(splitIds));
      const messages = await readMessages(redis, keys, [...new Set([...verp, ...envid, ...ids])]);
      const found = (list: readonly string[]): SentMessage[] => list.flatMap((id) => messages.get(id) ?? []);
      return { verp: found(verp), envid: found(envid), 'message-id': found(ids) };
    },
  };
}

/** Forgets the oldest day that there is, when Redis runs short of memory: what was sent gives way to what is to be sent. */
export async function forgetOldestDay(redis: RedisLink): Promise<boolean> {
  for (const day of lastDays(Date.now()).reverse()) if ((await redis.client.unlink(redis.key(`sent:${day}`))) > 0) return true;
  return false;
}

const readFields = (redis: RedisLink, key: string, fields: readonly string[]): Promise<(string | null)[]> =>
  fields.length === 0 ? Promise.resolve([]) : redis.client.hmget(key, ...fields);

async function readMessages(redis: RedisLink, keys: readonly string[], ids: readonly string[]): Promise<Map<string, SentMessage>> {
  if (ids.length === 0) return new Map();
  const fields = ids.map((id) => `i:${id}`);
  const texts = (await Promise.all(keys.map((key) => redis.client.hmget(key, ...fields)))).flat();
  const messages = texts.flatMap((text) => (text === null ? [] : [JSON.parse(text) as SentMessage]));
  return new Map(messages.map((message) => [message.id, message]));
}

const splitIds = (text: string | null): string[] => text?.match(/[0-9a-f]{32}/g) ?? [];
const returnPathField = (address: string): string => `r:${canonicalAddress(address.slice(-longestKey))}`;
const envelopeIdField = (id: string): string => `e:${id.slice(0, longestKey)}`;
const dayKey = (redis: RedisLink, at: number): string => redis.key(`sent:${Math.floor(at / dayMs)}`);
/** Newest first, and one more than are kept, as the first and the last are begun or ended. */
const lastDays = (now: number): number[] => Array.from({ length: days + 1 }, (_, n) => Math.floor(now / dayMs) - n);
