import { isFormattableDate } from '../date.ts';
import { isAddressLiteral, isAscii, isHostName } from '../address.ts';
import { parseIp } from '../cidr.ts';
import { parseResponse, type DispositionRecord } from '../disposition.ts';
import { replyOnOneLine, replyText, replyWireLines } from '../reply.ts';
import type { Recipient } from '../envelope.ts';
import { unreachable } from '../unreachable.ts';
import { decodeXtext } from '../xtext.ts';
import { isWanted, type ReportedAction } from './action.ts';
import { decodeWords } from './encoded-word.ts';
import { valuesOf, type ReadField } from './field.ts';
import type { ReturnNote } from './original.ts';
import type { ReportedOutcome } from './outcomes.ts';
import { finalRecipient, originalRecipient, withoutSourceRoute } from './recipient.ts';
import type { PerMessage, PerRecipient, Typed } from './report.ts';
import type { ExplainedCase, Explanation } from './text.ts';

/** RFC 3834 §3.1.5: what it is, at a glance. */
export const subjects: Readonly<Record<ReportedAction, string>> = {
  failed: 'Returned mail',
  delayed: 'Warning: mail is delayed',
  delivered: 'Mail was delivered',
  relayed: 'Mail was passed on',
};

/** The per-message group. `now`: epoch ms of the report. */
export function describeMessage(mtaType: string, host: string, record: DispositionRecord, now: number): PerMessage {
  const envid = record.dsn?.envid;
  const arrivalDate = epochMs(record.created, now);
  const client = clientOf(record);
  return {
    ...(envid && { originalEnvelopeId: decodeXtext(envid) ?? envid }),
    // RFC 3461 §9.3: `dns` is for names that the DNS knows; a bare host name says so.
    reportingMta: { type: mtaType === 'dns' && !/[.:]/.test(host) ? 'x-local-hostname' : mtaType, value: host },
    ...(client && { receivedFromMta: client }),
    ...(arrivalDate !== undefined && { arrivalDate }),
    ...(record.id && { extensions: [{ name: 'X-Rebound-Message-ID', value: record.id }] }),
  };
}

/** The group of one recipient. */
export function describeRecipient(record: DispositionRecord, action: ReportedAction, recipient: Recipient, now: number): PerRecipient {
  const { address, orcpt } = recipient;
  const original = orcpt === undefined ? undefined : originalRecipient(orcpt);
  const reply = parseResponse(record.response);
  const remoteMta = isRemote(record) && record.peer_address ? mtaName(record.peer_address) : undefined;
  // An administrator's decision, and a refusal without an attempt, are no attempts (RFC 3464 §2.3.7).
  const lastAttemptDate =
    record.type === 'AdminBounce' || record.order || record.num_attempts === 0 ? undefined : epochMs(record.timestamp, now);
  const words = replyText(reply);
  return {
    ...(original && { originalRecipient: original }),
    finalRecipient: finalRecipient(address),
    action,
    status: statusOf(record, action),
    ...(remoteMta && { remoteMta }),
    // RFC 3461 §9.2: `smtp` is for what a server said, to the letter; our own reasons have a type of their own.
    ...(isRemote(record) && { diagnostic: { type: 'smtp', lines: replyWireLines(reply) } }),
    ...(!isRemote(record) && words && { diagnostic: { type: 'x-rebound', lines: [words] } }),
    ...(lastAttemptDate !== undefined && { lastAttemptDate }),
    // RFC 3464 §2.3.9: only where there will be a further attempt.
    ...(action === 'delayed' && record.expires !== undefined && { willRetryUntil: record.expires }),
  };
}

/** What the human-readable part tells. All outcomes are of one message; `header`: its fields. */
export function explanationOf(
  host: string,
  outcomes: readonly ReportedOutcome[],
  note: ReturnNote | undefined,
  header: readonly ReadField[],
  now: number,
): Explanation {
  const record = outcomes[0]?.record;
  const receivedAt = record && epochMs(record.created, now);
  const subject = valuesOf(header, 'Subject')[0];
  return {
    host,
    ...(record?.id && { id: record.id }),
    ...(subject && { subject: decodeWords(subject) }),
    ...(receivedAt !== undefined && { receivedAt }),
    sender: withoutSourceRoute(record?.sender ?? ''),
    cases: outcomes.map(explainOutcome),
    ...(note && { note }),
    contact: `postmaster@${host}`,
  };
}

