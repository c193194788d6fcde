import type { Metrics } from './metrics.ts';
import type { RedisLink } from './redis.ts';
import { withTimeout } from './with-timeout.ts';

/** Scrapes and probes wait no longer than this for Redis. Milliseconds. */
const patience = 1000;
const refusals = ['OOM', 'MISCONF', 'READONLY', 'NOREPLICAS'] as const;

/** Asks Redis how it is, for the metrics. What is not known is not told: a 0 would be a number. Never rejects. */
export async function noteRedisHealth(redis: RedisLink, metrics: Metrics): Promise<void> {
  const { redisUp, redisPing, redisEvicted, redisRefused } = metrics;
  const gauges = {
    used_memory: metrics.redisMemory,
    maxmemory: metrics.redisMemoryMax,
    aof_enabled: metrics.redisAof,
    aof_last_write_status: metrics.redisAofOk,
    maxmemory_policy: metrics.redisEvicts,
  };
  const { pingSeconds, info } = await ask(redis);
  // From here on nothing is waited for: two scrapes at once must not count twice, nor take away what the other is to tell.
  for (const metric of [redisPing, redisEvicted, ...Object.values(gauges)]) metric.remove({});
  redisRefused.reset();
  redisUp.set(pingSeconds === undefined ? 0 : 1);
  if (pingSeconds !== undefined) redisPing.set(pingSeconds);
  if (!info) return;
  for (const [field, gauge] of Object.entries(gauges)) {
    const value = numberOf(field, info);
    if (value !== undefined) gauge.set(value);
  }
  redisEvicted.inc(Number(info.get('evicted_keys') ?? 0));
  for (const error of refusals) redisRefused.inc({ error }, Number(/count=(\d+)/.exec(info.get(`errorstat_${error}`) ?? '')?.[1] ?? 0));
}

/** Does it answer just now? One that hangs keeps its connections: only asking tells. */
export const answers = async (redis: RedisLink): Promise<boolean> =>
  redis.isReady &&
  (await withTimeout(redis.client.ping(), patience).then(
    () => true,
    () => false,
  ));

/** What Redis says of itself: nothing when it is away, no more than its round trip where INFO is forbidden. */
async function ask(redis: RedisLink): Promise<{ pingSeconds?: number; info?: ReadonlyMap<string, string> }> {
  const begin = performance.now();
  if (!(await answers(redis))) return {};
  const pingSeconds = (performance.now() - begin) / 1000;
  const info = await withTimeout(redis.client.info(), patience).catch(() => undefined);
  return { pingSeconds, ...(info !== undefined && { info: parseInfo(info) }) };
}

const parseInfo = (info: string): Map<string, string> =>
  new Map(
    info.split('\r\n').flatMap((line): [string, string][] => {
      const colon = line.indexOf(':');
      return colon < 0 ? [] : [[line.slice(0, colon), line.slice(colon + 1)]];
    }),
  );

function numberOf(field: string, info: ReadonlyMap<string, string>): number | undefined {
  const text = info.get(field);
  if (text === undefined) return undefined;
  if (field === 'aof_last_write_status') return text === 'ok' ? 1 : 0;
  if (field === 'maxmemory_policy') return text !== 'noeviction' && Number(info.get('maxmemory') ?? 0) > 0 ? 1 : 0;
  return Number(text);
}
