import { parseArgs } from 'node:util';
import type { ReboundClient } from '../../../shared/io/client.ts';
import { ApiError, type Answer } from '../../../shared/io/client.ts';
import { printable } from '../../../shared/core/printable.ts';
import { whenStopped } from '../../../shared/io/lifecycle.ts';
import { apiHelp, apiOptions, exitCodes, openApi } from '../api/connect.ts';
import { paperOf, print, printJson, renderTable, type Column } from '../api/table.ts';
import { agoOf } from '../api/times.ts';
import { Failure, UsageError, type Help } from '../command.ts';
import { openLiveLines, type LiveLine } from '../trace/live.ts';
import { eventWithNames, timelineLines, type Conversations, type Message } from '../trace/timeline.ts';

export const help: Help = {
  usage: '<message> [--conversation] [--follow] | --smtp [filters]',
  summary: 'what happened to a message, with every remote reply; or SMTP conversations as they happen',
  options: [
    ['<message>', 'its id, its Message-ID, or an address: of several messages a list'],
    ['--conversation', 'with the SMTP conversations of attempts that failed, as far as they are kept'],
    ['-f, --follow', 'wait until all recipients are settled, and print what happens meanwhile'],
    ['--since <time>', 'of an address or a Message-ID: nothing older, such as 2h, 7d or 2026-11-22'],
    ['--limit <n>', 'of an address: so many messages, 1 to 100 (10)'],
    ['--smtp', 'follow live conversations, inbound and outbound, of all processes, until Ctrl-C'],
    ['--direction in|out', 'with --smtp: only clients that talk to us, or only us to servers'],
    ['--lane, --site <name>', 'with --smtp: only to these, such as "default->mx.example.org" and mx.example.org'],
    ['--domain <domain>', 'with --smtp: only with recipients of this domain'],
    ['--client <address>', 'with --smtp: only clients of this address or network'],
    ['--message <id>', 'with --smtp: only what is about this message'],
    ...apiHelp,
  ],
  notes: `> is said by the client, < by the server, * happened. Passwords are never shown, content neither.\n${exitCodes}`,
};

const text = { type: 'string' } as const;
const flag = { type: 'boolean', default: false } as const;
const options = {
  ...apiOptions,
  conversation: flag,
  follow: { ...flag, short: 'f' },
  since: text,
  limit: text,
  smtp: flag,
  direction: text,
  lane: text,
  site: text,
  domain: text,
  client: text,
  message: text,
} as const;

type Values = ReturnType<typeof parseArgs<{ options: typeof options }>>['values'];

const filters = ['direction', 'lane', 'site', 'domain', 'client', 'message'] as const;

export async function run(args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({ args, options, allowPositionals: true });
  const [wanted, ...extra] = positionals;
  if (values.smtp) {
    const wrong = (['conversation', 'follow', 'since', 'limit'] as const).find((name) => values[name]);
    if (wanted !== undefined || wrong) throw new UsageError(`${wrong ? `--${wrong}` : 'a message'} does not go with --smtp`);
    return followSmtp(values);
  }
  const wrong = filters.find((name) => values[name] !== undefined);
  if (wrong) throw new UsageError(`--${wrong} goes with --smtp`);
  if (wanted === undefined || extra.length > 0) throw new UsageError('expected one message: its id, its Message-ID or an address');
  const { limit = '10' } = values;
  if (!/^\d{1,3}$/.test(limit) || Number(limit) < 1 || Number(limit) > 100) throw new UsageError('--limit must be a number from 1 to 100');
  const stopped = new AbortController();
  if (values.follow) void whenStopped().then(() => stopped.abort());
  const api = await openApi(values);
  const found = await find(api, wanted, values, Number(limit));
  if (typeof found !== 'string') {
    if (values.json) printJson(found);
    else print(renderTable(columns, found.messages, paperOf(process.stdout, process.env)));
    return 0;
  }
  return traceMessage(api, found, values, stopped.signal);
}

/** The id of the one message that is meant, or those to choose from. */
async function find(api: ReboundClient, wanted: string, { since }: Values, limit: number): Promise<string | Answer<'findMessages'>> {
  const id = wanted.replaceAll('-', '').toLowerCase();
  if (/^[0-9a-f]{32}$/.test(id)) return id;
  // Both look like an address; a Message-ID has its brackets, unless somebody has left them out.
  const isAddress = wanted.startsWith('@') || !wanted.includes('@');
  const byId = isAddress ? undefined : await api.findMessages({ query: { message_id: wanted, since, limit } });
  const bare = wanted.replace(/^<(.*)>$/, '$1');
  const found = byId && byId.messages.length > 0 ? byId : await api.findMessages({ query: { address: bare, since, limit } });
  const [only, another] = found.messages;
  if (only && !another) return only.id;
  if (only) return found;
  const some = found.complete ? '' : '; not all of the log could be searched, --since makes that less';
  throw new Failure(`there is no message ${printable(wanted, 200)}${some}`);
}

