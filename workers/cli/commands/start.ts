import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { Config } from '../../../shared/core/config.ts';
import { loadConfig } from '../../../shared/io/config-load.ts';
import { startEmbeddedRedis, type EmbeddedRedis } from '../../../shared/io/embedded-redis.ts';
import { closeInOrder, whenStopped, type Step } from '../../../shared/io/lifecycle.ts';
import { openLog } from '../../../shared/io/log.ts';
import { moduleBeside } from '../../../shared/io/own-files.ts';
import { Failure, type Help } from '../command.ts';
import { roles, type Role } from '../roles.ts';
import { supervise, type Supervised } from '../supervise.ts';

export const help: Help = {
  usage: '[--config <file>]',
  summary: 'run the whole system on this machine, with its own Redis unless REDIS_URL is set',
  options: [['--config <file>', 'settings (JSON or TypeScript)']],
  notes:
    'One process per role. A role that dies is started again. SIGTERM or Ctrl-C stops the roles in order: ingress,\n' +
    'delivery, bounce, admin, then Redis. With health.port the roles listen on that port and the three after it.',
};

export async function run(args: string[]): Promise<number> {
  const { values } = parseArgs({ args, options: { config: { type: 'string' } } });
  const config = await loadConfig({ ...(values.config !== undefined && { file: values.config }), env: process.env });
  const log = openLog(config.log, { instance: `start-${process.pid}` });
  let reload = (): void => undefined;
  const stopped = whenStopped(() => reload());
  const redis = config.redis.url ? undefined : await startEmbeddedRedis({ dataDir: config.dataDir, log });
  const fileArgs = values.config === undefined ? [] : ['--config', values.config];
  const children = roles.map((role) => superviseRole(role, config, redis, fileArgs));
  reload = () => children.forEach((child) => child.reload());

  const outcome = await Promise.race([stopped, waitUntilReady(children)]);
  if (typeof outcome !== 'string') {
    if (outcome.failed.length === 0) announce(outcome.places, config, redis);
    else log.error({ event: 'start_failed', roles: outcome.failed });
  }
  const hasFailed = typeof outcome !== 'string' && outcome.failed.length > 0;
  if (!hasFailed) log.info({ event: 'stopping', reason: await stopped });
  const code = await closeInOrder(stepsOf(children, redis), config.shutdownTimeout * 2 + killGrace, log);
  if (hasFailed) throw new Failure(`${outcome.failed.join(', ')} could not start; see above`);
  log.info({ event: 'stopped' });
  return code;
}

const cli = fileURLToPath(moduleBeside('../main', import.meta.url));
/** A role ends itself within shutdownTimeout; past this much more it is stuck. Milliseconds. */
const killGrace = 5000;
const nameWidth = Math.max(...roles.map((role) => role.length));

function superviseRole(role: Role, config: Config, redis: EmbeddedRedis | undefined, fileArgs: readonly string[]): Supervised {
  const { port } = config.health;
  const isForPeople = config.log.format === 'text' || (config.log.format === 'auto' && process.stderr.isTTY);
  return supervise({
    name: role,
    args: [cli, role, ...fileArgs],
    env: {
      ...process.env,
      ...(redis && { REBOUND_REDIS_URL: redis.url }),
      ...(isForPeople && { REBOUND_LOG_FORMAT: 'text' }),
      REBOUND_HEALTH_PORT: String(port === 0 ? 0 : port + roles.indexOf(role)),
    },
    prefix: `${role.padEnd(nameWidth)} | `,
    killAfter: config.shutdownTimeout + killGrace,
    log: openLog(config.log, { instance: `start-${process.pid}` }),
  });
}

interface Ready {
  /** The roles that ended before they were ready. */
  failed: string[];
  places: { name: string; place: string }[];
}

/** Resolves when every role is ready, or as soon as one has failed. */
async function waitUntilReady(children: readonly Supervised[]): Promise<Ready> {
  const firstFailure = Promise.any(
    children.map(async (child) => ((await child.ready) === undefined ? child.name : Promise.reject(new Error('ready')))),
  );
  const all = Promise.all(children.map(async ({ name, ready }) => ({ name, place: (await ready) ?? '' })));
  const failed = await Promise.race([firstFailure, all.then(() => undefined)]).catch(() => undefined);
  return failed === undefined ? { failed: [], places: await all } : { failed: [failed], places: [] };
}

function announce(places: Ready['places'], config: Config, redis: EmbeddedRedis | undefined): void {
  const store = redis ? `embedded, data in ${resolve(config.dataDir)}` : 'from REDIS_URL or redis.url';
  const lines = [...places, { name: 'redis', place: store }].map(({ name, place }) => `  ${name.padEnd(nameWidth)}  ${place}`.trimEnd());
  process.stdout.write(`Rebound is running. Stop it with Ctrl-C.\n${lines.join('\n')}\n`);
}

function stepsOf(children: readonly Supervised[], redis: EmbeddedRedis | undefined): Step[] {
  const steps: Step[] = children.map((child) => ({
    name: child.name,
    close: async () => {
      if (!(await child.stop())) throw new Error('did not end in time and was killed');
    },
  }));
  return redis ? [...steps, { name: 'redis', close: () => redis.close() }] : steps;
}
