import { randomBytes } from 'node:crypto';
import type { Endpoints } from '../../../shared/core/api/endpoints.ts';
import { parseLogFilter, type LogFilter } from '../../../shared/core/log-filter.ts';
import { whichHaveConversations } from '../../../shared/io/conversations.ts';
import type { Order } from '../../../shared/core/order.ts';
import { redisNow } from '../../../shared/io/order-store.ts';
import { readReportMarks, type ReportMark } from '../../../shared/io/report-marks.ts';
import { giveWithin } from '../give-order.ts';
import { holdersOf, type MessageJob } from '../message-jobs.ts';
import { badRequest, Problem } from '../problem.ts';
import { envelopeOf, findHistories, historyOf, redeliveriesOf, timelineOf } from '../message-history.ts';
import type { Handler } from './mount.ts';

export const message: Handler<Endpoints['message']> = async ({ params: { id } }, { context, queues, lanes, log, pipeline }) => {
  const { redis } = context;
  // Jobs first: one that is settled in between is seen with its end, and not gone without any.
  const holders = await holdersOf(id, redis, queues, lanes);
  const { records, isComplete } = await historyOf(id, context, log);
  if (records.length === 0 && !holders) throw new Problem(404, `nothing is known of a message ${id}`);
  const eventIds = records.map((record) => record.event_id);
  const [marks, redelivered, conversations] = await Promise.all([
    readReportMarks(redis, eventIds),
    redeliveriesOf(redis, eventIds),
    whichHaveConversations(context, eventIds),
  ]);
  const reports = [...marks].map(([eventId, mark]) => describeReport(eventId, mark));
  const waiting = holders?.jobs ?? [];
  const envelope = envelopeOf(records, waiting);
  const { report_on, redelivered_from, redelivered_event, replay } = records[0]?.meta ?? {};
  return {
    id,
    envelope,
    timeline: timelineOf(envelope?.recipients ?? [], records, waiting),
    report_on: typeof report_on === 'string' ? report_on : null,
    redelivered,
    redelivered_from:
      typeof redelivered_from === 'string' && typeof redelivered_event === 'string'
        ? { message: redelivered_from, event_id: redelivered_event, ...(typeof replay === 'string' && { replay }) }
        : null,
    conversations,
    records,
    reports,
    complete: isComplete,
    jobs: waiting.map((job) => describeJob(job, pipeline.orders.orderFor(job.data, job.lane))),
    held_by: holders?.subscribers ?? [],
  };
};

export const findMessages: Handler<Endpoints['findMessages']> = ({ query: { message_id, address, since, limit } }, { context }) => {
  const read = parseLogFilter({ since }, Date.now());
  if ('problems' in read) throw badRequest(read.problems);
  const wanted: LogFilter =
    message_id === undefined
      ? { party: (address ?? '').replace(/^<(.*)>$/, '$1').toLowerCase() }
      : { messageId: /^<.*>$/.test(message_id) ? message_id : `<${message_id}>`, types: ['Reception'] };
  return findHistories(context, { ...read.filter, ...wanted }, limit);
};

export const bounceMessage: Handler<Endpoints['bounceMessage']> = async ({ params: { id }, body, actor, note }, world) => {
  const { context, queues, lanes } = world;
  const jobs = (await holdersOf(id, context.redis, queues, lanes))?.jobs ?? [];
  if (jobs.length === 0) throw new Problem(404, `no recipient of a message ${id} waits`);
  const recipientsOf = (isBusy: boolean): string[] =>
    jobs
      .filter(({ state }) => (state === 'active') === isBusy)
      .flatMap(({ data }) => data.envelope.recipients.map(({ address }) => address));
  const [bounced, busy] = [recipientsOf(false), recipientsOf(true)];
  if (bounced.length > 0) {
    const created = await redisNow(context.redis);
    const order: Order = {
      id: randomBytes(16).toString('hex'),
      kind: 'bounce',
      criteria: { message: id },
      reason: body.reason,
      who: actor.name,
      created,
      expires: created,
    };
    await giveWithin(order, world);
  }
  note({ result: `${bounced.length} recipients ended, ${busy.length} busy` });
  context.log.info({ event: 'admin_bounce', messageId: id, bounced: bounced.length, busy: busy.length });
  if (busy.length > 0) throw new Problem(409, 'a delivery is being tried just now; try again in a moment', { bounced, busy });
  return { id, bounced };
};

const describeJob = ({ id, lane, state, data, nextAttempt }: MessageJob, order: Order | undefined) => ({
  id,
  lane,
  state,
  recipients: data.envelope.recipients.map(({ address }) => address),
  attempts: data.attempts,
  ...(nextAttempt !== undefined && { next_attempt: new Date(nextAttempt).toISOString() }),
  // The others end it or move it in a moment.
  ...((order?.kind === 'suspend' || order?.kind === 'hold') && {
    order: {
      id: order.id,
      kind: order.kind,
      reason: order.reason,
      expires: order.expires === null ? null : new Date(order.expires).toISOString(),
    },
  }),
});

const describeReport = (eventId: string, mark: ReportMark) =>
  mark.kind === 'sent'
    ? { event_id: eventId, outcome: mark.kind, message: mark.message }
    : { event_id: eventId, outcome: mark.kind, reason: mark.reason };
