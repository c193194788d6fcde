import type { Envelope } from '../core/envelope.ts';
import type { Reply } from '../core/reply.ts';
import type { SpoolDraft } from './spool.ts';

/** How a message came in; goes into its records and into Received-From-MTA of reports. */
export interface ReceptionInfo {
  /** `ESMTP`, `HTTP` or `Report`. */
  protocol: string;
  /** The client: HELO name and address. */
  peer: { name: string; address: string } | null;
  /** True for trusted networks, authenticated users and our own reports: success reports may be asked for. */
  isTrusted: boolean;
  user?: string;
  sessionId?: string;
  tls?: { protocol: string; cipher: string };
}

export interface Reception {
  envelope: Envelope;
  content: SpoolDraft;
  info: ReceptionInfo;
  tenant?: string;
  campaign?: string;
}

export interface Rejection {
  sender: string;
  recipients: string[];
  reply: Reply;
  info: ReceptionInfo;
}

/** The one way into the queue, for SMTP and for reports. */
export interface Intake {
  /** Starts the look-up of a recipient's mail exchangers, so that it runs while the content arrives. */
  prepare(domain: string): void;
  /**
   * Makes spool entry and jobs durable, all or nothing; resolves then. Rejects with SmtpRefusal (451, 452) when Redis
   * is away or full, at once or after `redis.timeout` at the latest, and then nothing is queued, or what is queued
   * late is dropped again.
   */
  receive(reception: Reception): Promise<void>;
  /** Records a refused command or message; never rejects and is never waited for. */
  reject(rejection: Rejection): void;
}
