import type { FastifyInstance } from 'fastify';
import { readHookDepths } from '../hook-depths.ts';
import type { World } from '../world.ts';

/** For orchestrators and Prometheus: the same as every worker has on its health port, and the depth of the queue. */
export function registerProbes(app: FastifyInstance, world: World): void {
  const { redis, metrics } = world.context;
  app.get('/healthz', () => 'ok\n');
  app.get('/readyz', (_request, reply) => (redis.isReady ? reply.send('ready\n') : reply.code(503).send('Redis is away\n')));
  app.get('/metrics', async (_request, reply) => {
    metrics.queueDepth.reset();
    metrics.hookDepth.reset();
    if (redis.isReady) {
      const { waiting, delayed, active } = await world.depths();
      for (const [state, value] of Object.entries({ waiting, delayed, active })) metrics.queueDepth.set({ state }, value);
      for (const { name: hook, ...states } of await readHookDepths(world)) {
        for (const [state, value] of Object.entries(states)) metrics.hookDepth.set({ hook, state }, value);
      }
    }
    return reply.type(metrics.registry.contentType).send(await metrics.registry.metrics());
  });
}
