import { isFormattableDate } from '../date.ts';
import { parseIp } from '../cidr.ts';
import { parseResponse, type DispositionRecord } from '../disposition.ts';
import { replyOnOneLine, replyText, replyWireLines } from '../reply.ts';
import { decodeXtext } from '../xtext.ts';
import { composeReport } from './compose.ts';
import { reportedRecipients, whyNoReport } from './eligible.ts';
import { fieldText } from './field.ts';
import { composeLikeKumo } from './kumomta.ts';
import { latin1 } from './octets.ts';
import { chooseReturned, headerFields, headerOf, messageIdOf, type IncludeOriginal, type ReturnChoice } from './original.ts';
import { finalRecipient, originalRecipient, withoutSourceRoute } from './recipient.ts';
import type { PerMessage, PerRecipient, Typed } from './report.ts';
import { explain } from './text.ts';

/** The parameters of the original's function, and four of our own. */
export interface ReportParams {
  /** What is returned of the message, unless its sender asked (RET). */
  include_original_message: IncludeOriginal;
  enable_expiration?: boolean;
  enable_bounce?: boolean;
  reporting_mta: { mta_type: string; name: string };
  /** A constant boundary and Message-ID, for tests. */
  stable_content?: boolean;
  /** `kumomta`: to the octet what the original writes, with its faults. */
  compatibility?: 'kumomta';
  /** Address of the report's author; none or empty: mailer-daemon at the reporting MTA. */
  from?: string;
  /** Octets; a larger message is returned as its header. None: no limit. */
  original_limit?: number;
}

/** What a pure function cannot know. */
export interface ReportWorld {
  /** Epoch ms. */
  now: number;
  /** Left part of the Message-ID, unique. */
  messageId: string;
  /** A random boundary; made longer when it occurs in the content. */
  boundary: string;
}

/** A report and its envelope: the null reverse-path (RFC 3464 §2) and the return path of the message that failed. */
export interface Report {
  sender: '';
  recipient: string;
  content: Uint8Array;
  eightBit: boolean;
  smtpUtf8: boolean;
}

/**
 * The RFC 3464 report of a record, or undefined when none is due: its type is not enabled, or `whyNoReport` has a reason.
 * `original`: the message, or the beginning of one that is larger than `original_limit` (its header at least).
 * Throws TypeError for parameters that are not of the form above, never for what a record or a message holds.
 */
export function generateRfc3464Message(
  params: ReportParams,
  original: Uint8Array | undefined,
  record: DispositionRecord,
  world: ReportWorld,
): Report | undefined {
  checkParams(params);
  const header = original && headerOf(original);
  if (!isEnabled(params, record) || whyNoReport(record, header && latin1(header.subarray(0, 65_536))) !== undefined) return undefined;
  const recipient = withoutSourceRoute(record.sender);
  const include = record.dsn?.ret === undefined ? params.include_original_message : includeByRet[record.dsn.ret];
  const choice = original ? chooseReturned(include, original, Math.max(original.length, record.size), params.original_limit) : {};
  const inReplyTo = header && messageIdOf(headerFields(header));
  const composed =
    params.compatibility === 'kumomta'
      ? composeCompatible(params, record, choice, world)
      : composeReport({
          date: world.now,
          from: author(params, '"Mail Delivery Subsystem"'),
          to: recipient,
          subject: 'Returned mail',
          messageId: messageId(params, world),
          ...(inReplyTo && { inReplyTo }),
          text: explainRecord(params, record, choice, world.now),
          message: perMessage(params, record, world.now),
          recipients: reportedRecipients(record).map(({ address, orcpt }) => perRecipient(record, address, orcpt, world.now)),
          ...(choice.returned && { returned: choice.returned }),
          boundary: boundary(params, world),
        });
  return { sender: '', recipient, ...composed };
}

const includeByRet = { FULL: 'FullContent', HDRS: 'HeadersOnly' } as const;

