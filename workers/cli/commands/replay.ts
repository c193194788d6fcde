import { hostname, userInfo } from 'node:os';
import { parseArgs, type ParseArgsOptionsConfig } from 'node:util';
import type { Config } from '../../../shared/core/config.ts';
import type { FilterField } from '../../../shared/core/log-filter.ts';
import { formatReplayTarget, parseReplayTarget, queueOfTarget, type ReplayPlan, type ReplayTarget } from '../../../shared/core/replay.ts';
import { subscriptionsOf } from '../../../shared/core/subscriptions.ts';
import { openArchiveStore } from '../../../shared/io/archive.ts';
import { audit } from '../../../shared/io/audit.ts';
import { loadConfig } from '../../../shared/io/config-load.ts';
import { whenStopped } from '../../../shared/io/lifecycle.ts';
import { openLog } from '../../../shared/io/log.ts';
import { openQueues } from '../../../shared/io/queues.ts';
import { openRedis } from '../../../shared/io/redis.ts';
import { cancelReplay, createReplay, listReplays, readReplay, readReplaySample, redisNow } from '../../../shared/io/replay-state.ts';
import { surveyReplay, type ReplayWorld } from '../../../shared/io/replay.ts';
import { isThroughApi, openApi, throughApiHelp, throughApiOptions } from '../api/connect.ts';
import { Failure, UsageError, type Help } from '../command.ts';
import { confirm } from '../api/confirm.ts';
import { filterHelp, filterOptions, readFilter } from '../log/filter.ts';
import { warn, warnOfMissingArchive } from '../log/warn.ts';
import { openProgress } from '../replay/progress.ts';
import { remoteReplays, type RemoteReplays } from '../replay/remote.ts';
import { runAndFollow } from '../replay/run.ts';
import { replayAsJson, replayAsLines, replayAsRow, surveyAsJson, surveyAsLines } from '../replay/show.ts';
import { findRedisUrl } from '../redis-url.ts';

export const help: Help = {
  usage: '--to <target> [filters] [options] | list | show <id> | resume <id> | cancel <id>',
  summary: 'run dispositions of the past again: reports, webhooks, hooks, delivery',
  options: [
    ['--to bounces', 'make reports, by the settings of now; one that was sent is not sent again'],
    ['--to webhook:<name>', 'post the records again; likewise hook:<name>'],
    ['--to redeliver', 'deliver failed messages again whose original is still kept (bounce.keepOriginals)'],
    ...filterHelp,
    ['--dry-run', 'count by site, code and class and show some records; nothing is written'],
    ['--rate <n>', 'records a second at most (1000)'],
    ['--force', 'send again what was sent'],
    ['--why <text>', 'the reason, for the audit log'],
    ['--yes', 'do not ask'],
    ['--json', 'print the result as JSON'],
    ...throughApiHelp,
    ['--config <file>', 'settings (JSON or TypeScript)'],
    ['list', 'the latest replays'],
    ['show <id>', 'one replay: its counts and some records of each outcome'],
    ['--records <n>', 'show, with --url: so many records in the order of the log, each with what became of it'],
    ['resume <id>', 'go on with one that was interrupted'],
    ['cancel <id>', 'end one for good: what still waits does nothing'],
  ],
  notes:
    '--since or --message is needed. What is logged after the beginning is no part of the replay. Ctrl-C leaves it to be resumed.\n' +
    'Exit code 0: all records are done or queued; 1: a part of the archive could not be read, or the replay was cancelled; 130: interrupted.',
};

type Values = Partial<Record<FilterField | 'to' | 'rate' | 'why' | 'records' | 'config' | 'url' | 'token', string>> &
  Partial<Record<'dry-run' | 'force' | 'yes' | 'json', boolean>>;

const text = { type: 'string' } as const;
const flag = { type: 'boolean' } as const;
const options: ParseArgsOptionsConfig = {
  ...filterOptions,
  ...throughApiOptions,
  to: text,
  rate: text,
  why: text,
  records: text,
  config: text,
  'dry-run': flag,
  force: flag,
  yes: flag,
  json: flag,
};
const verbs = ['list', 'show', 'resume', 'cancel'] as const;

