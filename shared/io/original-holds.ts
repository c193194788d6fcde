import type { DispositionRecord } from '../core/disposition.ts';
import { redeliverable } from '../core/replay.ts';
import type { Subscription } from '../core/subscriptions.ts';
import type { Context } from './context.ts';
import type { Transaction } from './queues.ts';
import type { RedisLink } from './redis.ts';
import type { SpoolStore } from './spool-store.ts';

// Whoever needs an original holds its spool entry. A hold of a hook ends by itself: `holds` is a sorted set of
// `<message>/<queue>/<event>` by the time of that, so that a hook that is gone or broken keeps nothing for ever. What is kept
// for redelivery (`bounce.keepOriginals`) is held in the same way, in a set of its own, `kept`: it gives way to new mail.

/** The name under which a subscriber's job holds the original. */
export const holderOf = (queue: string, eventId: string): string => `${queue}/${eventId}`;

/** Adds to a transaction that this subscriber holds the original of the record, if it needs it and there is one. */
export function holdOriginal(
  tx: Transaction,
  subscription: Subscription,
  record: DispositionRecord,
  redis: RedisLink,
  spool: SpoolStore,
): void {
  const { queue, needsOriginal, backlog } = subscription;
  if (!needsOriginal || record.id === '') return;
  const holder = holderOf(queue, record.event_id);
  spool.hold(tx, record.id, holder);
  if (backlog) tx.redis.zadd(holdsKey(redis), Date.now() + backlog.age, `${record.id}/${holder}`);
}

/** Adds to a transaction that it does not any more. */
export function releaseHook(tx: Transaction, queue: string, record: DispositionRecord, redis: RedisLink, spool: SpoolStore): void {
  if (record.id === '') return;
  const holder = holderOf(queue, record.event_id);
  spool.release(tx, record.id, holder);
  tx.redis.zrem(holdsKey(redis), `${record.id}/${holder}`);
}

/** Adds to a transaction that the original of a failed message is kept for `duration` ms, so that it can be delivered again. */
export function keepOriginal(tx: Transaction, record: DispositionRecord, duration: number, redis: RedisLink, spool: SpoolStore): void {
  if (duration === 0 || record.id === '' || record.sender === '' || !redeliverable.includes(record.type)) return;
  const holder = holderOf('kept', record.event_id);
  spool.hold(tx, record.id, holder);
  tx.redis.zadd(keptKey(redis), Date.now() + duration, `${record.id}/${holder}`);
}

/** Ends the holds of hooks whose time is up, a few thousand at once; the next sweep goes on. Resolves with their number. */
export async function releaseExpired({ redis }: Context, spool: SpoolStore): Promise<number> {
  const due = await redis.client.zrange(holdsKey(redis), '-inf', String(Date.now()), 'BYSCORE', 'LIMIT', 0, mostAtOnce);
  return end(holdsKey(redis), due, { redis, spool });
}

/**
 * Ends what was kept long enough and, when room runs short, the half of the rest that would end first: new mail comes
 * before old. Resolves with the number of those that gave way.
 */
export async function releaseKept({ redis, log }: Context, spool: SpoolStore, isShort: boolean): Promise<number> {
  const key = keptKey(redis);
  const world = { redis, spool };
  for (let round = 0; round < mostRounds; round++) {
    const due = await redis.client.zrange(key, '-inf', String(Date.now()), 'BYSCORE', 'LIMIT', 0, mostAtOnce);
    await end(key, due, world);
    if (due.length < mostAtOnce) break;
  }
  if (!isShort) return 0;
  const excess = Math.min(Math.ceil((await redis.client.zcard(key)) / 2), mostAtOnce * mostRounds);
  let released = 0;
  while (released < excess) {
    const count = await end(key, await redis.client.zrange(key, 0, String(Math.min(mostAtOnce, excess - released) - 1)), world);
    if (count === 0) break;
    released += count;
  }
  if (released > 0)
    log.warn({ event: 'kept_originals_released', messages: released }, 'there is no room for what bounce.keepOriginals asks for');
  return released;
}

/** What is released and still noted as held, after a crash, is released again: that does no harm. */
async function end(key: string, due: readonly string[], { redis, spool }: { redis: RedisLink; spool: SpoolStore }): Promise<number> {
  if (due.length === 0) return 0;
  const holds = due.map((member) => {
    const slash = member.indexOf('/');
    return { id: member.slice(0, slash), holder: member.slice(slash + 1) };
  });
  await spool.releaseNow(holds);
  await redis.client.zrem(key, ...due);
  return due.length;
}

/** In one round trip, and round trips of one sweep. */
const mostAtOnce = 2000;
const mostRounds = 20;

export const holdsKey = (redis: RedisLink): string => redis.key('holds');
const keptKey = (redis: RedisLink): string => redis.key('kept');
