/** What is wrong with the lines of a message (RFC 5321 §2.3.8, §4.5.3.1.6). */
export type LineFault = 'bare-newline' | 'long-line';

/** Looks at a message while it goes by, in pieces that never end between a CR and its LF. */
export interface MessageScan {
  /** Takes the next piece as latin1 (one character per octet); after a fault nothing more is looked at. */
  push(piece: string): LineFault | undefined;
  /** Received fields so far: the hops of the message (RFC 5321 §6.3). */
  readonly hops: number;
  /** Does the message start with a header field or its blank line? If not, a field put in front needs one after it. */
  readonly hasHeader: boolean;
  /** The value of Message-ID, as it stands there; undefined before it was seen, or when it is none. */
  readonly messageId: string | undefined;
  /** Octets of the header with the blank line behind it; undefined while it goes on. */
  readonly headerLength: number | undefined;
}

/** Starts a scan. `maxLine` in octets without CRLF. */
export function scanMessage(maxLine: number): MessageScan {
  let inHeader = true;
  let hasHeader = true;
  let isFirst = true;
  let hops = 0;
  let fault: LineFault | undefined;
  let partial = '';
  let passed = 0;
  let headerLength: number | undefined;
  let messageId: string | undefined;
  /** The name of Message-ID was on a line of its own (RFC 5322 §2.2.3): its value is on the next. */
  let isIdDue = false;

  const lookForId = (text: string, start: number, end: number): void => {
    const isFolded = isIdDue && (text[start] === ' ' || text[start] === '\t');
    if (!isFolded && !isMessageId(text, start)) isIdDue = false;
    else {
      const value = text.slice(isFolded ? start : text.indexOf(':', start) + 1, Math.min(end, start + longestId)).trim();
      isIdDue = value === '';
      if (/^[!-~]{1,250}$/.test(value)) messageId = value;
    }
  };

  const headerLine = (text: string, start: number, end: number): void => {
    if (start === end) {
      inHeader = false;
      headerLength = passed + end + 2;
    } else if (isFirst && !isField(text, start, end)) {
      inHeader = hasHeader = false;
      headerLength = 0;
    } else if (isReceived(text, start)) hops++;
    else if (messageId === undefined) lookForId(text, start, end);
    isFirst = false;
  };

  /** Two searches a line instead of a look at each octet: this is passed by every octet of mail. */
  const lines = (text: string): LineFault | undefined => {
    let start = 0;
    for (let lf = text.indexOf('\n'); lf >= 0; lf = text.indexOf('\n', start)) {
      if (text.indexOf('\r', start) !== lf - 1) return 'bare-newline';
      if (lf - 1 - start > maxLine) return 'long-line';
      if (inHeader) headerLine(text, start, lf - 1);
      start = lf + 1;
    }
    if (text.includes('\r', start)) return 'bare-newline';
    partial = text.slice(start);
    passed += start;
    return partial.length > maxLine ? 'long-line' : undefined;
  };

  return {
    push: (piece) => (fault ??= lines(partial === '' ? piece : partial + piece)),
    get hops() {
      return hops;
    },
    get hasHeader() {
      return hasHeader;
    },
    get messageId() {
      return messageId;
    },
    get headerLength() {
      return headerLength;
    },
  };
}

/** Makes every CR or LF that stands alone a CRLF; pieces must not end between a CR and its LF. */
export const fixNewlines = (piece: string): string => piece.replace(/\r\n|\r|\n/g, '\r\n');

/** RFC 5322 §2.2: printable characters without `:`, then `:`; old mail has blanks before it (§4.5). */
const isField = (text: string, start: number, end: number): boolean => /^[!-9;-~]+[ \t]*:/.test(text.slice(start, end));

/** A longer one is nothing that anybody looks for. */
const longestId = 400;

const isMessageId = (text: string, start: number): boolean =>
  (text.charCodeAt(start) | 0x20) === 0x6d && /^message-id[ \t]*:/i.test(text.slice(start, start + 20));

const isReceived = (text: string, start: number): boolean =>
  (text.charCodeAt(start) | 0x20) === 0x72 && /^received[ \t]*:/i.test(text.slice(start, start + 20));
