import { encodeWords } from './dsn/encoded-word.ts';
import { formatField } from './dsn/field.ts';

/**
 * A change of a message's header. `prepend`: in front, behind our own Received; `append`: behind the last field;
 * `replace`: in the place of the first field of that name, the others go, or behind the last field when there is none;
 * `remove`: every field of that name.
 */
export type HeaderChange =
  | { readonly op: 'prepend' | 'append' | 'replace'; readonly name: string; readonly value: string }
  | { readonly op: 'remove'; readonly name: string };

/** RFC 5322 §2.1.1. */
const maxLine = 998;
const maxValue = 8000;
/** Loops are found by the one, and the other is written at the last delivery (RFC 5321 §4.4, §6.3). */
const trace = new Set(['received', 'return-path']);

/** Why a field cannot be named or written like this; undefined: it can. */
export function fieldProblem(name: string, value?: string): string | undefined {
  if (!/^[!-9;-~]{1,76}$/.test(name)) return 'a name of a header field is 1 to 76 printable ASCII characters without ":"';
  if (trace.has(name.toLowerCase())) return `the field ${name} is not to be changed`;
  if (value === undefined) return undefined;
  if (value.length > maxValue) return `the value of ${name} has more than ${maxValue} characters`;
  if (/[\x00-\x1f\x7f-\x9f\u2028\u2029]/.test(value) || !value.isWellFormed()) return `the value of ${name} holds control characters`;
  if (value.trim() === '') return `the value of ${name} is empty`;
  const isLong = formatHeaderField(name, value)
    .split('\r\n')
    .some((line) => line.length > maxLine);
  return isLong ? `the value of ${name} has a word too long for a line` : undefined;
}

/** A header after changes, one after another. `header`: its lines with CRLF, an octet a character, without the blank line behind it. */
export function editHeader(header: string, changes: readonly HeaderChange[]): string {
  let fields = splitFields(header);
  for (const change of changes) fields = apply(fields, change);
  return fields.map(({ text }) => text).join('');
}

interface RawField {
  /** Lower case; empty for lines that are no field. */
  name: string;
  /** As it came, folded lines and CRLF included. */
  text: string;
}

function splitFields(header: string): RawField[] {
  const fields: RawField[] = [];
  for (const text of header.match(/[^\n]*\n|[^\n]+$/g) ?? []) {
    const last = fields.at(-1);
    if (last && /^[ \t]/.test(text)) last.text += text;
    else fields.push({ name: (/^([!-9;-~]+)[ \t]*:/.exec(text)?.[1] ?? '').toLowerCase(), text });
  }
  return fields;
}

function apply(fields: RawField[], change: HeaderChange): RawField[] {
  const name = change.name.toLowerCase();
  if (change.op === 'remove') return fields.filter((field) => field.name !== name);
  const field = { name, text: formatHeaderField(change.name, change.value) };
  if (change.op === 'prepend') return [field, ...fields];
  const at = change.op === 'append' ? -1 : fields.findIndex((other) => other.name === name);
  if (at < 0) return [...fields, field];
  return fields.flatMap((other, i) => (i === at ? [field] : other.name === name ? [] : [other]));
}

/** ASCII: encoded-words where it must be (RFC 2047). */
const formatHeaderField = (name: string, value: string): string => formatField(name, encodeWords(value.trim()));
