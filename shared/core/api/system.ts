import { z } from 'zod';
import { count, disposition, limit, next, time } from './common.ts';
import { endpoint, roles } from './endpoint.ts';

/** Arrays and objects in each other, in a record: JSON can be read deeper than it can be written. */
const deepest = 100;

const isDeeper = (value: unknown, levels: number): boolean =>
  typeof value === 'object' && value !== null && (levels === 0 || Object.values(value).some((part) => isDeeper(part, levels - 1)));

export const systemEndpoints = {
  workers: endpoint({
    method: 'GET',
    path: '/api/workers',
    role: 'viewer',
    summary: 'Processes at work, with the policy and the rules that each has loaded',
    query: z.strictObject({}),
    answer: z.strictObject({
      workers: z.array(
        z.strictObject({
          instance: z.string(),
          role: z.string(),
          host: z.string(),
          pid: count,
          version: z.string(),
          node: z.string(),
          started: time,
          heartbeat: time,
          alive: z.boolean().describe('It was heard of lately'),
          loaded: z.record(z.string(), z.unknown()).describe('What it has read besides the settings: `policy`, `rules`'),
        }),
      ),
    }),
  }),
  config: endpoint({
    method: 'GET',
    path: '/api/config',
    role: 'admin',
    summary: 'The settings in force in the admin process, secrets hidden',
    query: z.strictObject({}),
    answer: z.strictObject({ config: z.record(z.string(), z.unknown()) }),
  }),
  audit: endpoint({
    method: 'GET',
    path: '/api/audit',
    role: 'admin',
    summary: 'Who changed what, the newest first',
    query: z.strictObject({
      limit: limit(1000, 100),
      cursor: z
        .string()
        .regex(/^(?!0+-0+$)\d{1,15}-\d{1,19}$/, { error: 'expected the "next" of a page before' })
        .optional()
        .describe('The "next" of the page before'),
    }),
    answer: z.strictObject({
      entries: z.array(
        z.strictObject({
          id: z.string(),
          time,
          who: z.string(),
          role: z.enum(roles),
          address: z.string(),
          action: z.string().describe('The name of the operation (operationId)'),
          target: z.string().describe('What it was done to'),
          reason: z.string().nullable(),
          status: count.describe('Of the HTTP answer'),
          result: z.string(),
        }),
      ),
      next,
    }),
  }),
  reportPreview: endpoint({
    method: 'POST',
    path: '/api/reports/preview',
    role: 'operator',
    summary: 'The report that a disposition gives; nothing is sent',
    description: 'Of a record of the log (`event_id`), with its original where that is still kept, or of any record.',
    isReading: true,
    bodyLimit: 'message',
    body: z
      .strictObject({
        event_id: z.string().min(1).max(200).optional(),
        record: z
          .record(z.string(), z.unknown())
          .refine((record) => !isDeeper(record, deepest), { error: `expected ${deepest} levels at most` })
          .optional()
          .describe('A disposition record'),
        original: z.string().optional().describe('The message that failed, as text'),
        language: z
          .string()
          .regex(/^(?:auto|[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8})*)$/, { error: 'expected a language tag' })
          .optional(),
      })
      .refine(({ event_id, record }) => (event_id === undefined) !== (record === undefined), {
        error: 'expected one of event_id and record',
        path: ['event_id'],
      }),
    answer: z.strictObject({
      report: z
        .strictObject({
          sender: z.literal(''),
          recipient: z.string(),
          content: z.string().describe('The message; each octet is one character'),
          size: count,
          text: z.string().nullable().describe('Its human-readable part'),
        })
        .nullable(),
      reason: z.string().nullable().describe('Why there is none'),
      record: disposition,
    }),
  }),
};
