import type { DispositionRecord } from './disposition.ts';
import type { Envelope } from './envelope.ts';
import type { Reply } from './reply.ts';

/** The data of a lane job: one message, the recipients of one domain that are not settled yet. */
export interface DeliveryJob {
  /** The message id. */
  message: string;
  envelope: Envelope;
  /** Octets of the message. */
  size: number;
  /** Epoch ms of the reception. */
  created: number;
  /** `campaign:tenant@domain!routing_domain`. */
  queue: string;
  domain: string;
  /** Whose mail exchangers are used in place of the domain's. */
  routingDomain?: string;
  source: string;
  /** Attempts made; survives restarts because it lies here. */
  attempts: number;
  /** Times it changed lanes because its domain's mail exchangers did; bounded, so that flapping DNS does not keep it moving. */
  moves?: number;
  /** Times the policy gave it another queue; bounded. */
  requeues?: number;
  /** Warnings of delay so far, and when the last was given (epoch ms). Recipients stay together, so it holds for each of them. */
  warned?: { times: number; at: number };
  /** The last answer or failure, so that an expiration can tell it. */
  last?: { reply: Reply; peer: DispositionRecord['peer_address'] };
  /** The message has recipients in other jobs too: what is to be told of them waits for each other (`bounce.hold`). */
  others?: true;
  reception: Pick<DispositionRecord, 'reception_protocol' | 'session_id' | 'meta'>;
  /** An order (`order.ts`) put it off: which, since when (epoch ms), and whether the time does not count as age. */
  putOff?: { order: string; since: number; isHeld?: true };
  /** Time for which it was held, which is no part of its age. Milliseconds. */
  held?: number;
  /** The orders that gave it another queue, each once. */
  rebound?: string[];
  /** A person ended it: the next attempt is none, but a bounce for this reason. */
  adminBounce?: string;
}
