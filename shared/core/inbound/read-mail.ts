import { withoutComments } from '../comments.ts';
import { parseContentType } from '../dsn/content-type.ts';
import { fieldTextUtf8, valuesOf, type ReadField } from '../dsn/field.ts';
import { decodeText } from '../dsn/octets.ts';
import { headerFields, headerOf, messageIdOf } from '../dsn/original.ts';
import { readStatus, type ParsedRecipient, type ParsedReport } from '../dsn/parse.ts';
import type { Typed } from '../dsn/report.ts';
import { parseFeedback, type FeedbackReport } from './feedback.ts';

/** A message taken apart: its header, its text, and all other parts without their transfer encoding. */
export interface OpenedMail {
  fields: ReadField[];
  text: string;
  parts: MailPart[];
}

export interface MailPart {
  /** Lower case, without parameters. */
  type: string;
  content: Uint8Array;
}

/**
 * What a message at an address for reports is (RFC 6522, RFC 3464, RFC 5965, RFC 8098, RFC 3834). `disposition`: a
 * receipt (MDN). `auto-reply`: a vacation notice and the like.
 */
export type Reading = BounceReading | FeedbackReading | { kind: 'disposition' | 'auto-reply' | 'other' };

export interface BounceReading extends Pointers {
  kind: 'bounce';
  /** Recipients by action, `unknown` without one. Only `failed` is a failure (RFC 3464 §2.3.3). */
  actions: Record<string, number>;
  /** Those that failed; of a very long report the first 1,000. */
  failed: FailedRecipient[];
  reportingMta?: Typed;
}

export interface FeedbackReading extends Pointers {
  kind: 'feedback';
  report: FeedbackReport;
}

/** What may lead to the message that a report is about. */
interface Pointers {
  /** Original-Envelope-Id: the ENVID we were given. */
  envelopeId?: string;
  /** What may be message ids of ours in the header of the returned message. */
  ids: string[];
  /** It was found in a message that was attached to the one that arrived. */
  forwarded?: true;
}

export type FailedRecipient = Pick<
  ParsedRecipient,
  'originalRecipient' | 'finalRecipient' | 'status' | 'diagnostic' | 'remoteMta' | 'lastAttemptDate'
>;

const mostFailed = 1000;
const mostIds = 20;
const largestStatus = 16 * 1024 * 1024;
const largestFeedback = 256 * 1024;
const longestValue = 1000;

/** Tells the kinds apart and reads the reports; total, and linear in the size of the message. */
export function readMail(mail: OpenedMail): Reading {
  const returned = returnedPart(mail);
  const status = statusOf(mail);
  if (status) return readBounce(status, returned);
  const feedback = feedbackOf(mail, partOf(mail, /^message\/feedback-report$/));
  if (feedback !== undefined) return readFeedback(feedback, returned);
  if (partOf(mail, /^message\/(?:global-)?disposition-notification$/)) return { kind: 'disposition' };
  return { kind: isAutoReply(mail.fields) ? 'auto-reply' : 'other' };
}

/** The whole of what a delivery report says, for people; undefined when it is none. */
export function reportIn(mail: OpenedMail): ParsedReport | undefined {
  const status = statusOf(mail);
  const returned = returnedPart(mail);
  const messageId = returned && messageIdOf(headerFields(headerOf(returned.content)));
  const kind = returned && /^message\/(?:rfc822|global)$/.test(returned.type) ? ('message' as const) : ('header' as const);
  return (
    status && {
      ...(mail.text !== '' && { text: mail.text }),
      ...status,
      ...(returned && { returned: { kind, content: returned.content, ...(messageId && { messageId }) } }),
    }
  );
}

const partOf = ({ parts }: OpenedMail, type: RegExp): MailPart | undefined => parts.find((part) => type.test(part.type));

const returnedPart = (mail: OpenedMail): MailPart | undefined =>
  partOf(mail, /^(?:message\/(?:rfc822|global|global-headers)|text\/rfc822-headers)$/);

