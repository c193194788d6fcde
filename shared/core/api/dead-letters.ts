import { z } from 'zod';
import { count, cursor, disposition, limit, next, reason, time } from './common.ts';
import { endpoint } from './endpoint.ts';

const params = z.strictObject({
  queue: z
    .string()
    .regex(/^[A-Za-z0-9_-]{1,60}$/, { error: 'expected the name of a queue' })
    .describe('`bounces`, `inbound`, `redeliver`, or that of a webhook or hook'),
});

const which = z
  .strictObject({
    jobs: z
      .array(z.string().min(1).max(400))
      .min(1, { error: 'expected at least one' })
      .max(500, { error: 'expected 500 at most' })
      .optional()
      .describe('These; those that are no dead letters any more are passed over'),
    all: z.literal(true, { error: 'expected true' }).optional().describe('All that were given up before `before`'),
    before: z.iso.datetime({ offset: true, error: 'expected a time such as 2026-11-22T14:30:00Z' }).optional().describe('Default: now'),
    reason,
  })
  .refine(({ jobs, all }) => (jobs === undefined) !== (all === undefined), { error: 'expected one of jobs and all', path: ['jobs'] });

const answer = z.strictObject({
  done: count,
  passed_over: count.describe('No dead letters (any more): somebody else was faster'),
  left: count.describe('That were not come to: with the same `before`, the next request goes on'),
  before: time,
});

export const deadLetterEndpoints = {
  deadLetters: endpoint({
    method: 'GET',
    path: '/api/queues/{queue}/dead-letters',
    role: 'viewer',
    summary: 'What a queue gave up, the newest first',
    params,
    query: z.strictObject({ limit: limit(100, 50), cursor }),
    answer: z.strictObject({
      dead_letters: z.array(
        z.strictObject({
          job: z.string(),
          reason: z.string().describe('Why it was given up'),
          attempts: count,
          created: time,
          given_up: time,
          replay: z.string().nullable().describe('The replay that it belongs to'),
          record: disposition.nullable().describe('null: of a message that came to an address for reports'),
          message: z.string().nullable().describe('The message that it is about'),
        }),
      ),
      next,
      total: count,
    }),
  }),
  retryDeadLetters: endpoint({
    method: 'POST',
    path: '/api/queues/{queue}/dead-letters/retry',
    role: 'operator',
    summary: 'Put dead letters back into their queue',
    description: 'Works for a bounded time: `left` tells how many it did not come to.',
    params,
    query: z.strictObject({}),
    body: which,
    bodyLimit: 'message',
    answer,
  }),
  dropDeadLetters: endpoint({
    method: 'POST',
    path: '/api/queues/{queue}/dead-letters/drop',
    role: 'operator',
    summary: 'Remove dead letters for good; the log keeps their records',
    description: 'Works for a bounded time: `left` tells how many it did not come to. The originals that they held are let go of.',
    params,
    query: z.strictObject({}),
    body: which,
    bodyLimit: 'message',
    answer,
  }),
};
