import type { FeedbackReport } from './inbound/feedback.ts';
import type { MatchedBy } from './inbound/match.ts';
import type { Peer } from './outcome.ts';
import type { OrderKind } from './order.ts';
import { replyText, type Reply } from './reply.ts';

/** What became of a message; the names are those of the JSON log record that consumers of the original already read. */
export const recordTypes = [
  'Reception',
  'Delivery',
  'TransientFailure',
  'Bounce',
  'Expiration',
  'Rejection',
  'AdminBounce',
  'Delayed',
  'OOB',
  'Feedback',
] as const;
export type RecordType = (typeof recordTypes)[number];

export interface EnhancedCode {
  class: number;
  subject: number;
  detail: number;
}

/** One disposition: one JSON line of the disposition log, one job of each subscriber that hears its type. */
export interface DispositionRecord {
  type: RecordType;
  /** Unique and the same again when a crash makes the event repeat: consumers drop what they have seen. */
  event_id: string;
  /** The message id (UUIDv7); empty for a Rejection. */
  id: string;
  /** Empty for the null sender. */
  sender: string;
  /** A string for exactly one recipient, else an array. */
  recipient: string | string[];
  /** `campaign:tenant@domain!routing_domain`; empty for Rejection and Reception of several domains. */
  queue: string;
  /** The lane, `source->site`; empty where no site was chosen. */
  site: string;
  /** Octets of the message. */
  size: number;
  response: {
    code: number;
    enhanced_code: EnhancedCode | null;
    /** On one line. */
    content: string;
    command: string | null;
    /** Every line of a reply of several lines, in their order. */
    lines?: string[];
    /** The lines as they came, codes included, where those are not the same on each. */
    wire?: string[];
    /** True when no remote server said this. */
    local?: boolean;
    /** The server's own code, where a rule or policy gave it another; `wire` has what the server said. */
    rewritten_from?: number;
  };
  peer_address: { name: string; addr: string; is_secure?: boolean } | null;
  /** Seconds since 1970 of the event, and the same in RFC 3339. */
  timestamp: number;
  event_time: string;
  /** Seconds since 1970 of the reception, and the same in RFC 3339. */
  created: number;
  created_time: string;
  /** Attempts made, this one included. */
  num_attempts: number;
  bounce_classification: string;
  egress_pool: string | null;
  egress_source: string | null;
  source_address: { address: string } | null;
  /** What a complaint says, for Feedback. */
  feedback_report: FeedbackReport | null;
  meta: Record<string, unknown>;
  headers: Record<string, unknown>;
  delivery_protocol: string | null;
  reception_protocol: string | null;
  nodeid: string;
  tls_cipher?: string;
  tls_protocol_version?: string;
  session_id?: string;
  /** DSN requests of the sender (RFC 3461), needed to make its report; recipients in the order of `recipient`. */
  dsn?: {
    envid?: string;
    ret?: 'FULL' | 'HDRS';
    recipients: { address: string; notify?: string[]; orcpt?: string }[];
    smtp_utf8?: boolean;
    eight_bit?: boolean;
    /** The server that took it offered DSN: later reports are its business (RFC 3461 §5.2.1 c). */
    relayed?: boolean;
  };
  /** Epoch ms of the next attempt, for TransientFailure and Delayed. */
  next_attempt?: number;
  /** Epoch ms when the message expires, for TransientFailure. */
  expires?: number;
  /** For OOB and Feedback: the report that told it, and how the message that it is about was found. */
  inbound?: {
    /** The message id of the report: its Reception has the rest. */
    id: string;
    /** `none`: `id`, `sender` and `recipient` are what the report says, which anybody can write. */
    matched: MatchedBy | 'none';
    /** A message was found, but it never had this recipient. */
    mismatch?: { id: string; matched: MatchedBy };
    /** Of the report; empty for the null reverse-path, which a true one has. */
    reverse_path: string;
    /** It was in a message that somebody wrote around it. */
    forwarded?: true;
  };
  /** Only in what webhooks and hooks are given, never in the log: a person has it sent again. The event id is that of the first time. */
  replay?: { id: string; force?: true };
  /** An operator wanted it so. `report: false`: the sender shall not hear of it. */
  order?: { id: string; kind: OrderKind; report?: false };
  /** A TransientFailure of a message so late that senders who want to hear of it are warned. */
  delay_warning?: boolean;
}

/** The part of a record that tells a reply (a local one too). */
export function formatResponse(reply: Reply): DispositionRecord['response'] {
  return {
    code: reply.code,
    enhanced_code: parseEnhancedCode(reply.enhanced),
    content: replyText(reply),
    command: reply.command ?? null,
    ...(reply.lines.length > 1 && { lines: reply.lines }),
    ...(reply.wire && { wire: reply.wire }),
    ...(reply.local && { local: true }),
    ...(reply.rewrittenFrom !== undefined && { rewritten_from: reply.rewrittenFrom }),
  };
}

/** A record's response as the reply it was. */
export function parseResponse(response: DispositionRecord['response']): Reply {
  const e = response.enhanced_code;
  return {
    code: response.code,
    ...(e && { enhanced: `${e.class}.${e.subject}.${e.detail}` }),
    lines: response.lines ?? [response.content],
    ...(response.wire && { wire: response.wire }),
    ...(response.command && { command: response.command }),
    ...(response.local && { local: true }),
    ...(response.rewritten_from !== undefined && { rewrittenFrom: response.rewritten_from }),
  };
}

export const formatPeer = (peer: Peer): NonNullable<DispositionRecord['peer_address']> => ({
  name: peer.name,
  addr: peer.address,
  ...(peer.tls && { is_secure: true }),
});

/** `recipient` of a record as a list. */
export const recipientsOf = (record: Pick<DispositionRecord, 'recipient'>): string[] =>
  typeof record.recipient === 'string' ? [record.recipient] : record.recipient;

/** The two time fields of an event at `at` (epoch ms). */
export const timeFields = (at: number): { timestamp: number; event_time: string } => ({
  timestamp: Math.floor(at / 1000),
  event_time: new Date(at).toISOString(),
});

function parseEnhancedCode(text: string | undefined): EnhancedCode | null {
  const [klass, subject, detail] = (text ?? '').split('.').map(Number);
  if (klass === undefined || subject === undefined || detail === undefined) return null;
  return { class: klass, subject, detail };
}
