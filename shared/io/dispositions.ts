import type { DispositionRecord } from '../core/disposition.ts';
import { isHeard, subscriptions } from '../core/subscriptions.ts';
import type { Context } from './context.ts';
import type { Transaction } from './queues.ts';
import type { SpoolStore } from './spool-store.ts';

/** The job of a subscriber: the record, and whose original it may read. */
export interface SubscriberJob {
  record: DispositionRecord;
}

/**
 * Publishes a disposition inside a transaction: one entry of the log, and one job for each subscriber that hears it. A subscriber that needs the original holds it until it is done.
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

export function openDispositions({ redis, metrics, log, config }: Context, spool: SpoolStore): Dispositions {
  const logKey = redis.key('log');
  const { keepRecords } = config.log;
  // With an archive the sweeper trims, which asks first what is archived (log-trim.ts).
  const bound = config.archive.enabled ? [] : (['MAXLEN', '~', keepRecords] as const);
  return {
    logKey,
    publish: (tx, record) => {
      tx.redis.xadd(logKey, ...bound, '*', 'r', JSON.stringify(record));
      for (const subscription of subscriptions) {
        if (!isHeard(subscription, record)) continue;
        const data: SubscriberJob = { record };
        tx.add(subscription.queue, { id: record.event_id, name: record.type, data, opts: subscriberOptions });
        if (subscription.needsOriginal) spool.hold(tx, record.id, holderOf(subscription.queue, record.event_id));
      }
      tx.whenDone(() => {
        metrics.dispositions.inc({ type: record.type });
        if (record.type === 'Delivery') metrics.deliverySeconds.observe(record.timestamp - record.created);
        log[levelOf(record)](logged(record));
        return Promise.resolve();
      });
    },
  };
}

/** The name under which a subscriber's job holds the original. */
export const holderOf = (queue: string, eventId: string): string => `${queue}/${eventId}`;

/** What went well is told on request; the rest is what people look into a log for. */
const levelOf = ({ type }: DispositionRecord): 'debug' | 'info' => (type === 'Reception' || type === 'Delivery' ? 'debug' : 'info');

const logged = ({ type, id, sender, recipient, site, response, num_attempts }: DispositionRecord): Record<string, unknown> => ({
  event: 'disposition',
  type,
  ...(id && { messageId: id }),
  sender,
  recipient,
  ...(site && { site, attempt: num_attempts }),
  code: response.code,
  reply: response.content.slice(0, 300),
});
