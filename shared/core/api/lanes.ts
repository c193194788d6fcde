import { z } from 'zod';
import { count, cursor, disposition, limit, next, time } from './common.ts';
import { endpoint } from './endpoint.ts';

const lane = z.strictObject({
  lane: z.string().describe('Its name'),
  source: z.string(),
  site: z.string(),
  waiting: count,
  delayed: count.describe('Waiting for a retry'),
  active: count,
  paused: z.boolean(),
  held_ms: count.describe('The site said 421 and is left alone for so long; 0: it is not'),
  suspended: z
    .strictObject({ order: z.string(), reason: z.string(), expires: time.nullable() })
    .nullable()
    .describe('The order that suspends all of it; null: none does'),
  oldest: time.nullable().describe('Reception of the older of two messages: the next one, and the next one due for a retry'),
});

const limitFrom = z.enum(['order', 'policy', 'settings']);

const laneName = z.string().min(1).max(400);

export const laneEndpoints = {
  lanes: endpoint({
    method: 'GET',
    path: '/api/lanes',
    role: 'viewer',
    summary: 'Lanes that have had work within the last hour, the deepest first',
    query: z.strictObject({
      sort: z
        .enum(['depth', 'age'], { error: 'expected depth or age' })
        .default('depth')
        .describe('depth: messages; age: the oldest message first'),
      site: z.string().min(1).max(300).optional().describe('Only sites whose name contains this text'),
      source: z.string().min(1).max(100).optional().describe('Only this egress source'),
      limit: limit(1000, 100),
      cursor,
    }),
    answer: z.strictObject({ lanes: z.array(lane), next, total: count.describe('Lanes that fit, on all pages') }),
  }),
  lane: endpoint({
    method: 'GET',
    path: '/api/lanes/{lane}',
    role: 'viewer',
    summary: 'One lane: backlog, limits in force, sessions, what the site last said',
    params: z.strictObject({ lane: laneName }),
    query: z.strictObject({}),
    answer: lane.extend({
      next_retry: time.nullable(),
      limits: z.strictObject({
        connections: count,
        concurrency: count.nullable().describe('Transactions in flight; null: no limit'),
        rate: z.strictObject({ messages: count, ms: count }).nullable().describe('null: no limit'),
        from: z
          .strictObject({ connections: limitFrom, concurrency: limitFrom, rate: limitFrom })
          .describe('Where each comes from; settings also where there is none'),
        orders: z.array(z.string()).describe('Orders that limit it, the strongest first'),
      }),
      sessions: z.array(z.strictObject({ index: count, worker: z.string().nullable(), since: time.nullable() })),
      last_replies: z
        .array(disposition)
        .describe('What attempts in this lane came to, the newest first, as far back as the log was searched'),
    }),
  }),
  sessions: endpoint({
    method: 'GET',
    path: '/api/sessions',
    role: 'viewer',
    summary: 'Open delivery sessions, by lane',
    query: z.strictObject({ lane: laneName.optional(), limit: limit(5000, 1000) }),
    answer: z.strictObject({
      sessions: z.array(z.strictObject({ lane: z.string(), index: count, worker: z.string().nullable(), since: time.nullable() })),
      total: count.describe('Open sessions, of all lanes'),
    }),
  }),
};
