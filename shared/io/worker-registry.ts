import { hostname } from 'node:os';
import type { Context } from './context.ts';
import type { RedisLink } from './redis.ts';
import { withTimeout } from './with-timeout.ts';

/** A process at work, as it says of itself. */
export interface WorkerEntry {
  instance: string;
  role: string;
  host: string;
  pid: number;
  version: string;
  node: string;
  /** RFC 3339. */
  started: string;
  /** RFC 3339, by the clock of its host. */
  heartbeat: string;
  /** What it has read besides the settings. */
  loaded: Record<string, unknown>;
}

/** One command for each process and interval. Milliseconds. */
const interval = 5000;
/** A process not heard of for this long is gone or hangs. */
const aliveFor = 3 * interval;
/** Nobody waits longer than this to be struck off. */
const patience = 1000;
/** And is forgotten after this. */
const keptFor = 3_600_000;

const keyOf = (redis: RedisLink): string => redis.key('workers');

/** Says every few seconds that this process is at work, until it is closed. `loaded` is asked each time. */
export async function announceWorker(
  context: Pick<Context, 'redis' | 'instance' | 'log'>,
  role: string,
  version: string,
  loaded: () => Record<string, unknown>,
): Promise<{ close(): Promise<void> }> {
  const { redis, instance, log } = context;
  const started = new Date().toISOString();
  let isSending = false;
  const say = async (): Promise<void> => {
    // What waits for a Redis that is away would all be sent at once when it is back.
    if (isSending || !redis.isReady) return;
    isSending = true;
    const entry: WorkerEntry = {
      instance,
      role,
      host: hostname(),
      pid: process.pid,
      version,
      node: process.version,
      started,
      heartbeat: new Date().toISOString(),
      loaded: loaded(),
    };
    await redis.client
      .hset(keyOf(redis), instance, JSON.stringify(entry))
      .catch((error: unknown) => log.debug({ event: 'heartbeat_failed', error: String(error) }))
      .finally(() => (isSending = false));
  };
  await say();
  const timer = setInterval(() => void say(), interval);
  timer.unref();
  return {
    close: async () => {
      clearInterval(timer);
      if (redis.isReady) await withTimeout(redis.client.hdel(keyOf(redis), instance), patience).catch(() => undefined);
    },
  };
}

/** Those at work, and those not heard of lately; who was not heard of for an hour is forgotten. */
export async function readWorkers(redis: RedisLink): Promise<(WorkerEntry & { alive: boolean })[]> {
  const now = Date.now();
  const entries = Object.values(await redis.client.hgetall(keyOf(redis))).map((text) => JSON.parse(text) as WorkerEntry);
  const age = ({ heartbeat }: WorkerEntry): number => now - Date.parse(heartbeat);
  const forgotten = entries.filter((entry) => age(entry) > keptFor);
  if (forgotten.length > 0) await redis.client.hdel(keyOf(redis), ...forgotten.map(({ instance }) => instance));
  return entries
    .filter((entry) => !forgotten.includes(entry))
    .map((entry) => ({ ...entry, alive: age(entry) <= aliveFor }))
    .toSorted((a, b) => (a.role === b.role ? compare(a.instance, b.instance) : compare(a.role, b.role)));
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
