import { decodeXtext } from '../xtext.ts';
import { fieldText, isAscii } from './field.ts';
import type { Typed } from './report.ts';

/** The address as accepted (RFC 3464 §2.3.2); a non-ASCII one in the ASCII form of RFC 6533 §3. */
export function finalRecipient(address: string): Typed {
  return isAscii(address) ? { type: 'rfc822', value: address } : { type: 'utf-8', value: encodeUtf8Address(address) };
}

/** ORCPT as received, `type;xtext` (RFC 3461 §4.2); undefined when it has no type. What is no xtext is shown as it is. */
export function originalRecipient(orcpt: string): Typed | undefined {
  const semicolon = orcpt.indexOf(';');
  const type = orcpt.slice(0, Math.max(semicolon, 0));
  const value = orcpt.slice(semicolon + 1);
  if (!/^[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}$/.test(type)) return undefined;
  // RFC 6533 §3: its own escapes take the place of xtext.
  if (type.toLowerCase() === 'utf-8') return { type, value: isAscii(value) ? value : encodeUtf8Address(value, /[^!-~]/u) };
  return { type, value: decodeXtext(value) ?? fieldText(value) };
}

/** The mailbox without the source route that RFC 5321 §4.1.1.3 tells to ignore: `@a,@b:ann@c` is `ann@c`. */
export const withoutSourceRoute = (path: string): string => path.replace(/^(?:@(?:\[[^\]@]*\]|[^@,:[\]]+),?)+:/, '');

/** RFC 6533 §3, utf-8-addr-xtext: controls, blank, `\`, `+`, `=` and all non-ASCII as `\x{HEX}`. */
function encodeUtf8Address(address: string, special = /[^!-*,-<>-[\]-~]/u): string {
  return Array.from(address.toWellFormed(), (char) =>
    special.test(char) ? `\\x{${(char.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(2, '0')}}` : char,
  ).join('');
}

/** Back from `\x{HEX}`; what names no character is left as it is. */
export function readUtf8Address(text: string): string {
  return text.replace(/\\x\{([0-9A-Fa-f]{1,6})\}/g, (escape, hex: string) => {
    const point = Number.parseInt(hex, 16);
    return point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff) ? escape : String.fromCodePoint(point);
  });
}
