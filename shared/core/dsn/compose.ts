import { formatDate, isFormattableDate } from '../date.ts';
import { chooseBoundary } from './boundary.ts';
import { fieldText, fieldTextUtf8, formatField, isAscii } from './field.ts';
import { concatOctets, encodeText, findFaults } from './octets.ts';
import { encodeQuotedPrintable } from './quoted-printable.ts';
import type { ExtensionField, PerMessage, PerRecipient, ReportMessage, ReturnedContent, Typed } from './report.ts';

export interface ComposedReport {
  content: Uint8Array;
  /** An octet above 127 stands somewhere in it. */
  eightBit: boolean;
  /** Its header has UTF-8 (a return path that is not ASCII): it can only travel with SMTPUTF8. */
  smtpUtf8: boolean;
}

/** RFC 3461 §9.2 b wants replies as they were; what no human will read is cut. */
const longestDiagnostic = 8192;

/** Writes a report: RFC 6522 around RFC 3464. Total: whatever its strings hold, the result is well formed. */
export function composeReport(report: ReportMessage): ComposedReport {
  const parts = [
    textPart(report.text, report.language),
    `Content-Type: message/delivery-status\r\n\r\n${deliveryStatus(report.message, report.recipients)}`,
  ].map(encodeText);
  if (report.returned) parts.push(returnedPart(report.returned));
  const boundary = chooseBoundary(report.boundary, parts);
  const isBodyEightBit = report.returned?.encoding === '8bit';
  const content = concatOctets([
    encodeText(`${header(report, boundary, isBodyEightBit)}\r\n`),
    // RFC 2046 §5.1.1: the line end before a delimiter belongs to it, so a part keeps its own.
    ...parts.flatMap((part, i) => [encodeText(`${i === 0 ? '' : '\r\n'}--${boundary}\r\n`), part]),
    encodeText(`\r\n--${boundary}--\r\n`),
  ]);
  const smtpUtf8 = !isAscii(report.to);
  return { content, eightBit: isBodyEightBit || smtpUtf8, smtpUtf8 };
}

function header(report: ReportMessage, boundary: string, isBodyEightBit: boolean): string {
  const references = report.inReplyTo && fieldText(report.inReplyTo);
  return [
    formatField('Date', formatDate(report.date)),
    formatField('From', fieldText(report.from)),
    formatField('To', fieldTextUtf8(report.to)),
    formatField('Subject', fieldText(report.subject)),
    formatField('Message-ID', fieldText(report.messageId)),
    formatField('In-Reply-To', references),
    formatField('References', references),
    // RFC 3834 §3.1.7 and §5.2; keeps vacation programs and other robots still.
    formatField('Auto-Submitted', 'auto-replied'),
    formatField('MIME-Version', '1.0'),
    `Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary="${boundary}"\r\n`,
    // RFC 2045 §6.4: a multipart is labelled 8bit as soon as one of its parts is.
    isBodyEightBit ? 'Content-Transfer-Encoding: 8bit\r\n' : '',
  ].join('');
}

function textPart(text: string, language: string | undefined): string {
  const octets = encodeText(text);
  const { isUnsafe, hasEightBit } = findFaults(octets);
  const type = `Content-Type: text/plain; charset=${isAscii(text) ? 'us-ascii' : 'utf-8'}\r\n${formatField('Content-Language', language)}`;
  if (!isUnsafe && !hasEightBit) return `${type}\r\n${text}`;
  return `${type}Content-Transfer-Encoding: quoted-printable\r\n\r\n${encodeQuotedPrintable(octets)}`;
}

function returnedPart({ kind, content, encoding }: ReturnedContent): Uint8Array {
  const type = kind === 'message' ? 'message/rfc822' : 'text/rfc822-headers';
  const label = encoding === '7bit' ? '' : `Content-Transfer-Encoding: ${encoding}\r\n`;
  const body = encoding === 'quoted-printable' ? encodeText(encodeQuotedPrintable(content)) : content;
  return concatOctets([encodeText(`Content-Type: ${type}\r\n${label}\r\n`), body]);
}

/** RFC 3464 §2.1: groups divided by one blank line, 7bit without parameters; the fields in the order of the grammar. */
function deliveryStatus(message: PerMessage, recipients: readonly PerRecipient[]): string {
  return [perMessage(message), ...recipients.map(perRecipient)].join('\r\n');
}

function perMessage(group: PerMessage): string {
  return [
    formatField('Original-Envelope-Id', group.originalEnvelopeId && fieldText(group.originalEnvelopeId)),
    formatField('Reporting-MTA', typed(group.reportingMta)),
    formatField('DSN-Gateway', typed(group.dsnGateway)),
    formatField('Received-From-MTA', typed(group.receivedFromMta)),
    formatField('Arrival-Date', dated(group.arrivalDate)),
    ...extensions(group.extensions),
  ].join('');
}

function perRecipient(group: PerRecipient): string {
  return [
    formatField('Original-Recipient', typed(group.originalRecipient)),
    formatField('Final-Recipient', typed(group.finalRecipient)),
    formatField('Action', group.action),
    formatField('Status', fieldText(group.status)),
    formatField('Remote-MTA', typed(group.remoteMta)),
    formatField('Diagnostic-Code', group.diagnostic && diagnosticLines(group.diagnostic)),
    formatField('Last-Attempt-Date', dated(group.lastAttemptDate)),
    formatField('Final-Log-ID', group.finalLogId && fieldText(group.finalLogId)),
    formatField('Will-Retry-Until', dated(group.willRetryUntil)),
    ...extensions(group.extensions),
  ].join('');
}

const typed = (value: Typed | undefined): string | undefined => value && fieldText(`${value.type}; ${value.value}`);

const dated = (at: number | undefined): string | undefined => (at !== undefined && isFormattableDate(at) ? formatDate(at) : undefined);

const extensions = (fields: readonly ExtensionField[] = []): string[] =>
  fields.map(({ name, value }) => formatField(name, fieldText(value)));

function diagnosticLines({ type, lines }: NonNullable<PerRecipient['diagnostic']>): string[] {
  const kept: string[] = [];
  let length = 0;
  for (const line of lines) {
    const text = fieldText(line);
    length += text.length;
    if (length > longestDiagnostic) {
      kept.push('...');
      break;
    }
    kept.push(text);
  }
  return [`${type}; ${kept[0] ?? ''}`.trim(), ...kept.slice(1)];
}
