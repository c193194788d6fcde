import { setTimeout as sleep } from 'node:timers/promises';
import type { LogEntry } from '../core/log-entry.ts';
import { compareLogIds } from '../core/log-id.ts';
import { addToSurvey, emptySurvey, queueOfTarget, redeliverable, replayJobId, type ReplayPlan, type ReplaySurvey } from '../core/replay.ts';
import type { DispositionRecord } from '../core/disposition.ts';
import { bounceSubscription, hookBacklog, isHeard, type Subscription } from '../core/subscriptions.ts';
import { audit } from './audit.ts';
import { optionsOf, type SubscriberJob } from './dispositions.ts';
import type { Queues } from './queues.ts';
import { readRecords, type ReadOptions, type RecordSource } from './record-reader.ts';
import { advanceReplay, finishReplay, isReplayCancelled, readReplay, takeRunnerLease, type RunnerLease } from './replay-state.ts';

/** What a replay reads and where it puts it. */
export interface ReplayWorld extends RecordSource {
  queues: Queues;
  /** Those of the settings and of hooks: what the target hears is not known otherwise. */
  subscriptions: readonly Subscription[];
}

/** `busy`: another process adds its jobs. `unknown`: there is no such replay, or it has ended. */
export type ReplayEnd = 'queued' | 'interrupted' | 'cancelled' | 'busy' | 'unknown';

export interface ReplayProgress {
  /** The id of the log up to which everything is dealt with. */
  at: string;
  /** Of this run. */
  queued: number;
  skipped: number;
  /** The target has as much to do as it may have. */
  isTargetFull: boolean;
}

export interface RunOptions {
  signal?: AbortSignal;
  onProgress?: (progress: ReplayProgress) => void;
  onDamage?: ReadOptions['onDamage'];
  /** After this time a killed run may be taken up by another. Milliseconds; default ten seconds. */
  lease?: number;
  /** Jobs that may wait at the target, those of the live flow included. */
  depth?: number;
}

/** Behind everything that the live flow puts into the queue, which has none. */
const priority = 1;
const defaultDepth = 1000;
const largestBatch = 200;
const defaultLease = 10_000;
/** How often a full target is looked at. Milliseconds. */
const lookInterval = 50;

/**
 * Adds the jobs of a replay from where it is to its end, in the order of the log, at its rate and no faster than the target
 * takes them. Jobs and the place of the next run are one transaction: whatever ends this, nothing is left out or added
 * twice. Rejects when Redis cannot be used; the replay can then be taken up again.
 */
export async function runReplay(world: ReplayWorld, id: string, options: RunOptions = {}): Promise<ReplayEnd> {
  // A process that stood still for longer than its right lasted goes on if nobody else did.
  for (;;) {
    const end = await runOnce(world, id, options);
    if (end !== 'lost') return end;
  }
}

async function runOnce(world: ReplayWorld, id: string, options: RunOptions): Promise<ReplayEnd | 'lost'> {
  const { redis } = world;
  const state = await readReplay(redis, id);
  if (!state || state.status === 'queued' || state.status === 'cancelled') return 'unknown';
  const leaseTime = options.lease ?? defaultLease;
  const lease = await takeRunnerLease(redis, id, leaseTime);
  if (!lease) return 'busy';
  const lost = new AbortController();
  const signal = options.signal ? AbortSignal.any([options.signal, lost.signal]) : lost.signal;
  const keeping = setInterval(() => {
    void isOurs(world, id, lease).then(
      (isIt) => isIt || lost.abort(),
      () => undefined,
    );
  }, leaseTime / 4);
  try {
    // Read again: the run before ours may have gone on until it lost its right.
    const { cursor = state.cursor } = (await readReplay(redis, id)) ?? {};
    await addJobs({ world, id, plan: state.plan, lease, lose: () => lost.abort(), signal, options }, cursor);
    if (await isReplayCancelled(redis, id)) return 'cancelled';
    if (options.signal?.aborted) return 'interrupted';
    if (lost.signal.aborted) return 'lost';
    await finishReplay(redis, id);
    const end = await readReplay(redis, id);
    if (end)
      await audit(redis.client, redis, {
        who: end.who,
        action: 'replay',
        target: id,
        why: end.why,
        result: `all ${end.queued} records queued`,
      });
    return end?.status === 'queued' ? 'queued' : 'cancelled';
  } finally {
    clearInterval(keeping);
    await lease.end().catch(() => undefined);
  }
}

/** Counts what a replay would do; writes nothing. */
export async function surveyReplay(world: ReplayWorld, plan: ReplayPlan, options: RunOptions = {}): Promise<ReplaySurvey> {
  const { signal, onDamage, onProgress } = options;
  const survey = emptySurvey();
  const isUseful = usefulTo(world, plan);
  const reading: ReadOptions = {
    filter: plan.filter,
    ...(signal && { signal }),
    ...(onDamage && { onDamage }),
    onProgress: ({ at }) => onProgress?.({ at, queued: survey.records - survey.skipped, skipped: survey.skipped, isTargetFull: false }),
  };
  for await (const { record } of readRecords(world, reading)) addToSurvey(survey, record, isUseful(record));
  return survey;
}

const isOurs = async ({ redis }: ReplayWorld, id: string, lease: RunnerLease): Promise<boolean> =>
  (await lease.keep()) && !(await isReplayCancelled(redis, id));

interface Run {
  world: ReplayWorld;
  id: string;
  plan: ReplayPlan;
  lease: RunnerLease;
  /** The right is gone, or the replay was cancelled. */
  lose(): void;
  signal: AbortSignal;
  options: RunOptions;
}

