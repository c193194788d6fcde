import type { ParseArgsOptionsConfig } from 'node:util';
import type { Request } from '../../../shared/io/client.ts';
import { UsageError, type Help } from '../command.ts';

export type Criteria = Request<'previewOrder'>['body']['criteria'];

/** What parseArgs has read. */
export type Flags = Readonly<Record<string, string | boolean | undefined>>;

const text = { type: 'string' } as const;

export const criteriaOptions: ParseArgsOptionsConfig = {
  domain: text,
  tenant: text,
  campaign: text,
  lane: text,
  site: text,
  source: text,
  'routing-domain': text,
  sender: text,
  message: text,
  all: { type: 'boolean' },
};

/** The two that name a place mail goes to. */
export const placeHelp: NonNullable<Help['options']> = [
  ['--lane <lane>', "'default->mx.example.org'; quote it"],
  ['--site <site>', 'a mail exchanger, whatever the source'],
];
export const placeOptions: ParseArgsOptionsConfig = { lane: text, site: text };

export const criteriaHelp: NonNullable<Help['options']> = [
  ['--domain <domain>', 'of the recipients'],
  ['--tenant, --campaign <name>', 'parts of the name of the queue'],
  ...placeHelp,
  ['--source <name>', 'an egress source'],
  ['--routing-domain <domain>', 'where mail is routed to in place of its domain'],
  ['--sender <address>', 'return path, @example.org for all of a domain, <> for the null sender'],
  ['--message <id>', 'one message'],
  ['--all', 'all messages'],
];

const names = ['domain', 'tenant', 'campaign', 'lane', 'site', 'source', 'routing-domain', 'sender', 'message'] as const;

/** Throws UsageError when nothing is chosen, or everything and something. */
export function readCriteria(flags: Flags): Criteria {
  const given = names.flatMap((name) => {
    const value = flags[name];
    return typeof value === 'string' ? [[name.replace('-', '_'), written(name, value)] as const] : [];
  });
  if (flags['all'] === true) {
    if (given.length > 0) throw new UsageError('--all is all messages: it goes with no other criterion');
    return { everything: true };
  }
  if (given.length === 0) throw new UsageError('which messages? --domain, --tenant, --lane or another criterion, or --all');
  return Object.fromEntries(given) as Criteria;
}

function written(name: (typeof names)[number], value: string): string {
  if (name === 'sender') return value.replace(/^<(.*)>$/, '$1');
  if (name === 'lane' || name === 'site') return value.replaceAll(';', ':'); // as lanes are listed; orders name egress paths
  return name === 'message' ? value.replaceAll('-', '').toLowerCase() : value;
}

/** Do they choose the same messages? Names are compared without regard to case, as orders do. */
export function isSame(a: Readonly<Record<string, unknown>>, b: Readonly<Record<string, unknown>>): boolean {
  const keys = new Set([...Object.keys(a), ...Object.keys(b)]);
  return [...keys].every((key) => String(a[key]).toLowerCase() === String(b[key]).toLowerCase());
}
