import { z } from 'zod';
import { isAddressLiteral, isHostName } from '../address.ts';
import { parseDuration } from '../duration.ts';
import { orderKinds } from '../order.ts';
import { isQueuePart } from '../queue-name.ts';
import { parseRate } from '../rate.ts';
import { count, cursor, limit, next, oneLine, reason, time } from './common.ts';
import { endpoint } from './endpoint.ts';

/** Which messages; each that is given must fit. At least one, or `everything: true`. */
const criteria = z
  .strictObject({
    lane: oneLine(400).optional().describe('Egress path, `source->site`'),
    site: oneLine(300).optional().describe('Site, whatever the source'),
    source: oneLine(100).optional().describe('Egress source'),
    domain: oneLine(255).optional().describe('Domain of the recipients'),
    routing_domain: oneLine(255).optional(),
    tenant: oneLine(100).optional(),
    campaign: oneLine(100).optional(),
    sender: z
      .string()
      .max(320, { error: 'expected 320 characters at most' })
      .regex(/^[^\p{Cc}\u2028\u2029]*$/u, { error: 'expected one line of text' })
      .optional()
      .describe('Return path, or `@domain`; empty: the null sender'),
    message: z
      .string()
      .regex(/^[0-9a-f]{32}$/, { error: 'a message id has 32 digits from 0 to f' })
      .optional(),
    everything: z.literal(true, { error: 'expected true' }).optional().describe('All messages; needed where nothing else is given'),
  })
  .refine((given) => Object.values(given).some((value) => value !== undefined), {
    error: 'expected at least one criterion, or everything: true',
  });

/** A year and a day; what is to last longer is not given an end. Milliseconds. */
const longest = 366 * 86_400_000;

const life = {
  reason,
  duration: z
    .string()
    .max(100, { error: 'expected 100 characters at most' })
    .refine((text) => (parseDuration(text) ?? Infinity) <= longest, { error: 'expected a time such as 30m or 2h, a year at most' })
    .optional()
    .describe('How long it holds, such as `30m`; `0s` of bounce, drop and rebind: only for what waits now'),
  expires: z.iso
    .datetime({ offset: true, error: 'expected a time such as 2026-11-22T10:00:00Z' })
    .optional()
    .describe('Until when it holds, RFC 3339, in place of `duration`'),
};

const name = z.string().refine(isQueuePart, { error: 'expected a name of printable ASCII' }).nullable().optional();

const orderBody = z
  .discriminatedUnion(
    'kind',
    [
      z.strictObject({ kind: z.literal('suspend'), criteria, ...life }),
      z.strictObject({ kind: z.literal('hold'), criteria, ...life }),
      z.strictObject({ kind: z.literal('bounce'), criteria, ...life, report: z.boolean().default(true) }),
      z.strictObject({ kind: z.literal('drop'), criteria, ...life }),
      z.strictObject({ kind: z.literal('retry'), criteria, reason }),
      z.strictObject({
        kind: z.literal('rebind'),
        criteria,
        ...life,
        to: z
          .strictObject({
            tenant: name,
            campaign: name,
            routing_domain: z
              .string()
              .refine((text) => isHostName(text) || isAddressLiteral(text), { error: 'expected a host name or an address literal' })
              .nullable()
              .optional(),
            source: oneLine(100).optional(),
          })
          .refine((to) => Object.values(to).some((value) => value !== undefined), {
            error: 'expected at least one of tenant, campaign, routing_domain and source',
          }),
      }),
      z
        .strictObject({
          kind: z.literal('limits'),
          criteria,
          ...life,
          limits: z
            .strictObject({
              connections: z.int({ error: 'expected a number' }).min(1).max(10_000).optional(),
              concurrency: z.int({ error: 'expected a number' }).min(1).max(1_000_000).optional(),
              rate: z
                .string()
                .max(20)
                .refine((text) => (parseRate(text)?.max ?? 0) > 0, { error: 'expected a rate such as 50/s or 1000/h' })
                .optional(),
            })
            .refine((limits) => Object.values(limits).some((value) => value !== undefined), {
              error: 'expected at least one of connections, concurrency and rate',
            }),
        })
        .refine(({ criteria: { lane, site, ...others } }) => isOneOf(lane, site) && Object.keys(others).length === 0, {
          error: 'limits are for a lane or for a site, and for nothing else',
          path: ['criteria'],
        }),
    ],
    { error: `expected a kind: ${orderKinds.join(', ')}` },
  )
  .refine((body) => !('duration' in body && body.duration !== undefined && body.expires !== undefined), {
    error: 'expected one of duration and expires',
    path: ['expires'],
  });

