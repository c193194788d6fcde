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
  gathers: boolean;
}

/** The bounce worker's subscription. A record that nobody hears costs no job: an ordinary delivery or deferral is none. */
export const bounceSubscription: Subscription = {
  queue: 'bounces',
  types: ['Bounce', 'Expiration', 'AdminBounce', 'TransientFailure', 'Delivery'],
  hears: mayBeReported,
  needsOriginal: true,
  gathers: true,
};

export const subscriptions: readonly Subscription[] = [bounceSubscription];

export const isHeard = ({ types, hears }: Subscription, record: DispositionRecord): boolean =>
  types.includes(record.type) && (hears?.(record) ?? true);
