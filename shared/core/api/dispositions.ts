import { z } from 'zod';
import { recordTypes } from '../disposition.ts';
import { disposition, limit, next } from './common.ts';
import { endpoint } from './endpoint.ts';

/** The id of an entry of the log. */
const entryId = z.string().regex(/^\d{1,15}(-\d{1,19})?$/, { error: 'expected the id of an event, such as 1700000000000-0' });

const type = z
  .union([z.string(), z.array(z.string())])
  .optional()
  .transform((value) => [value ?? []].flat().flatMap((text) => text.split(',')))
  .pipe(z.array(z.enum(recordTypes, { error: `expected one or more of ${recordTypes.join(', ')}` })))
  .describe('Types of records, separated by commas or given several times; none: all');

export const dispositionEndpoints = {
  dispositions: endpoint({
    method: 'GET',
    path: '/api/dispositions',
    role: 'viewer',
    summary: 'Records of the log, the newest first',
    description: 'A page may be short, or empty, and still have a `next`: each request reads a bounded part of the log.',
    query: z.strictObject({
      type,
      recipient: z.string().min(1).max(320).optional().describe('A mailbox, or `@domain`'),
      limit: limit(1000, 100),
      cursor: entryId.optional().describe('The "next" of the page before'),
    }),
    answer: z.strictObject({ records: z.array(disposition), next }),
  }),
  events: endpoint({
    method: 'GET',
    path: '/api/events',
    role: 'viewer',
    summary: 'Records as they happen, as server-sent events',
    description:
      'The `data` of each event is a record, its `id` the place in the log. With the field `Last-Event-ID`, or `after`, the stream goes on behind that place; ' +
      'an event of type `gap` says that the log does not reach back so far. A client that does not read is dropped.',
    query: z.strictObject({ type, after: entryId.optional().describe('Go on after this event; 0: from the beginning of the log') }),
  }),
};