export async function run(args: string[]): Promise<number> {
  const parsed = parseArgs({ args, options, allowPositionals: true });
  const values = parsed.values as Values;
  const [name, id, ...extra] = parsed.positionals;
  const verb = verbs.find((known) => known === name);
  if (extra.length > 0 || (name !== undefined && verb === undefined)) throw new UsageError(`expected ${verbs.join(', ')} or --to`);
  const most = readRecordCount(values, verb);
  if (verb === undefined) {
    const request = readRequest(values);
    if (isThroughApi(values, process.env)) return throughApi(values, (remote) => remote.begin(request.rate, request.force));
    return withWorld(values, (world, config) => begin(request, values, world, config));
  }
  if (verb === 'list' && isThroughApi(values, process.env)) return throughApi(values, (remote) => remote.list());
  if (verb === 'list') return withWorld(values, (world) => list(world, values));
  if (id === undefined || !/^[0-9a-f]{32}$/.test(id)) throw new UsageError(`expected the id of a replay after "${verb}"`);
  if (isThroughApi(values, process.env))
    return throughApi(values, (remote) => (verb === 'show' ? remote.show(id, most) : remote[verb](id)));
  return withWorld(values, (world) => ({ show, resume, cancel })[verb](world, id, values));
}

function readRecordCount({ records, ...flags }: Values, verb: (typeof verbs)[number] | undefined): number {
  if (records === undefined) return 0;
  if (verb !== 'show' || !isThroughApi(flags, process.env))
    throw new UsageError('--records goes with "replay show" and --url or REBOUND_URL');
  if (!/^\d{1,6}$/.test(records) || Number(records) === 0) throw new UsageError('--records must be a number from 1 to 999999');
  return Number(records);
}

type Request = Omit<ReplayPlan, 'filter'> & { filter: Partial<ReplayPlan['filter']> };

function readRequest(values: Values): Request {
  const target = parseReplayTarget(values.to ?? '');
  if (!target) throw new UsageError('--to must be bounces, redeliver, webhook:NAME or hook:NAME');
  const { rate = '1000' } = values;
  if (!/^\d{1,6}$/.test(rate) || Number(rate) === 0) throw new UsageError('--rate must be a number from 1 to 999999');
  const filter = readFilter(values);
  if (filter.since === undefined && filter.message === undefined) throw new UsageError('--since or --message is needed');
  if (!values.yes && !values['dry-run'] && !process.stdin.isTTY)
    throw new UsageError('--yes or --dry-run is needed where nobody can be asked');
  return { target, rate: Number(rate), force: values.force === true, filter };
}

async function throughApi(values: Values, work: (remote: RemoteReplays) => Promise<number>): Promise<number> {
  const manner = { isPreview: values['dry-run'] === true, isSure: values.yes === true, json: values.json === true, reason: values.why };
  return work(remoteReplays(await openApi(values), values, manner, stopSignal()));
}

async function withWorld(values: Values, work: (world: ReplayWorld, config: Config) => Promise<number>): Promise<number> {
  const config = await loadConfig({ ...(values.config !== undefined && { file: values.config }), env: process.env });
  const redis = await openRedis(await findRedisUrl(config), config.redis, openLog({ level: 'silent', format: 'json' }));
  try {
    const world = { redis, archive: openArchiveStore(config), queues: openQueues(redis), subscriptions: subscriptionsOf(config) };
    return await work(world, config);
  } finally {
    await redis.close();
  }
}

async function begin(request: Request, values: Values, world: ReplayWorld, config: Config): Promise<number> {
  const { redis } = world;
  await assertTarget(request.target, world, config);
  await warnOfMissingArchive(world);
  const end = (await redisNow(redis)) + 1;
  const plan: ReplayPlan = { ...request, filter: { ...request.filter, until: Math.min(request.filter.until ?? end, end) } };
  if (values['dry-run']) return survey(plan, values, world);
  if (!values.yes && !(await isConfirmed(plan))) return 1;
  const id = await createReplay(redis, plan, whoAndWhy(values));
  return go(world, id, values);
}

