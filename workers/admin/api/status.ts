import type { Endpoints } from '../../../shared/core/api/endpoints.ts';
import { inboundQueue } from '../../../shared/core/inbound/job.ts';
import { bounceSubscription } from '../../../shared/core/subscriptions.ts';
import { sessionsQueue } from '../../../shared/io/lanes.ts';
import { steeringQueue } from '../../../shared/io/order-store.ts';
import { queuesOfSubscribers, readHookDepths, readQueueDepths } from '../hook-depths.ts';
import type { World } from '../world.ts';
import type { Handler } from './mount.ts';

export const status: Handler<Endpoints['status']> = async ({ actor }, world) => {
  const { context } = world;
  const [{ counts, counted, since }, depths, subscribers] = await Promise.all([world.recent(), world.depths(), readHookDepths(world)]);
  const [reports, ...hooks] = subscribers; // the first is the bounce worker's
  return {
    hostname: context.config.hostname,
    instance: context.instance,
    started: new Date(world.startedAt).toISOString(),
    you: { name: actor.name, role: actor.role },
    redis: { ready: context.redis.isReady, durability: context.redis.durability },
    queue: { lanes: depths.lanes.length, waiting: depths.waiting, delayed: depths.delayed, active: depths.active },
    bounces: { waiting: reports?.waiting ?? 0, delayed: reports?.delayed ?? 0, active: reports?.active ?? 0 },
    hooks,
    records: { counted, since: since === undefined ? null : new Date(since).toISOString(), counts },
  };
};

export const queues: Handler<Endpoints['queues']> = async (_request, world) => ({
  queues: await readQueueDepths(world, [sessionsQueue, steeringQueue, inboundQueue, ...queuesOfSubscribers(world)]),
});

export const subscribers: Handler<Endpoints['subscribers']> = async (_request, world) => {
  const known = new Map([bounceSubscription, ...world.context.subscriptions].map((subscription) => [subscription.queue, subscription]));
  const names = new Set([...known.keys(), ...(await hooksOfOthers(world))]);
  const depths = await readQueueDepths(world, [...names]);
  return {
    subscribers: depths.map(({ name, ...depth }) => {
      const subscription = known.get(name);
      const backlog = subscription?.backlog;
      return {
        queue: name,
        types: subscription ? [...subscription.types] : null,
        needs_original: subscription?.needsOriginal ?? null,
        backlog: backlog ? { records: backlog.records, age_ms: backlog.age } : null,
        ...depth,
      };
    }),
  };
};

/** Queues of hooks that other processes have, and of those of before. */
const hooksOfOthers = ({ context: { redis } }: World): Promise<string[]> => redis.client.smembers(redis.key('hooks'));