async function addJobs(run: Run, cursor: string): Promise<void> {
  const { world, plan, signal, options } = run;
  const size = Math.max(1, Math.min(largestBatch, Math.floor(plan.rate / 10), roomOf(run)));
  const progress: ReplayProgress = { at: cursor, queued: 0, skipped: 0, isTargetFull: false };
  const pace = openPace(plan.rate);
  const isUseful = usefulTo(world, plan);
  let useful: LogEntry[] = [];
  let skipped = 0;
  const flush = async (to: string): Promise<void> => {
    if (compareLogIds(to, progress.at) <= 0) return;
    if (useful.length > 0) await pace(useful.length, signal);
    await waitForRoom(run, useful.length, progress);
    // What is ours is told by Redis right before, whatever this process has slept through.
    if (signal.aborted) return;
    if (!(await isOurs(world, run.id, run.lease))) return run.lose();
    await add(run, useful, to, skipped);
    progress.at = to;
    progress.queued += useful.length;
    progress.skipped += skipped;
    useful = [];
    skipped = 0;
    options.onProgress?.({ ...progress });
  };
  let seen = cursor;
  const { onDamage } = options;
  const reading: ReadOptions = {
    filter: plan.filter,
    cursor,
    signal,
    ...(onDamage && { onDamage }),
    onProgress: ({ at }) => {
      seen = at;
      options.onProgress?.({ ...progress, at });
    },
  };
  for await (const entry of readRecords(world, reading)) {
    if (isUseful(entry.record)) useful.push(entry);
    else skipped += 1;
    if (useful.length >= size || skipped >= largestBatch) await flush(entry.at);
    if (signal.aborted) return;
  }
  if (!signal.aborted) await flush(seen);
}

/** The place of the next run and the jobs, in one transaction. */
async function add({ world, id, plan }: Run, entries: readonly LogEntry[], to: string, skipped: number): Promise<void> {
  const { queues, redis } = world;
  const queue = queueOfTarget(plan.target);
  const backend = queues.backend(queue);
  const jobs = new Map(entries.map(({ record }) => [replayJobId(record.event_id, id), record]));
  const tx = queues.begin();
  // First, and changing nothing: a full Redis refuses this plain write, and with it the whole transaction.
  tx.redis.zadd(redis.key('replays'), 'XX', 'GT', 0, id);
  const jobKeys = [...jobs.keys()].map((jobId) => backend.toKey(jobId));
  advanceReplay(tx.redis, redis, id, { to, jobKeys, skipped, repeated: entries.length - jobs.size });
  const opts = { ...optionsOf(backlogOf(world, plan)), priority };
  for (const [jobId, record] of jobs) {
    const data: SubscriberJob = { record, replay: { id, ...(plan.force && { force: true }) } };
    tx.add(queue, { id: jobId, name: record.type, data, opts });
  }
  await tx.exec();
}

/** How many jobs the target may have. What waits for a hook beyond its bounds would be dropped. */
function roomOf({ world, plan, options }: Run): number {
  const depth = options.depth ?? defaultDepth;
  const { backlog } = backlogOf(world, plan);
  return backlog ? Math.max(1, Math.min(depth, Math.floor(backlog.records / 2))) : depth;
}

/** Hooks of the policy are not known everywhere; what may wait for them is the same for all. */
function backlogOf({ subscriptions }: ReplayWorld, { target }: ReplayPlan): Pick<Subscription, 'backlog'> {
  const known = subscriptions.find(({ queue }) => queue === queueOfTarget(target));
  return known ?? (target.kind === 'hook' ? { backlog: hookBacklog } : {});
}

async function waitForRoom(run: Run, count: number, progress: ReplayProgress): Promise<void> {
  const { world, plan, signal, options } = run;
  const backend = world.queues.backend(queueOfTarget(plan.target));
  const room = roomOf(run);
  while (count > 0 && !signal.aborted) {
    const counts = await backend.getCounts(['wait', 'active', 'delayed', 'prioritized']);
    if (counts.reduce((sum, n) => sum + n, 0) + count <= room) break;
    options.onProgress?.({ ...progress, isTargetFull: true });
    await sleep(lookInterval, undefined, { signal }).catch(() => undefined);
  }
}

/** Waits so that no more than `rate` a second go on. What was missed is not made up for. */
function openPace(rate: number): (count: number, signal: AbortSignal) => Promise<void> {
  let next = 0;
  return async (count, signal) => {
    const now = performance.now();
    if (next > now) await sleep(next - now, undefined, { signal }).catch(() => undefined);
    next = Math.max(next, now) + (count * 1000) / rate;
  };
}

/** Event ids of other programs may be anything; ours are short. */
const longestEventId = 300;

/** Which records a target has a use for. */
export function usefulTo(
  { subscriptions }: Pick<ReplayWorld, 'subscriptions'>,
  { target }: Pick<ReplayPlan, 'target'>,
): (record: DispositionRecord) => boolean {
  const hook = target.kind === 'hook' ? subscriptions.find(({ queue }) => queue === queueOfTarget(target)) : undefined;
  const isWanted = (record: DispositionRecord): boolean => {
    if (target.kind === 'bounces') return isHeard(bounceSubscription, record);
    if (target.kind === 'redeliver') return redeliverable.includes(record.type) && record.id !== '';
    return hook ? isHeard(hook, record) : true;
  };
  return (record) => {
    const { event_id: id } = record as Partial<DispositionRecord>;
    return typeof id === 'string' && id !== '' && id.length <= longestEventId && isWanted(record);
  };
}