async function assertTarget(target: ReplayTarget, { redis, subscriptions }: ReplayWorld, { webhooks }: Config): Promise<void> {
  if (target.kind === 'webhook' && !Object.hasOwn(webhooks, target.name)) {
    throw new Failure(`there is no webhook "${target.name}" in the settings`);
  }
  if (target.kind !== 'hook') return;
  const queue = queueOfTarget(target);
  const isKnown = subscriptions.some((known) => known.queue === queue) || (await redis.client.sismember(redis.key('hooks'), queue)) === 1;
  if (!isKnown) throw new Failure(`there is no hook "${target.name}"`);
}

async function survey(plan: ReplayPlan, values: Values, world: ReplayWorld): Promise<number> {
  const stop = stopSignal();
  let isDamaged = false;
  const progress = openProgress(plan);
  const counts = await surveyReplay(world, plan, {
    signal: stop,
    onProgress: ({ at, queued }) => progress.show(at, { queued }),
    onDamage: ({ segment, problem }) => {
      isDamaged = true;
      warn(`${segment} is passed over: ${problem}`);
    },
  });
  progress.end();
  print(values.json ? [surveyAsJson(counts)] : surveyAsLines(counts));
  return stop.aborted ? 130 : isDamaged ? 1 : 0;
}

function isConfirmed({ target, filter, force }: ReplayPlan): Promise<boolean> {
  const { until, ...chosen } = filter;
  const words = `${JSON.stringify(chosen)}, until ${new Date(until).toISOString()}`;
  return confirm(`Replay to ${formatReplayTarget(target)}${force ? ', by force' : ''}: ${words}?`, stopSignal());
}

async function list({ redis }: ReplayWorld, values: Values): Promise<number> {
  const states = await listReplays(redis);
  print(states.map((state) => (values.json ? replayAsJson(state) : replayAsRow(state))));
  return 0;
}

async function show({ redis }: ReplayWorld, id: string, values: Values): Promise<number> {
  const state = await readReplay(redis, id);
  if (!state) throw new Failure(`there is no replay ${id}`);
  const sample = await readReplaySample(redis, id);
  print(values.json ? [replayAsJson(state, sample)] : replayAsLines(state, sample));
  return 0;
}

async function resume(world: ReplayWorld, id: string, values: Values): Promise<number> {
  const state = await readReplay(world.redis, id);
  if (!state) throw new Failure(`there is no replay ${id}`);
  if (state.status === 'cancelled') throw new Failure('it was cancelled');
  const { who, why } = whoAndWhy(values);
  await audit(world.redis.client, world.redis, {
    who,
    action: 'resumeReplay',
    target: id,
    why,
    result: `${state.queued} records were queued`,
  });
  return go(world, id, values);
}

async function cancel({ redis }: ReplayWorld, id: string, values: Values): Promise<number> {
  if (!(await cancelReplay(redis, id, whoAndWhy(values)))) throw new Failure(`there is no replay ${id} that has not ended`);
  print([values.json ? JSON.stringify({ id, status: 'cancelled' }) : `replay ${id} is cancelled`]);
  return 0;
}

async function go(world: ReplayWorld, id: string, values: Values): Promise<number> {
  const code = await runAndFollow(world, id, stopSignal());
  await show(world, id, values);
  return code;
}

let stopping: AbortSignal | undefined;

/** Aborted at Ctrl-C; a second one ends the process. */
function stopSignal(): AbortSignal {
  if (stopping) return stopping;
  const controller = new AbortController();
  void whenStopped().then(() => controller.abort());
  return (stopping = controller.signal);
}

function whoAndWhy(values: Values): { who: string; why: string } {
  let user = String(process.getuid?.() ?? '');
  try {
    user = userInfo().username;
  } catch {
    // No such user is known to the system, as in many containers: the number will do.
  }
  return { who: `${user}@${hostname()}`, why: values.why ?? '' };
}

function print(lines: readonly string[]): void {
  for (const line of lines) process.stdout.write(`${line}\n`);
}
