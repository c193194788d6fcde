import { z } from 'zod';
import { count, time } from './common.ts';
import { endpoint } from './endpoint.ts';
import { damage } from './log-query.ts';

const problem = z.strictObject({ time, message: z.string() }).nullable();
const worker = { instance: z.string(), role: z.string(), alive: z.boolean().describe('It was heard of lately') };
const rule = { rule: count.describe('Its number in the file'), line: count, match: z.string() };

export const ruleEndpoints = {
  rules: endpoint({
    method: 'GET',
    path: '/api/rules',
    role: 'viewer',
    summary: 'The rule files that each delivery process goes by, and how often each rule decided',
    query: z.strictObject({}),
    answer: z.strictObject({
      workers: z.array(
        z.strictObject({
          ...worker,
          files: z.array(
            z.strictObject({
              file: z.string(),
              rules: count,
              version: z.string().describe('Of its content'),
              since: time.describe('It was loaded then; hits count from then on'),
              hits: count,
              top: z.array(z.strictObject({ ...rule, hits: count })).describe('The twenty rules that decided most often'),
              error: problem.describe('Why a later version is not in force; null: it is the one that is there'),
            }),
          ),
        }),
      ),
    }),
  }),
  backtestRule: endpoint({
    method: 'POST',
    path: '/api/rules/backtest',
    role: 'operator',
    isReading: true,
    summary: 'What rules would have changed of what servers said; nothing is written',
    description:
      'The latest responses of the log and its archive, for a bounded time. Patterns are RE2; the rules are those of the request alone.',
    query: z.strictObject({}),
    body: z.strictObject({
      rules: z
        .string()
        .min(1)
        .max(256 * 1024, { error: 'expected 262144 characters at most' })
        .describe('What a rule file says, as text: `{"mailbox full": 452}`'),
      since: z.string().optional().describe('How long ago, or a time; default 7 days'),
      responses: z.int().min(1).max(1_000_000).default(100_000).describe('At most so many'),
    }),
    bodyLimit: 'message',
    answer: z.strictObject({
      responses: count.describe('Rejections by servers that were looked at'),
      changed: count,
      oldest: time.nullable(),
      is_complete: z.boolean().describe('false: there was no time for all'),
      rows: z
        .array(
          z.strictObject({
            ...rule,
            site: z.string(),
            change: z.string(),
            responses: count,
            recipients: count,
            example: z.strictObject({ response: z.string(), recipient: z.string(), time: z.string() }),
          }),
        )
        .describe('The 200 most frequent'),
      others: count.describe('Changes that are in no row'),
      damage,
    }),
  }),
  policy: endpoint({
    method: 'GET',
    path: '/api/policy',
    role: 'viewer',
    summary: 'The policy that each process goes by',
    query: z.strictObject({}),
    answer: z.strictObject({
      workers: z.array(
        z.strictObject({
          ...worker,
          file: z.string(),
          version: z.string().describe('Of the content of its files'),
          since: time.describe('It was loaded then'),
          handlers: z.array(z.string()),
          hooks: z.array(z.string()),
          is_running: z.boolean().describe('false: its thread was lost and is started again'),
          left_alone: z.array(z.strictObject({ handler: z.string(), until: time })).describe('Handlers that hung'),
          error: problem.describe('Why a later version is not in force'),
        }),
      ),
    }),
  }),
};
