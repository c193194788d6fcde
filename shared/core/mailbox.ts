import { isAscii, parsePath } from './address.ts';

/** One mailbox of a From field (RFC 5322 §3.4) in ASCII. */
export interface NamedMailbox {
  /** The display name in the form that a field takes, in quotes where it needs them; empty for a bare address. */
  name: string;
  address: string;
  domain: string;
}

/** Reads the whole text as one mailbox; undefined for anything else: two of them, an open quote, an address without domain. */
export function readMailbox(text: string): NamedMailbox | undefined {
  const whole = text.trim();
  if (!isAscii(whole)) return undefined;
  const [, name = '', path = `<${whole}>`] = /^("(?:[^"\\]|\\.)*" *|[^"<>@,;:]*)(<.*>)$/.exec(whole) ?? [];
  const read = parsePath(path, 0);
  const mailbox = read?.mailbox;
  // A source route is none of the address, and not for a From field.
  if (!mailbox?.domain || read?.end !== path.length || mailbox.address.length !== path.length - 2) return undefined;
  const formatted = formatName(name.trim());
  return formatted === undefined ? undefined : { name: formatted, address: mailbox.address, domain: mailbox.domain };
}

/** What is wrong with a setting that has to be one mailbox; undefined when nothing is. */
export function mailboxProblem(text: string): string | undefined {
  return readMailbox(text) ? undefined : 'expected an address such as "help@example.com" or "Help Desk <help@example.com>"';
}

function formatName(name: string): string | undefined {
  if (/[^ -~]/.test(name)) return undefined;
  if (name.startsWith('"') || /^[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]*$/.test(name)) return name;
  return `"${name.replace(/[\\"]/g, '\\$&')}"`;
}
