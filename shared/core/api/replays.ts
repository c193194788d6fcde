import { z } from 'zod';
import { count, cursor, limit, next, reason, time } from './common.ts';
import { endpoint } from './endpoint.ts';
import { damage, filterBody } from './log-query.ts';

const asked = {
  to: z.string().min(1).max(60).describe('`bounces`, `redeliver`, `webhook:NAME` or `hook:NAME`'),
  ...filterBody,
};
const params = z.strictObject({
  id: z
    .string()
    .regex(/^[0-9a-f]{32}$/, { error: 'the id of a replay has 32 digits from 0 to f' })
    .describe('Replay'),
});

const sample = z.strictObject({
  event_id: z.string(),
  type: z.string(),
  time: z.string(),
  sender: z.string(),
  recipient: z.string().describe('The first'),
  site: z.string(),
  code: z.number().nullable(),
});

const replay = z.strictObject({
  id: z.string(),
  to: z.string(),
  filter: z.record(z.string(), z.unknown()).describe('As the log understood it; times in ms since 1970'),
  rate: count.describe('Records a second at most'),
  force: z.boolean(),
  status: z
    .enum(['waiting', 'running', 'interrupted', 'queued', 'done', 'cancelled'])
    .describe(
      'waiting: an admin process takes it up; interrupted: nobody adds its records until it is resumed; queued: all are added; done: and all have an outcome',
    ),
  who: z.string(),
  reason: z.string(),
  begun: time,
  updated: time,
  queued: count.describe('Records that were made jobs'),
  skipped: count.describe('Records that fit and that the target has no use for'),
  pending: count.describe('Jobs of which nothing is known yet'),
  outcomes: z.record(z.string(), count),
  searched_to: time.nullable().describe('The log is read up to here'),
  is_target_full: z.boolean().describe('It waits for its target (told by the process that runs it)'),
});

const names = z.array(z.strictObject({ name: z.string(), count })).describe('The most frequent, and `(others)`');

export const replayEndpoints = {
  previewReplay: endpoint({
    method: 'POST',
    path: '/api/replays/preview',
    role: 'viewer',
    isReading: true,
    summary: 'What a replay would do; nothing is written',
    description:
      'Reads for a bounded time: when `is_complete` is false, the counts are of a part, and the same request with `next` as `cursor` counts the next one.',
    query: z.strictObject({}),
    body: z.strictObject({ ...asked, cursor }),
    answer: z.strictObject({
      records: count.describe('That fit'),
      skipped: count.describe('Of these, records that the target has no use for'),
      sites: names,
      codes: names,
      classes: names,
      sample: z.array(sample),
      is_complete: z.boolean(),
      next,
      searched_to: time.nullable(),
      damage,
    }),
  }),
  createReplay: endpoint({
    method: 'POST',
    path: '/api/replays',
    role: 'operator',
    summary: 'Run dispositions of the past again',
    description:
      '`since` or `message` is needed. What is logged after the beginning is no part of it. The admin role runs it, also after a restart.',
    query: z.strictObject({}),
    body: z.strictObject({
      ...asked,
      rate: z.int({ error: 'expected a whole number' }).min(1).max(999_999).default(1000).describe('Records a second at most'),
      force: z.boolean().default(false).describe('Send again what was sent'),
      reason,
    }),
    status: 202,
    answer: replay,
  }),
  replays: endpoint({
    method: 'GET',
    path: '/api/replays',
    role: 'viewer',
    summary: 'The latest replays, also those of the command line, the newest first',
    query: z.strictObject({ limit: limit(200, 50) }),
    answer: z.strictObject({ replays: z.array(replay) }),
  }),
  replay: endpoint({
    method: 'GET',
    path: '/api/replays/{id}',
    role: 'viewer',
    summary: 'How far a replay is, what became of its records, and some of each outcome',
    params,
    query: z.strictObject({}),
    answer: replay.extend({ sample: z.array(sample.extend({ outcome: z.string() })).describe('Up to twenty of each outcome') }),
  }),
  replayRecords: endpoint({
    method: 'GET',
    path: '/api/replays/{id}/records',
    role: 'viewer',
    summary: 'The records of a replay, in the order of the log, each with what became of it',
    description: 'Outcomes are known as long as the jobs are kept: those not done, and the latest 1000 of the target.',
    params,
    query: z.strictObject({ limit: limit(500, 100), cursor }),
    answer: z.strictObject({
      records: z.array(
        sample.extend({
          outcome: z.string().nullable().describe('null: not known'),
          state: z.enum(['waiting', 'done', 'forgotten']).describe('forgotten: its job is not kept any more; the counts have it'),
        }),
      ),
      next,
      damage,
    }),
  }),
  resumeReplay: endpoint({
    method: 'POST',
    path: '/api/replays/{id}/resume',
    role: 'operator',
    summary: 'Go on with a replay that was interrupted; one that runs just goes on',
    params,
    query: z.strictObject({}),
    body: z.strictObject({ reason }),
    status: 202,
    answer: replay,
  }),
  cancelReplay: endpoint({
    method: 'DELETE',
    path: '/api/replays/{id}',
    role: 'operator',
    summary: 'End a replay for good: nothing more is queued, and what waits does nothing',
    params,
    query: z.strictObject({}),
    body: z.strictObject({ reason }),
    answer: replay,
  }),
};
