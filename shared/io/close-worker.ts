import type { Worker } from 'bullmq';
import type { Context } from './context.ts';
import { whileAnswering } from './redis.ts';
import { withTimeout } from './with-timeout.ts';

/** How long a Redis may say nothing until it is not waited for. Milliseconds. */
export const redisPatience = 1000;

/**
 * Closes a BullMQ worker: it takes nothing more, and the work in hand is finished. While Redis does not answer, a worker
 * without work ends all the same, where BullMQ would wait for ever; the others have until `shutdownTimeout`, for Redis
 * may come back. Rejects when it did not: what was in hand is taken up by others, as after a crash.
 */
export async function closeWorker(worker: Worker, { redis, config }: Pick<Context, 'redis' | 'config'>): Promise<void> {
  const begin = performance.now();
  const closed = worker.close();
  try {
    await whileAnswering(redis, closed, redisPatience);
  } catch {
    // What it asks over its own connections fails then, and so its look for further work ends.
    worker.disconnect().catch(() => undefined);
    const left = begin + config.shutdownTimeout - performance.now();
    await withTimeout(closed, Math.max(left, redisPatience)).catch(() => {
      throw new Error(`Redis does not answer; the work in hand at ${worker.name} is left for others`);
    });
  }
}
