import type { Config } from '../core/config.ts';
import { subscriptionsOf, type Subscription } from '../core/subscriptions.ts';
import { openLog, type Logger } from './log.ts';
import { openMetrics, type Metrics } from './metrics.ts';
import { openRedis, type RedisLink, type RedisUse } from './redis.ts';

/** What every worker is given: nothing else is shared between the parts of a process. */
export interface Context {
  readonly config: Config;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly redis: RedisLink;
  /** Name of this process in records and locks: `role-host-pid`. */
  readonly instance: string;
  /** Who hears dispositions: every process that publishes must know all. Looked at for each record, so it may change. */
  readonly subscriptions: readonly Subscription[];
}

/** Opens log, metrics and Redis for one role. Rejects with RedisUnavailable when Redis is not there (see openRedis). */
export async function openContext(
  config: Config,
  redisUrl: string,
  instance: string,
  use: Pick<RedisUse, 'failFast'> & { subscriptions?: readonly Subscription[] } = {},
): Promise<Context & { close(): Promise<void> }> {
  const log = openLog(config.log, { instance });
  const metrics = openMetrics(instance);
  const { lockDuration, sweepInterval } = config.delivery;
  const redis = await openRedis(redisUrl, config.redis, log, {
    ...(use.failFast !== undefined && { failFast: use.failFast }),
    lockDuration,
    stalledInterval: sweepInterval,
    name: instance,
  });
  const { subscriptions = subscriptionsOf(config) } = use;
  return { config, log, metrics, redis, instance, subscriptions, close: () => redis.close() };
}
