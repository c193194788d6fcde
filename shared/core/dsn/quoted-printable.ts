const maxLine = 76;
const CR = 13;
const LF = 10;
const HYPHEN = 45;

/**
 * RFC 2045 §6.7: CRLF stays a line end, all else that is not printable ASCII becomes `=XX`; lines of at most 76 characters.
 * `hidesHyphens`: hyphens too, so that no line is a delimiter.
 */
export function encodeQuotedPrintable(octets: Uint8Array, hidesHyphens = false): string {
  const out: string[] = [];
  let line = '';
  for (let i = 0; i < octets.length; i++) {
    const octet = octets[i] ?? 0;
    if (octet === CR && octets[i + 1] === LF) {
      out.push(line, '\r\n');
      line = '';
      i++;
      continue;
    }
    const isLast = i + 1 === octets.length || (octets[i + 1] === CR && octets[i + 2] === LF);
    const char = hidesHyphens && octet === HYPHEN ? '=2D' : encodeOctet(octet, isLast);
    if (line.length + char.length > (isLast ? maxLine : maxLine - 1)) {
      out.push(line, '=\r\n');
      line = '';
    }
    line += char;
  }
  out.push(line);
  return out.join('');
}

function encodeOctet(octet: number, isLastOfLine: boolean): string {
  const isBlank = octet === 32 || octet === 9;
  if ((octet >= 33 && octet <= 126 && octet !== 61) || (isBlank && !isLastOfLine)) return String.fromCharCode(octet);
  return `=${octet.toString(16).toUpperCase().padStart(2, '0')}`;
}

/** Liberal: an `=` that starts no code is kept, any line end is accepted, blanks before it are dropped (RFC 2045 §6.7 rule 3). */
export function decodeQuotedPrintable(octets: Uint8Array): Uint8Array {
  const decoded = new Uint8Array(octets.length);
  let length = 0;
  let blanksFrom = 0;
  for (let i = 0; i < octets.length; i++) {
    const octet = octets[i] ?? 0;
    if (octet === 61) {
      const hex = String.fromCharCode(octets[i + 1] ?? 0, octets[i + 2] ?? 0);
      const lineEnd = softBreakLength(octets, i + 1);
      if (lineEnd > 0) i += lineEnd;
      else if (/^[0-9A-Fa-f]{2}$/.test(hex)) {
        decoded[length++] = Number.parseInt(hex, 16);
        i += 2;
      } else decoded[length++] = octet;
      blanksFrom = length;
      continue;
    }
    if (octet === CR || octet === LF) length = blanksFrom;
    decoded[length++] = octet;
    if (octet !== 32 && octet !== 9) blanksFrom = length;
  }
  return decoded.subarray(0, length);
}

/** Octets of the blanks and the line end that follow the `=` of a soft line break; 0 when it is none. */
function softBreakLength(octets: Uint8Array, from: number): number {
  let at = from;
  while (octets[at] === 32 || octets[at] === 9) at++;
  if (octets[at] === CR && octets[at + 1] === LF) return at + 2 - from;
  return octets[at] === LF || octets[at] === CR ? at + 1 - from : 0;
}
