import { z } from 'zod';
import { count, cursor, disposition, limit, loggedDisposition, next, time } from './common.ts';
import { endpoint } from './endpoint.ts';
import { damage, filterQuery } from './log-query.ts';

/** The id of an entry of the log. */
const entryId = z.string().regex(/^\d{1,15}(-\d{1,19})?$/, { error: 'expected the id of an event, such as 1700000000000-0' });

const { until: _, ...streamQuery } = filterQuery;

/** One number for each step of the time asked for. */
const series = z.array(count);
const classes = z.array(z.strictObject({ class: z.string(), total: count, counts: series }));

export const dispositionEndpoints = {
  dispositions: endpoint({
    method: 'GET',
    path: '/api/dispositions',
    role: 'viewer',
    summary: 'Records of the log and its archive',
    description:
      'A page may be short, or empty, and still have a `next`: each request reads for a bounded time. With a `cursor`, `since` and `until` ' +
      'are those of the first page.',
    query: z.strictObject({
      ...filterQuery,
      order: z.enum(['newest', 'oldest'], { error: 'expected newest or oldest' }).default('newest').describe('Which come first'),
      limit: limit(1000, 100),
      cursor,
    }),
    answer: z.strictObject({
      records: z.array(loggedDisposition),
      next,
      searched_to: time.nullable().describe('Everything from the beginning up to then was looked at; null: everything that there is'),
      damage,
    }),
  }),
  dispositionCounts: endpoint({
    method: 'GET',
    path: '/api/dispositions/counts',
    role: 'viewer',
    summary: 'What happened by time, class and site: recipients counted, over 24 hours at most',
    description:
      'Counted by the admin process from the time of the first request, back to 24 hours before; `counted_since` tells how far it is. ' +
      'Names beyond a bounded number are counted as `(others)`.',
    query: z.strictObject({
      since: z.string().optional().describe('How long ago (`2h`) or a time; default and at most 24 hours'),
      step: z.enum(['1m', '5m', '15m', '1h'], { error: 'expected 1m, 5m, 15m or 1h' }).default('1m').describe('Width of a count'),
      top: limit(100, 20).describe('Classes and sites at most'),
    }),
    answer: z.strictObject({
      start: time.describe('Of the first step'),
      step_seconds: count,
      steps: count,
      counted_since: time.describe('What was logged before is not counted (yet)'),
      is_complete: z.boolean().describe('All of the time asked for is counted'),
      types: z.record(z.string(), series).describe('By type of record'),
      failures: classes.describe('Classes of what failed for good (Bounce, Expiration, OOB), the most frequent first'),
      deferrals: classes.describe('Classes of temporary failures'),
      sites: z
        .array(
          z.strictObject({
            site: z.string(),
            delivered: count,
            deferred: count,
            failed: count,
            last_reply: z
              .strictObject({ time, type: z.string(), code: z.number(), enhanced: z.string().nullable(), content: z.string() })
              .nullable(),
          }),
        )
        .describe('The busiest first. Counted by tens of minutes, so a little more than the time asked for'),
    }),
  }),
  disposition: endpoint({
    method: 'GET',
    path: '/api/dispositions/{event}',
    role: 'viewer',
    summary: 'One record, and what became of it: its report, its replays, its original',
    params: z.strictObject({ event: z.string().min(1).max(300).describe('Event id') }),
    query: z.strictObject({}),
    answer: z.strictObject({
      record: disposition,
      explanation: z
        .strictObject({ status: z.string(), reason: z.string(), advice: z.string().describe('What to do; may be empty') })
        .nullable()
        .describe('What the reply means; null: nothing was refused'),
      logged: time,
      report: z.strictObject({
        outcome: z
          .enum(['sent', 'suppressed', 'waiting', 'none', 'unknown'])
          .describe('waiting: to be made; none: nobody is told of such a record; unknown: it is not remembered (any more)'),
        message: z.string().nullable().describe('The report'),
        reason: z.string().nullable().describe('Why there is none'),
        words: z.string().nullable().describe('The same in words'),
      }),
      replays: z
        .array(z.strictObject({ id: z.string(), to: z.string(), outcome: z.string().nullable().describe('null: not yet') }))
        .describe('Those that have this record, as long as their jobs are kept'),
      redelivered_as: z.string().nullable().describe('The message that it was delivered again as'),
      original: z.enum(['kept', 'gone', 'none']).describe('Its message; none: it never had one'),
    }),
  }),
  events: endpoint({
    method: 'GET',
    path: '/api/events',
    role: 'viewer',
    summary: 'Records as they happen, as server-sent events',
    description:
      'The `data` of each event is a record, its `id` the place in the log. With the field `Last-Event-ID`, or `after`, the stream goes on behind that place; ' +
      'an event of type `gap` says that the log does not reach back so far. A client that does not read is dropped.',
    query: z.strictObject({
      ...streamQuery,
      after: entryId.optional().describe('Go on after this event; 0: from the beginning of the log'),
    }),
  }),
};
