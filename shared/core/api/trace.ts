import { z } from 'zod';
import { parseCidr } from '../cidr.ts';
import { messageParams, time } from './common.ts';
import { endpoint } from './endpoint.ts';

const name = (words: string) => z.string().min(1, { error: 'expected a name' }).max(400).optional().describe(words);

export const conversationLine = z.strictObject({
  at: time,
  direction: z.enum(['client', 'server', 'note']).describe('Who said it; note: nobody, it happened'),
  text: z.string().describe('As it was said, credentials masked, at most 512 characters'),
});

export const traceEndpoints = {
  conversation: endpoint({
    method: 'GET',
    path: '/api/dispositions/{event}/conversation',
    role: 'viewer',
    summary: 'The SMTP conversation of an attempt that failed',
    description: 'Kept for `delivery.keepConversations`, less when Redis runs short of memory. Content is never part of it.',
    params: z.strictObject({ event: z.string().min(1).max(200).describe('`event_id` of a Bounce, TransientFailure or Expiration') }),
    query: z.strictObject({}),
    answer: z.strictObject({ lines: z.array(conversationLine), truncated: z.boolean().describe('Lines were left out; a note says where') }),
  }),
  smtpTrace: endpoint({
    method: 'GET',
    path: '/api/trace/smtp',
    role: 'operator',
    summary: 'SMTP conversations as they happen, as server-sent events',
    description:
      'Of all ingress and delivery processes. The `data` of each event is one line: `at`, `process`, `way` (inbound, outbound), `connection` (the same in all its lines), `peer`, `lane`, `domains`, `message`, ' +
      '`direction` (client, server, note) and `text`. An event of type `gap` says how many lines were left out: a process tells 2,000 a second at most. Credentials and content are never shown.',
    query: z.strictObject({
      direction: z
        .enum(['inbound', 'outbound'], { error: 'expected inbound or outbound' })
        .optional()
        .describe('inbound: clients talk to us; outbound: we to servers'),
      lane: name('Only this lane, `source->site`'),
      site: name('Only this site, whatever the source'),
      domain: name('Only with a recipient of this domain; of inbound mail from its RCPT on'),
      client: z
        .string()
        .max(100)
        .refine((text) => parseCidr(text) !== undefined, { error: 'expected an address or a network such as 192.0.2.0/24' })
        .optional()
        .describe('Only clients of this address or network'),
      message: messageParams.shape.id.optional().describe('Only what is about this message'),
    }),
  }),
};
