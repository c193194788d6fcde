import type { DeliveryJob } from '../delivery-job.ts';
import type { DispositionRecord } from '../disposition.ts';

/** The queue of messages that came to an address for reports; a job's id is that of its message, whose spool entry it holds. */
export const inboundQueue = 'inbound';

export interface InboundJob {
  /** The message id. */
  message: string;
  /** The reverse-path: a true report has none. */
  sender: string;
  /** Those of its recipients that are addresses for reports. */
  recipients: string[];
  /** Octets. */
  size: number;
  /** Epoch ms. */
  created: number;
  peer: DispositionRecord['peer_address'];
  reception: DeliveryJob['reception'];
}
