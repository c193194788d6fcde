import { parseArgs, type ParseArgsOptionsConfig } from 'node:util';
import type { Config } from '../../../shared/core/config.ts';
import type { LogEntry } from '../../../shared/core/log-entry.ts';
import type { FilterField, LogFilter } from '../../../shared/core/log-filter.ts';
import { firstLogId, laterLogId } from '../../../shared/core/log-id.ts';
import { openArchiveStore } from '../../../shared/io/archive.ts';
import { loadConfig } from '../../../shared/io/config-load.ts';
import { whenStopped } from '../../../shared/io/lifecycle.ts';
import { openLog } from '../../../shared/io/log.ts';
import { readRecords, type ReadOptions, type RecordSource } from '../../../shared/io/record-reader.ts';
import { openRedis } from '../../../shared/io/redis.ts';
import { isThroughApi, openApi, throughApiHelp, throughApiOptions } from '../api/connect.ts';
import { UsageError, type Help } from '../command.ts';
import { checkArchive } from '../log/check.ts';
import { filterHelp, filterOptions, readFilter } from '../log/filter.ts';
import { showOne } from '../log/one.ts';
import { openOutput, type Output } from '../log/output.ts';
import { entryAsJson, entryAsRow } from '../log/show.ts';
import { readRemote, type RemoteRequest } from '../log/remote.ts';
import { warn, warnOfMissingArchive } from '../log/warn.ts';
import { findRedisUrl } from '../redis-url.ts';

export const help: Help = {
  usage: 'tail|search|export|check [filters] [options] | show <event>',
  summary: 'what became of messages: read the disposition log, the archive included',
  options: [
    ['tail', 'the latest records; with --follow go on as they come'],
    ['search', 'all that fit, the oldest first'],
    ['export', 'the same as JSON lines'],
    [
      'show <event>',
      'one record by its event_id: what it means, and what became of its report, its replays and its original; asked of the API',
    ],
    ['check', 'read every octet of the archive and name what is damaged; exit code 1 when there is any'],
    ...filterHelp,
    ['--limit <n>', 'stop after so many; of tail 10'],
    ['--reverse', 'search and export: the newest first'],
    ['-f, --follow', 'tail: wait for more until Ctrl-C'],
    ['--json', 'one JSON object a line'],
    ...throughApiHelp,
    ['--config <file>', 'settings (JSON or TypeScript)'],
  ],
  notes:
    'Without --url, run it where the admin role runs: the archive is read from its folder (archive.dir), or with its settings from object storage (archive.s3).',
};

const verbs = ['tail', 'search', 'export', 'check'] as const;

export async function run(args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({ args, options, allowPositionals: true });
  const [name, ...extra] = positionals;
  if (name === 'show') return show(extra, values as Values);
  const verb = verbs.find((known) => known === name);
  if (verb === undefined || extra.length > 0)
    throw new UsageError('expected "log tail", "log search", "log export", "log show" or "log check"');
  const { config: file, limit, ...flags } = values as Values;
  if (flags.follow && verb !== 'tail') throw new UsageError('--follow goes with "log tail"');
  if (flags.reverse && verb === 'tail') throw new UsageError('--reverse goes with "log search" and "log export"');
  const filter = readFilter(values as Values);
  const request: Request = {
    verb,
    filter,
    isReverse: flags.reverse === true,
    isFollowing: flags.follow === true,
    limit: readLimit(limit, verb),
  };
  if (verb !== 'check' && isThroughApi(values as Values, process.env)) return readThroughApi(verb, request, values as Values);
  const config = await loadConfig({ ...(file !== undefined && { file }), env: process.env });
  const output = openOutput(process.stdout, flags.json === true || verb === 'export' ? entryAsJson : entryAsRow(process.stdout));
  if (verb !== 'check') void whenStopped().then(() => output.stop());
  const code = await (verb === 'check'
    ? checkArchive(openArchiveStore(config), flags.json === true, output)
    : read(config, request, output));
  await output.end();
  return code;
}

