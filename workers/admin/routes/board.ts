import { createBullBoard } from '@bull-board/api';
import { BullMQAdapter } from '@bull-board/api/bullMQAdapter';
import { FastifyAdapter } from '@bull-board/fastify';
import { Queue, type RedisQueueBackend } from 'bullmq';
import type { FastifyError, FastifyInstance } from 'fastify';
import { whileAnswering } from '../../../shared/io/redis.ts';
import { sessionsQueue } from '../../../shared/io/lanes.ts';
import { steeringQueue } from '../../../shared/io/order-store.ts';
import { queuesOfSubscribers } from '../hook-depths.ts';
import { inboundQueue } from '../../../shared/core/inbound/job.ts';
import { redeliverQueue } from '../../../shared/core/replay.ts';
import { answerProblem } from '../problem.ts';
import { boardPolicy } from '../security-headers.ts';
import { nav as sections } from '../ui/nav.ts';
import type { World } from '../world.ts';

const path = '/queues';
const mostLanes = 50;
/** The board asks for its queues every few seconds; which lanes are the busiest is looked up this often. Milliseconds. */
const freshFor = 2000;

/** bull-board, to look and not to touch: what may be done to mail goes through the API, which keeps the records right. */
export async function registerBoard(app: FastifyInstance, world: World): Promise<void> {
  const { redis, config } = world.context;
  const server = new FastifyAdapter().setBasePath(path);
  // Asked for again and again: hooks come and go with the policy.
  const fixed = (): string[] => [sessionsQueue, steeringQueue, inboundQueue, redeliverQueue, ...queuesOfSubscribers(world)];
  const shown = new Map<string, BullMQAdapter>();
  const show = (names: readonly string[]): BullMQAdapter[] => {
    for (const name of shown.keys()) if (!names.includes(name)) shown.delete(name);
    for (const name of names) if (!shown.has(name)) shown.set(name, adapt(name, world));
    return [...shown.values()];
  };
  const board = createBullBoard({
    queues: show(fixed()),
    serverAdapter: server,
    options: {
      // Lanes have no workers of their own: sessions drain them.
      uiConfig: { boardTitle: 'Rebound queues', hideDocsLink: true, showWorkers: false, miscLinks: [{ text: 'Overview', url: '/' }] },
    },
  });
  let readAt = 0;
  const refresh = async (): Promise<void> => {
    if (Date.now() - readAt < freshFor) return;
    readAt = Date.now();
    const { lanes } = await world.depths();
    board.replaceQueues(show([...fixed(), ...lanes.slice(0, mostLanes).map(({ lane }) => lane)]));
  };

  await app.register(async (scope) => {
    scope.addHook('onRequest', async (_request, reply) => {
      reply.header('content-security-policy', boardPolicy);
    });
    scope.addHook('onRoute', (route) => {
      const { handler } = route;
      if (!route.url.includes('/api/')) return;
      // The board waits for ever for a Redis that hangs, and calls every failure a 500.
      route.handler = async function (request, reply) {
        const work = refresh().then(() => handler.call(this, request, reply) as Promise<unknown>);
        try {
          return await whileAnswering(redis, work, config.redis.timeout);
        } catch (error) {
          return reply.sent ? reply : answerProblem(error as FastifyError, request, reply, world.context);
        }
      };
    });
    scope.addHook('onSend', async (_request, reply, payload) =>
      typeof payload === 'string' && String(reply.getHeader('content-type')).startsWith('text/html') ? withBar(payload, world) : payload,
    );
    await scope.register(server.registerPlugin(), { prefix: path });
  });
}

/** The way back, and the same places as everywhere. */
function withBar(page: string, { ui }: World): string {
  const links = sections.map(({ path: to, word }) => `<a href="${to}"${to === path ? ' aria-current="page"' : ''}>${word}</a>`).join('');
  return page
    .replace('</head>', `<link rel="stylesheet" href="${ui.pathOf('board.css')}"></head>`)
    .replace(/<link href="https:[^>]*>/g, '')
    .replace(/<body[^>]*>/, (body) => `${body}<nav class="rebound-bar" aria-label="Rebound"><b>Rebound</b>${links}</nav>`);
}

/** A job of a lane, and that of a record, has an id that begins with that of its message. */
const messageOf = ({ id }: { id?: string | number | null | undefined }) => {
  const message = /^[0-9a-f]{32}/.exec(String(id))?.[0];
  return message === undefined ? { href: '/messages', displayText: 'Messages' } : { href: `/messages/${message}`, displayText: 'Message' };
};

/** A Queue over the one connection. It neither writes the queue's meta nor closes anything, so it may just be forgotten. */
function adapt(name: string, { context: { redis } }: World): BullMQAdapter {
  const options = { connection: redis.client as never, prefix: redis.prefix, skipMetasUpdate: true };
  const queue = new Queue(name, options, () => redis.backend.forQueue(name, redis.prefix) as RedisQueueBackend);
  return new BullMQAdapter(queue, { readOnlyMode: true, externalJobUrl: messageOf });
}
