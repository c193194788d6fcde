import { z } from 'zod';
import { recordTypes } from '../disposition.ts';
import { count, time } from './common.ts';
import { endpoint, roles } from './endpoint.ts';

const states = { waiting: count, delayed: count, active: count };
/** A queue of records or sessions. `dead`: given up, and looked at by a person. */
const depth = z.strictObject({ name: z.string(), ...states, dead: count });

export const statusEndpoints = {
  status: endpoint({
    method: 'GET',
    path: '/api/status',
    role: 'viewer',
    summary: 'What happens just now, in numbers',
    query: z.strictObject({}),
    answer: z.strictObject({
      hostname: z.string(),
      instance: z.string(),
      started: time,
      you: z.strictObject({ name: z.string(), role: z.enum(roles) }),
      redis: z.strictObject({
        ready: z.boolean(),
        durability: z.strictObject({ aof: z.enum(['always', 'everysec', 'no', 'off', 'unknown']), evicts: z.boolean() }),
      }),
      queue: z.strictObject({ lanes: count, ...states }),
      bounces: z.strictObject(states),
      hooks: z.array(depth),
      records: z.strictObject({ counted: count, since: time.nullable(), counts: z.record(z.enum(recordTypes), count) }),
    }),
  }),
  queues: endpoint({
    method: 'GET',
    path: '/api/queues',
    role: 'viewer',
    summary: 'The queues that are no lanes: sessions, steering, inbound, and one for each subscriber',
    query: z.strictObject({}),
    answer: z.strictObject({ queues: z.array(depth) }),
  }),
  subscribers: endpoint({
    method: 'GET',
    path: '/api/subscribers',
    role: 'viewer',
    summary: 'Who hears dispositions, and what waits for them',
    query: z.strictObject({}),
    answer: z.strictObject({
      subscribers: z.array(
        z.strictObject({
          queue: z.string(),
          types: z.array(z.enum(recordTypes)).nullable().describe('null: of a hook that these settings do not know'),
          needs_original: z.boolean().nullable(),
          backlog: z.strictObject({ records: count, age_ms: count }).nullable(),
          ...states,
          dead: count,
        }),
      ),
    }),
  }),
};
