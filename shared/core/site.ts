import type { MxRecord } from './mx.ts';

const maxLength = 120;

/**
 * The site of an MX set: one name for all domains that the same hosts serve, whatever the order DNS gave them in.
 * One host is its own site; several are written with their common ending once: `(mx1|mx2).example.com`, and
 * `(alt1|alt2)?.mx.example.com` when the ending is itself a host. `hosts`: in lower case and by preference.
 *
 * `digest` makes a long name short. It must be a cryptographic hash: two sites of one name share connections, so
 * whoever could choose a name with the digest of another's would be given its mail.
 */
export function siteName(hosts: readonly MxRecord[], digest: (text: string) => string): string {
  const names = [...new Set(hosts.map((host) => host.exchange))];
  const name = names.length === 1 ? (names[0] ?? '') : joinNames(names);
  if (name.length <= maxLength) return name;
  const mark = `~${digest(name)}`;
  return name.slice(0, maxLength - mark.length) + mark;
}

function joinNames(names: readonly string[]): string {
  const split = names.map((name) => name.split('.'));
  const ending = commonEnding(split);
  if (ending.length === 0) return `(${names.join('|')})`;
  const heads = split.map((labels) => labels.slice(0, labels.length - ending.length).join('.'));
  return `(${heads.filter(Boolean).join('|')})${heads.includes('') ? '?' : ''}.${ending.join('.')}`;
}

/** The labels at the end that all names have in common. */
function commonEnding(names: readonly string[][]): string[] {
  const first = names[0] ?? [];
  let length = 0;
  while (length < first.length && names.every((labels) => labels.at(-1 - length) === first.at(-1 - length))) length += 1;
  return first.slice(first.length - length);
}
