import type { Config } from '../core/config.ts';
import { hookSubscription, subscriptionsOf, type Subscription } from '../core/subscriptions.ts';
import { openLog, type Logger } from './log.ts';
import { openMetrics, type Metrics } from './metrics.ts';
import { noPolicy, openPolicy, type PolicyLink } from './policy.ts';
import { openTracing, type Tracing } from './tracing.ts';
import { openRedis, type RedisLink, type RedisUse } from './redis.ts';

/** What every worker is given: nothing else is shared between the parts of a process. */
export interface Context {
  readonly config: Config;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly redis: RedisLink;
  /** What the owner of this relay wants decided otherwise. */
  readonly policy: PolicyLink;
  readonly tracing: Tracing;
  /** Name of this process in records and locks: `role-host-pid`. */
  readonly instance: string;
  /** Who hears dispositions: every process that publishes must know all. To be asked for each record: a policy that is loaded again changes it. */
  readonly subscriptions: readonly Subscription[];
}

/** What a role needs besides. */
type ContextUse = Pick<RedisUse, 'failFast'> & {
  /** Load the policy file; without it there is no policy. */
  policy?: boolean;
  /** Others than those of the settings; hooks of the policy come to them. */
  subscriptions?: readonly Subscription[];
};

/**
 * Opens log, metrics, policy and Redis for one role. Rejects with PolicyUnusable, and with RedisUnavailable when Redis
 * is not there (see openRedis).
 */
export async function openContext(
  config: Config,
  redisUrl: string,
  instance: string,
  { policy: isPolicyUsed = false, subscriptions = subscriptionsOf(config), ...use }: ContextUse = {},
): Promise<Context & { close(): Promise<void> }> {
  const log = openLog(config.log, { instance });
  const metrics = openMetrics();
  const { lockDuration, sweepInterval } = config.delivery;
  const policy = isPolicyUsed ? await openPolicy(config.policy, log, metrics) : noPolicy;
  const redisUse = { ...use, lockDuration, stalledInterval: sweepInterval, name: instance };
  const redis = await openRedis(redisUrl, config.redis, log, redisUse).catch(async (error: unknown) => {
    await policy.close();
    throw error;
  });
  const tracing = await openTracing(config.tracing, instance, metrics);
  const withHooks = () => [...subscriptions, ...policy.hooks.map(hookSubscription)];
  let { hooks } = policy;
  let all = withHooks();
  return {
    config,
    log,
    metrics,
    policy,
    tracing,
    redis,
    instance,
    get subscriptions() {
      if (hooks !== policy.hooks) [hooks, all] = [policy.hooks, withHooks()];
      return all;
    },
    close: async () => {
      await policy.close();
      await redis.close();
      await tracing.close();
    },
  };
}
