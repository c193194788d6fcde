import { z } from 'zod';
import { count, disposition, limit, messageParams, oneLine, reason, time } from './common.ts';
import { endpoint } from './endpoint.ts';
import { injectBody, rawQuery } from './inject.ts';

const injected = z.strictObject({
  results: z.array(
    z.strictObject({
      recipient: z.string(),
      id: z.string().nullable().describe('The message; null: it was not queued, send the request again'),
    }),
  ),
  queued: count.describe('Recipients'),
});

export const messageEndpoints = {
  message: endpoint({
    method: 'GET',
    path: '/api/messages/{id}',
    role: 'viewer',
    summary: 'What became of a message, and what is still to do',
    description: 'Its records of log and archive, oldest first, and by recipient which of them are about him.',
    params: messageParams,
    query: z.strictObject({}),
    answer: z.strictObject({
      id: z.string(),
      envelope: z
        .strictObject({
          sender: z.string(),
          recipients: z.array(z.string()),
          size: count,
          received: time,
          protocol: z.string().nullable(),
          peer: z.strictObject({ name: z.string(), addr: z.string(), is_secure: z.boolean().optional() }).optional(),
          user: z.string().optional().describe('Who was logged in'),
          message_id: z.string().optional().describe('The field Message-ID'),
        })
        .nullable(),
      timeline: z.array(
        z.strictObject({
          recipient: z.string(),
          state: z.enum(['waiting', 'delayed', 'active', 'delivered', 'bounced', 'expired', 'admin-bounced', 'unknown']),
          events: z.array(z.string()).describe('`event_id` of its records, in their order'),
          job: z.string().optional().describe('What is still to do for him'),
        }),
      ),
      report_on: z.string().nullable().describe('Of a report: the message that it is about'),
      redelivered: z
        .array(z.strictObject({ event_id: z.string(), message: z.string() }))
        .describe('Failures that a replay delivered again'),
      redelivered_from: z.strictObject({ message: z.string(), event_id: z.string(), replay: z.string().optional() }).nullable(),
      conversations: z.array(z.string()).describe('Events of which the SMTP conversation is kept'),
      records: z.array(disposition),
      reports: z.array(
        z.strictObject({
          event_id: z.string(),
          outcome: z.enum(['sent', 'suppressed']),
          message: z.string().optional(),
          reason: z.string().optional(),
        }),
      ),
      complete: z.boolean().describe('All of log and archive was searched'),
      jobs: z.array(
        z.strictObject({
          id: z.string(),
          lane: z.string(),
          state: z.enum(['waiting', 'delayed', 'active']),
          recipients: z.array(z.string()),
          attempts: count,
          next_attempt: time.optional(),
          order: z
            .strictObject({ id: z.string(), kind: z.enum(['suspend', 'hold']), reason: z.string(), expires: time.nullable() })
            .optional()
            .describe('The order that keeps it back when its turn comes'),
        }),
      ),
      held_by: z.array(z.string()).describe('Subscribers that still need its content'),
    }),
  }),
  findMessages: endpoint({
    method: 'GET',
    path: '/api/messages',
    role: 'viewer',
    summary: 'Messages by Message-ID or by address, the newest first',
    description: 'Log and archive are searched for five seconds at most; `complete` is false when that was not enough.',
    query: z
      .strictObject({
        message_id: oneLine(400).optional().describe('The field Message-ID, with or without its angle brackets'),
        address: oneLine(320).optional().describe('Of the sender or a recipient; `@domain` for all of a domain'),
        since: z
          .string()
          .max(100)
          .optional()
          .describe('How long ago ("2h", "7d") or a time as 2026-11-22T14:30:00Z: when its last record was logged'),
        limit: limit(100, 10),
      })
      .refine(({ message_id, address }) => (message_id === undefined) !== (address === undefined), {
        error: 'expected one of message_id and address',
        path: ['message_id'],
      }),
    answer: z.strictObject({
      messages: z.array(
        z.strictObject({
          id: z.string(),
          sender: z.string(),
          recipients: z.array(z.string()).describe('Of the record that was found; ten at most'),
          received: time,
          size: count,
          message_id: z.string().optional(),
          last: z
            .strictObject({ type: z.string(), time, code: z.number(), content: z.string() })
            .describe('The newest of its records that fits; by Message-ID that is its Reception'),
        }),
      ),
      complete: z.boolean(),
    }),
  }),
  bounceMessage: endpoint({
    method: 'POST',
    path: '/api/messages/{id}/bounce',
    role: 'operator',
    summary: 'End a message: its waiting recipients bounce with this reason',
    params: messageParams,
    query: z.strictObject({}),
    body: z.strictObject({ reason }),
    status: 202,
    answer: z.strictObject({ id: z.string(), bounced: z.array(z.string()) }),
  }),
  inject: endpoint({
    method: 'POST',
    path: '/api/messages',
    role: 'operator',
    summary: 'Write and queue a message',
    description:
      'One message for all recipients, who see each other; with `substitutions` one for each recipient, who sees only himself. ' +
      '`{{name}}` in subject, text, html and header values is replaced once; values are never looked into.',
    query: z.strictObject({}),
    body: injectBody,
    bodyLimit: 'message',
    status: 202,
    answer: injected,
  }),
  injectRaw: endpoint({
    method: 'POST',
    path: '/api/messages/raw',
    role: 'operator',
    summary: 'Queue a message that is written already',
    query: rawQuery,
    bodyType: 'message/rfc822',
    bodyLimit: 'message',
    status: 202,
    answer: injected,
  }),
};
