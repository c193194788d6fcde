import type { DispositionRecord } from '../core/disposition.ts';
import { subscriptions } from '../core/subscriptions.ts';
import type { Metrics } from './metrics.ts';
import type { Transaction } from './queues.ts';
import type { RedisLink } from './redis.ts';
import type { SpoolStore } from './spool-store.ts';

/** The job of a subscriber: the record, and whose original it may read. */
export interface SubscriberJob {
  record: DispositionRecord;
}

/**
 * Publishes a disposition inside a transaction: one entry of the log, and one job for each subscriber that hears its
 * type. A subscriber that needs the original holds it until it is done.
 */
export interface Dispositions {
  publish(tx: Transaction, record: DispositionRecord): void;
  readonly logKey: string;
}

/** A subscriber tries until it succeeds; a person sees in the board what does not, and the latest that did. */
const subscriberOptions = {
  attempts: 1_000_000,
  backoff: { type: 'fixed', delay: 10_000 },
  removeOnComplete: { count: 1000 },
} as const;

export function openDispositions(redis: RedisLink, spool: SpoolStore, metrics: Metrics, keepRecords: number): Dispositions {
  const logKey = redis.key('log');
  return {
    logKey,
    publish: (tx, record) => {
      metrics.dispositions.inc({ type: record.type });
      tx.redis.xadd(logKey, 'MAXLEN', '~', keepRecords, '*', 'r', JSON.stringify(record));
      for (const subscription of subscriptions) {
        if (!subscription.types.includes(record.type)) continue;
        const data: SubscriberJob = { record };
        tx.add(subscription.queue, { id: record.event_id, name: record.type, data, opts: subscriberOptions });
        if (subscription.needsOriginal) spool.hold(tx, record.id, holderOf(subscription.queue, record.event_id));
      }
    },
  };
}

/** The name under which a subscriber's job holds the original. */
export const holderOf = (queue: string, eventId: string): string => `${queue}/${eventId}`;
