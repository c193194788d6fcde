import { formatDate, isFormattableDate } from '../date.ts';
import { formatUtf8Address, type Utf8AddressForm } from '../utf8-address.ts';
import { chooseBoundary } from './boundary.ts';
import { fieldText, fieldTextUtf8, formatField, isAscii } from './field.ts';
import { encodeContent } from './international.ts';
import { concatOctets, encodeText, findFaults } from './octets.ts';
import type { ExtensionField, PerMessage, PerRecipient, ReportMessage, ReturnedContent, Typed } from './report.ts';

export interface ComposedReport {
  content: Uint8Array;
  /** An octet above 127 stands somewhere in it. */
  eightBit: boolean;
  /** Its header has UTF-8 (a return path that is not ASCII): it can only travel with SMTPUTF8 (RFC 6531 §3.4). */
  smtpUtf8: boolean;
}

/** RFC 3461 §9.2 b wants replies as they were; what no human will read is cut. */
const longestDiagnostic = 8192;

/** Writes a report: RFC 6522 around RFC 3464. Total: whatever its strings hold, the result is well formed. */
export function composeReport(report: ReportMessage): ComposedReport {
  // RFC 6531 §3.4: a UTF-8 return path needs SMTPUTF8, which carries 8-bit parts too; anything else must go everywhere.
  const smtpUtf8 = !isAscii(report.to);
  const parts = [textPart(report.text, report.language, smtpUtf8), statusPart(report, smtpUtf8)];
  if (report.returned) parts.push(returnedPart(report.returned));
  const octets = parts.map((part) => part.octets);
  const boundary = chooseBoundary(report.boundary, octets);
  const isBodyEightBit = parts.some((part) => part.isEightBit);
  const content = concatOctets([
    encodeText(`${header(report, boundary, isBodyEightBit)}\r\n`),
    // RFC 2046 §5.1.1: the line end before a delimiter belongs to it, so a part keeps its own.
    ...octets.flatMap((part, i) => [encodeText(`${i === 0 ? '' : '\r\n'}--${boundary}\r\n`), part]),
    encodeText(`\r\n--${boundary}--\r\n`),
  ]);
  return { content, eightBit: isBodyEightBit || smtpUtf8, smtpUtf8 };
}

function header(report: ReportMessage, boundary: string, isBodyEightBit: boolean): string {
  return [
    formatField('Date', formatDate(report.date)),
    formatField('From', fieldText(report.from)),
    formatField('To', fieldTextUtf8(report.to)),
    formatField('Subject', fieldText(report.subject)),
    formatField('Message-ID', fieldText(report.messageId)),
    formatField('In-Reply-To', report.inReplyTo && fieldText(report.inReplyTo)),
    formatField('References', report.references?.map((id) => fieldText(id)).join(' ')),
    // RFC 3834 §3.1.7 and §5.2; keeps vacation programs and other robots still.
    formatField('Auto-Submitted', 'auto-replied'),
    formatField('MIME-Version', '1.0'),
    `Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary="${boundary}"\r\n`,
    // RFC 2045 §6.4: a multipart is labelled 8bit as soon as one of its parts is.
    isBodyEightBit ? 'Content-Transfer-Encoding: 8bit\r\n' : '',
  ].join('');
}

function textPart(text: string, language: string | undefined, canBeEightBit: boolean): Part {
  const octets = encodeText(text);
  const { isUnsafe, hasEightBit } = findFaults(octets);
  const encoding = isUnsafe || (hasEightBit && !canBeEightBit) ? 'quoted-printable' : hasEightBit ? '8bit' : '7bit';
  const spoken = formatField('Content-Language', language).trimEnd();
  const type = `text/plain; charset=${isAscii(text) ? 'us-ascii' : 'utf-8'}${spoken && `\r\n${spoken}`}`;
  return part(type, { content: octets, encoding });
}

/** RFC 6533 §4.1, §4.4: the global type where it is known and needed; the classic one is ASCII, and known to all. */
function statusPart({ message, recipients, mayBeGlobal }: ReportMessage, canBeEightBit: boolean): Part {
  const utf8 = mayBeGlobal ? deliveryStatus(message, recipients, inUtf8) : '';
  if (isAscii(utf8))
    return part('message/delivery-status', { content: encodeText(deliveryStatus(message, recipients, inAscii)), encoding: '7bit' });
  return part('message/global-delivery-status', { content: encodeText(utf8), encoding: canBeEightBit ? '8bit' : 'quoted-printable' });
}