const isOneOf = (a: unknown, b: unknown): boolean => (a === undefined) !== (b === undefined);

const id = z.string().regex(/^[0-9a-f]{32}$/, { error: 'an order id has 32 digits from 0 to f' });
const orderParams = z.strictObject({ id: id.describe('Order id') });

export const orderKind = z.enum(orderKinds, { error: `expected one of ${orderKinds.join(', ')}` });

const order = z.strictObject({
  id: z.string(),
  kind: orderKind,
  criteria: z.record(z.string(), z.union([z.string(), z.boolean()])),
  reason: z.string(),
  who: z.string(),
  created: time,
  expires: time.nullable().describe('null: until it is ended'),
  state: z.enum(['working', 'in force', 'ended']).describe('working: it is being carried out on what waits; ended: it holds no more'),
  ended: z.strictObject({ at: time, who: z.string(), reason: z.string() }).nullable(),
  messages: z
    .strictObject({
      examined: count.describe('Jobs looked at so far, of what waited'),
      matched: count,
      done: count,
      busy: count.describe('Just being tried'),
    })
    .describe('Of what waited when it was given and of what came later; a message counts for each domain of its recipients'),
  report: z.boolean().optional(),
  to: z.record(z.string(), z.string().nullable()).optional(),
  limits: z.record(z.string(), z.union([z.string(), z.number()])).optional(),
});

export const orderEndpoints = {
  giveOrder: endpoint({
    method: 'POST',
    path: '/api/orders',
    role: 'operator',
    summary: 'Suspend, hold, bounce, drop, retry, rebind, or limit',
    description:
      'Every delivery worker knows of it within a second. Without `duration` and `expires`, suspend, hold and limits last until they are ended; ' +
      'bounce concerns what waits and what comes within five minutes; drop, rebind and retry only what waits now.',
    query: z.strictObject({}),
    body: orderBody,
    status: 201,
    answer: order,
  }),
  previewOrder: endpoint({
    method: 'POST',
    path: '/api/orders/preview',
    role: 'viewer',
    isReading: true,
    summary: 'What would an order concern now',
    query: z.strictObject({}),
    body: z.strictObject({ criteria }),
    answer: z.strictObject({
      messages: count,
      recipients: count,
      is_complete: z.boolean().describe('false: more wait than were examined'),
      lanes: z.array(z.strictObject({ lane: z.string(), messages: count })),
      sample: z.array(
        z.strictObject({
          message: z.string(),
          lane: z.string(),
          sender: z.string(),
          recipients: z.array(z.string()),
          created: time,
          attempts: count,
        }),
      ),
    }),
  }),
  orders: endpoint({
    method: 'GET',
    path: '/api/orders',
    role: 'viewer',
    summary: 'Orders in force, or all of late, the newest first',
    query: z.strictObject({
      state: z.enum(['in force', 'all'], { error: 'expected "in force" or "all"' }).default('in force'),
      kind: orderKind.optional(),
      limit: limit(1000, 100),
      cursor,
    }),
    answer: z.strictObject({ orders: z.array(order), next }),
  }),
  order: endpoint({
    method: 'GET',
    path: '/api/orders/{id}',
    role: 'viewer',
    summary: 'One order and how far it is',
    params: orderParams,
    query: z.strictObject({}),
    answer: order,
  }),
  endOrder: endpoint({
    method: 'DELETE',
    path: '/api/orders/{id}',
    role: 'operator',
    summary: 'End an order: resume, release, lift',
    description: 'What it suspended or held goes on at once. Ending one that has ended changes nothing.',
    params: orderParams,
    query: z.strictObject({}),
    body: z.strictObject({ reason }),
    answer: order,
  }),
};
