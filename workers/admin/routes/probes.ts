import type { FastifyInstance } from 'fastify';
import { answers } from '../../../shared/io/redis-health.ts';
import { scrape } from '../../../shared/io/scrape.ts';
import { collectQueueMetrics } from '../queue-metrics.ts';
import type { World } from '../world.ts';

/** For orchestrators and Prometheus: the same as on the health port. */
export function registerProbes(app: FastifyInstance, world: World): void {
  const { redis } = world.context;
  app.get('/healthz', () => 'ok\n');
  app.get('/readyz', async (_request, reply) => ((await answers(redis)) ? reply.send('ready\n') : reply.code(503).send('Redis is away\n')));
  app.get('/metrics', async (_request, reply) =>
    reply.type(world.context.metrics.registry.contentType).send(await scrape(world.context, () => collectQueueMetrics(world))),
  );
}
