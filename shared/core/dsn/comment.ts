import { fieldText } from './field.ts';

/** Enough to see what it is about, and `Status: 5.123.123 (...)` stays one line of 78: many programs read no further ones. Characters. */
const longest = 58;

/**
 * Foreign words on one line as a comment (RFC 5322 §3.2.2), empty for none. In ASCII and with no parenthesis, backslash or
 * encoded-word (RFC 2047 §5 allows them here) of its own, so that it ends where it ends for every reader.
 */
export function formatComment(words: string): string {
  const text = fieldText(words, 8192)
    .replace(/ {2,}/g, ' ')
    .replaceAll('(', '[')
    .replaceAll(')', ']')
    .replaceAll('\\', '/')
    .replaceAll('=?', '= ?');
  return text === '' ? '' : `(${shorten(text)})`;
}

/** Cut after a word where one ends in time. */
function shorten(text: string): string {
  if (text.length <= longest) return text;
  const cut = text.slice(0, longest - 3);
  return `${cut.slice(0, Math.max(cut.lastIndexOf(' '), 0) || cut.length)}...`;
}
