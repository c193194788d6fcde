import type { RecordType } from './disposition.ts';

/** A consumer of dispositions: its own BullMQ queue, hearing only the types it names. */
export interface Subscription {
  /** The name of its queue. */
  queue: string;
  types: readonly RecordType[];
  /** The consumer reads the message itself: its spool entry waits until the consumer is done. */
  needsOriginal: boolean;
}

/** The bounce worker's subscription; a type that nobody hears costs no job. */
export const bounceSubscription: Subscription = {
  queue: 'bounces',
  types: ['Bounce', 'Expiration', 'AdminBounce'],
  needsOriginal: true,
};

export const subscriptions: readonly Subscription[] = [bounceSubscription];
