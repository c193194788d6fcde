/** `type; value`, as in `dns; mx.example.net` or `rfc822; ann@example.net` (RFC 3464 §2.1.2). Of type `utf-8` the value is the address itself. */
export interface Typed {
  type: string;
  value: string;
}

/** A field that the standard does not define (RFC 3464 §2.4), in its place after the standard ones. */
export interface ExtensionField {
  name: string;
  value: string;
}

export const actions = ['failed', 'delayed', 'delivered', 'relayed', 'expanded'] as const;
export type Action = (typeof actions)[number];

/** The per-message group of message/delivery-status (RFC 3464 §2.2). Dates are epoch ms. */
export interface PerMessage {
  /** Decoded, as the sender meant it. */
  originalEnvelopeId?: string;
  reportingMta: Typed;
  dsnGateway?: Typed;
  receivedFromMta?: Typed;
  arrivalDate?: number;
  extensions?: ExtensionField[];
}

/** One per-recipient group of message/delivery-status (RFC 3464 §2.3). Dates are epoch ms. */
export interface PerRecipient {
  originalRecipient?: Typed;
  finalRecipient: Typed;
  action: Action;
  /** `class.subject.detail` and nothing else. */
  status: string;
  remoteMta?: Typed;
  /** Each line of the reply stays a line of the field. */
  diagnostic?: { type: string; lines: string[] };
  lastAttemptDate?: number;
  finalLogId?: string;
  willRetryUntil?: number;
  extensions?: ExtensionField[];
}

/** What is given back of the message that failed. `content` is unchanged; the encoding says how the part carries it. */
export type ReturnedContent =
  | { kind: 'message'; isGlobal?: false; content: Uint8Array; encoding: '7bit' | '8bit' }
  | { kind: 'header'; isGlobal?: false; content: Uint8Array; encoding: '7bit' | '8bit' | 'quoted-printable' }
  /** Of an SMTPUTF8 message (RFC 6533 §4.2, §4.3); unlike message/rfc822 these types may be encoded. */
  | { kind: 'message' | 'header'; isGlobal: true; content: Uint8Array; encoding: '8bit' | 'quoted-printable' | 'base64' };

/** A whole report before it is written out. Strings may be hostile: `composeReport` makes them safe. */
export interface ReportMessage {
  /** Epoch ms. */
  date: number;
  /** A mailbox: `"Mail Delivery Subsystem" <mailer-daemon@mta1.example.com>`. */
  from: string;
  /** The return path, exactly. */
  to: string;
  subject: string;
  /** With its angle brackets. */
  messageId: string;
  /** Message-ID of the message that failed, with its angle brackets. */
  inReplyTo?: string;
  /** Of the messages before it in its thread, and its own: the oldest first. */
  references?: string[];
  /** The human-readable part: lines ended by CRLF. */
  text: string;
  /** Language tag of that part. */
  language?: string;
  message: PerMessage;
  recipients: PerRecipient[];
  /** Where its fields are not all ASCII, they are written as message/global-delivery-status. */
  mayBeGlobal?: boolean;
  returned?: ReturnedContent;
  /** A candidate; made longer when it occurs in the content. */
  boundary: string;
}
