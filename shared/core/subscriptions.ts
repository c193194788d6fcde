import type { Config } from './config.ts';
import type { DispositionRecord, RecordType } from './disposition.ts';
import { mayBeReported } from './dsn/action.ts';

/** A consumer of dispositions: its own BullMQ queue, hearing only the records it names. */
export interface Subscription {
  /** The name of its queue. */
  queue: string;
  types: readonly RecordType[];
  /** Of these types, which records; all when there is none. Asked for every record: cheap, and the same whenever asked. */
  hears?: (record: DispositionRecord) => boolean;
  /** The consumer reads the message itself: its spool entry waits until the consumer is done. */
  needsOriginal: boolean;
  /** Outcomes of one message that come shortly after one another are handed over together. */
  gathers?: boolean;
  /** What may wait for a consumer that is slow or gone; without it, everything waits for ever. */
  backlog?: Backlog;
}

export interface Backlog {
  /** Records beyond which the oldest are dropped. */
  records: number;
  /** Age at which a record is dropped, and an original let go of, whatever became of the consumer. Milliseconds. */
  age: number;
}

/** The bounce worker's subscription. A record that nobody hears costs no job: an ordinary delivery or deferral is none. */
export const bounceSubscription: Subscription = {
  queue: 'bounces',
  types: ['Bounce', 'Expiration', 'AdminBounce', 'TransientFailure', 'Delivery'],
  hears: mayBeReported,
  needsOriginal: true,
  gathers: true,
};

/** What every publisher must know: those who hear dispositions by the settings. */
export function subscriptionsOf({ bounce, webhooks }: Pick<Config, 'bounce' | 'webhooks'>): Subscription[] {
  const posted = Object.entries(webhooks).map(([name, { types, maxBacklog, maxAge }]) => ({
    queue: webhookQueue(name),
    types,
    needsOriginal: false,
    backlog: { records: maxBacklog, age: maxAge },
  }));
  const isAnyReported = bounce.enabled || Object.values(bounce.tenants).some(({ enabled }) => enabled === true);
  return isAnyReported ? [bounceSubscription, ...posted] : posted;
}

/** A day is time enough to mend a hook and put its dead letters back with their originals. */
export const hookBacklog: Backlog = { records: 100_000, age: 86_400_000 };

/** The subscription of a policy hook. Throws TypeError for a name that is none. */
export function hookSubscription(hook: { name: string; types: readonly RecordType[]; needsOriginal?: boolean }): Subscription {
  if (!hookName.test(hook.name)) throw new TypeError('the name of a hook is up to 40 letters, digits, "-" or "_"');
  return { queue: hookQueue(hook.name), types: hook.types, needsOriginal: hook.needsOriginal ?? true, backlog: hookBacklog };
}

export const hookQueue = (name: string): `hook-${string}` => `hook-${name}`;
export const webhookQueue = (name: string): string => `webhook-${name}`;

/** Names go into queue names, where BullMQ forbids `:`, and into metrics. */
export const hookName = /^[A-Za-z0-9][A-Za-z0-9_-]{0,39}$/;

export const isHeard = ({ types, hears }: Subscription, record: DispositionRecord): boolean =>
  types.includes(record.type) && (hears?.(record) ?? true);
