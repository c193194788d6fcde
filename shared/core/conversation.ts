import { maskCommandLine } from './policy/command-line.ts';
import { unimplementedVerbs, verbs } from './smtp-verbs.ts';

/** One line of an SMTP conversation. `note`: what neither side said, such as a connection that closed. */
export interface ConversationLine {
  /** Epoch ms. */
  at: number;
  direction: 'client' | 'server' | 'note';
  /** Without its line end; as it came, so a reader must expect anything in it. Credentials are masked, content is never there. */
  text: string;
}

/** Characters of a line (RFC 5321 §4.5.3.1.5 allows 512 octets). */
const longestLine = 512;
const mostLines = 100;
/** Characters of a whole conversation: Redis holds one for each failure. */
const mostText = 16_384;
/** The beginning says who talks to whom, the end why it failed. */
const firstLines = 40;

export const cutLine = (text: string): string => (text.length > longestLine ? `${text.slice(0, longestLine)}…` : text);

/** At most a hundred lines and 16,384 characters, the first and the last; `truncated` when lines were left out, which a note says. */
export function boundConversation(lines: readonly ConversationLine[]): { lines: ConversationLine[]; truncated: boolean } {
  const sizeOf = (part: readonly ConversationLine[]): number => part.reduce((sum, { text }) => sum + text.length, 0);
  if (lines.length <= mostLines && sizeOf(lines) <= mostText) return { lines: [...lines], truncated: false };
  let head = lines.slice(0, firstLines);
  let tail = lines.slice(Math.max(firstLines, lines.length - (mostLines - firstLines - 1)));
  while (sizeOf(head) > mostText / 2) head = head.slice(0, -1);
  while (sizeOf(tail) > mostText / 2) tail = tail.slice(1);
  const leftOut = lines.length - head.length - tail.length;
  const at = head.at(-1)?.at ?? lines[0]?.at ?? 0;
  return { lines: [...head, { at, direction: 'note', text: `${leftOut} lines left out` }, ...tail], truncated: true };
}

/** Stands where credentials were. */
export const masked = '***';

/**
 * A command line of a client that may say anything. `mayBeCredentials`: it follows an AUTH that was not answered with 334.
 * Of what we do not know only the first word is shown: a misspelt AUTH, a password in the wrong place, the login of an XCLIENT or BURL.
 */
export function maskClientLine(line: string, mayBeCredentials: boolean): string {
  const shown = maskCommandLine(line, mayBeCredentials);
  if (shown !== line || /^\W*AUTH/i.test(line)) return shown;
  const [word = ''] = line.split(/[ \t]/, 1);
  const verb = word.toUpperCase();
  if (verbs.has(verb) && !unimplementedVerbs.has(verb)) return line;
  if (!/^[A-Za-z]{1,12}$/.test(word)) return masked;
  return word.length === line.length ? word : `${word} ${masked}`;
}
