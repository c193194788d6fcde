import { classLabel } from '../core/bounce-class.ts';
import type { DispositionRecord, RecordType } from '../core/disposition.ts';
import type { ReplayMark } from '../core/replay.ts';
import { isHeard, type Subscription } from '../core/subscriptions.ts';
import type { Context } from './context.ts';
import { gather } from './gathered.ts';
import { unsweptLog } from './log-trim.ts';
import { holdOriginal, keepOriginal } from './original-holds.ts';
import type { Transaction } from './queues.ts';
import { openSiteOutcomes } from './site-outcomes.ts';
import type { SpoolStore } from './spool-store.ts';

/** The job of a subscriber: the record, and whose original it may read. */
export interface SubscriberJob {
  record: DispositionRecord;
  /** Its record also lies with those of the same message that are to be told together (`gathered.ts`). */
  gathered?: true;
  /** It is run again by a person. */
  replay?: ReplayMark;
}

/**
 * Publishes a disposition inside a transaction: one entry of the log, and one job for each subscriber that hears it. A subscriber that needs the original holds it until it is done.
 */
export interface Dispositions {
  /** `hold`: ms for which a subscriber that gathers waits for further outcomes of the message; none: there are no others. */
  publish(tx: Transaction, record: DispositionRecord, hold?: number): void;
  readonly logKey: string;
}

/** Tried until it succeeds; a person sees in the board what does not, and the latest that did. */
export const subscriberOptions = {
  attempts: 1_000_000,
  backoff: { type: 'fixed', delay: 10_000 },
  removeOnComplete: { count: 1000 },
} as const;

/** How often and when a hook is tried again is for its consumer to say. */
const asItsConsumerSays = { attempts: 1_000_000, backoff: { type: 'custom' } } as const;

/** How the jobs of a subscriber are tried again and kept. */
export const optionsOf = ({ backlog }: Pick<Subscription, 'backlog'>) => (backlog ? asItsConsumerSays : subscriberOptions);

export function openDispositions(context: Context, spool: SpoolStore): Dispositions {
  const { redis, metrics, log, config } = context;
  const logKey = redis.key('log');
  const { keepRecords } = config.log;
  const { keepOriginals } = config.bounce;
  const sites = openSiteOutcomes(metrics);
  // With an archive the sweeper trims, which asks first what is archived.
  const bound = ['MAXLEN', '~', config.archive.enabled ? keepRecords * unsweptLog : keepRecords] as const;
  return {
    logKey,
    publish: (tx, record, hold) => {
      tx.redis.xadd(logKey, ...bound, '*', 'r', JSON.stringify(record));
      for (const subscription of context.subscriptions) {
        if (!isHeard(subscription, record)) continue;
        const isGathered = subscription.gathers === true && hold !== undefined;
        const data: SubscriberJob = { record, ...(isGathered && { gathered: true }) };
        const delay = isGathered ? hold : 0;
        tx.add(subscription.queue, { id: record.event_id, name: record.type, data, delay, opts: optionsOf(subscription) });
        if (isGathered) gather(tx, redis, subscription.queue, record);
        holdOriginal(tx, subscription, record, redis, spool);
      }
      keepOriginal(tx, record, keepOriginals, redis, spool);
      tx.whenDone(() => {
        metrics.dispositions.inc({ type: record.type });
        if (isFailure(record)) metrics.classified.inc({ type: record.type, class: classLabel(record.bounce_classification) });
        sites.count(record);
        if (record.type === 'Delivery') metrics.deliverySeconds.observe(record.timestamp - record.created);
        log[levelOf(record)](logged(record));
        return Promise.resolve();
      });
    },
  };
}

const failures: readonly RecordType[] = ['Bounce', 'Expiration', 'TransientFailure'];
const isFailure = ({ type }: DispositionRecord): boolean => failures.includes(type);

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
