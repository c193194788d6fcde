import type { ChainableCommander, Redis } from 'ioredis';
import { firstLogId } from '../core/log-id.ts';
import type { ReplayPlan, ReplaySample } from '../core/replay.ts';
import { formatReplayTarget } from '../core/replay.ts';
import { audit } from './audit.ts';
import { newMessageId } from './ids.ts';
import type { RedisLink } from './redis.ts';

// A replay is a hash `replay:<id>`: the plan, who began it, how far it is, and a field `o:<outcome>` for each outcome
// counted; `replay:<id>:sample` some records of each outcome, `replay:<id>:runner` who adds its jobs just now. `replays`
// is the list of the latest, a sorted set by the time of their beginning, and `replay-runs` those that the admin role runs.

/** `interrupted`: nobody adds its records, though not all are added. */
export type ReplayStatus = 'running' | 'interrupted' | 'queued' | 'cancelled';

export interface ReplayState {
  id: string;
  plan: ReplayPlan;
  status: ReplayStatus;
  who: string;
  why: string;
  /** Epoch ms. */
  begun: number;
  updated: number;
  /** Everything up to this id of the log is dealt with. */
  cursor: string;
  /** Records that were made jobs. */
  queued: number;
  /** Records that fit the filter and that the target has no use for. */
  skipped: number;
  /** What became of the jobs so far. */
  outcomes: Record<string, number>;
  /** Jobs of which nothing is known yet. */
  pending: number;
  /** The admin role shall run it. */
  isRun: boolean;
}

/** Who does something to a replay, and why. */
export interface ReplayActor {
  who: string;
  why: string;
  /** The caller writes the audit entry. */
  isAudited?: true;
}

/** Seconds. */
const onceLifetime = 86_400;
/** The latest replays are remembered, and older ones until they have ended. */
const mostReplays = 200;

const stateKey = (redis: RedisLink, id: string): string => redis.key(`replay:${id}`);
const sampleKey = (redis: RedisLink, id: string): string => redis.key(`replay:${id}:sample`);
/** A set: the replays that the admin role shall run. */
const runsKey = (redis: RedisLink): string => redis.key('replay-runs');
const runnerKey = (redis: RedisLink, id: string): string => redis.key(`replay:${id}:runner`);

/** Epoch ms by the clock of Redis, which gives the ids of the log. */
export async function redisNow(redis: RedisLink): Promise<number> {
  const [seconds, micros] = await redis.client.time();
  return Number(seconds) * 1000 + Math.floor(Number(micros) / 1000);
}

/**
 * Writes a new replay down, with its audit entry; `runReplay` does it, or with `isRun` the admin role. `once` is a key under
 * which the same is not begun again. Resolves with its id; rejects with TooManyReplays.
 */
export async function createReplay(
  redis: RedisLink,
  plan: ReplayPlan,
  { who, why, isAudited }: ReplayActor,
  { isRun = false, once }: { isRun?: boolean; once?: string } = {},
): Promise<string> {
  const before = once === undefined ? null : await redis.client.get(once);
  if (before !== null) return before;
  const id = newMessageId();
  const old = await forgettable(redis);
  const tx = redis.client.multi();
  for (const forgotten of old) tx.unlink(stateKey(redis, forgotten), sampleKey(redis, forgotten));
  if (old.length > 0) tx.zrem(redis.key('replays'), ...old);
  tx.zadd(redis.key('replays'), Date.now(), id);
  tx.hset(stateKey(redis, id), {
    plan: JSON.stringify(plan),
    status: 'running',
    who,
    why,
    begun: Date.now(),
    updated: Date.now(),
    cursor: firstLogId,
    queued: 0,
    skipped: 0,
  });
  const target = `${id} to ${formatReplayTarget(plan.target)}${plan.force ? ' with force' : ''}: ${JSON.stringify(plan.filter)}`;
  if (!isAudited) audit(tx, redis, { who, action: 'replay', target, why, result: 'begun' });
  if (once !== undefined) tx.set(once, id, 'EX', onceLifetime);
  if (isRun) tx.eval(runScript, 4, runsKey(redis), stateKey(redis, id), redis.key('replays'), once ?? stateKey(redis, id), id, mostRuns);
  const results = await tx.exec();
  if (isRun && results?.at(-1)?.[1] === 0) throw new TooManyReplays(`${mostRuns} replays are under way already`);
  return id;
}

/** Replays that the admin role shall run, at most. */
const mostRuns = 50;

/** The message is for people. */
export class TooManyReplays extends Error {
  override readonly name = 'TooManyReplays';
}

// The last word of the transaction that writes a replay down: of many at once no more than the limit stay.
const runScript = `
if redis.call('SCARD', KEYS[1]) < tonumber(ARGV[2]) then return redis.call('SADD', KEYS[1], ARGV[1]) end
redis.call('DEL', KEYS[2], KEYS[4])
redis.call('ZREM', KEYS[3], ARGV[1])
return 0`;

