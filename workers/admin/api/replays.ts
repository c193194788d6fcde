import type { z } from 'zod';
import type { Endpoints } from '../../../shared/core/api/endpoints.ts';
import type { FilterField, LogFilter } from '../../../shared/core/log-filter.ts';
import type { LogEntry } from '../../../shared/core/log-entry.ts';
import { compareLogIds, firstLogId, timeOfLogId } from '../../../shared/core/log-id.ts';
import {
  addToSurvey,
  emptySurvey,
  formatReplayTarget,
  parseReplayTarget,
  queueOfTarget,
  replayJobId,
  sampleOf,
  type ReplaySample,
  type ReplayTarget,
} from '../../../shared/core/replay.ts';
import {
  askForRun,
  cancelReplay as cancel,
  createReplay as create,
  listReplays,
  readReplay,
  readReplaySample,
  redisNow,
  TooManyReplays,
  type ReplayState,
} from '../../../shared/io/replay-state.ts';
import { usefulTo } from '../../../shared/io/replay.ts';
import { formatPlace, parsePlace, readBounded, readFilter } from '../log-search.ts';
import { badRequest, Problem } from '../problem.ts';
import type { World } from '../world.ts';
import type { Handler } from './mount.ts';

/** How long one request reads. Milliseconds. */
const previewTime = 5000;
const recordsTime = 2000;
/** Names of a table. */
const mostNames = 50;

export const createReplay: Handler<Endpoints['createReplay']> = async ({ body, actor, once, note }, world) => {
  const { redis } = world.context;
  const { rate, force, reason } = body;
  const { target, filter } = await readRequest(body, world);
  if (filter.since === undefined && filter.message === undefined)
    throw badRequest([{ field: 'since', message: 'this or "message" is needed' }]);
  const end = (await redisNow(redis)) + 1;
  const plan = { filter: { ...filter, until: Math.min(filter.until ?? end, end) }, target, rate, force };
  const by = { who: actor.name, why: reason, isAudited: true } as const;
  const id = await create(redis, plan, by, { isRun: true, ...(once !== undefined && { once: `${once}:replay` }) }).catch(
    (error: unknown) => {
      throw error instanceof TooManyReplays ? new Problem(409, error.message) : error;
    },
  );
  note({ target: `${id} to ${formatReplayTarget(target)}${force ? ' with force' : ''}: ${JSON.stringify(plan.filter)}`, result: 'begun' });
  world.replays.look();
  return describe(await stateOf(id, world), world);
};

export const previewReplay: Handler<Endpoints['previewReplay']> = async ({ body }, world) => {
  const place = body.cursor === undefined ? undefined : parsePlace(body.cursor, 'oldest');
  const asked = await readRequest(body, world);
  const end = (await redisNow(world.context.redis)) + 1;
  const { since = place?.since, until } = asked.filter;
  const times = {
    ...(since !== undefined && { since: place?.since ?? since }),
    until: place?.until ?? Math.min(until ?? end, end),
  };
  const survey = emptySurvey();
  const isUseful = usefulTo(world.context, asked);
  const reading = { filter: { ...asked.filter, ...times }, ...(place && { cursor: place.at }) };
  const { stoppedAt, damage } = await readBounded(world.source, reading, previewTime, ({ record }) => {
    addToSurvey(survey, record, isUseful(record));
    return false;
  });
  return {
    records: survey.records,
    skipped: survey.skipped,
    sites: table(survey.sites),
    codes: table(survey.codes),
    classes: table(survey.classes),
    sample: survey.sample.map(describeSample),
    is_complete: stoppedAt === undefined,
    next: stoppedAt === undefined ? null : formatPlace({ order: 'oldest', at: stoppedAt, ...times }),
    searched_to: timeOfId(stoppedAt),
    damage,
  };
};

export const replays: Handler<Endpoints['replays']> = async ({ query }, world) => ({
  replays: (await listReplays(world.context.redis, query.limit)).map((state) => describe(state, world)),
});

export const replay: Handler<Endpoints['replay']> = async ({ params: { id } }, world) => {
  const [state, sample] = await Promise.all([stateOf(id, world), readReplaySample(world.context.redis, id)]);
  return { ...describe(state, world), sample: sample.map(({ outcome, ...one }) => ({ ...describeSample(one), outcome })) };
};

export const replayRecords: Handler<Endpoints['replayRecords']> = async ({ params: { id }, query }, world) => {
  const { plan, cursor: end } = await stateOf(id, world);
  const place = query.cursor === undefined ? undefined : parsePlace(query.cursor, 'oldest');
  const isUseful = usefulTo(world.context, plan);
  const entries: LogEntry[] = [];
  const reading = { filter: plan.filter, ...(place && { cursor: place.at }) };
  let isEnd = false;
  const { stoppedAt, damage } = await readBounded(world.source, reading, recordsTime, (entry) => {
    // What comes after this is not dealt with yet.
    isEnd = compareLogIds(entry.at, end) > 0;
    if (!isEnd && isUseful(entry.record)) entries.push(entry);
    return isEnd || entries.length === query.limit;
  });
  const jobs = await jobsOf(entries, id, plan.target, world);
  return {
    records: entries.map(({ record }, n) => ({ ...describeSample(sampleOf(record)), ...(jobs[n] ?? forgotten) })),
    next: stoppedAt === undefined || isEnd ? null : formatPlace({ order: 'oldest', at: stoppedAt }),
    damage,
  };
};

