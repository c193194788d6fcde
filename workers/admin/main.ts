import type { AddressInfo } from 'node:net';
import fastify, { type FastifyInstance } from 'fastify';
import type { Context } from '../../shared/io/context.ts';
import { openLanes } from '../../shared/io/lanes.ts';
import { openQueues } from '../../shared/io/queues.ts';
import { openArchiveStore } from '../../shared/io/archive.ts';
import { openAccess } from './access.ts';
import { startArchiver } from './archiver.ts';
import { openDepths } from './lane-depths.ts';
import { answerProblem, Problem } from './problem.ts';
import { openRecent } from './recent.ts';
import { openRecordLog } from './record-log.ts';
import { registerApi } from './routes/api.ts';
import { registerBoard } from './routes/board.ts';
import { registerPages } from './routes/pages.ts';
import { registerProbes } from './routes/probes.ts';
import { addSecurityHeaders } from './security-headers.ts';
import type { World } from './world.ts';

/** Larger requests are none of ours. Octets. */
const bodyLimit = 16 * 1024;

/** The admin role: overview, queues, API, metrics. Throws when it would be open to other machines without a password. */
export async function run(context: Context): Promise<{ port: number; describe: string; close(): Promise<void> }> {
  const { host, port } = context.config.admin;
  const app = fastify({ bodyLimit, forceCloseConnections: true, logger: false });
  app.addHook('onRequest', addSecurityHeaders);
  const refusalOf = openAccess(context.config.admin);
  app.addHook('onRequest', async (request, reply) => {
    const refusal = await refusalOf(request);
    const problem = refusal ?? (context.redis.isReady || worksWithoutRedis(request.url) ? undefined : redisAway());
    // Answered here and not thrown: bull-board would answer its own requests in its own way.
    return problem && answerProblem(problem, request, reply, context.log);
  });
  app.setErrorHandler<Problem>((error, request, reply) => answerProblem(error, request, reply, context.log));
  app.setNotFoundHandler((request) => {
    throw new Problem(404, `there is no ${request.method} ${request.url.split('?')[0]}`);
  });
  // A form or a plain text is what a page of another site can send without asking first.
  app.removeContentTypeParser('text/plain');
  await registerRoutes(app, openWorld(context));
  await app.listen({ host, port });
  const archiver = context.config.archive.enabled ? startArchiver(context, openArchiveStore(context.config)) : undefined;
  const actual = (app.server.address() as AddressInfo).port;
  return {
    port: actual,
    describe: `http://${host.includes(':') ? `[${host}]` : host}:${actual}`,
    close: async () => {
      await archiver?.close();
      await app.close();
    },
  };
}

/** Commands would wait for Redis, and pages with them. */
const redisAway = (): Problem => new Problem(503, 'Redis is away; this page works again when it is back');

const worksWithoutRedis = (url: string): boolean => /^\/(?:healthz|readyz|metrics|ui\/|queues\/static\/)/.test(url);

function openWorld(context: Context): World {
  const { redis, config } = context;
  const queues = openQueues(redis);
  const lanes = openLanes(redis, queues, config.delivery, () => config.policy.file !== '');
  const log = openRecordLog(redis);
  return { context, queues, lanes, log, recent: openRecent(log), depths: openDepths(redis, queues, lanes), startedAt: Date.now() };
}

async function registerRoutes(app: FastifyInstance, world: World): Promise<void> {
  registerProbes(app, world);
  registerApi(app, world);
  await registerPages(app, world);
  await registerBoard(app, world);
}
