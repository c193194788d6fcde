/**
 * Addresses of type `utf-8` (RFC 6533 §3). They are written in three ways: `ascii` (utf-8-addr-xtext, for what must be
 * ASCII), unitext (UTF-8, but what may not stand in a parameter escaped), and raw, the address itself.
 */
export type Utf8AddressForm = 'ascii' | 'utf-8';

const escapeSequence = /\\x\{([0-9A-Fa-f]{1,6})\}/g;
/** What utf-8-addr-xtext escapes: controls, blank, `+`, `=`, `\` and all that is not ASCII. */
const specialInAscii = /[^!-*,-<>-[\]-~]/u;
/** What unitext escapes; beyond the grammar also what cannot be seen or would be trimmed. */
const specialInUtf8 = /[\p{C}\p{Z}+=\\]/u;
/** What makes an address unfit to be written raw: it would be changed in a field, or taken for an escape. */
const unfitRaw = /[\p{C}\p{Z}\\]/u;
/** UTF-16 units, of up to 3 octets each: a line has 998 octets. No mailbox of SMTP is longer than 254 octets. */
const longestUtf8 = 260;

/** `utf-8`: raw where that can be read back, else unitext; what is too long for one line is in the ASCII form always. */
export function formatUtf8Address(address: string, form: Utf8AddressForm): string {
  const text = address.toWellFormed();
  if (form === 'ascii') return escapeAll(text, specialInAscii);
  const utf8 = unfitRaw.test(text) ? escapeAll(text, specialInUtf8) : text;
  return utf8.length <= longestUtf8 ? utf8 : escapeAll(text, specialInAscii);
}

/** The address that any of the three forms stands for; liberal: what names no character is left as it is. */
export function readUtf8Address(text: string): string {
  // An escaped form has no blanks of its own, so that one in it comes from the folding of a long field, which may part an escape.
  const joined = /\\ *x *\{/.test(text) ? text.replaceAll(' ', '') : text;
  return joined.replace(escapeSequence, (whole, hex: string) => {
    const point = Number.parseInt(hex, 16);
    return isCharacter(point) ? String.fromCodePoint(point) : whole;
  });
}

/**
 * The address in an ORCPT parameter, or undefined when it is in none of the three forms. Control characters, which the
 * grammar would let through, are refused: no mailbox has them.
 */
export function decodeUtf8Address(text: string): string | undefined {
  // RFC 6533 §3, utf-8-address: beside UTF-8 a bare `+` can only be the mailbox's own.
  if (/[\u00a0-\uffff]/.test(text) && /^(?:[!-<>-[\]-~\u00a0-\uffff]|\\(?!x\{))+$/.test(text)) return text;
  if (!/^(?:[!-*,-<>-[\]-~\u00a0-\uffff]|\\x\{[0-9A-F]{2,6}\})+$/.test(text)) return undefined;
  let isValid = true;
  const decoded = text.replace(escapeSequence, (_, hex: string) => {
    const point = Number.parseInt(hex, 16);
    const isNeeded = point >= 0xa0 || [0x20, 0x2b, 0x3d, 0x5c].includes(point);
    if (!isNeeded || !isCharacter(point)) isValid = false;
    return isValid ? String.fromCodePoint(point) : '';
  });
  return isValid ? decoded : undefined;
}

/** ORCPT for a server without SMTPUTF8 (RFC 6533 §3): type and value in ASCII. Of another type than `utf-8` it is ASCII as it is. */
export function asciiOrcpt(orcpt: string): string {
  const value = /^utf-8;(.+)$/is.exec(orcpt)?.[1];
  if (value === undefined || /^[!-~]+$/.test(value)) return orcpt;
  return `${orcpt.slice(0, 'utf-8;'.length)}${formatUtf8Address(readUtf8Address(value), 'ascii')}`;
}

function escapeAll(text: string, special: RegExp): string {
  return Array.from(text, (char) =>
    special.test(char) ? `\\x{${(char.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(2, '0')}}` : char,
  ).join('');
}

const isCharacter = (point: number): boolean => point <= 0x10ffff && (point < 0xd800 || point > 0xdfff);
