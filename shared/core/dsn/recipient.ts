import { decodeXtext } from '../xtext.ts';
import { readUtf8Address } from '../utf8-address.ts';
import { fieldText, isAscii } from './field.ts';
import type { Typed } from './report.ts';

/** The address as accepted (RFC 3464 §2.3.2); a non-ASCII one has a type of its own (RFC 6533 §3). */
export const finalRecipient = (address: string): Typed => ({ type: isAscii(address) ? 'rfc822' : 'utf-8', value: address });

/** ORCPT as received, `type;xtext` (RFC 3461 §4.2); undefined when it has no type. What is no xtext is shown as it is. */
export function originalRecipient(orcpt: string): Typed | undefined {
  const semicolon = orcpt.indexOf(';');
  const type = orcpt.slice(0, Math.max(semicolon, 0));
  const value = orcpt.slice(semicolon + 1);
  if (!/^[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}$/.test(type)) return undefined;
  // RFC 6533 §3: its own escapes take the place of xtext.
  if (type.toLowerCase() === 'utf-8') return { type, value: readUtf8Address(value) };
  return { type, value: decodeXtext(value) ?? fieldText(value) };
}

/** The mailbox without the source route that RFC 5321 §4.1.1.3 tells to ignore: `@a,@b:ann@c` is `ann@c`. */
export const withoutSourceRoute = (path: string): string => path.replace(/^(?:@(?:\[[^\]@]*\]|[^@,:[\]]+),?)+:/, '');