function returnedPart(returned: ReturnedContent): Part {
  return part((returned.isGlobal ? globalTypes : classicTypes)[returned.kind], returned);
}

const classicTypes = { message: 'message/rfc822', header: 'text/rfc822-headers' } as const;
const globalTypes = { message: 'message/global', header: 'message/global-headers' } as const;

interface Part {
  octets: Uint8Array;
  isEightBit: boolean;
}

function part(type: string, body: Pick<ReturnedContent, 'content' | 'encoding'>): Part {
  const label = body.encoding === '7bit' ? '' : `Content-Transfer-Encoding: ${body.encoding}\r\n`;
  const octets = concatOctets([encodeText(`Content-Type: ${type}\r\n${label}\r\n`), encodeContent(body)]);
  return { octets, isEightBit: body.encoding === '8bit' };
}

/** How foreign text gets into the fields of the machine-readable part. */
interface Charset {
  text: (text: string) => string;
  form: Utf8AddressForm;
}
const inAscii: Charset = { text: fieldText, form: 'ascii' };
/** RFC 6533 §4.1: the fields are those of RFC 3464, with UTF-8 in their text. */
const inUtf8: Charset = { text: fieldTextUtf8, form: 'utf-8' };

/** RFC 3464 §2.1: groups divided by one blank line, without parameters; the fields in the order of the grammar. */
function deliveryStatus(message: PerMessage, recipients: readonly PerRecipient[], charset: Charset): string {
  return [perMessage(message, charset), ...recipients.map((group) => perRecipient(group, charset))].join('\r\n');
}

function perMessage(group: PerMessage, charset: Charset): string {
  return [
    formatField('Original-Envelope-Id', group.originalEnvelopeId && fieldText(group.originalEnvelopeId)),
    formatField('Reporting-MTA', typed(group.reportingMta)),
    formatField('DSN-Gateway', typed(group.dsnGateway)),
    formatField('Received-From-MTA', typed(group.receivedFromMta)),
    formatField('Arrival-Date', dated(group.arrivalDate)),
    ...extensions(group.extensions, charset),
  ].join('');
}

/**
 * RFC 3464 §2.3.4 allows words in Status as a comment. These are the ones that programs know to leave out; what the server
 * said is in Diagnostic-Code.
 */
const permanent = ' (permanent failure)';

function perRecipient(group: PerRecipient, charset: Charset): string {
  return [
    formatField('Original-Recipient', mailbox(group.originalRecipient, charset)),
    formatField('Final-Recipient', mailbox(group.finalRecipient, charset)),
    formatField('Action', group.action),
    formatField('Status', fieldText(group.status) + (group.status.startsWith('5.') ? permanent : '')),
    formatField('Remote-MTA', typed(group.remoteMta)),
    formatField('Diagnostic-Code', group.diagnostic && diagnosticLines(group.diagnostic, charset)),
    formatField('Last-Attempt-Date', dated(group.lastAttemptDate)),
    formatField('Final-Log-ID', group.finalLogId && fieldText(group.finalLogId)),
    formatField('Will-Retry-Until', dated(group.willRetryUntil)),
    ...extensions(group.extensions, charset),
  ].join('');
}

function mailbox(address: Typed | undefined, { form }: Charset): string | undefined {
  return address?.type.toLowerCase() === 'utf-8' ? utf8Mailbox(address, form) : typed(address);
}

// What `formatUtf8Address` escapes leaves nothing to neutralise but the length.
function utf8Mailbox({ type, value }: Typed, form: Utf8AddressForm): string {
  const address = formatUtf8Address(value, form);
  return `${type}; ${isAscii(address) ? fieldText(address) : address}`;
}

const typed = (value: Typed | undefined): string | undefined => value && fieldText(`${value.type}; ${value.value}`);

const dated = (at: number | undefined): string | undefined => (at !== undefined && isFormattableDate(at) ? formatDate(at) : undefined);

const extensions = (fields: readonly ExtensionField[] = [], { text }: Charset): string[] =>
  fields.map(({ name, value }) => formatField(name, text(value)));

function diagnosticLines({ type, lines }: NonNullable<PerRecipient['diagnostic']>, charset: Charset): string[] {
  const kept: string[] = [];
  let length = 0;
  for (const line of lines) {
    const text = charset.text(line);
    length += text.length;
    if (length > longestDiagnostic) {
      kept.push('...');
      break;
    }
    kept.push(text);
  }
  return [`${type}; ${kept[0] ?? ''}`.trim(), ...kept.slice(1)];
}
