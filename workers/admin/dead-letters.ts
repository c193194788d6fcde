import { randomUUID } from 'node:crypto';
import type { DispositionRecord } from '../../shared/core/disposition.ts';
import { inboundQueue, type InboundJob } from '../../shared/core/inbound/job.ts';
import { parseRecordText } from '../../shared/core/log-entry.ts';
import type { SubscriberJob } from '../../shared/io/dispositions.ts';
import { gatheredKey } from '../../shared/io/gathered.ts';
import { holderOf, holdsKey } from '../../shared/io/original-holds.ts';
import type { World } from './world.ts';

// Dead letters are the failed jobs of BullMQ: a sorted set by the time at which they were given up.

export interface DeadLetter {
  job: string;
  reason: string;
  attempts: number;
  /** Epoch ms. */
  created: number;
  givenUp: number;
  replay: string | null;
  record: DispositionRecord | null;
  message: string | null;
}

/** Where a page ended. */
export type DeadPlace = [givenUp: number, job: string];

type Queues = Pick<World, 'context' | 'queues' | 'pipeline'>;

const failedKey = ({ queues }: Pick<World, 'queues'>, queue: string): string => queues.backend(queue).toKey('failed');

/** The newest first. */
export async function readDeadLetters(
  world: Queues,
  queue: string,
  limit: number,
  from: DeadPlace | undefined,
): Promise<{ letters: DeadLetter[]; next: DeadPlace | undefined; total: number }> {
  const { client } = world.context.redis;
  const key = failedKey(world, queue);
  const start = from === undefined ? 0 : await rankAfter(world, key, from);
  const [raw, total] = await Promise.all([client.zrevrange(key, start, start + limit - 1, 'WITHSCORES'), client.zcard(key)]);
  const places = pairs(raw);
  const trip = client.pipeline();
  for (const [, job] of places) trip.hmget(world.queues.backend(queue).toKey(job), 'data', 'failedReason', 'atm', 'timestamp');
  const answers = places.length > 0 ? ((await trip.exec()) ?? []) : [];
  const letters = places.flatMap(([givenUp, job], n): DeadLetter[] => {
    const [error, values] = answers[n] ?? [];
    if (error) throw error;
    const [data, reason, attempts, created] = (values ?? []) as (string | null)[];
    // Removed since its place was read.
    if (typeof data !== 'string') return [];
    return [
      { job, reason: reason ?? '', attempts: Number(attempts ?? 0), created: Number(created ?? 0), givenUp, ...aboutOf(data, queue) },
    ];
  });
  return { letters, next: start + places.length < total ? places.at(-1) : undefined, total };
}

/** By the job, or where it is gone by its time: then some may come twice, none is passed over. */
async function rankAfter({ context }: Queues, key: string, [givenUp, job]: DeadPlace): Promise<number> {
  const rank = await context.redis.client.zrevrank(key, job);
  return rank === null ? context.redis.client.zcount(key, `(${givenUp}`, '+inf') : rank + 1;
}

function pairs(raw: readonly string[]): DeadPlace[] {
  return Array.from({ length: raw.length / 2 }, (_, n) => [Number(raw[n * 2 + 1]), raw[n * 2] ?? '']);
}

interface About {
  replay: string | null;
  record: DispositionRecord | null;
  message: string | null;
}

function aboutOf(text: string, queue: string): About {
  try {
    if (queue === inboundQueue) return { replay: null, record: null, message: (JSON.parse(text) as InboundJob).message };
    const { record, replay } = JSON.parse(text) as SubscriberJob;
    const readable = parseRecordText(JSON.stringify(record)) ?? null;
    return { replay: replay?.id ?? null, record: readable, message: readable?.id || null };
  } catch {
    return { replay: null, record: null, message: null };
  }
}

/** Which ones: by their ids, or all that were given up before a time (epoch ms). */
export interface DeadChoice {
  jobs?: readonly string[] | undefined;
  before: number;
}

export interface DeadWork {
  done: number;
  passedOver: number;
  left: number;
}

