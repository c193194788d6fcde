import type { AddressInfo } from 'node:net';
import fastify, { type FastifyInstance } from 'fastify';
import { wordingsInUse } from '../../shared/core/tenant-reports.ts';
import { harmlessJson } from '../../shared/core/api/problem.ts';
import { openArchiveStore } from '../../shared/io/archive.ts';
import type { Context } from '../../shared/io/context.ts';
import { openPipeline } from '../../shared/io/pipeline.ts';
import { loadTemplates, type LoadedTemplates } from '../../shared/io/template-load.ts';
import { readVersion } from '../../shared/io/version.ts';
import { openAccess, type Actor } from './access.ts';
import { startArchiver } from './archiver.ts';
import { registerApi } from './api/routes.ts';
import { openDispositionCounting } from './count-dispositions.ts';
import { openDepths } from './lane-depths.ts';
import { answerProblem, Problem, redisAway } from './problem.ts';
import { collectQueueMetrics } from './queue-metrics.ts';
import { openRecent } from './recent.ts';
import { openReplayRunner } from './replay-runner.ts';
import { openRecordLog } from './record-log.ts';
import { registerBoard } from './routes/board.ts';
import { registerDocs } from './routes/docs.ts';
import { registerProbes } from './routes/probes.ts';
import { isNavigation, registerUi, sendShell } from './routes/ui.ts';
import { addSecurityHeaders, securityHeaders } from './security-headers.ts';
import { openTraceFeed } from './trace-feed.ts';
import { loadUi } from './ui-files.ts';
import { isPagePath } from './ui-paths.ts';
import type { StreamTimes, World } from './world.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Who asks; nobody where that does not matter. */
    actor: Actor;
  }
}

/** Larger requests are none of ours, but where a route says otherwise. Octets. */
const bodyLimit = 16 * 1024;
const usualStreamTimes: StreamTimes = { heartbeat: 15_000, patience: 30_000 };
/** Of all header fields and the URL: a raw message names its recipients there. Octets. */
const maxHeaderSize = 64 * 1024;

/** The admin role: overview, queues, API, metrics. Throws when it would be open to other machines without a login. */
export async function run(
  context: Context,
  streamTimes: StreamTimes = usualStreamTimes,
): Promise<{ port: number; describe: string; collect(): Promise<void>; close(): Promise<void> }> {
  const { host, port } = context.config.admin;
  const access = openAccess(context);
  const ui = await loadUi();
  const app = openApp(context);
  app.decorateRequest('actor');
  app.addHook('onRequest', async (request, reply) => {
    const actor = await access.actorOf(request);
    const refusal = actor instanceof Problem ? actor : undefined;
    request.actor = !actor || actor instanceof Problem ? nobody : actor;
    const problem = refusal ?? (context.redis.isReady || worksWithoutRedis(request.url) ? undefined : redisAway());
    if (problem?.status === 401 && isNavigation(request)) return sendShell(reply.code(401), ui);
    // Answered here and not thrown: bull-board would answer its own requests in its own way.
    return problem && answerProblem(problem, request, reply, context);
  });
  const world = openWorld(context, { streamTimes, version: await readVersion(), access, ui });
  await registerRoutes(app, world);
  await app.listen({ host, port });
  world.replays.look();
  // With thousands of lanes the first look takes a second: it begins before somebody asks.
  for (const look of [world.depths('ahead'), world.recent()]) look.catch(() => undefined);
  const archiver = context.config.archive.enabled ? startArchiver(context, openArchiveStore(context.config)) : undefined;
  const actual = (app.server.address() as AddressInfo).port;
  return {
    port: actual,
    describe: `http://${host.includes(':') ? `[${host}]` : host}:${actual}`,
    collect: () => collectQueueMetrics(world),
    close: async () => {
      world.counting.close();
      await world.replays.close();
      await archiver?.close();
      for (const stream of world.streams) stream.destroy();
      await app.close();
      await world.pipeline.close();
    },
  };
}

const nobody: Actor = { name: '', role: 'viewer' };

function openApp(context: Context): FastifyInstance {
  const app = fastify({
    bodyLimit,
    http: { maxHeaderSize },
    routerOptions: { maxParamLength: 2000 },
    forceCloseConnections: true,
    logger: false,
    frameworkErrors: (error, request, reply) => {
      void answerProblem(error, request, reply.headers(securityHeaders) as never, context);
    },
    clientErrorHandler: (error, socket) => {
      const status = (error as { code?: string }).code === 'HPE_HEADER_OVERFLOW' ? 431 : 400;
      const body = harmlessJson({ type: 'about:blank', title: 'Bad Request', status, detail: 'the request cannot be read' });
      if (socket.writable)
        socket.end(
          `HTTP/1.1 ${status} Bad Request\r\nContent-Type: application/problem+json\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`,
        );
    },
  });
  app.addHook('onRequest', addSecurityHeaders);
  app.setErrorHandler<Problem>((error, request, reply) => answerProblem(error, request, reply, context));
  app.setNotFoundHandler((request) => {
    throw new Problem(404, `there is no ${request.method} ${request.url.split('?')[0]?.slice(0, 200)}`);
  });
  // A form or a plain text is what a page of another site can send without asking first.
  app.removeContentTypeParser('text/plain');
  return app;
}

const worksWithoutRedis = (url: string): boolean =>
  /^\/(?:healthz|readyz|metrics|docs|ui\/|queues\/static\/)/.test(url) || isPagePath(url.split('?')[0] ?? '');

function openWorld(context: Context, given: Pick<World, 'streamTimes' | 'version' | 'access' | 'ui'>): World {
  const pipeline = openPipeline(context);
  const { redis, config } = context;
  const { queues, lanes } = pipeline;
  const log = openRecordLog(redis);
  const source = { redis, archive: openArchiveStore(config) };
  const replayWorld = {
    ...source,
    queues,
    get subscriptions() {
      return context.subscriptions;
    },
  };
  return {
    context,
    queues,
    lanes,
    log,
    source,
    replays: openReplayRunner(replayWorld, context.log),
    counting: openDispositionCounting(source, log, context.log),
    pipeline,
    recent: openRecent(log),
    depths: openDepths(redis, lanes),
    templates: once(() => loadTemplates(wordingsInUse(config.bounce))),
    trace: openTraceFeed(redis),
    ...given,
    streams: new Set(),
    startedAt: Date.now(),
  };
}

/** The result of the first call that succeeds. */
function once(load: () => Promise<LoadedTemplates>): () => Promise<LoadedTemplates> {
  let loaded: Promise<LoadedTemplates> | undefined;
  return () => {
    loaded ??= load().catch((error: unknown) => {
      loaded = undefined;
      throw error;
    });
    return loaded;
  };
}

async function registerRoutes(app: FastifyInstance, world: World): Promise<void> {
  registerProbes(app, world);
  registerDocs(app, world);
  await registerApi(app, world);
  registerUi(app, world.ui);
  await registerBoard(app, world);
}
