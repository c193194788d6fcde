import type { Recipient } from '../envelope.ts';
import { isAscii } from './field.ts';
import { concatOctets, encodeText, latin1 } from './octets.ts';
import { encodeQuotedPrintable } from './quoted-printable.ts';
import type { ReportedOutcome } from './outcomes.ts';
import type { ReturnedContent } from './report.ts';

/**
 * May the machine-readable part be message/global-delivery-status (RFC 6533 §4.1)? Where the return path is UTF-8 its
 * reader knows the type. Other readers mostly do not, and have all they need of the classic type, with addresses in their
 * ASCII form; they get the global one only when `isWanted`, and when the message was an internationalised one.
 */
export function mayBeGlobal(returnPath: string, outcomes: readonly ReportedOutcome[], isWanted: boolean): boolean {
  if (!isAscii(returnPath)) return true;
  const isUtf8 = ({ address, orcpt = '' }: Recipient) => !isAscii(address) || /^utf-8;/i.test(orcpt);
  return isWanted && outcomes.some(({ record, recipients }) => record.dsn?.smtp_utf8 === true || recipients.some(isUtf8));
}

/**
 * What is returned of an SMTPUTF8 message: message/global or message/global-headers (RFC 6533 §4.2, §4.3), as it is
 * where the report itself needs SMTPUTF8, else encoded, which these types allow (RFC 6532 §3.5): a report with an ASCII
 * return path can be sent to any server (RFC 6533 §4.5). What is all ASCII stays of the classic type.
 */
export function returnGlobal(returned: ReturnedContent, returnPath: string): ReturnedContent {
  const { kind, content, encoding } = returned;
  if (content.every((octet) => octet < 128)) return returned;
  const isCarriedAsItIs = encoding === '8bit' && !isAscii(returnPath);
  return { kind, isGlobal: true, content, encoding: isCarriedAsItIs ? '8bit' : shorterEncoding(content) };
}

/** Content in its transfer encoding. */
export function encodeContent({ content, encoding }: Pick<ReturnedContent, 'content' | 'encoding'>): Uint8Array {
  switch (encoding) {
    case 'quoted-printable':
      return encodeText(encodeQuotedPrintable(content));
    case 'base64':
      return encodeBase64(content);
    default:
      return content;
  }
}

/** Quoted-printable can be read without a program; base64 is shorter from one octet in six that would be escaped. */
function shorterEncoding(content: Uint8Array): 'quoted-printable' | 'base64' {
  let escaped = 0;
  for (const octet of content) if (octet > 127) escaped++;
  return escaped * 6 > content.length ? 'base64' : 'quoted-printable';
}

/** Octets of a line of 76 characters (RFC 2045 §6.8). */
const octetsOfLine = 57;

function encodeBase64(octets: Uint8Array): Uint8Array {
  const lines: Uint8Array[] = [];
  for (let at = 0; at < octets.length; at += octetsOfLine) {
    lines.push(encodeText(`${btoa(latin1(octets.subarray(at, at + octetsOfLine)))}\r\n`));
  }
  return concatOctets(lines);
}