/** Those before the latest, but for what is under way: its jobs ask it whether it was cancelled, and its next run where it was. */
async function forgettable(redis: RedisLink): Promise<string[]> {
  const ids = await redis.client.zrange(redis.key('replays'), 0, String(-mostReplays));
  const states = await Promise.all(ids.map((id) => readReplay(redis, id)));
  return ids.filter((_, n) => {
    const state = states[n];
    return !state || (state.status !== 'running' && !state.isRun && state.pending === 0);
  });
}

export async function readReplay(redis: RedisLink, id: string): Promise<ReplayState | undefined> {
  const [fields, hasRunner, isRun] = await Promise.all([
    redis.client.hgetall(stateKey(redis, id)),
    redis.client.exists(runnerKey(redis, id)),
    redis.client.sismember(runsKey(redis), id),
  ]);
  const { plan, status, who = '', why = '', cursor = firstLogId } = fields;
  if (plan === undefined) return undefined;
  const number = (name: string): number => Number(fields[name] ?? 0);
  const outcomes = Object.fromEntries(
    Object.entries(fields).flatMap(([name, value]) => (name.startsWith('o:') && value !== '0' ? [[name.slice(2), Number(value)]] : [])),
  );
  const counted = Object.values(outcomes).reduce((sum, n) => sum + n, 0);
  return {
    id,
    plan: JSON.parse(plan) as ReplayPlan,
    status: status === 'running' && hasRunner === 0 ? 'interrupted' : (status as ReplayStatus),
    who,
    why,
    begun: number('begun'),
    updated: number('updated'),
    cursor,
    queued: number('queued'),
    skipped: number('skipped'),
    outcomes,
    pending: Math.max(0, number('queued') - counted),
    isRun: isRun === 1,
  };
}

/** The newest first. */
export async function listReplays(redis: RedisLink, limit = mostReplays): Promise<ReplayState[]> {
  const ids = await redis.client.zrevrange(redis.key('replays'), 0, limit - 1);
  const states = await Promise.all(ids.map((id) => readReplay(redis, id)));
  return states.flatMap((state) => state ?? []);
}

/** What the replays that are remembered were asked for, the newest first. */
export async function replayPlans(redis: RedisLink): Promise<{ id: string; plan: ReplayPlan }[]> {
  const ids = await redis.client.zrevrange(redis.key('replays'), 0, mostReplays - 1);
  const trip = redis.client.pipeline();
  for (const id of ids) trip.hget(stateKey(redis, id), 'plan');
  const answers = ids.length > 0 ? ((await trip.exec()) ?? []) : [];
  return ids.flatMap((id, n) => {
    const [error, text] = answers[n] ?? [];
    if (error) throw error;
    return typeof text === 'string' ? [{ id, plan: JSON.parse(text) as ReplayPlan }] : [];
  });
}

/** Some records of each outcome. */
export async function readReplaySample(redis: RedisLink, id: string): Promise<(ReplaySample & { outcome: string })[]> {
  const entries = await redis.client.lrange(sampleKey(redis, id), 0, -1);
  return entries.map((text) => JSON.parse(text) as ReplaySample & { outcome: string });
}

// One that has ended, or was cancelled by somebody else a moment ago, is left alone.
const cancelScript = `
local status = redis.call('HGET', KEYS[1], 'status')
if not status or status == 'cancelled' or (status == 'queued' and ARGV[1] == '0') then return 0 end
redis.call('HSET', KEYS[1], 'status', 'cancelled')
redis.call('SREM', KEYS[2], ARGV[2])
return 1`;

/** Ends a replay: no more jobs are added, and those that wait do nothing. False when it had ended, or there is none. */
export async function cancelReplay(redis: RedisLink, id: string, { who, why, isAudited }: ReplayActor): Promise<boolean> {
  const state = await readReplay(redis, id);
  if (!state) return false;
  const keys = [stateKey(redis, id), runsKey(redis)];
  if ((await redis.client.eval(cancelScript, 2, ...keys, state.pending, id)) !== 1) return false;
  if (!isAudited) {
    await audit(redis.client, redis, {
      who,
      action: 'cancelReplay',
      target: id,
      why,
      result: `${state.queued} records were queued, ${state.pending} not yet done`,
    });
  }
  return true;
}

const askScript = `
if redis.call('HGET', KEYS[1], 'status') ~= 'running' then return 0 end
redis.call('SADD', KEYS[2], ARGV[1])
return 1`;

/** Has the admin role run a replay that is not at its end. False when it has ended, or there is none. */
export const askForRun = async (redis: RedisLink, id: string): Promise<boolean> =>
  (await redis.client.eval(askScript, 2, stateKey(redis, id), runsKey(redis), id)) === 1;

/** The replays that the admin role shall run. */
export const readRuns = (redis: RedisLink): Promise<string[]> => redis.client.smembers(runsKey(redis));

/** It has ended. */
export const leaveRuns = async (redis: RedisLink, id: string): Promise<void> => void (await redis.client.srem(runsKey(redis), id));

