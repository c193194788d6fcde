import type { Redis } from 'ioredis';
import type { RedisLink } from '../../shared/io/redis.ts';
import { traceChannel, type TraceBatch } from '../../shared/io/tracer.ts';

/** What all processes tell of their conversations, over one connection however many watch; none before anybody did. */
export interface TraceFeed {
  /** Calls with each batch until it is stopped; `ready` resolves when batches come. */
  listen(hear: (batch: TraceBatch) => void): { ready: Promise<unknown>; stop: () => void };
}

export function openTraceFeed(redis: RedisLink): TraceFeed {
  const listeners = new Set<(batch: TraceBatch) => void>();
  const channel = traceChannel(redis);
  let connection: Redis | undefined;
  const connect = (): Redis => {
    const made = redis.duplicate();
    made.on('message', (_channel: string, text: string) => {
      const batch = JSON.parse(text) as TraceBatch;
      for (const hear of listeners) hear(batch);
    });
    return made;
  };
  return {
    listen: (hear) => {
      listeners.add(hear);
      connection ??= connect();
      return {
        // It subscribes again by itself when Redis was away.
        ready: connection.subscribe(channel),
        stop: () => {
          listeners.delete(hear);
          if (listeners.size === 0) connection?.unsubscribe(channel).catch(() => undefined);
        },
      };
    },
  };
}