function isEnabled(params: ReportParams, record: DispositionRecord): boolean {
  return (record.type === 'Expiration' ? params.enable_expiration : params.enable_bounce) ?? false;
}

function composeCompatible(params: ReportParams, record: DispositionRecord, choice: ReturnChoice, world: ReportWorld) {
  return composeLikeKumo({
    record,
    recipients: reportedRecipients(record).map((r) => r.address),
    returnPath: withoutSourceRoute(record.sender),
    reportingMta: params.reporting_mta,
    from: author(params, 'Mail Delivery Subsystem'),
    messageId: messageId(params, world),
    ...(choice.returned && { returned: choice.returned }),
    boundary: boundary(params, world),
  });
}

const boundary = (params: ReportParams, world: ReportWorld): string => (params.stable_content ? 'report-boundary' : world.boundary);

const messageId = (params: ReportParams, world: ReportWorld): string =>
  `<${params.stable_content ? 'UUID' : world.messageId}@${params.reporting_mta.name}>`;

function author(params: ReportParams, displayName: string): string {
  const from = params.from || `mailer-daemon@${params.reporting_mta.name}`;
  return from.includes('<') ? from : `${displayName} <${from}>`;
}

function perMessage(params: ReportParams, record: DispositionRecord, now: number): PerMessage {
  const { mta_type, name } = params.reporting_mta;
  const envid = record.dsn?.envid;
  const arrivalDate = epochMs(record.created, now);
  return {
    ...(envid && { originalEnvelopeId: decodeXtext(envid) ?? envid }),
    // RFC 3461 §9.3: `dns` is for names that the DNS knows; a bare host name says so.
    reportingMta: { type: mta_type === 'dns' && !/[.:]/.test(name) ? 'x-local-hostname' : mta_type, value: name.replace(/\.$/, '') },
    ...(arrivalDate !== undefined && { arrivalDate }),
    ...(record.id && { extensions: [{ name: 'X-Rebound-Message-ID', value: record.id }] }),
  };
}

function perRecipient(record: DispositionRecord, address: string, orcpt: string | undefined, now: number): PerRecipient {
  const original = orcpt === undefined ? undefined : originalRecipient(orcpt);
  const reply = parseResponse(record.response);
  const remoteMta = isRemote(record) && record.peer_address ? mtaName(record.peer_address) : undefined;
  // An administrator's decision, and a refusal without an attempt, are no attempts (RFC 3464 §2.3.7).
  const lastAttemptDate = record.type === 'AdminBounce' || record.num_attempts === 0 ? undefined : epochMs(record.timestamp, now);
  const ownWords = fieldText(replyText(reply));
  return {
    ...(original && { originalRecipient: original }),
    finalRecipient: finalRecipient(address),
    action: 'failed',
    status: statusOf(record),
    ...(remoteMta && { remoteMta }),
    // RFC 3461 §9.2: `smtp` is for what a server said, to the letter; our own reasons have a type of their own.
    ...(isRemote(record) && { diagnostic: { type: 'smtp', lines: replyWireLines(reply) } }),
    ...(!isRemote(record) && ownWords && { diagnostic: { type: 'x-rebound', lines: [ownWords] } }),
    ...(lastAttemptDate !== undefined && { lastAttemptDate }),
  };
}

/**
 * RFC 3464 §2.3.4, RFC 2034 §4: the enhanced code if it is of the class of the code, else that class alone. An
 * expiration keeps the 4.x.x of the last real problem; 4.4.7 says that none is known (RFC 3464 §2.3.3, NOTE).
 */
function statusOf(record: DispositionRecord): string {
  const { code, enhanced_code: enhanced, local } = record.response;
  const isExpired = record.type === 'Expiration';
  const isTemporary = code >= 400 && code < 500;
  if (isExpired && !isTemporary) return '4.4.7';
  const digits = enhanced ? [enhanced.class, enhanced.subject, enhanced.detail] : [];
  const isWellFormed = digits[0] === (isTemporary ? 4 : 5) && digits.every((n) => Number.isInteger(n) && n >= 0 && n <= 999);
  if (isWellFormed) return digits.join('.');
  return isExpired && local ? '4.4.7' : `${isTemporary ? 4 : 5}.0.0`;
}

