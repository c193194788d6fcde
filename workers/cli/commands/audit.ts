import { parseArgs } from 'node:util';
import type { Answer, ReboundClient } from '../../../shared/io/client.ts';
import { apiHelp, apiOptions, exitCodes, openApi } from '../api/connect.ts';
import { paperOf, print, printJson, renderTable, type Column } from '../api/table.ts';
import { UsageError, type Help } from '../command.ts';
import { readFilter } from '../log/filter.ts';

export const help: Help = {
  usage: '[--since <time>] [--who <name>] [--action <action>] [--text <text>] [--limit <n>] [--json]',
  summary: 'who changed what, and why, the newest first',
  options: [
    ['--since <time>', 'how long ago ("2h", "7d") or a time as 2026-11-22T14:30:00Z'],
    ['--who <name>', 'a login, or user@host of the command line'],
    ['--action <action>', 'an operation of the API: giveOrder, createReplay, ...; several with commas'],
    ['--text <text>', 'stands in target, result or reason: an id, a name, criteria'],
    ['--limit <n>', 'so many, 1 to 20000 (50)'],
    ...apiHelp,
  ],
  notes: `Needs the role admin. The log keeps about 20,000 entries.\n${exitCodes}`,
};

type Entry = Answer<'audit'>['entries'][number];

const columns: readonly Column<Entry>[] = [
  { title: 'TIME', value: ({ time }) => time.slice(0, 19).replace('T', ' '), isWhole: true },
  { title: 'WHO', value: ({ who }) => who },
  { title: 'ACTION', value: ({ action }) => action },
  { title: 'STATUS', value: ({ status }) => String(status), style: ({ status }) => (status >= 400 ? 'red' : undefined) },
  { title: 'TARGET', value: ({ target }) => target || '-' },
  { title: 'RESULT', value: ({ result }) => result },
  { title: 'REASON', value: ({ reason }) => reason ?? '-' },
];

const text = { type: 'string' } as const;
const pageSize = 1000;

export async function run(args: string[]): Promise<number> {
  const options = { ...apiOptions, since: text, who: text, action: text, text, limit: { ...text, default: '50' } } as const;
  const { values } = parseArgs({ args, options });
  const { since: asked, who, action, text: words, limit } = values;
  if (!/^\d{1,5}$/.test(limit) || Number(limit) < 1 || Number(limit) > 20_000)
    throw new UsageError('--limit must be a number from 1 to 20000');
  const { since = 0 } = asked === undefined ? {} : readFilter({ since: asked });
  const actions = action?.toLowerCase().split(',');
  const isAsked = (entry: Entry): boolean =>
    (who === undefined || entry.who.toLowerCase() === who.toLowerCase()) &&
    (actions === undefined || actions.includes(entry.action.toLowerCase())) &&
    (words === undefined ||
      [entry.target, entry.result, entry.reason ?? ''].some((part) => part.toLowerCase().includes(words.toLowerCase())));
  const entries = await newest(await openApi(values), since, isAsked, Number(limit));
  if (values.json) printJson({ entries });
  else if (entries.length === 0) print(['nothing of that kind is in the audit log']);
  else print(renderTable(columns, entries, paperOf(process.stdout, process.env)));
  return 0;
}

async function newest(api: ReboundClient, since: number, isAsked: (entry: Entry) => boolean, most: number): Promise<Entry[]> {
  const found: Entry[] = [];
  let cursor: string | undefined;
  do {
    const page = await api.audit({ query: { limit: pageSize, cursor } });
    for (const entry of page.entries) {
      // They stand in the order of their ids, whose time is that of Redis.
      if (Number.parseInt(entry.id, 10) < since) return found;
      if (isAsked(entry)) found.push(entry);
      if (found.length === most) return found;
    }
    cursor = page.next ?? undefined;
  } while (cursor !== undefined);
  return found;
}
