import type { DispositionRecord } from '../disposition.ts';
import { formatDate, isFormattableDate } from '../date.ts';
import { parseResponse } from '../disposition.ts';
import { replyOnOneLine } from '../reply.ts';
import { chooseBoundary } from './boundary.ts';
import type { ComposedReport } from './compose.ts';
import { fieldText, fieldTextUtf8, formatField, isAscii } from './field.ts';
import { concatOctets, encodeText } from './octets.ts';
import { encodeQuotedPrintable } from './quoted-printable.ts';
import type { ReturnedContent } from './report.ts';

/** What the report of the original's shape is made of. */
export interface KumoReport {
  record: DispositionRecord;
  recipients: readonly string[];
  returnPath: string;
  reportingMta: { mta_type: string; name: string };
  from: string;
  /** With its angle brackets. */
  messageId: string;
  returned?: ReturnedContent;
  boundary: string;
}

/**
 * The report as the original writes it, to the octet, for those who compare the two or have parsers that expect it.
 * It breaks the RFCs: no Date, words in Status, an encoded message/delivery-status, made-up replies.
 */
export function composeLikeKumo(report: KumoReport): ComposedReport {
  const parts = [textualPart('text/plain', humanText(report)), textualPart('message/delivery-status', statusText(report))].map(encodeText);
  if (report.returned) parts.push(returnedPart(report.returned));
  const boundary = chooseBoundary(report.boundary, parts);
  const delimiter = encodeText(`--${boundary}\r\n`);
  const isBodyEightBit = report.returned?.encoding === '8bit';
  const header = [
    `Content-Type: multipart/report;\r\n\tboundary="${boundary}";\r\n\treport-type="delivery-status"\r\n`,
    isBodyEightBit ? 'Content-Transfer-Encoding: 8bit\r\n' : '',
    'Subject: Returned mail\r\n',
    'Mime-Version: 1.0\r\n',
    formatField('Message-ID', fieldText(report.messageId)),
    formatField('To', fieldTextUtf8(report.returnPath)),
    formatField('From', fieldText(report.from)),
  ].join('');
  const smtpUtf8 = !isAscii(report.returnPath);
  return {
    content: concatOctets([encodeText(`${header}\r\n`), ...parts.flatMap((part) => [delimiter, part]), encodeText(`--${boundary}--\r\n`)]),
    eightBit: isBodyEightBit || smtpUtf8,
    smtpUtf8,
  };
}

function humanText({ record, recipients, returnPath }: KumoReport): string {
  const response = fieldText(replyOnOneLine(parseResponse(record.response)), 8192);
  const peer = record.type === 'Expiration' ? null : record.peer_address;
  return [
    `The message was received at ${date(record.created)}`,
    `from ${fieldTextUtf8(returnPath)} and addressed to ${recipients.map((r) => fieldTextUtf8(r)).join(', ')}.`,
    ...(peer
      ? [`While communicating with ${fieldText(peer.name)} (${fieldText(peer.addr)}):`, `Response: ${response}`]
      : [`Status: ${response}`]),
    ...(record.type === 'Expiration' ? [] : ['']),
    'The message will be deleted from the queue.',
    'No further attempts will be made to deliver it.',
    '',
  ].join('\r\n');
}

function statusText({ record, recipients, reportingMta }: KumoReport): string {
  const { response, peer_address: peer } = record;
  const group = [
    'Action: failed',
    `Status: ${statusCode(response)} ${fieldText(response.content, 8192)}`.trimEnd(),
    ...(peer ? [`Remote-MTA: dns; ${fieldText(peer.name)}`] : []),
    `Diagnostic-Code: smtp; ${fieldText(replyOnOneLine(parseResponse(response)), 8192)}`,
    `Last-Attempt-Date: ${date(record.timestamp)}`,
    '',
  ];
  return [
    `Reporting-MTA: ${fieldText(reportingMta.mta_type)}; ${fieldText(reportingMta.name)}`,
    `Arrival-Date: ${date(record.created)}`,
    '',
    ...recipients.flatMap((recipient) => [`Final-Recipient: rfc822;${fieldTextUtf8(recipient)}`, ...group]),
    '',
  ].join('\r\n');
}

function statusCode({ code, enhanced_code: enhanced }: DispositionRecord['response']): string {
  if (enhanced) return `${enhanced.class}.${enhanced.subject}.${enhanced.detail}`;
  return code >= 500 ? '5.0.0' : '4.0.0';
}

function textualPart(type: string, text: string): string {
  const octets = encodeText(text);
  const encoded = encodeQuotedPrintable(octets);
  const label = encoded === text ? '' : 'Content-Transfer-Encoding: quoted-printable\r\n';
  return `Content-Type: ${type};\r\n\tcharset="${isAscii(text) ? 'us-ascii' : 'utf-8'}"\r\n${label}\r\n${encoded}`;
}

// Its parts carry no line end of the delimiter's own: one that does not end with a line end is given one.
function returnedPart({ kind, content, encoding }: ReturnedContent): Uint8Array {
  const label = encoding === '7bit' ? '' : `Content-Transfer-Encoding: ${encoding}\r\n`;
  const head = encodeText(`Content-Type: ${kind === 'message' ? 'message/rfc822' : 'text/rfc822-headers'}\r\n${label}\r\n`);
  const body = encoding === 'quoted-printable' ? encodeText(encodeQuotedPrintable(content)) : content;
  return concatOctets([head, body, encodeText(body.at(-1) === 10 ? '' : '\r\n')]);
}

const date = (seconds: number): string => (isFormattableDate(seconds * 1000) ? formatDate(seconds * 1000) : 'an unknown time');
