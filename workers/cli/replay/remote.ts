import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { filterFields, type FilterField } from '../../../shared/core/log-filter.ts';
import { printable } from '../../../shared/core/printable.ts';
import { ApiError, type Answer, type ReboundClient } from '../../../shared/io/client.ts';
import { confirm } from '../api/confirm.ts';
import { lineOf, paperOf, print, printJson, renderTable, type Column } from '../api/table.ts';
import { agoOf } from '../api/times.ts';
import { UsageError } from '../command.ts';
import { openScreen } from '../demo/screen.ts';
import { span } from '../demo/table.ts';
import { warn } from '../log/warn.ts';

/** Replays through the API: the admin role runs them, so that they go on when this command ends. Each resolves with the exit code. */
export interface RemoteReplays {
  begin(rate: number, force: boolean): Promise<number>;
  list(): Promise<number>;
  /** `most`: so many of its records too. */
  show(id: string, most?: number): Promise<number>;
  resume(id: string): Promise<number>;
  cancel(id: string): Promise<number>;
}

export interface RemoteManner {
  isPreview: boolean;
  isSure: boolean;
  json: boolean;
  reason: string | undefined;
}

type Asked = Partial<Record<FilterField | 'to', string>>;
type Replay = Answer<'replay'>;

/** Milliseconds. */
const lookInterval = 250;
/** Without any news for so long, it is left to itself. Milliseconds. */
const patience = 30_000;

export function remoteReplays(
  api: ReboundClient,
  asked: Asked,
  { isPreview, isSure, json, reason }: RemoteManner,
  signal: AbortSignal,
): RemoteReplays {
  const filter = Object.fromEntries(filterFields.flatMap((field) => (asked[field] === undefined ? [] : [[field, asked[field]]])));
  const told = (): string => {
    if (reason === undefined) throw new UsageError('--why is needed: through the API every change has a reason');
    return reason;
  };
  const show = async (id: string, most = 0): Promise<number> => {
    const replay = await api.replay({ params: { id } });
    const records = await recordsOf(api, id, most);
    const paper = paperOf(process.stdout, process.env);
    if (json) printJson({ ...replay, ...(most > 0 && { records }) });
    else if (most === 0) print(detailsOf(replay));
    else print([...detailsOf({ ...replay, sample: [] }), '', ...renderTable(recordColumns, records, paper)]);
    return 0;
  };
  const go = async (id: string): Promise<number> => {
    const end = await follow(api, id, signal);
    if (signal.aborted) {
      // Nothing more is asked: it may be the API that keeps them waiting.
      warn(`it goes on; "rebound replay show ${id}" tells how far it is, "rebound replay cancel ${id}" ends it`);
      return 130;
    }
    await show(id);
    return end === 'cancelled' || end === 'interrupted' ? 1 : 0;
  };
  return {
    show,
    begin: async (rate, force) => {
      const body = { to: asked.to ?? '', ...filter };
      if (isPreview) return preview(api, body, json);
      const why = told();
      if (!isSure && !(await confirm(`Replay to ${body.to}${force ? ', by force' : ''}: ${printable(JSON.stringify(filter))}?`, signal)))
        return 1;
      const { id } = await api.createReplay({ body: { ...body, rate, force, reason: why }, idempotencyKey: randomUUID() });
      return go(id);
    },
    list: async () => {
      const answer = await api.replays();
      if (json) printJson(answer);
      else
        print(
          answer.replays.length === 0
            ? ['there were no replays of late']
            : renderTable(columns, answer.replays, paperOf(process.stdout, process.env)),
        );
      return 0;
    },
    resume: async (id) => {
      await api.resumeReplay({ params: { id }, body: { reason: told() } });
      return go(id);
    },
    cancel: async (id) => {
      await api.cancelReplay({ params: { id }, body: { reason: told() } });
      return show(id);
    },
  };
}

/** Until it has ended, in whatever way, or nothing happens any more. Resolves with its last status. */
async function follow(api: ReboundClient, id: string, signal: AbortSignal): Promise<Replay['status'] | undefined> {
  const screen = openScreen(process.stderr, process.env);
  let seen = '';
  let status: Replay['status'] | undefined;
  let news = Date.now();
  try {
    while (!signal.aborted) {
      const replay = await look(api, id, signal);
      if (replay) {
        status = replay.status;
        const counts = Object.entries(replay.outcomes).map(([name, count]) => `${count.toLocaleString('en')} ${printable(name, 40)}`);
        const words = [`${replay.queued.toLocaleString('en')} queued`, ...counts, `${replay.pending.toLocaleString('en')} pending`].join(
          ', ',
        );
        if (words !== seen) news = Date.now();
        seen = words;
        screen.draw([span(`${status}  ${words}${replay.is_target_full ? '  waiting for its target' : ''}`)]);
        if (status === 'done' || status === 'cancelled' || status === 'interrupted') return status;
      }
      if (Date.now() - news > patience) {
        warn(`nothing has happened for ${patience / 1000} s; is a bounce process running? "rebound replay show ${id}" tells how far it is`);
        return status;
      }
      await sleep(lookInterval, undefined, { signal }).catch(() => undefined);
    }
    return status;
  } finally {
    screen.keep();
  }
}