/** Did a server say it? An expiration with a permanent code is a relay's own words (the original's 551 5.4.7). */
function isRemote({ type, response, peer_address }: DispositionRecord): boolean {
  if (response.local) return false;
  return type === 'Expiration' ? response.code < 500 : peer_address !== null;
}

/** RFC 3464 §2.3.5, RFC 3461 §9.3: a host name without trailing dot and port, else the address in brackets. */
function mtaName({ name, addr }: NonNullable<DispositionRecord['peer_address']>): Typed | undefined {
  const host = name.replace(/\.$/, '');
  if (!parseIp(host) && host.length <= 255 && /^[A-Za-z0-9_][A-Za-z0-9_.-]*$/.test(host)) return { type: 'dns', value: host };
  const address = [host, addr, addr.replace(/:\d+$/, '')].find((text) => parseIp(text) !== undefined);
  if (address === undefined) return undefined;
  return { type: 'dns', value: address.includes(':') ? `[IPv6:${address}]` : `[${address}]` };
}

function explainRecord(params: ReportParams, record: DispositionRecord, choice: ReturnChoice, now: number): string {
  const receivedAt = epochMs(record.created, now);
  const reply = parseResponse(record.response);
  const peer = record.peer_address && { name: record.peer_address.name.replace(/\.$/, ''), address: record.peer_address.addr };
  return explain({
    ...(receivedAt !== undefined && { receivedAt }),
    sender: withoutSourceRoute(record.sender),
    recipients: reportedRecipients(record).map((r) => r.address),
    cause: isRemote(record)
      ? { kind: 'remote', ...(peer && { peer }), response: fieldText(replyOnOneLine(reply), 8192) }
      : { kind: 'local', status: fieldText(`${statusOf(record)} ${replyText(reply)}`) },
    isExpired: record.type === 'Expiration',
    notes: choice.note ? [choice.note] : [],
    contact: `postmaster@${params.reporting_mta.name}`,
  });
}

/** A time of the record, never after the report's own (clocks of hosts differ); undefined when it is no time. */
function epochMs(seconds: number, now: number): number | undefined {
  return isFormattableDate(seconds * 1000) ? Math.min(seconds * 1000, now) : undefined;
}

const isBoolean = (value: unknown): boolean => typeof value === 'boolean';
const isString = (value: unknown): boolean => typeof value === 'string';

const optionalKeys: Record<string, (value: unknown) => boolean> = {
  enable_expiration: isBoolean,
  enable_bounce: isBoolean,
  stable_content: isBoolean,
  compatibility: (value) => value === 'kumomta',
  from: isString,
  original_limit: (value) => typeof value === 'number' && value >= 0,
};

/** Throws TypeError naming the parameter that is unknown, missing or not of its kind. */
function checkParams(params: ReportParams): void {
  const checks: Record<string, (value: unknown) => boolean> = {
    include_original_message: (value) => value === 'FullContent' || value === 'HeadersOnly' || value === 'No',
    reporting_mta: (value) => typeof value === 'object' && value !== null,
    ...optionalKeys,
  };
  checkKeys('', params, checks);
  checkKeys('reporting_mta.', params.reporting_mta, { mta_type: isString, name: isString });
}

function checkKeys(path: string, value: object, checks: Record<string, (value: unknown) => boolean>): void {
  const entries = new Map<string, unknown>(Object.entries(value));
  for (const key of entries.keys()) if (!Object.hasOwn(checks, key)) throw new TypeError(`unknown parameter ${path}${key}`);
  for (const [key, isValid] of Object.entries(checks)) {
    const given = entries.get(key);
    if (given === undefined && Object.hasOwn(optionalKeys, key)) continue;
    if (!isValid(given)) throw new TypeError(`parameter ${path}${key} is missing or not of its kind`);
  }
}
