import { isAscii } from './field.ts';
import { decodeText, encodeText, latin1 } from './octets.ts';

/** With `Subject: ` before it, a line of at most 76 characters (RFC 2047 §2). */
const octetsPerWord = 39;

/**
 * Text for a field such as Subject: as it is where it is ASCII, else as encoded-words, each of whole characters (RFC 2047 §5).
 * What only looks like an encoded-word is encoded too, so that it is read as it was meant.
 */
export function encodeWords(text: string): string {
  if (isAscii(text) && !text.includes('=?')) return text;
  const words: string[] = [];
  let word: number[] = [];
  for (const char of text) {
    const octets = encodeText(char);
    if (word.length + octets.length > octetsPerWord) {
      words.push(formatWord(word));
      word = [];
    }
    word.push(...octets);
  }
  return [...words, formatWord(word)].join(' ');
}

const formatWord = (octets: readonly number[]): string => `=?utf-8?B?${btoa(String.fromCharCode(...octets))}?=`;

/** Bounded in all its parts, so that it takes linear time. RFC 2231 §5 adds the language. */
const encodedWord = /=\?([!#$%&'+0-9A-Z^_`a-z{|}~.-]{1,40})(?:\*[A-Za-z0-9-]{1,20})?\?([BbQq])\?([!->@-~]{0,800})\?=/g;

/** The text of an unstructured field: `raw` has an octet a character, as it came. What cannot be decoded stays as it is. */
export function decodeWords(raw: string, maxLength = 2000): string {
  const text = decodeText(Uint8Array.from(raw.slice(0, maxLength), (char) => char.charCodeAt(0) & 255));
  // RFC 2047 §6.2: blanks between two encoded-words are not part of the text.
  return text
    .replace(/\?=[ \t]{1,80}(?==\?)/g, '?=')
    .replace(encodedWord, (word, charset: string, encoding: string, content: string) => decodeWord(charset, encoding, content) ?? word);
}

function decodeWord(charset: string, encoding: string, content: string): string | undefined {
  try {
    const octets = encoding.toUpperCase() === 'B' ? atob(content) : decodeQ(content);
    return new TextDecoder(charset).decode(Uint8Array.from(octets, (char) => char.charCodeAt(0)));
  } catch {
    // An unknown charset, or no base64.
    return undefined;
  }
}

const decodeQ = (content: string): string =>
  latin1(encodeText(content))
    .replaceAll('_', ' ')
    .replace(/=([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
