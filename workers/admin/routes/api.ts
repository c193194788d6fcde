import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { recordTypes } from '../../../shared/core/disposition.ts';
import { readReportMarks, type ReportMark } from '../../../shared/io/report-marks.ts';
import { bounceMessage } from '../admin-bounce.ts';
import { readHookDepths } from '../hook-depths.ts';
import { holdersOf, type MessageJob } from '../message-jobs.ts';
import { Problem } from '../problem.ts';
import type { World } from '../world.ts';

const streamId = z.string().regex(/^\d{1,15}(-\d{1,19})?$/, { error: 'expected the "next" of a page before' });

const dispositionsQuery = z.strictObject({
  type: z
    .union([z.string(), z.array(z.string())])
    .optional()
    .transform((value) => [value ?? []].flat().flatMap((text) => text.split(',')))
    .pipe(z.array(z.enum(recordTypes, { error: `expected one or more of ${recordTypes.join(', ')}` }))),
  recipient: z.string().min(1).max(320).optional(),
  limit: z.coerce.number({ error: 'expected a number from 1 to 1000' }).int().min(1).max(1000).default(100),
  before: streamId.optional(),
});

const bounceBody = z.strictObject({
  // It goes into a reply and from there into a report: one line.
  reason: z
    .string()
    .trim()
    .min(1)
    .max(500)
    .regex(/^[^\p{Cc}]*$/u, { error: 'expected one line of text' }),
});

/** The JSON API. Errors are problem documents (RFC 9457). */
export function registerApi(app: FastifyInstance, world: World): void {
  const { context, queues, lanes, log } = world;
  const { redis } = context;

  app.get('/api/status', async () => {
    const [{ counts, counted, since }, depths, subscribers] = await Promise.all([world.recent(), world.depths(), readHookDepths(world)]);
    const [reports, ...hooks] = subscribers; // the first is the bounce worker's
    const bounces = { waiting: reports?.waiting ?? 0, delayed: reports?.delayed ?? 0, active: reports?.active ?? 0 };
    return {
      hostname: context.config.hostname,
      instance: context.instance,
      started: new Date(world.startedAt).toISOString(),
      redis: { ready: redis.isReady, durability: redis.durability },
      queue: { lanes: depths.lanes.length, waiting: depths.waiting, delayed: depths.delayed, active: depths.active },
      bounces,
      hooks,
      records: { counted, since: since === undefined ? null : new Date(since).toISOString(), counts },
    };
  });

  app.get('/api/lanes', async () => ({ lanes: (await world.depths()).lanes }));

  app.get('/api/dispositions', async ({ query }) => {
    const { type, recipient, limit, before } = read(dispositionsQuery, query);
    const page = await log.newest({ types: new Set(type), ...(recipient && { recipient }) }, limit, before);
    return { records: page.entries.map(({ record }) => record), next: page.next ?? null };
  });

  app.get('/api/messages/:id', async ({ params }) => {
    const id = messageId(params);
    const [{ records, isComplete }, holders] = await Promise.all([log.ofMessage(id), holdersOf(id, redis, queues, lanes)]);
    if (records.length === 0 && !holders) throw new Problem(404, `nothing is known of a message ${id}`);
    const eventIds = records.map((record) => record.event_id);
    const reports = [...(await readReportMarks(redis, eventIds))].map(([eventId, mark]) => describeReport(eventId, mark));
    return {
      id,
      records,
      reports,
      complete: isComplete,
      jobs: (holders?.jobs ?? []).map(describeJob),
      held_by: holders?.subscribers ?? [],
    };
  });

  app.post('/api/messages/:id/bounce', async ({ params, body }, reply) => {
    const id = messageId(params);
    const { reason } = read(bounceBody, body);
    const result = await bounceMessage(id, reason, redis, queues, lanes);
    if (result.kind === 'unknown') throw new Problem(404, `no recipient of a message ${id} waits`);
    const { bounced, busy } = result;
    context.log.info({ event: 'admin_bounce', messageId: id, bounced: bounced.length, busy: busy.length });
    if (busy.length > 0) throw new Problem(409, 'a delivery is being tried just now; try again in a moment', { bounced, busy });
    return reply.code(202).send({ id, bounced });
  });
}

const describeJob = ({ id, lane, state, data, nextAttempt }: MessageJob) => ({
  id,
  lane,
  state,
  recipients: data.envelope.recipients.map(({ address }) => address),
  attempts: data.attempts,
  ...(nextAttempt !== undefined && { next_attempt: new Date(nextAttempt).toISOString() }),
});

const describeReport = (eventId: string, mark: ReportMark) =>
  mark.kind === 'sent'
    ? { event_id: eventId, outcome: mark.kind, message: mark.message }
    : { event_id: eventId, outcome: mark.kind, reason: mark.reason };

export function messageId(params: unknown): string {
  const id = (params as { id?: string }).id ?? '';
  if (!/^[0-9a-f]{32}$/.test(id)) throw new Problem(404, 'a message id has 32 digits from 0 to f');
  return id;
}

function read<T extends z.ZodType>(schema: T, input: unknown): z.output<T> {
  const result = schema.safeParse(input ?? {});
  if (result.success) return result.data;
  const errors = result.error.issues.map(({ path, message }) => ({ name: path.join('.'), reason: message }));
  const [first] = errors;
  throw new Problem(400, [first?.name, first?.reason].filter(Boolean).join(': '), { errors });
}
