import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { apiHelp, apiOptions, openApi } from '../api/connect.ts';
import { paperOf, print, printJson, renderTable, type Column, type Style } from '../api/table.ts';
import { untilSettled, type Fate } from '../api/fates.ts';
import { Failure, UsageError, type Help } from '../command.ts';
import { parseDuration } from '../../../shared/core/duration.ts';
import type { ReboundClient } from '../../../shared/io/client.ts';
import { whenStopped } from '../../../shared/io/lifecycle.ts';
import { warn } from '../log/warn.ts';

export const help: Help = {
  usage: '--from <address> --to <address>... [--subject <text>] [--text <text> | --file <file> | --raw <file>]',
  summary: 'send a message, and wait for what becomes of it if you like',
  options: [
    ['--from <address>', '"Shop <shop@example.org>"; with --raw the return path, "" for none'],
    ['--to <address>', 'a recipient; several times, or with commas'],
    ['--subject <text>', 'its subject'],
    ['--text <text>', 'what it says; without it and the next two, standard input does'],
    ['--file <file>', 'a file with what it says'],
    ['--html <file>', 'a file with the same as HTML'],
    ['--raw <file>', 'a message that is written already (.eml); - for standard input'],
    ['--sender <address>', 'return path, if it is not the address of --from; "" for none'],
    ['--tenant, --campaign <name>', 'parts of the name of the queue'],
    ['--key <text>', 'Idempotency-Key: the same key sends it once'],
    ['-w, --wait', 'wait until every recipient is settled, and say what became of each'],
    ['--for <time>', 'with --wait: no longer than this, such as 90s (5m)'],
    ...apiHelp,
  ],
  notes:
    'Exit code 0: queued, with --wait delivered to all; 1: some were not delivered, or not yet; 2: called wrongly, a wrong address too;\n' +
    '3: the API cannot be reached, or refuses the login.',
};

const text = { type: 'string' } as const;
const options = {
  ...apiOptions,
  from: text,
  to: { type: 'string', multiple: true },
  subject: text,
  text,
  file: text,
  html: text,
  raw: text,
  sender: text,
  tenant: text,
  campaign: text,
  key: text,
  wait: { type: 'boolean', short: 'w', default: false },
  for: text,
} as const;

export async function run(args: string[]): Promise<number> {
  const { values } = parseArgs({ args, options });
  const mail = readMail(values);
  const patience = values.for === undefined ? 300_000 : parseDuration(values.for);
  if (patience === undefined) throw new UsageError('--for must be a time such as 90s');
  if (values.for !== undefined && !values.wait) throw new UsageError('--for goes with --wait');
  const stopped = new AbortController();
  if (values.wait) void whenStopped().then(() => stopped.abort());
  const api = await openApi(values);
  const { results } = await inject(api, mail, values);
  const missing = results.filter(({ id }) => id === null);
  if (missing.length > 0) warn(`${missing.length} recipients were not queued: send it again with the same --key`);
  if (!values.wait) {
    if (values.json) printJson({ results });
    else print(renderTable(queuedColumns, results, paperOf(process.stdout, process.env)));
    return missing.length > 0 ? 1 : 0;
  }
  const fates = await untilSettled(api, results, AbortSignal.any([stopped.signal, AbortSignal.timeout(patience)]));
  if (values.json) printJson({ results: fates });
  else print(renderTable(fateColumns, fates, paperOf(process.stdout, process.env)));
  if (stopped.signal.aborted) return 130;
  return fates.every(({ fate }) => fate === 'delivered') ? 0 : 1;
}

type Values = ReturnType<typeof parseArgs<{ options: typeof options }>>['values'];
interface Mail {
  from: string;
  to: string[];
}

function readMail({ from, to = [], raw, ...values }: Values): Mail {
  if (from === undefined) throw new UsageError('--from is needed');
  const recipients = to.flatMap((one) => one.split(',')).map((one) => one.trim());
  if (recipients.length === 0) throw new UsageError('--to is needed');
  const ways = [values.text, values.file, raw].filter((way) => way !== undefined);
  if (ways.length > 1) throw new UsageError('expected one of --text, --file and --raw');
  const wrong = raw === undefined ? [] : (['subject', 'html', 'sender'] as const).filter((name) => values[name] !== undefined);
  if (wrong.length > 0) throw new UsageError(`--${wrong[0]} does not go with --raw, whose message is written already`);
  return { from, to: recipients };
}

async function inject(api: ReboundClient, { from, to }: Mail, values: Values) {
  const { subject, html, raw, sender, tenant, campaign, key } = values;
  const once = key === undefined ? {} : { idempotencyKey: key };
  if (raw !== undefined) return api.injectRaw({ query: { sender: from, to, tenant, campaign }, body: await readOctets(raw), ...once });
  const words =
    values.text ?? (values.file === undefined ? (html === undefined ? await readText('-') : undefined) : await readText(values.file));
  return api.inject({
    body: {
      from,
      to,
      subject,
      text: words,
      ...(html !== undefined && { html: await readText(html) }),
      sender,
      tenant,
      campaign,
    },
    ...once,
  });
}

async function readOctets(file: string): Promise<Uint8Array<ArrayBuffer>> {
  try {
    if (file !== '-') return new Uint8Array(await readFile(file));
    const parts: Buffer[] = [];
    for await (const part of process.stdin) parts.push(part as Buffer);
    return new Uint8Array(Buffer.concat(parts));
  } catch (error) {
    throw new Failure(`cannot read ${file}: ${(error as Error).message}`, { cause: error });
  }
}

const readText = async (file: string): Promise<string> => new TextDecoder().decode(await readOctets(file));

const queuedColumns: readonly Column<{ recipient: string; id: string | null }>[] = [
  { title: 'MESSAGE', value: ({ id }) => id ?? 'not queued', style: ({ id }) => (id === null ? 'red' : undefined), isWhole: true },
  { title: 'RECIPIENT', value: ({ recipient }) => recipient },
];

const styles: Partial<Record<Fate['fate'], Style>> = { delivered: 'green', waiting: 'yellow' };
const fateColumns: readonly Column<Fate>[] = [
  { title: 'RECIPIENT', value: ({ recipient }) => recipient },
  { title: 'BECAME', value: ({ fate }) => fate, style: ({ fate }) => styles[fate] ?? 'red' },
  { title: 'ATTEMPTS', value: ({ attempts }) => attempts },
  { title: 'REPLY', value: ({ reply }) => reply },
  { title: 'MESSAGE', value: ({ message }) => message ?? '-', isWhole: true },
];
