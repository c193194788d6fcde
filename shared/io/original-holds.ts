import type { DispositionRecord } from '../core/disposition.ts';
import type { Subscription } from '../core/subscriptions.ts';
import type { Context } from './context.ts';
import type { Queues, Transaction } from './queues.ts';
import type { RedisLink } from './redis.ts';
import type { SpoolStore } from './spool-store.ts';

// Whoever needs an original holds its spool entry. A hold of a hook ends by itself: `holds` is a sorted set of
// `<message>/<queue>/<event>` by the time of that, so that a hook that is gone or broken keeps nothing for ever.

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

/** Ends the holds whose time is up, a few thousand at once; the next sweep goes on. Resolves with their number. */
export async function releaseExpired({ redis }: Context, queues: Queues, spool: SpoolStore): Promise<number> {
  const due = await redis.client.zrange(holdsKey(redis), '-inf', String(Date.now()), 'BYSCORE', 'LIMIT', 0, mostAtOnce);
  if (due.length === 0) return 0;
  const tx = queues.begin();
  for (const member of due) {
    const slash = member.indexOf('/');
    spool.release(tx, member.slice(0, slash), member.slice(slash + 1));
  }
  tx.redis.zrem(holdsKey(redis), ...due);
  await tx.exec();
  return due.length;
}

const mostAtOnce = 2000;

const holdsKey = (redis: RedisLink): string => redis.key('holds');