/** BullMQ's code for a job that does not exist. */
const noSuchJob = -1;
/** How long one request works. Milliseconds. */
const workTime = 3000;
const batch = 100;

/** Puts them back into their queue, with as many attempts as a new job has. Each is done by one of those who ask at once. */
export const retryDead = (world: Queues, queue: string, choice: DeadChoice): Promise<DeadWork> =>
  forEach(world, queue, choice, async (job) => {
    try {
      await world.queues.backend(queue).retryFinishedJob({ id: job, opts: {} } as never, 'failed', { resetAttemptsMade: true });
      return true;
    } catch (error) {
      const { code } = error as { code?: unknown };
      if (typeof code !== 'number') throw error;
      // BullMQ's script found no such job among the failed. A place without a job would be found again and again.
      if (code === noSuchJob) await world.context.redis.client.zrem(failedKey(world, queue), job);
      return false;
    }
  });

// Who takes it out of the failed set has it. The lock is what the release of the original then goes by.
const dropScript = `
if redis.call('ZREM', KEYS[1], ARGV[1]) == 0 then return 0 end
redis.call('UNLINK', KEYS[2], KEYS[2] .. ':logs')
redis.call('ZREM', KEYS[4], ARGV[3])
redis.call('HDEL', KEYS[5], ARGV[4])
redis.call('SET', KEYS[3], ARGV[2], 'PX', 60000)
return 1`;

const unlockScript = `if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end`;

/** Removes them, and lets go of the originals that they held, in one transaction each. */
export const dropDead = (world: Queues, queue: string, choice: DeadChoice): Promise<DeadWork> =>
  forEach(world, queue, choice, async (job) => {
    const { context, queues, pipeline } = world;
    const { redis } = context;
    const key = queues.backend(queue).toKey(job);
    const held = heldBy(await redis.client.hget(key, 'data'), queue);
    const lock = { lockKey: `${key}:lock`, token: randomUUID() };
    const tx = queues.begin();
    const member = `${held?.message ?? ''}/${held?.holder ?? ''}`;
    const keys = [failedKey(world, queue), key, lock.lockKey, holdsKey(redis), gatheredKey(redis, queue, held?.message ?? '')];
    tx.redis.eval(dropScript, keys.length, ...keys, job, lock.token, member, held?.event ?? '');
    if (held) pipeline.spool.release(tx, held.message, held.holder, lock);
    tx.redis.eval(unlockScript, 1, lock.lockKey, lock.token);
    return (await tx.exec())[0] === 1;
  });

/** The job of a replay holds nothing: what it is about may be held by the record's first job, which is another. */
function heldBy(text: string | null, queue: string): { message: string; holder: string; event: string } | undefined {
  if (text === null) return undefined;
  const { message, record, replay } = aboutOf(text, queue);
  if (message === null || replay !== null) return undefined;
  const event = record?.event_id ?? message;
  return { message, holder: holderOf(queue, event), event };
}

async function forEach(
  world: Queues,
  queue: string,
  { jobs, before }: DeadChoice,
  work: (job: string) => Promise<boolean>,
): Promise<DeadWork> {
  const { client } = world.context.redis;
  const key = failedKey(world, queue);
  const deadline = performance.now() + workTime;
  const result: DeadWork = { done: 0, passedOver: 0, left: 0 };
  const chosen = jobs && [...new Set(jobs)];
  for (let at = 0; ; at += batch) {
    const some = chosen ? chosen.slice(at, at + batch) : await client.zrange(key, '-inf', `(${before}`, 'BYSCORE', 'LIMIT', 0, batch);
    if (some.length === 0) break;
    const done = await Promise.all(some.map(work));
    const count = done.filter(Boolean).length;
    result.done += count;
    result.passedOver += some.length - count;
    // All at once were done by somebody else, or have no job behind them: others go on, or there is nothing to go on with.
    if (performance.now() > deadline || (!chosen && count === 0)) {
      result.left = chosen ? Math.max(0, chosen.length - at - batch) : await client.zcount(key, '-inf', `(${before}`);
      break;
    }
  }
  return result;
}
