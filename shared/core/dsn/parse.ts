import { withoutComments } from '../comments.ts';
import { parseDate } from '../date.ts';
import { readUtf8Address } from '../utf8-address.ts';
import { parseContentType, type ContentType } from './content-type.ts';
import { readFields, valuesOf, type ReadField } from './field.ts';
import { readParts, splitEntity, type Entity } from './multipart.ts';
import { decodeText } from './octets.ts';
import { headerFields, messageIdOf } from './original.ts';
import { actions, type Action, type ExtensionField, type Typed } from './report.ts';

/** What a report says; a field that is not there or not readable is left out. Dates are epoch ms. */
export interface ParsedReport {
  /** The human-readable part, if it is text. */
  text?: string;
  originalEnvelopeId?: string;
  reportingMta?: Typed;
  dsnGateway?: Typed;
  receivedFromMta?: Typed;
  arrivalDate?: number;
  extensions: ExtensionField[];
  recipients: ParsedRecipient[];
  returned?: { kind: 'message' | 'header'; content: Uint8Array; messageId?: string };
}

/** Only `action` failed is a failure; with a status of 4.x.x it is final but says nothing lasting of the address. */
export interface ParsedRecipient {
  originalRecipient?: Typed;
  finalRecipient?: Typed;
  action?: Action;
  /** `class.subject.detail`, without leading zeros. */
  status?: string;
  remoteMta?: Typed;
  diagnostic?: Typed;
  lastAttemptDate?: number;
  finalLogId?: string;
  willRetryUntil?: number;
  extensions: ExtensionField[];
}

/** Larger parts, further groups and further parts are not looked at: a report is a small thing. */
const largestStatus = 16 * 1024 * 1024;
const largestText = 256 * 1024;
const mostRecipients = 10_000;

/**
 * Reads a message as a delivery report: multipart/report (RFC 6522) with a message/delivery-status or
 * message/global-delivery-status part, liberal in all else. Undefined for any other message: read receipts, abuse
 * reports, vacation replies and forwarded reports are none. What is nested in a part is not opened.
 */
export function parseRfc3464(content: Uint8Array): ParsedReport | undefined {
  const top = splitEntity(content);
  const { type, parameters } = contentType(top);
  const boundary = parameters.get('boundary')?.trimEnd();
  if (type !== 'multipart/report' || !boundary) return undefined;
  const parts = readParts(top.body, boundary).map((octets) => {
    const entity = splitEntity(octets);
    return { entity, type: contentType(entity).type };
  });
  const status = parts.find((part) => /^message\/(?:global-)?delivery-status$/.test(part.type));
  if (!status) return undefined;
  const first = parts[0];
  const returned = parts.map((part) => readReturned(part.type, part.entity)).find((part) => part !== undefined);
  return {
    ...(first && (first.type === '' || first.type === 'text/plain') && { text: decodeText(first.entity.read(largestText)) }),
    ...readStatus(decodeText(status.entity.read(largestStatus))),
    ...(returned && { returned }),
  };
}

const contentType = (entity: Entity): ContentType => parseContentType(valuesOf(entity.fields, 'Content-Type')[0] ?? '');

function readReturned(type: string, entity: Entity): ParsedReport['returned'] {
  const isMessage = type === 'message/rfc822' || type === 'message/global';
  if (!isMessage && type !== 'text/rfc822-headers' && type !== 'message/global-headers') return undefined;
  const content = entity.read(Number.POSITIVE_INFINITY);
  const messageId = messageIdOf(headerFields(splitEntity(content).header));
  return { kind: isMessage ? 'message' : 'header', content, ...(messageId && { messageId }) };
}

type Group = ReadField[];

const messageNames = ['original-envelope-id', 'reporting-mta', 'dsn-gateway', 'received-from-mta', 'arrival-date'];
const recipientNames = [
  'original-recipient',
  'final-recipient',
  'action',
  'status',
  'remote-mta',
  'diagnostic-code',
  'last-attempt-date',
  'final-log-id',
  'will-retry-until',
  'localized-diagnostic',
];
/** One of these a second time begins the next recipient, blank line or not. */
const beginners = new Set(['original-recipient', 'final-recipient', 'action']);

/** The groups of a delivery-status part, decoded. */
export function readStatus(text: string): Omit<ParsedReport, 'text' | 'returned'> {
  const { message, recipients } = readGroups(readFields(text));
  const get = getter(message);
  return {
    ...optional('originalEnvelopeId', get('original-envelope-id'), asIs),
    ...optional('reportingMta', get('reporting-mta'), readMta),
    ...optional('dsnGateway', get('dsn-gateway'), readMta),
    ...optional('receivedFromMta', get('received-from-mta'), readMta),
    ...optional('arrivalDate', get('arrival-date'), parseDate),
    extensions: extensionsOf(message, messageNames),
    recipients: recipients.map(readRecipient),
  };
}

