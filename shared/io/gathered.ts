import type { DispositionRecord } from '../core/disposition.ts';
import type { Transaction } from './queues.ts';
import type { RedisLink } from './redis.ts';

/**
 * Outcomes of one message on their way to a subscriber that tells them together. Each has its own job, so that none can be
 * lost; the first job that is due claims all that lie here, and the others find theirs done.
 */

/** What lies here has a job; an entry without one (somebody removed it) goes after this time. Seconds. */
const lifetime = 30 * 86_400;

/** A hash: event id to record, as JSON. */
export const gatheredKey = (redis: RedisLink, queue: string, message: string): string => redis.key(`gathered:${queue}:${message}`);

/** Puts a record beside those of the same message, in the transaction that adds its job. */
export function gather(tx: Transaction, redis: RedisLink, queue: string, record: DispositionRecord): void {
  const key = gatheredKey(redis, queue, record.id);
  tx.redis.hset(key, record.event_id, JSON.stringify(record));
  tx.redis.expire(key, lifetime);
}

const claimScript = `
local owner = redis.call('GET', KEYS[2])
if owner and owner ~= ARGV[1] then return false end
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
return redis.call('HVALS', KEYS[1])`;

const unclaimScript = `
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end`;

export interface Claim {
  /** In the order in which they were written, as far as their time tells. */
  records: DispositionRecord[];
  /** Takes what is done with out, in the transaction that does it. */
  remove(tx: Transaction, records: readonly DispositionRecord[]): void;
  /** Lets others claim; without it they may after the time given. */
  end(): Promise<void>;
}

/** What is gathered of a message; undefined while another worker has claimed it. `lifetime` of the claim in ms. */
export async function claimGathered(
  redis: RedisLink,
  queue: string,
  message: string,
  token: string,
  lifetime: number,
): Promise<Claim | undefined> {
  const key = gatheredKey(redis, queue, message);
  const lockKey = `${key}:claim`;
  const values = (await redis.client.eval(claimScript, 2, key, lockKey, token, lifetime)) as string[] | null;
  if (values === null) return undefined;
  const records = values.map((value) => JSON.parse(value) as DispositionRecord);
  return {
    records: records.sort((a, b) => a.timestamp - b.timestamp || (a.event_id < b.event_id ? -1 : 1)),
    remove: (tx, done) => void tx.redis.hdel(key, ...done.map((record) => record.event_id)),
    end: async () => void (await redis.client.eval(unclaimScript, 1, lockKey, token)),
  };
}