export const resumeReplay: Handler<Endpoints['resumeReplay']> = async ({ params: { id }, note }, world) => {
  const state = await stateOf(id, world);
  note({ target: id, result: `${state.queued} records were queued` });
  if (!(await askForRun(world.context.redis, id)))
    throw new Problem(409, `it is ${describe(state, world).status}: there is nothing to go on with`);
  world.replays.look();
  return describe(await stateOf(id, world), world);
};

export const cancelReplay: Handler<Endpoints['cancelReplay']> = async ({ params: { id }, body, actor, note }, world) => {
  const { redis } = world.context;
  const state = await stateOf(id, world);
  note({ target: id, result: `${state.queued} records were queued, ${state.pending} not yet done` });
  if (!(await cancel(redis, id, { who: actor.name, why: body.reason, isAudited: true }))) throw new Problem(409, 'it has ended already');
  return describe(await stateOf(id, world), world);
};

/** Throws Problem with the field that is wrong. */
async function readRequest(
  body: { to: string } & Partial<Record<FilterField, string | undefined>>,
  { context }: World,
): Promise<{ target: ReplayTarget; filter: LogFilter }> {
  const target = parseReplayTarget(body.to);
  const complain = (message: string): Problem => badRequest([{ field: 'to', message }]);
  if (!target) throw complain('expected bounces, redeliver, webhook:NAME or hook:NAME');
  const filter = readFilter(body);
  const { config, redis, subscriptions } = context;
  if (target.kind === 'webhook' && !Object.hasOwn(config.webhooks, target.name)) throw complain('there is no such webhook in the settings');
  if (target.kind === 'hook') {
    const queue = queueOfTarget(target);
    const isKnown = subscriptions.some((known) => known.queue === queue) || (await redis.client.sismember(redis.key('hooks'), queue)) === 1;
    if (!isKnown) throw complain('there is no such hook');
  }
  return { target, filter };
}

async function stateOf(id: string, { context }: World): Promise<ReplayState> {
  const state = await readReplay(context.redis, id);
  if (!state) throw new Problem(404, 'there is no such replay');
  return state;
}

type Described = z.input<Endpoints['createReplay']['answer']>;

function describe(state: ReplayState, { replays: runner }: World): Described {
  const { id, plan, who, why, begun, updated, queued, skipped, pending, outcomes, cursor } = state;
  const progress = runner.progressOf(id);
  const at = progress && compareLogIds(progress.at, cursor) > 0 ? progress.at : cursor;
  return {
    id,
    to: formatReplayTarget(plan.target),
    filter: { ...plan.filter },
    rate: plan.rate,
    force: plan.force,
    status: statusOf(state),
    who,
    reason: why,
    begun: new Date(begun).toISOString(),
    updated: new Date(updated).toISOString(),
    queued,
    skipped,
    pending,
    outcomes,
    searched_to: timeOfId(at === firstLogId ? undefined : at),
    is_target_full: progress?.isTargetFull ?? false,
  };
}

function statusOf({ status, pending, isRun }: ReplayState): Described['status'] {
  if (status === 'interrupted' && isRun) return 'waiting';
  return status === 'queued' && pending === 0 ? 'done' : status;
}

const forgotten = { outcome: null, state: 'forgotten' as const };

/** What is known of the jobs of these records, in their order. */
async function jobsOf(
  entries: readonly LogEntry[],
  id: string,
  target: ReplayTarget,
  { context: { redis }, queues }: World,
): Promise<{ outcome: string | null; state: 'waiting' | 'done' | 'forgotten' }[]> {
  if (entries.length === 0) return [];
  const backend = queues.backend(queueOfTarget(target));
  const trip = redis.client.pipeline();
  for (const { record } of entries) trip.hmget(backend.toKey(replayJobId(record.event_id, id)), 'name', 'replayOutcome');
  return ((await trip.exec()) ?? []).map(([error, values]) => {
    if (error) throw error;
    const [name = null, outcome = null] = values as (string | null)[];
    if (name === null) return forgotten;
    return { outcome, state: outcome === null ? 'waiting' : 'done' };
  });
}

const describeSample = ({ code, ...sample }: ReplaySample) => ({ ...sample, code: Number.isFinite(code) ? code : null });

function table(counts: ReadonlyMap<string, number>): { name: string; count: number }[] {
  const rows = [...counts].map(([name, count]) => ({ name, count })).toSorted((a, b) => b.count - a.count);
  const others = rows.slice(mostNames).reduce((sum, { count }) => sum + count, 0);
  return [...rows.slice(0, mostNames), ...(others > 0 ? [{ name: '(others)', count: others }] : [])];
}

const timeOfId = (id: string | undefined): string | null => (id === undefined ? null : new Date(timeOfLogId(id)).toISOString());