function readRecipient(group: Group): ParsedRecipient {
  const get = getter(group);
  return {
    ...optional('originalRecipient', get('original-recipient'), readAddress),
    ...optional('finalRecipient', get('final-recipient'), readAddress),
    ...optional('action', get('action'), readAction),
    ...optional('status', get('status'), readStatusCode),
    ...optional('remoteMta', get('remote-mta'), readMta),
    ...optional('diagnostic', get('diagnostic-code'), readDiagnostic),
    ...optional('lastAttemptDate', get('last-attempt-date'), parseDate),
    ...optional('finalLogId', get('final-log-id'), asIs),
    ...optional('willRetryUntil', get('will-retry-until'), parseDate),
    extensions: extensionsOf(group, recipientNames),
  };
}

/**
 * Divides the fields by their names first and by blank lines second: reports with doubled, missing or misplaced blank
 * lines are common. Fields of the message count as such wherever they stand.
 */
function readGroups(fields: readonly ReadField[]): { message: Group; recipients: Group[] } {
  const message: Group = [];
  const recipients: Group[] = [];
  let names = new Set<string>();
  let isDivided = false;
  for (const field of fields) {
    const name = field.name.toLowerCase();
    isDivided ||= field.startsGroup;
    let current = recipients.at(-1);
    if (messageNames.includes(name) || (!current && !recipientNames.includes(name))) {
      message.push(field);
      continue;
    }
    if (!current || isDivided || (beginners.has(name) && names.has(name))) {
      if (recipients.length === mostRecipients) break;
      recipients.push((current = []));
      names = new Set();
    }
    current.push(field);
    names.add(name);
    isDivided = false;
  }
  return { message, recipients: recipients.filter((group) => group.some((field) => recipientNames.includes(field.name.toLowerCase()))) };
}

/** The first field of a name counts. */
const getter =
  (group: Group) =>
  (name: string): string | undefined =>
    group.find((field) => field.name.toLowerCase() === name && field.value !== '')?.value;

const extensionsOf = (group: Group, known: readonly string[]): ExtensionField[] =>
  group.filter((field) => !known.includes(field.name.toLowerCase())).map(({ name, value }) => ({ name, value }));

function optional<K extends string, V>(key: K, text: string | undefined, read: (text: string) => V | undefined): { [P in K]?: V } {
  const value = text === undefined ? undefined : read(text);
  return value === undefined ? {} : ({ [key]: value } as { [P in K]?: V });
}

const asIs = (text: string): string => text;

/** `type; value`; without a semicolon a known type as the first word, else the type that such a field most likely has. */
function readTyped(text: string, usualType: string): Typed {
  const semicolon = text.indexOf(';');
  const type = semicolon < 0 ? '' : withoutComments(text.slice(0, Math.min(semicolon, 200))).trim();
  if (/^[A-Za-z][A-Za-z0-9.-]*$/.test(type)) return { type: type.toLowerCase(), value: text.slice(semicolon + 1).trim() };
  const known = /^(rfc822|utf-8|dns|smtp)[ \t]+(.*)$/is.exec(text);
  return known ? { type: (known[1] ?? '').toLowerCase(), value: known[2] ?? '' } : { type: usualType, value: text };
}

/** An address, without the angle brackets, display name and comments that some put around it (RFC 3464 §2.1.1: a comment may stand anywhere). */
function readAddress(text: string): Typed {
  const { type, value } = readTyped(text, 'rfc822');
  // In the escapes of `utf-8` a backslash is no quoting, and what is no mailbox is not looked into.
  const bare = type === 'rfc822' ? withoutComments(value).trim() : value;
  const address = /<([^<>]*)>$/.exec(bare)?.[1] ?? bare;
  return { type, value: type === 'utf-8' ? readUtf8Address(address) : address };
}

/** A host, without comment, port and trailing dot. */
export function readMta(text: string): Typed {
  const { type, value } = readTyped(text, 'dns');
  const host = withoutComments(value).trim();
  return { type, value: type === 'dns' ? host.replace(/^([^:]*):\d+$/, '$1').replace(/\.$/, '') : host };
}

const readDiagnostic = (text: string): Typed => readTyped(text, /^\d{3}/.test(text) ? 'smtp' : 'unknown');

function readAction(text: string): Action | undefined {
  const word = /^[a-z]+/.exec(withoutComments(text.slice(0, 1000)).trim().toLowerCase())?.[0];
  return actions.find((action) => action === word);
}

/** The first `class.subject.detail` of the field; words around it are common. */
function readStatusCode(text: string): string | undefined {
  const match = /(?:^|[^\d.])([245])\.(\d{1,3})\.(\d{1,3})(?!\.?\d)/.exec(text);
  return match ? [match[1], match[2], match[3]].map(Number).join('.') : undefined;
}
