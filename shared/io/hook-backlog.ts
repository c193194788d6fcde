import { hookBacklog, type Subscription } from '../core/subscriptions.ts';
import type { Context } from './context.ts';
import { releaseExpired } from './original-holds.ts';
import type { Queues } from './queues.ts';
import { replayOfJobId } from '../core/replay.ts';
import { countDropped } from './replay-state.ts';
import type { SpoolStore } from './spool-store.ts';

/**
 * Keeps what waits for hooks within its bounds: drops the oldest records beyond `backlog`, or half of what waits when
 * Redis runs short of memory, and ends holds whose time is up. Dropped records are counted and logged; the disposition
 * log still has them.
 */
export async function trimBacklogs(
  context: Context,
  { queues, spool }: { queues: Queues; spool: SpoolStore },
  isShort: boolean,
): Promise<void> {
  const { subscriptions, redis } = context;
  for (const subscription of subscriptions) {
    const dropped = await trim(subscription, context, queues, isShort);
    const { queue } = subscription;
    // Of 0 too: Prometheus sees no increase in what begins with its first one.
    context.metrics.hookJobs.inc({ hook: queue, outcome: 'dropped' }, dropped);
    if (dropped === 0) continue;
    context.log.error({ event: 'hook_records_dropped', hook: queue, records: dropped }, 'its consumer is too slow or gone');
  }
  const knownKey = redis.key('hooks');
  const current = subscriptions.filter(({ backlog }) => backlog !== undefined).map(({ queue }) => queue);
  if (current.length > 0) await redis.client.sadd(knownKey, ...current);
  for (const queue of await redis.client.smembers(knownKey)) {
    if (!current.includes(queue) && (await isForgotten(queue, context, queues))) await redis.client.srem(knownKey, queue);
  }
  const released = await releaseExpired(context, spool);
  if (released > 0) context.log.warn({ event: 'hook_originals_released', messages: released }, 'hooks did not read them in time');
}

/** Of one state in one sweep at most, so that Redis is not held up; the next sweep goes on. */
const mostAtOnce = 5000;
/** Fewer than this make no room: they are on their way, not a backlog. */
const smallBacklog = 1000;

async function trim(
  { queue, backlog }: Subscription,
  { redis }: Pick<Context, 'redis'>,
  queues: Queues,
  isShort: boolean,
): Promise<number> {
  if (!backlog) return 0;
  const backend = queues.backend(queue);
  const drop = async (state: 'wait' | 'delayed' | 'prioritized', before: number, count: number): Promise<number> => {
    if (count <= 0) return 0;
    const ids = await backend.cleanJobsByState(state, before, Math.min(count, mostAtOnce));
    await countDropped(redis, replaysOf(ids));
    return ids.length;
  };
  const now = Date.now();
  let old = 0;
  for (const state of ['wait', 'delayed', 'prioritized'] as const) old += await drop(state, now - backlog.age, mostAtOnce);
  const [waiting = 0, delayed = 0] = await backend.getCounts(['wait', 'delayed']);
  const total = waiting + delayed;
  const allowed = isShort ? Math.max(Math.floor(total / 2), smallBacklog) : backlog.records;
  const excess = total - Math.min(allowed, backlog.records);
  const fromWaiting = await drop('wait', now, Math.min(excess, waiting));
  return old + fromWaiting + (await drop('delayed', now, excess - fromWaiting));
}

/** How many jobs of each replay are among these; other jobs are of none. */
function replaysOf(jobIds: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const jobId of jobIds) {
    const replay = replayOfJobId(String(jobId));
    if (replay !== undefined) counts.set(replay, (counts.get(replay) ?? 0) + 1);
  }
  return counts;
}

const states = ['wait', 'delayed', 'prioritized', 'active', 'completed', 'failed'] as const;
const leftBehind = ['meta', 'events', 'id', 'pc', 'marker', 'stalled', 'stalled-check'];

/** The queue of a hook that is in no settings any more: what is left there goes after a day, and when that was all, so do its keys. */
async function isForgotten(queue: string, { redis }: Context, queues: Queues): Promise<boolean> {
  const backend = queues.backend(queue);
  const before = Date.now() - hookBacklog.age;
  for (const state of states) await backend.cleanJobsByState(state, before, mostAtOnce);
  const counts = await backend.getCounts([...states]);
  if (counts.some((count) => count > 0)) return false;
  await redis.client.unlink(leftBehind.map((name) => backend.toKey(name)));
  return true;
}
