import { z } from 'zod';
import { count, disposition, messageParams, reason, time } from './common.ts';
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
    params: messageParams,
    query: z.strictObject({}),
    answer: z.strictObject({
      id: z.string(),
      records: z.array(disposition),
      reports: z.array(
        z.strictObject({
          event_id: z.string(),
          outcome: z.enum(['sent', 'suppressed']),
          message: z.string().optional(),
          reason: z.string().optional(),
        }),
      ),
      complete: z.boolean().describe('All of the log was searched'),
      jobs: z.array(
        z.strictObject({
          id: z.string(),
          lane: z.string(),
          state: z.enum(['waiting', 'delayed', 'active']),
          recipients: z.array(z.string()),
          attempts: count,
          next_attempt: time.optional(),
        }),
      ),
      held_by: z.array(z.string()).describe('Subscribers that still need its content'),
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
