/** RFC 5322 §2.1.1: 78 octets a line should not be passed, 998 must not. */
const preferredLine = 78;
/** Longer words are broken by a blank, so that every text can be folded below 998 octets (four a character in UTF-8). */
const longWord = /[^ ]{800}(?=[^ ])/g;
const longWordUtf8 = /[^ ]{220}(?=[^ ])/gu;
const longGap = / {100,}/g;

/**
 * The one way for a foreign string (a reply, an address, an ENVID, a header field of the original) into a field:
 * line ends, controls and all that is not ASCII become `?`, length and words are capped, tabs are blanks. The result
 * is one line that `formatField` can fold without changing it.
 */
export function fieldText(text: string, maxLength = 2100): string {
  if (isHarmless(text)) return text.trim();
  return neutralise(text, maxLength)
    .replace(/[^ -~]/gu, '?')
    .replace(longWord, breakAfter)
    .trim();
}

/** The same for the places where UTF-8 is allowed: the header of an SMTPUTF8 report, the human-readable part. */
export function fieldTextUtf8(text: string, maxLength = 2100): string {
  if (isHarmless(text)) return text.trim();
  return neutralise(text, maxLength)
    .replace(/[\p{Cc}\p{Cs}\u2028\u2029]/gu, '?')
    .replace(isAscii(text) ? longWord : longWordUtf8, breakAfter)
    .trim();
}

export const isAscii = (text: string): boolean => !/[\u0080-\uffff]/.test(text);

/**
 * `Name: value` and CRLF, folded at blanks; empty for a value without visible text. Several lines each begin a line
 * of their own. The values must come from `fieldText`, `fieldTextUtf8` or be constants.
 */
export function formatField(name: string, value: string | readonly string[] | undefined): string {
  const lines = (typeof value === 'string' ? [value] : (value ?? [])).filter((line) => line !== '');
  if (lines.length === 0) return '';
  return `${lines.map((line, i) => foldLine(line, i === 0 ? `${name}:` : '')).join('\r\n')}\r\n`;
}

// Folding goes before a run of blanks, so that unfolding (RFC 5322 §2.2.3) gives the same text and no line is blank.
function foldLine(text: string, start: string): string {
  if (start.length + 1 + text.length <= preferredLine) return `${start} ${text}`;
  const folded: string[] = [];
  let line = start;
  for (const word of ` ${text}`.match(/ *[^ ]+/g) ?? []) {
    const isBare = line === start || line === '';
    if (!isBare && line.length + word.length > preferredLine) {
      folded.push(line);
      line = '';
    }
    line += word;
  }
  return [...folded, line].join('\r\n');
}

export interface ReadField {
  /** As written. */
  name: string;
  /** Unfolded, without the blanks around it. */
  value: string;
  /** A blank line stood before it. */
  startsGroup: boolean;
}

/**
 * Reads `name: value` lines, folded or not, with any line ends; what is no field is taken as the rest of the one
 * before it. At most `maxFields` are read.
 */
export function readFields(text: string, maxFields = 200_000): ReadField[] {
  const fields: ReadField[] = [];
  let current: ReadField | undefined;
  let startsGroup = false;
  for (const line of text.split(/\r\n|[\r\n]/)) {
    if (line.trim() === '') {
      startsGroup = true;
      current = undefined;
      continue;
    }
    const match = /^([!-9;-~]+)[ \t]*:(.*)$/.exec(line);
    if (match) {
      if (fields.length >= maxFields) break;
      current = { name: match[1] ?? '', value: match[2] ?? '', startsGroup };
      fields.push(current);
      startsGroup = false;
    } else if (current) {
      current.value += /^[ \t]/.test(line) ? line : ` ${line}`;
    }
  }
  for (const field of fields) field.value = field.value.trim();
  return fields;
}

/** The values of all fields of a name, in their order. */
export const valuesOf = (fields: readonly ReadField[], name: string): string[] =>
  fields.filter((field) => field.name.toLowerCase() === name.toLowerCase()).map((field) => field.value);

function neutralise(text: string, maxLength: number): string {
  const kept = text.length > maxLength ? `${text.slice(0, maxLength)}...` : text;
  return kept
    .replace(/[\r\n]+/g, '?')
    .replace(/\t/g, ' ')
    .replace(longGap, ' '.repeat(99));
}

/** Short and printable ASCII: almost every text is, and none of the replacements would change it. */
const isHarmless = (text: string): boolean => text.length < 100 && /^[ -~]*$/.test(text);

const breakAfter = (word: string): string => `${word} `;