function explainOutcome({ record, action, recipients }: ReportedOutcome): ExplainedCase {
  const reply = parseResponse(record.response);
  const peer = record.peer_address?.name && { name: record.peer_address.name.replace(/\.$/, ''), address: record.peer_address.addr };
  return {
    recipients: recipients.map((r) => r.address),
    status: statusOf(record, action),
    code: reply.code,
    ...(reply.command && { command: reply.command }),
    said: replyWireLines(reply),
    cause: isRemote(record)
      ? { kind: 'remote', ...(peer && { peer }), response: replyOnOneLine(reply) }
      : { kind: 'local', status: `${statusOf(record, action)} ${replyText(reply)}` },
    outcome: outcomeOf(record, action, recipients),
  };
}

function outcomeOf(
  { type, expires }: DispositionRecord,
  action: ReportedAction,
  recipients: readonly Recipient[],
): ExplainedCase['outcome'] {
  if (action === 'failed') return { action, isExpired: type === 'Expiration' };
  if (action !== 'delayed') return { action };
  const isFailureTold = recipients.every(({ notify }) => isWanted(notify, 'failed'));
  return { action, isFailureTold, ...(isFormattableDate(expires ?? Number.NaN) && { until: expires }) };
}

/**
 * RFC 3464 §2.3.4, RFC 2034 §4: the enhanced code if it is of the class of the code, else that class alone. An
 * expiration keeps the 4.x.x of the last real problem; 4.4.7 says that none is known (RFC 3464 §2.3.3, NOTE).
 */
function statusOf(record: DispositionRecord, action: ReportedAction): string {
  const { code, enhanced_code: enhanced, local } = record.response;
  const isExpired = record.type === 'Expiration';
  const isTemporary = code >= 400 && code < 500;
  if (isExpired && !isTemporary) return '4.4.7';
  const statusClass = classOf(action, isTemporary);
  const digits = enhanced ? [enhanced.class, enhanced.subject, enhanced.detail] : [];
  const isWellFormed = digits[0] === statusClass && digits.every((n) => Number.isInteger(n) && n >= 0 && n <= 999);
  if (isWellFormed) return digits.join('.');
  return isExpired && local ? '4.4.7' : `${statusClass}.0.0`;
}

/** RFC 3464 §2.3.3 and §2.3.4: the class of Status goes with the action, whatever the server said. */
function classOf(action: ReportedAction, isTemporary: boolean): 2 | 4 | 5 {
  switch (action) {
    case 'failed':
      return isTemporary ? 4 : 5;
    case 'delayed':
      return 4;
    case 'delivered':
    case 'relayed':
      return 2;
    default:
      return unreachable(action);
  }
}

/** Did a server say it? */
function isRemote({ type, response, peer_address }: DispositionRecord): boolean {
  if (response.local) return false;
  if (type === 'Expiration' && response.code < 500) return true;
  const { subject, detail } = response.enhanced_code ?? {};
  // The original writes an expiration as 551 5.4.7 in words of its own; no other permanent code is ours.
  const isOwnExpiry = type === 'Expiration' && subject === 4 && detail === 7;
  return peer_address !== null && !isOwnExpiry;
}

/** RFC 3464 §2.2.4: the name in HELO and the address of the client; undefined where the name is none, or no SMTP client handed it in. */
function clientOf({ meta }: DispositionRecord): Typed | undefined {
  const { received_from: from, ehlo_domain: name } = meta;
  if (typeof from !== 'string' || typeof name !== 'string') return undefined;
  const address = [from, from.replace(/:\d+$/, '')].find((text) => /^[0-9A-Fa-f:.]+$/.test(text) && parseIp(text));
  if (address === undefined) return undefined;
  if (!isAscii(name) || (!isHostName(name) && !isAddressLiteral(name))) return undefined;
  return { type: 'dns', value: `${name} (${literal(address)})` };
}

const literal = (address: string): string => (address.includes(':') ? `[IPv6:${address}]` : `[${address}]`);

/** RFC 3464 §2.3.5, RFC 3461 §9.3: a host name without trailing dot and port, else the address in brackets. */
function mtaName({ name, addr }: NonNullable<DispositionRecord['peer_address']>): Typed | undefined {
  const host = name.replace(/\.$/, '');
  if (!parseIp(host) && host.length <= 255 && /^[A-Za-z0-9_][A-Za-z0-9_.-]*$/.test(host)) return { type: 'dns', value: host };
  const address = [host, addr, addr.replace(/:\d+$/, '')].find((text) => parseIp(text) !== undefined);
  if (address === undefined) return undefined;
  return { type: 'dns', value: literal(address) };
}

/** A time of the record, never after the report's own (clocks of hosts differ); undefined when it is no time. */
function epochMs(seconds: number, now: number): number | undefined {
  return isFormattableDate(seconds * 1000) ? Math.min(seconds * 1000, now) : undefined;
}
