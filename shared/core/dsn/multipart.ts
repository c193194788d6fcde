import { readFields, valuesOf, type ReadField } from './field.ts';
import { encodeText, hasOctetsAt, latin1 } from './octets.ts';
import { decodeQuotedPrintable } from './quoted-printable.ts';

/** A message or a part of one. */
export interface Entity {
  /** With the line end of its last line. */
  header: Uint8Array;
  /** The first 2,000 fields of at most 256 KB. */
  fields: ReadField[];
  body: Uint8Array;
  /** The body without its transfer encoding, at most the given octets of it. */
  read(limit: number): Uint8Array;
}

const LF = 10;
const CR = 13;
const mostParts = 100;

/** Header and body, whatever the line ends are. */
export function splitEntity(octets: Uint8Array): Entity {
  let at = 0;
  let headerEnd = octets.length;
  let bodyStart = octets.length;
  while (at < octets.length) {
    const lineEnd = octets.indexOf(LF, at);
    if (lineEnd === at || (lineEnd === at + 1 && octets[at] === CR)) {
      [headerEnd, bodyStart] = [at, lineEnd + 1];
      break;
    }
    at = lineEnd < 0 ? octets.length : lineEnd + 1;
  }
  const header = octets.subarray(0, headerEnd);
  const fields = readFields(latin1(header.subarray(0, 256 * 1024)), 2000);
  const body = octets.subarray(bodyStart);
  const encoding = (valuesOf(fields, 'Content-Transfer-Encoding')[0] ?? '').toLowerCase();
  return { header, fields, body, read: (limit) => decode(encoding, body.subarray(0, limit)) };
}

/** The parts of a multipart body (RFC 2046 §5.1.1), as they are, at most 100; a missing close delimiter is forgiven. */
export function readParts(body: Uint8Array, boundary: string): Uint8Array[] {
  const delimiter = encodeText(`--${boundary}`);
  const parts: Uint8Array[] = [];
  let start: number | undefined;
  for (let at = 0; at < body.length;) {
    const lf = body.indexOf(LF, at);
    const lineEnd = lf < 0 ? body.length : lf;
    const kind = hasOctetsAt(body, delimiter, at) ? delimiterKind(body.subarray(at + delimiter.length, lineEnd)) : 'none';
    if (kind !== 'none') {
      if (start !== undefined) parts.push(body.subarray(start, beforeLineEnd(body, start, at)));
      if (kind === 'close' || parts.length === mostParts) return parts;
      start = lineEnd + 1;
    }
    at = lineEnd + 1;
  }
  if (start !== undefined && start < body.length) parts.push(body.subarray(start));
  return parts;
}

/** A boundary that is the beginning of another one is not taken for it: only blanks may follow. */
function delimiterKind(rest: Uint8Array): 'none' | 'open' | 'close' {
  if (rest.length > 200) return 'none';
  const text = latin1(rest).trimEnd();
  if (text === '') return 'open';
  return text === '--' ? 'close' : 'none';
}

/** The line end before a delimiter belongs to the delimiter. */
function beforeLineEnd(body: Uint8Array, start: number, at: number): number {
  if (at <= start) return start;
  return at - 2 >= start && body[at - 2] === CR ? at - 2 : at - 1;
}

function decode(encoding: string, octets: Uint8Array): Uint8Array {
  if (encoding === 'quoted-printable') return decodeQuotedPrintable(octets);
  return encoding === 'base64' ? decodeBase64(octets) : octets;
}

/** RFC 2045 §6.8: what is not of the alphabet is ignored. */
function decodeBase64(octets: Uint8Array): Uint8Array {
  const digits = latin1(octets).replace(/[^A-Za-z0-9+/]/g, '');
  const decoded = atob(digits.length % 4 === 1 ? digits.slice(0, -1) : digits);
  return Uint8Array.from(decoded, (char) => char.charCodeAt(0));
}
