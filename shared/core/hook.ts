import type { DispositionRecord, RecordType } from './disposition.ts';
import type { Report, ReportParams } from './dsn/generate.ts';

/** The message that a record is about, as a hook sees it. */
export interface HookMessage {
  /** Its id; empty for a Rejection, which is of no message. */
  readonly id: string;
  /** Empty for the null sender. */
  readonly sender: string;
  readonly recipients: readonly string[];
  /** Octets. */
  readonly size: number;
  /**
   * Its first `limit` octets (1 MB): all of it when it is shorter. Undefined when it is gone: dropped with the backlog,
   * or not held because the hook said it needs no original.
   */
  content(limit?: number): Promise<Uint8Array | undefined>;
}

/**
 * Called for each record at least once: again when it throws or takes too long, and after a crash. Who must not do a
 * thing twice remembers `record.event_id`.
 */
export type HookHandler = (message: HookMessage, record: DispositionRecord) => unknown;

export interface HookOptions {
  types: readonly RecordType[];
  /** Default true. A hook that does not read the content says false: nothing is kept for it. */
  needsOriginal?: boolean;
}

/** A message made here. */
export interface InjectedMail {
  /** Empty for a report: then nobody is told when it fails. */
  sender: string;
  recipients: readonly string[];
  /** Header and body; text is written as UTF-8. Line ends of any kind become CRLF. */
  content: Uint8Array | string;
  /** The content has octets above 127; looked up when absent. */
  eightBit?: boolean;
  smtpUtf8?: boolean;
  tenant?: string;
  campaign?: string;
  /**
   * Injected once in seven days, however often this is called with the same text: for a report the `event_id` that it
   * is about (the dashboard then shows it there), else something of your own such as `<event_id>/ticket`.
   */
  once?: string;
}

/** What a policy file can do about dispositions. */
export interface HookPolicy {
  hook(name: string, options: HookOptions, handler: HookHandler): void;
  /** The RFC 3464 report of a record; undefined when none is due. */
  generateRfc3464Message(params: ReportParams, original: Uint8Array | undefined, record: DispositionRecord): Report | undefined;
  /** Queues a message; resolves with its id once it is durable. Rejects when it is no message, or Redis is away or full. */
  injectMessage(mail: InjectedMail): Promise<string>;
}