async function show([event, ...extra]: string[], values: Values): Promise<number> {
  if (event === undefined || extra.length > 0) throw new UsageError('expected the event_id of one record after "show"');
  const { url: _url, token: _token, config: _config, json: _json, ...others } = values;
  for (const name of Object.keys(others)) throw new UsageError(`--${name} does not go with "log show"`);
  return showOne(await openApi(values), event, values.json === true);
}

async function readThroughApi(verb: RemoteRequest['verb'], request: Request, values: Values): Promise<number> {
  const output = openOutput(process.stdout, values.json === true || verb === 'export' ? entryAsJson : entryAsRow(process.stdout));
  void whenStopped().then(() => output.stop());
  const code = await readRemote(await openApi(values), { ...request, verb, filter: values }, output);
  await output.end();
  return code;
}

interface Request {
  verb: (typeof verbs)[number];
  filter: LogFilter;
  isReverse: boolean;
  isFollowing: boolean;
  limit: number;
}

type Values = Partial<Record<FilterField | 'limit' | 'config' | 'url' | 'token', string>> &
  Partial<Record<'follow' | 'reverse' | 'json', boolean>>;

const text = { type: 'string' } as const;
const flag = { type: 'boolean' } as const;
const options: ParseArgsOptionsConfig = {
  ...filterOptions,
  ...throughApiOptions,
  limit: text,
  config: text,
  follow: { ...flag, short: 'f' },
  reverse: flag,
  json: flag,
};

function readLimit(limit: string | undefined, verb: Request['verb']): number {
  if (limit === undefined) return verb === 'tail' ? 10 : Infinity;
  if (!/^\d{1,9}$/.test(limit) || Number(limit) === 0) throw new UsageError('--limit must be a number from 1 to 999999999');
  return Number(limit);
}

/** 0, or 1 when a part of the archive could not be read, or 130 when it was broken off. */
async function read(config: Config, request: Request, output: Output): Promise<number> {
  const redis = await openRedis(await findRedisUrl(config), config.redis, openLog({ level: 'silent', format: 'json' }));
  try {
    const source: RecordSource = { redis, archive: openArchiveStore(config) };
    await warnOfMissingArchive(source);
    let isDamaged = false;
    const reading: ReadOptions = {
      filter: request.filter,
      signal: output.signal,
      onDamage: ({ segment, problem }) => {
        isDamaged = true;
        warn(`${segment} is passed over: ${problem}`);
      },
    };
    if (request.verb === 'tail') await tail(source, request, reading, output);
    else await print(readRecords(source, { ...reading, order: request.isReverse ? 'newest' : 'oldest' }), request.limit, output);
    if (output.isBroken) return 0; // whoever reads has had enough
    if (output.signal.aborted && !request.isFollowing) return 130;
    return isDamaged ? 1 : 0;
  } finally {
    await redis.close();
  }
}

async function tail(source: RecordSource, { limit, isFollowing }: Request, reading: ReadOptions, output: Output): Promise<void> {
  // Asked before: what comes in between is among the latest, or comes with those that follow.
  const end = await lastOfLog(source);
  const latest: LogEntry[] = [];
  for await (const entry of readRecords(source, { ...reading, order: 'newest' })) {
    latest.push(entry);
    if (latest.length >= limit) break;
  }
  const cursor = laterLogId(end, latest[0]?.at ?? firstLogId);
  for (const entry of latest.reverse()) await output.write(entry);
  if (isFollowing) await print(readRecords(source, { ...reading, cursor, follow: true }), Infinity, output);
}

async function print(entries: AsyncIterable<LogEntry>, limit: number, output: Output): Promise<void> {
  let written = 0;
  for await (const entry of entries) {
    if (output.signal.aborted) return;
    await output.write(entry);
    written += 1;
    if (written >= limit) return;
  }
}

async function lastOfLog({ redis }: RecordSource): Promise<string> {
  const [newest] = await redis.client.xrevrange(redis.key('log'), '+', '-', 'COUNT', 1);
  return newest?.[0] ?? firstLogId;
}
