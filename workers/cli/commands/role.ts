import { hostname } from 'node:os';
import { parseArgs } from 'node:util';
import type { Config } from '../../../shared/core/config.ts';
import { loadConfig } from '../../../shared/io/config-load.ts';
import { openContext, type Context } from '../../../shared/io/context.ts';
import { startHealth } from '../../../shared/io/health.ts';
import { answers } from '../../../shared/io/redis-health.ts';
import { scrape } from '../../../shared/io/scrape.ts';
import { closeInOrder, whenStopped, type Step } from '../../../shared/io/lifecycle.ts';
import { notifySystemd } from '../../../shared/io/notify-systemd.ts';
import { readVersion } from '../../../shared/io/version.ts';
import { announceWorker } from '../../../shared/io/worker-registry.ts';
import { Failure, type Command } from '../command.ts';
import { findRedisUrl } from '../redis-url.ts';
import { loadRole, roleSummaries, type Role, type Running } from '../roles.ts';

/** The command that runs one role in this process until it is told to stop. */
export const roleCommand = (role: Role): Command => ({
  help: { usage: '[--config <file>]', summary: roleSummaries[role], options: [['--config <file>', 'settings (JSON or TypeScript)']] },
  run: async (args) => {
    const { values } = parseArgs({ args, options: { config: { type: 'string' } } });
    const config = await loadConfig({ ...(values.config !== undefined && { file: values.config }), env: process.env });
    return runRole(role, config);
  },
});

async function runRole(role: Role, config: Config): Promise<number> {
  // Listened for from the start: a signal while opening closes what was opened.
  let reload = (): void => undefined;
  const stopped = whenStopped(() => reload());
  // These must answer their clients, not wait for Redis.
  const context = await openContext(config, await findRedisUrl(config), `${role}-${hostname()}-${process.pid}`, {
    failFast: role === 'ingress' || role === 'admin',
    policy: true,
  });
  reload = () => void context.policy.reload();
  const opened: Step[] = [{ name: 'redis', close: () => context.close() }];
  try {
    const worker = await (await loadRole[role]()).run(context);
    opened.unshift({ name: role, close: () => worker.close() });
    const version = await readVersion();
    context.metrics.build.set({ version, node: process.version, role }, 1);
    const announced = await announceWorker(context, role, version, () => loadedBy(context, worker));
    opened.unshift({ name: 'announcement', close: () => announced.close() });
    if (config.health.port > 0) {
      const health = await openHealth(context, worker);
      opened.push({ name: 'health', close: () => health.close() });
    }
    context.log.info({ event: 'ready', role, ...(worker.describe !== undefined && { at: worker.describe }) });
    // A child of `rebound start` reports to that instead.
    if (process.send) process.send({ ready: worker.describe ?? '' });
    else await notifySystemd(process.env, worker.describe ?? `${role} at work`, context.log);
  } catch (error) {
    await closeInOrder(opened, config.shutdownTimeout, context.log);
    throw isOfTheSystem(error) ? new Failure(`${role}: ${error.message}`, { cause: error }) : error;
  }
  const reason = await stopped;
  context.log.info({ event: 'stopping', role, reason });
  const code = await closeInOrder(opened, config.shutdownTimeout + grace, context.log);
  context.log.info({ event: 'stopped', role });
  return code;
}

function loadedBy({ policy }: Context, worker: Running): Record<string, unknown> {
  const inForce = policy.loaded();
  return { ...(inForce && { policy: inForce }), ...worker.loaded?.() };
}

/** The role itself ends its work at shutdownTimeout; what it then has to put back needs a moment. Milliseconds. */
const grace = 2000;

const openHealth = (context: Context, worker: Running): ReturnType<typeof startHealth> =>
  startHealth(context.config.health, { isReady: () => answers(context.redis), metrics: () => scrape(context, () => worker.collect?.()) });

/** A port in use, a file that is not there: the message says it all, a stack trace says no more. */
const isOfTheSystem = (error: unknown): error is NodeJS.ErrnoException =>
  error instanceof Error && 'syscall' in error && typeof error.syscall === 'string';
