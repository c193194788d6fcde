import type { Reply } from '../reply.ts';

/** How the breaks between the lines of a reply are shown: as the four characters `\r\n`, or as one space. */
export type LineBreaks = 'escaped' | 'space';

/** Longer texts are cut: no server needs more words (RFC 5321 §4.5.3.1.5 has 512 octets), and a hostile one must not cost much time. */
const maxLength = 1000;

/** A reply on one line, as rules and policy are given it: `550 5.1.1 no such user\r\nask the postmaster`. */
export function responseLine(reply: Reply, lineBreaks: LineBreaks): string {
  const text = reply.lines.join('\n').slice(0, maxLength).trim();
  const line = text.replace(/[\r\n]+/g, lineBreaks === 'space' ? ' ' : '\\r\\n');
  return [String(reply.code), reply.enhanced, line].filter(Boolean).join(' ');
}