/** Undefined while Redis is away, or when nobody waits any more. */
async function look(api: ReboundClient, id: string, signal: AbortSignal): Promise<Replay | undefined> {
  try {
    return await api.replay({ params: { id }, signal });
  } catch (error) {
    if (signal.aborted || (error instanceof ApiError && error.status === 503)) return undefined;
    throw error;
  }
}

/** The preview counts for a bounded time: what is left is asked for, and added. */
async function preview(api: ReboundClient, body: { to: string }, json: boolean): Promise<number> {
  const sums = { sites: new Map<string, number>(), codes: new Map<string, number>(), classes: new Map<string, number>() };
  let [records, skipped] = [0, 0];
  let cursor: string | undefined;
  let sample: Answer<'previewReplay'>['sample'] = [];
  do {
    const part = await api.previewReplay({ body: { ...body, cursor } });
    records += part.records;
    skipped += part.skipped;
    if (sample.length === 0) sample = part.sample;
    for (const kind of ['sites', 'codes', 'classes'] as const) {
      for (const { name, count } of part[kind]) sums[kind].set(name, (sums[kind].get(name) ?? 0) + count);
    }
    for (const { segment, problem } of part.damage) warn(`${segment} is passed over: ${problem}`);
    cursor = part.next ?? undefined;
  } while (cursor !== undefined);
  if (json) {
    printJson({
      records,
      skipped,
      ...Object.fromEntries(Object.entries(sums).map(([kind, sum]) => [kind, Object.fromEntries(sum)])),
      sample,
    });
    return 0;
  }
  const paper = paperOf(process.stdout, process.env);
  print([
    `${records - skipped} records would be replayed${skipped > 0 ? `; ${skipped} more are of no use to the target` : ''}. Nothing was written.`,
  ]);
  for (const [kind, sum] of Object.entries(sums)) if (sum.size > 0) print(['', kind, ...countLines(sum)]);
  if (sample.length > 0) print(['', 'the first of them', ...sample.map((one) => lineOf(sampleWords(one), paper))]);
  return 0;
}

const mostRows = 15;
const countLines = (counts: ReadonlyMap<string, number>): string[] =>
  [...counts]
    .toSorted(([, a], [, b]) => b - a)
    .slice(0, mostRows)
    .map(([name, count]) => `${count.toLocaleString('en').padStart(10)}  ${printable(name, 100)}`);

const sampleWords = ({ time, type, code, sender, recipient, site, event_id: id }: Answer<'previewReplay'>['sample'][number]): string =>
  `${time}  ${type}  ${code ?? '-'}  ${sender || '<>'} -> ${recipient}  ${site || '-'}  ${id}`;

type ReplayRecord = Answer<'replayRecords'>['records'][number];
const recordColumns: readonly Column<ReplayRecord>[] = [
  { title: 'OUTCOME', value: ({ outcome, state }) => outcome ?? state },
  { title: 'TIME', value: ({ time }) => time },
  { title: 'TYPE', value: ({ type }) => type },
  { title: 'CODE', value: ({ code }) => String(code ?? '-') },
  { title: 'RECIPIENT', value: ({ recipient }) => recipient },
  { title: 'SITE', value: ({ site }) => site || '-' },
  { title: 'EVENT', value: ({ event_id: id }) => id, isWhole: true },
];

const recordsPage = 500;

/** The first of them in the order of the log. A page may be short, as each is read for a bounded time. */
async function recordsOf(api: ReboundClient, id: string, most: number): Promise<ReplayRecord[]> {
  const found: ReplayRecord[] = [];
  let cursor: string | undefined;
  while (found.length < most) {
    const { records, next, damage } = await api.replayRecords({
      params: { id },
      query: { limit: Math.min(recordsPage, most - found.length), cursor },
    });
    found.push(...records);
    for (const { segment, problem } of damage) warn(`${segment} is passed over: ${problem}`);
    if (next === null) break;
    cursor = next;
  }
  return found;
}

const columns: readonly Column<Answer<'replays'>['replays'][number]>[] = [
  { title: 'REPLAY', value: ({ id }) => id, isWhole: true },
  { title: 'STATUS', value: ({ status }) => status },
  { title: 'TO', value: ({ to }) => to },
  { title: 'QUEUED', value: ({ queued }) => queued },
  { title: 'PENDING', value: ({ pending }) => pending },
  { title: 'BEGUN', value: ({ begun }) => `${agoOf(begun)} ago` },
  { title: 'WHO', value: ({ who }) => who },
  { title: 'REASON', value: ({ reason }) => reason },
];

function detailsOf({ id, to, status, filter, force, who, reason, queued, skipped, pending, outcomes, sample }: Replay): string[] {
  const paper = paperOf(process.stdout, process.env);
  return [
    ...[
      `replay   ${id}`,
      `what     to ${to}${force ? ', by force' : ''}, ${JSON.stringify(filter)}`,
      `status   ${status}`,
      `records  ${queued.toLocaleString('en')} queued, ${pending.toLocaleString('en')} pending, ${skipped.toLocaleString('en')} of no use to the target`,
      `why      ${reason || '-'} (${who})`,
    ].map((line) => printable(line, 2000)),
    ...countLines(new Map(Object.entries(outcomes))),
    ...sample.slice(0, mostRows).map((one) => lineOf(`${one.outcome}  ${sampleWords(one)}`, paper)),
  ];
}
