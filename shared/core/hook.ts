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
  /** The values of the header fields of this name, unfolded, in their order; none when the message is gone. */
  header(name: string): Promise<string[]>;
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
  /** For one record: milliseconds or a duration such as `2m`, up to ten minutes. Default 30 seconds. */
  timeout?: number | string;
}

/** Milliseconds. */
export const defaultHookTimeout = 30_000;

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

/** What a hook may do with mail. */
export interface HookMail {
  /**
   * The RFC 3464 report of a record; undefined when none is due. Of an original that was cut (`HookMessage.content`) only
   * the header is returned.
   */
  generateRfc3464Message(params: ReportParams, original: Uint8Array | undefined, record: DispositionRecord): Report | undefined;
  /**
   * Queues a message; resolves with its id once it is durable. Rejects when it is no message, Redis is away or full, or
   * no hook is running.
   */
  injectMessage(mail: InjectedMail): Promise<string>;
}

export type InjectMessage = HookMail['injectMessage'];

/** Mail as a policy hands it over, whose types nobody has checked. Throws TypeError naming the field. */
export function checkInjectedMail(mail: unknown): InjectedMail {
  if (typeof mail !== 'object' || mail === null) throw new TypeError('injectMessage: expected an object');
  const fields = mail as Record<string, unknown>;
  const picked: Record<string, unknown> = {};
  for (const [name, { isRight, what }] of Object.entries(mailFields)) {
    const value = fields[name];
    if (value === undefined && !required.has(name)) continue;
    if (!isRight(value)) throw new TypeError(`injectMessage: ${name}: expected ${what}`);
    picked[name] = value;
  }
  return picked as unknown as InjectedMail;
}

interface FieldRule {
  isRight: (value: unknown) => boolean;
  what: string;
}

const required = new Set(['sender', 'recipients', 'content']);
const text: FieldRule = { isRight: (value) => typeof value === 'string', what: 'text' };
const flag: FieldRule = { isRight: (value) => typeof value === 'boolean', what: 'true or false' };

const mailFields: Record<keyof InjectedMail, FieldRule> = {
  sender: text,
  recipients: { isRight: (value) => Array.isArray(value) && value.every(text.isRight), what: 'an array of addresses' },
  content: { isRight: (value) => text.isRight(value) || value instanceof Uint8Array, what: 'text or octets' },
  eightBit: flag,
  smtpUtf8: flag,
  tenant: text,
  campaign: text,
  once: text,
};