function statusOf(mail: OpenedMail): ReturnType<typeof readStatus> | undefined {
  const part = partOf(mail, /^message\/(?:global-)?delivery-status$/);
  return part && readStatus(decodeText(part.content.subarray(0, largestStatus)));
}

function readBounce(
  { originalEnvelopeId, reportingMta, recipients }: ReturnType<typeof readStatus>,
  returned: MailPart | undefined,
): BounceReading {
  const actions: Record<string, number> = {};
  const failed: FailedRecipient[] = [];
  for (const recipient of recipients) {
    // Some leave Action out; a status of 5.x.x says the same (RFC 3463 §2).
    const action = recipient.action ?? (recipient.status?.startsWith('5.') ? 'failed' : 'unknown');
    actions[action] = (actions[action] ?? 0) + 1;
    if (action === 'failed' && failed.length < mostFailed) failed.push(essence(recipient));
  }
  return {
    kind: 'bounce',
    actions,
    failed,
    ...(originalEnvelopeId && { envelopeId: fieldTextUtf8(originalEnvelopeId, longestValue) }),
    ...(reportingMta && { reportingMta: bounded(reportingMta) }),
    ids: idsOf(returned),
  };
}

function essence(recipient: ParsedRecipient): FailedRecipient {
  const { originalRecipient, finalRecipient, status, diagnostic, remoteMta, lastAttemptDate } = recipient;
  return {
    ...(originalRecipient && { originalRecipient: bounded(originalRecipient) }),
    ...(finalRecipient && { finalRecipient: bounded(finalRecipient) }),
    ...(status && { status }),
    ...(diagnostic && { diagnostic: bounded(diagnostic) }),
    ...(remoteMta && { remoteMta: bounded(remoteMta) }),
    ...(lastAttemptDate !== undefined && { lastAttemptDate }),
  };
}

const bounded = ({ type, value }: Typed): Typed => ({ type: type.slice(0, 100), value: fieldTextUtf8(value, longestValue) });

function readFeedback(text: string, returned: MailPart | undefined): FeedbackReading {
  const report = parseFeedback(text, returned && decodeText(headerOf(returned.content)));
  return {
    kind: 'feedback',
    report,
    ...(report.original_envelope_id && { envelopeId: report.original_envelope_id }),
    ids: idsOf(returned),
  };
}

/** The part that is made for it; of a report that calls itself one, some send the fields as text. */
function feedbackOf({ fields, text }: OpenedMail, part: MailPart | undefined): string | undefined {
  if (part) return decodeText(part.content.subarray(0, largestFeedback));
  const { parameters } = parseContentType(valuesOf(fields, 'Content-Type')[0] ?? '');
  if (parameters.get('report-type')?.toLowerCase() !== 'feedback-report') return undefined;
  const start = text.slice(0, largestFeedback).search(/^Feedback-Type[ \t]*:/im);
  return start < 0 ? undefined : text.slice(start, start + largestFeedback);
}

/** Our Received field names the message by its id, as does a report of ours that came back. */
function idsOf(returned: MailPart | undefined): string[] {
  if (!returned) return [];
  const fields = headerFields(headerOf(returned.content));
  const received = valuesOf(fields, 'Received').flatMap((value) => /\bid ([0-9a-f]{32})\b/i.exec(withoutComments(value))?.[1] ?? []);
  const named = valuesOf(fields, 'X-Rebound-Message-ID').filter((value) => /^[0-9a-f]{32}$/i.test(value));
  return [...new Set([...named, ...received].map((id) => id.toLowerCase()))].slice(0, mostIds);
}

// RFC 3834 §5, and what was used before it.
function isAutoReply(fields: readonly ReadField[]): boolean {
  const [submitted = 'no'] = valuesOf(fields, 'Auto-Submitted').map((value) => withoutComments(value).trim().toLowerCase());
  if (!/^no\b/.test(submitted)) return true;
  if (valuesOf(fields, 'Precedence').some((value) => /^auto_reply$/i.test(value))) return true;
  return ['X-Autoreply', 'X-Autorespond'].some((name) => valuesOf(fields, name).length > 0);
}
