import type { Context } from './context.ts';
import { noteRedisHealth } from './redis-health.ts';
import { withTimeout } from './with-timeout.ts';

/** Prometheus gives up after ten seconds; what could not be read by then is not told. Milliseconds. */
const patience = 5000;

/** What a process answers on `/metrics`. `collect` reads what its role tells besides; it leaves out what it cannot read. */
export async function scrape(context: Context, collect: () => Promise<void> | undefined): Promise<string> {
  const { metrics, redis, log } = context;
  const collected = withTimeout(collect() ?? Promise.resolve(), patience).catch((error: unknown) =>
    log.debug({ event: 'scrape_incomplete', error: String(error) }),
  );
  await Promise.all([noteRedisHealth(redis, metrics), collected]);
  return metrics.registry.metrics();
}
