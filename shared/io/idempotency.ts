import { createHash } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { RedisLink } from './redis.ts';

/** The answer to a write, as it is given again. */
export interface KeptAnswer {
  status: number;
  body: string;
}

/**
 * `begun`: nobody did this yet; `finish` or `giveUp` must follow. `done`: this was answered. `running`: another request
 * with this key is under way. `different`: the key was used for something else.
 */
export type Begun =
  | { kind: 'begun'; finish(answer: KeptAnswer): Promise<void>; giveUp(): Promise<void> }
  | { kind: 'done'; answer: KeptAnswer }
  | { kind: 'running' }
  | { kind: 'different' };

/** Seconds. */
const keptFor = 86_400;
/** A process that died over a request stands in the way of its repetition for this long. Seconds. */
const runningFor = 300;

// The first to come takes the key; a repetition learns what became of it.
const beginScript = `
local kept = redis.call('HMGET', KEYS[1], 'request', 'status', 'body', 'owner')
if kept[1] and kept[1] ~= ARGV[1] then return {'different'} end
if kept[2] then return {'done', kept[2], kept[3]} end
if kept[4] then return {'running'} end
redis.call('HSET', KEYS[1], 'request', ARGV[1], 'owner', ARGV[2])
redis.call('EXPIRE', KEYS[1], ARGV[3])
return {'begun'}`;

const finishScript = `
if redis.call('HGET', KEYS[1], 'owner') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'status', ARGV[2], 'body', ARGV[3])
redis.call('EXPIRE', KEYS[1], ARGV[4])
return 1`;

const giveUpScript = `
if redis.call('HGET', KEYS[1], 'owner') == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0`;

/** Key of a hash: what the request was, and its answer. The name of the key says nothing of what clients wrote. */
export const idempotencyKey = (redis: RedisLink, who: string, key: string): string =>
  redis.key(
    `idempotency:${createHash('sha256')
      .update(JSON.stringify([who, key]))
      .digest('hex')}`,
  );

/** Begins a write under a key. `request`: a digest of what is asked; `owner`: unique. */
export async function beginOnce(redis: RedisLink, key: string, request: string, owner: string): Promise<Begun> {
  const tell = (script: string, ...told: (string | number)[]) =>
    untilTold(redis, async () => void (await redis.client.eval(script, 1, key, owner, ...told)));
  const begin = redis.client.eval(beginScript, 1, key, request, owner, runningFor).catch((error: unknown) => {
    // It may be ours all the same: the answer was lost.
    tell(giveUpScript).catch(() => undefined);
    throw error;
  });
  const [kind, status, body] = (await begin) as [string, string?, string?];
  switch (kind) {
    case 'done':
      return { kind, answer: { status: Number(status), body: body ?? '' } };
    case 'running':
      return { kind: 'running' };
    case 'different':
      return { kind: 'different' };
    default:
      return {
        kind: 'begun',
        finish: ({ status: code, body: text }) => tell(finishScript, code, text, keptFor),
        giveUp: () => tell(giveUpScript),
      };
  }
}

/** How often it is tried again. Milliseconds. */
const retryInterval = 500;

/**
 * Rejects when Redis is away, and goes on trying: a request that ended meanwhile would stand in the way of its repetition,
 * or be done again.
 */
async function untilTold(redis: RedisLink, tell: () => Promise<void>): Promise<void> {
  try {
    await tell();
  } catch (error) {
    void tryAgain(redis, tell);
    throw error;
  }
}

async function tryAgain(redis: RedisLink, tell: () => Promise<void>): Promise<void> {
  const deadline = performance.now() + runningFor * 1000;
  for (let isTold = false; !isTold && performance.now() < deadline;) {
    await delay(retryInterval, undefined, { ref: false });
    isTold =
      redis.isReady &&
      (await tell().then(
        () => true,
        () => false,
      ));
  }
}
