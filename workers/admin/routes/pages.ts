import { readFile } from 'node:fs/promises';
import type { FastifyInstance } from 'fastify';
import { readReportMarks } from '../../../shared/io/report-marks.ts';
import { whileAnswering } from '../../../shared/io/redis.ts';
import { historyOf } from '../message-history.ts';
import { holdersOf } from '../message-jobs.ts';
import { messagePage } from '../pages/message.ts';
import { overviewPage } from '../pages/overview.ts';
import { Problem } from '../problem.ts';
import type { World } from '../world.ts';

const page = 'text/html; charset=utf-8';
const files = {
  '/ui/admin.css': 'text/css; charset=utf-8',
  '/ui/admin.js': 'text/javascript; charset=utf-8',
  '/ui/icon.svg': 'image/svg+xml',
};

/** The pages for people, and the files they need. */
export async function registerPages(app: FastifyInstance, world: World): Promise<void> {
  const { context, queues, lanes, log } = world;
  const answered = <T>(work: Promise<T>): Promise<T> => whileAnswering(context.redis, work, context.config.redis.timeout);
  app.get('/', async (_request, reply) => {
    const [recent, depths] = await answered(Promise.all([world.recent(), world.depths()]));
    return reply.type(page).send(overviewPage({ hostname: context.config.hostname, recent, depths }).text);
  });
  app.get('/messages/:id', async ({ params }, reply) => {
    const id = messageId(params);
    const [{ records, isComplete }, holders] = await answered(
      Promise.all([historyOf(id, context, log), holdersOf(id, context.redis, queues, lanes)]),
    );
    if (records.length === 0 && !holders) throw new Problem(404, `nothing is known of a message ${id}`);
    const eventIds = records.map((record) => record.event_id);
    const reports = await readReportMarks(context.redis, eventIds);
    const view = { hostname: context.config.hostname, id, records, reports, isComplete, holders };
    return reply.type(page).send(messagePage(view).text);
  });
  for (const [path, type] of Object.entries(files)) {
    const content = await readFile(new URL(`..${path}`, import.meta.url));
    app.get(path, (_request, reply) => reply.type(type).header('cache-control', 'no-cache').send(content));
  }
}

function messageId(params: unknown): string {
  const id = (params as { id?: string }).id ?? '';
  if (!/^[0-9a-f]{32}$/.test(id)) throw new Problem(404, 'a message id has 32 digits from 0 to f');
  return id;
}