export const isReplayCancelled = async (redis: RedisLink, id: string): Promise<boolean> =>
  (await redis.client.hget(stateKey(redis, id), 'status')) === 'cancelled';

/** All records are added. A replay that was cancelled meanwhile stays so. */
export async function finishReplay(redis: RedisLink, id: string): Promise<void> {
  const script = `if redis.call('HGET', KEYS[1], 'status') == 'running' then redis.call('HSET', KEYS[1], 'status', 'queued') end`;
  await redis.client.eval(script, 1, stateKey(redis, id));
}

/**
 * The right to add the jobs of a replay. It ends by itself, so that a killed runner's replay can be taken up by another.
 * `keep` says whether it is still ours, and makes it so for `lease` ms from now.
 */
export interface RunnerLease {
  keep(): Promise<boolean>;
  end(): Promise<void>;
}

const keepScript = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])`;
const endScript = `if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end`;

/** Undefined while another has it. */
export async function takeRunnerLease(redis: RedisLink, id: string, lease: number): Promise<RunnerLease | undefined> {
  const key = runnerKey(redis, id);
  const token = newMessageId();
  if ((await redis.client.set(key, token, 'PX', lease, 'NX')) !== 'OK') return undefined;
  return {
    keep: async () => (await redis.client.eval(keepScript, 1, key, token, lease)) === 1,
    end: async () => void (await redis.client.eval(endScript, 1, key, token)),
  };
}

// Never back: a runner that lost its right without knowing it must not undo what the other did. A job that is there
// already is that of a record that was logged twice: its addition will do nothing, so its outcome is known now.
const advanceScript = `
local function parts(id) local a, b = string.match(id, '^(%d+)-(%d+)$') return a, b end
local function less(a, b) if #a ~= #b then return #a < #b end return a < b end
local old = redis.call('HGET', KEYS[1], 'cursor')
if not old then return 0 end
local a1, a2 = parts(old)
local b1, b2 = parts(ARGV[1])
if less(b1, a1) or (a1 == b1 and not less(a2, b2)) then return 0 end
local there = 0
for n = 2, #KEYS do there = there + redis.call('EXISTS', KEYS[n]) end
redis.call('HSET', KEYS[1], 'cursor', ARGV[1], 'updated', ARGV[2])
redis.call('HINCRBY', KEYS[1], 'queued', #KEYS - 1 + ARGV[4])
redis.call('HINCRBY', KEYS[1], 'skipped', ARGV[3])
if there + ARGV[4] > 0 then redis.call('HINCRBY', KEYS[1], 'o:repeated', there + ARGV[4]) end
return 1`;

export interface Advance {
  /** The id of the log up to which everything is dealt with. */
  to: string;
  /** Keys of the jobs that are added after this in the same transaction. */
  jobKeys: readonly string[];
  skipped: number;
  /** Records that came twice. */
  repeated: number;
}

/** Adds to the transaction that adds jobs, before them, that the replay has got so far. */
export function advanceReplay(tx: ChainableCommander, redis: RedisLink, id: string, { to, jobKeys, skipped, repeated }: Advance): void {
  tx.eval(advanceScript, jobKeys.length + 1, stateKey(redis, id), ...jobKeys, to, Date.now(), skipped, repeated);
}

/** Of each outcome so many records are remembered. */
const samplePerOutcome = 20;

// The outcome is kept with the job: a job that runs again after a crash is not counted twice. One that was given up and
// is put back by hand changes its outcome.
const countScript = `
if redis.call('EXISTS', KEYS[1]) == 0 or redis.call('EXISTS', KEYS[2]) == 0 then return 0 end
local before = redis.call('HGET', KEYS[1], 'replayOutcome')
if before and (before ~= 'dead' or ARGV[1] == 'dead') then return 0 end
if before then redis.call('HINCRBY', KEYS[2], 'o:' .. before, -1) end
redis.call('HSET', KEYS[1], 'replayOutcome', ARGV[1])
if redis.call('HINCRBY', KEYS[2], 'o:' .. ARGV[1], 1) <= tonumber(ARGV[3]) then redis.call('RPUSH', KEYS[3], ARGV[2]) end
return 1`;

/** Counts what became of a job of a replay, once: to a transaction, or with `redis.client` at once. */
export function countOutcome(
  to: ChainableCommander | Redis,
  redis: RedisLink,
  job: { replay: string; key: string; outcome: string; sample: ReplaySample },
): unknown {
  const { replay, key, outcome, sample } = job;
  const entry = JSON.stringify({ outcome, ...sample });
  return to.eval(countScript, 3, key, stateKey(redis, replay), sampleKey(redis, replay), outcome, entry, samplePerOutcome);
}

/** Counts jobs that were removed before they were done. */
export async function countDropped(redis: RedisLink, replays: ReadonlyMap<string, number>): Promise<void> {
  const script = `if redis.call('EXISTS', KEYS[1]) == 1 then redis.call('HINCRBY', KEYS[1], 'o:dropped', ARGV[1]) end`;
  for (const [id, count] of replays) await redis.client.eval(script, 1, stateKey(redis, id), count);
}
