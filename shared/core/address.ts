import { parseIp } from './cidr.ts';

/** A mailbox of RFC 5321 §4.1.2; case, quotes and spelling are those of the client (RFC 3461 §6.3 e). */
export interface Mailbox {
  /** Without angle brackets and source route. */
  address: string;
  localPart: string;
  /** Host name or address literal; empty for `<postmaster>`, which needs none (RFC 5321 §4.1.1.3). */
  domain: string;
}

/** A path in angle brackets; `mailbox` is undefined for the null reverse-path `<>`. `end` is the index after `>`. */
export interface Path {
  mailbox: Mailbox | undefined;
  end: number;
}

// RFC 5321 §4.5.3.1.1 to .3, in octets: a path of 256 with its brackets leaves 254 for the mailbox.
const maxLocalPart = 64;
const maxDomain = 255;
const maxMailbox = 254;
const maxLabel = 63;

// RFC 6531 §3.3 adds all of UTF-8; white space, controls and marks that turn or hide text have no place in an address.
const utf8 = '\\u00a1-\\u1fff\\u200c\\u200d\\u2010-\\u2027\\u2030-\\u205e\\u2070-\\u2fff\\u3001-\\ufefe\\uff00-\\uffef';
const surrogates = '\\ud800-\\udfff';
const atom = `[A-Za-z0-9!#$%&'*+/=?^_\`{|}~${utf8}${surrogates}-]`;
const dotString = new RegExp(`${atom}+(?:\\.${atom}+)*`, 'y');
const quotedString = new RegExp(`"(?:[ !#-\\[\\]-~${utf8}${surrogates}]|\\\\[ -~])*"`, 'y');
const domainText = new RegExp(`\\[[A-Za-z0-9:.-]+\\]|[A-Za-z0-9._${utf8}${surrogates}-]+`, 'y');
const label = new RegExp(`^[A-Za-z0-9_${utf8}${surrogates}-]+$`);
const sourceRoute = /@[^\s,:@<>]+(?:,@[^\s,:@<>]+)*:/y;

/** Reads the path that starts with `<` at `start`; undefined when it breaks the grammar or a length limit. */
export function parsePath(text: string, start: number): Path | undefined {
  if (text[start] !== '<') return undefined;
  if (text[start + 1] === '>') return { mailbox: undefined, end: start + 2 };
  // RFC 5321 §4.1.1.3, appendix C: a source route is accepted and ignored.
  const from = start + 1 + matchAt(sourceRoute, text, start + 1).length;
  const mailbox = mailboxAt(text, from);
  if (!mailbox || text[from + mailbox.address.length] !== '>') return undefined;
  return { mailbox, end: from + mailbox.address.length + 1 };
}

/** Does the text need SMTPUTF8 (RFC 6531)? */
export const isAscii = (text: string): boolean => !/[\u0080-\uffff]/.test(text);

/** RFC 5321 §4.1.3: `[192.0.2.1]` or `[IPv6:2001:db8::1]`. */
export function isAddressLiteral(text: string): boolean {
  if (!text.startsWith('[') || !text.endsWith(']')) return false;
  const inside = text.slice(1, -1);
  const isV6 = /^ipv6:/i.test(inside);
  const address = isV6 ? inside.slice(5) : inside;
  return parseIp(address) !== undefined && address.includes(':') === isV6;
}

/** A host name as RFC 5321 §4.1.2 writes it: no trailing dot; `_` is allowed because names in use have it. */
export function isHostName(text: string): boolean {
  if (octets(text) > maxDomain) return false;
  const labels = text.split('.');
  // No top-level domain is a number; `user@127.0.0.1` would be an address in disguise.
  return labels.every(isLabel) && !/^\d+$/.test(labels.at(-1) ?? '');
}

function mailboxAt(text: string, start: number): Mailbox | undefined {
  const localPart = matchAt(text[start] === '"' ? quotedString : dotString, text, start);
  if (localPart === '' || octets(localPart) > maxLocalPart) return undefined;
  const at = start + localPart.length;
  if (text[at] !== '@') return /^postmaster$/i.test(localPart) ? { address: localPart, localPart, domain: '' } : undefined;
  const domain = matchAt(domainText, text, at + 1);
  const address = `${localPart}@${domain}`;
  if (octets(address) > maxMailbox || !(domain.startsWith('[') ? isAddressLiteral(domain) : isHostName(domain))) return undefined;
  return { address, localPart, domain };
}

const isLabel = (text: string): boolean => text.length <= maxLabel && label.test(text) && !text.startsWith('-') && !text.endsWith('-');

function matchAt(pattern: RegExp, text: string, index: number): string {
  pattern.lastIndex = index;
  return pattern.exec(text)?.[0] ?? '';
}

/** Length in UTF-8. */
export function octets(text: string): number {
  if (isAscii(text)) return text.length;
  let count = 0;
  for (const character of text) {
    const point = character.codePointAt(0) ?? 0;
    count += point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
  }
  return count;
}