type Found = Answer<'findMessages'>['messages'][number];

const columns: readonly Column<Found>[] = [
  // First, so that even the narrowest terminal has it to copy.
  { title: 'MESSAGE', value: ({ id }) => id, isWhole: true },
  { title: 'RECEIVED', value: ({ received }) => `${agoOf(received)} ago` },
  { title: 'FROM', value: ({ sender }) => sender || '<>' },
  { title: 'TO', value: ({ recipients }) => `${recipients[0] ?? ''}${recipients.length > 1 ? ` +${recipients.length - 1}` : ''}` },
  { title: 'LAST', value: ({ last }) => last.type },
  { title: 'REPLY', value: ({ last }) => (last.type === 'Reception' ? '' : `${last.code} ${last.content}`) },
];

/** How often a message is looked at. Milliseconds. */
const lookInterval = 500;

async function traceMessage(api: ReboundClient, id: string, values: Values, stop: AbortSignal): Promise<number> {
  let message = await api.message({ params: { id } });
  const told = new Set(message.records.map(({ event_id }) => event_id));
  if (values.json && !values.follow) {
    const conversations = values.conversation
      ? Object.fromEntries(await readConversations(api, message, message.conversations))
      : undefined;
    printJson({ ...message, ...(conversations && { conversation: conversations }) });
    return 0;
  }
  const paper = paperOf(process.stdout, process.env);
  if (values.json) for (const record of message.records) printJson(record);
  else {
    const conversations = await conversationsOf(api, message, message.conversations, values);
    print(timelineLines(message, conversations, paper, Date.now()));
  }
  while (values.follow && !isSettled(message)) {
    await new Promise((resolve) => setTimeout(resolve, lookInterval));
    if (stop.aborted) return 130;
    message = (await look(api, id)) ?? message;
    const fresh = message.records.filter(({ event_id }) => !told.has(event_id));
    for (const record of fresh) {
      told.add(record.event_id);
      if (values.json) printJson(record);
      else print(eventWithNames(record, message, await conversationsOf(api, message, [record.event_id], values), paper));
    }
  }
  return 0;
}

/** Redis may be away for a while. */
async function look(api: ReboundClient, id: string): Promise<Message | undefined> {
  try {
    return await api.message({ params: { id } });
  } catch (error) {
    if (error instanceof ApiError && error.status === 503) return undefined;
    throw error;
  }
}

/** Nothing is to be delivered, and no report to be made. */
const isSettled = ({ jobs, held_by }: Message): boolean => jobs.length === 0 && !held_by.includes('bounces');

const conversationsOf = async (
  api: ReboundClient,
  message: Message,
  events: readonly string[],
  { conversation }: Values,
): Promise<Conversations> => (conversation ? readConversations(api, message, events) : new Map());

async function readConversations(api: ReboundClient, { conversations }: Message, events: readonly string[]): Promise<Conversations> {
  const found = new Map<string, Answer<'conversation'>>();
  for (const event of events.filter((one) => conversations.includes(one))) {
    try {
      found.set(event, await api.conversation({ params: { event } }));
    } catch (error) {
      // It was let go of in between.
      if (!(error instanceof ApiError && error.status === 404)) throw error;
    }
  }
  return found;
}

async function followSmtp({ direction, lane, site, domain, client, message, json, ...values }: Values): Promise<number> {
  const way =
    direction === undefined
      ? undefined
      : ({ in: 'inbound', inbound: 'inbound', out: 'outbound', outbound: 'outbound' } as const)[direction];
  if (direction !== undefined && way === undefined) throw new UsageError('--direction must be in or out');
  const stopped = new AbortController();
  void whenStopped().then(() => stopped.abort());
  const api = await openApi(values, stopped.signal);
  const linesOf = openLiveLines();
  const paper = paperOf(process.stdout, process.env);
  if (!json) process.stderr.write('watching; Ctrl-C ends it\n');
  try {
    for await (const { event, data } of api.smtpTrace({ query: { direction: way, lane, site, domain, client, message } })) {
      const value = JSON.parse(data) as unknown;
      if (json) printJson(event === 'gap' ? { gap: value } : value);
      else if (event === 'gap') print([gapWords(value as { process: string; left_out: number })]);
      else print(linesOf(value as LiveLine, paper));
    }
  } catch (error) {
    if (!stopped.signal.aborted) throw error;
  }
  return 0;
}

const gapWords = (gap: { process: string; left_out: number }): string =>
  `(${gap.left_out} lines of ${printable(gap.process, 100)} left out)`;
