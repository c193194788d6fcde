import type { DeliveryJob } from '../../shared/core/delivery-job.ts';
import { formatResponse, timeFields, type DispositionRecord } from '../../shared/core/disposition.ts';
import { egressPath } from '../../shared/core/lane.ts';
import type { Judgement, Verdict } from '../../shared/core/judge.ts';
import type { Order } from '../../shared/core/order.ts';
import type { Peer } from '../../shared/core/outcome.ts';
import { localReply, type Reply } from '../../shared/core/reply.ts';
import { recipientField, recordBase } from '../../shared/core/reception.ts';
import { isWarningDue } from '../../shared/core/schedule.ts';
import type { Said } from '../../shared/io/conversations.ts';
import { countDone } from '../../shared/io/order-store.ts';
import { parseNext, type HeldJob, type Taken, type Transaction } from '../../shared/io/queues.ts';
import type { DeliveryProtocol } from './attempt.ts';
import { classify } from './classify.ts';
import { beginDisposition } from './trace-attempt.ts';
import type { World } from './world.ts';

/** The answer to settling: the next job of the lane if one was asked for and is there, and how many wait behind it. */
export interface Settled {
  next: Taken;
  waiting: number;
}

export interface Attempted {
  held: HeldJob;
  job: DeliveryJob;
  verdict: Verdict;
  /** Where and as what the job is put back, if not as it was. */
  to?: { lane: string; job: DeliveryJob };
  /** Epoch ms when the message has had its time. */
  expires: number;
  peer: DispositionRecord['peer_address'];
  protocol?: DeliveryProtocol;
  tls?: Peer['tls'];
  said?: Said;
  /** It ends by this order. */
  order?: Order;
  /** Of the attempt, or of the message where there was none. */
  trace?: string | undefined;
}

/** How long to wait before a transaction that Redis refused is tried again. Milliseconds. */
const settleRetryDelay = 1000;

/**
 * Carries out a verdict in one transaction: records and subscriber jobs, then the job itself completed or put back.
 * A crash before it repeats the attempt, with the same event ids.
 */
export async function settle(attempted: Attempted, fetchNext: boolean, world: World): Promise<Settled> {
  const { held, job, verdict, to, peer, said, order } = attempted;
  const { remaining } = verdict;
  const now = Date.now();
  const { bounce } = world.context.config;
  const warns = remaining !== undefined && isWarningDue(bounce, job, now);
  // Nothing is waited for that is not told: a message with one outcome has its report at once.
  const isOneOfMany = bounce.hold > 0 && (job.others === true || verdict.judgements.length > 1);
  const hold = isOneOfMany ? (job.others ? bounce.hold : 0) : undefined;
  const classes = await classify(verdict.judgements, held.queue, job.queue, world);
  const spans = verdict.judgements.map((judgement, n) => beginDisposition(judgement, classes[n], attempted, world.context.tracing));
  // Left out when Redis has no room, or has refused the transaction before.
  let mayKeep = said !== undefined && verdict.judgements.some(({ type }) => type !== 'Delivery') && world.spool.hasRoom();
  const settled = transact(held, fetchNext, world, (tx) => {
    for (const [n, judgement] of verdict.judgements.entries())
      world.dispositions.publish(
        tx,
        record(attempted, { ...judgement, n, warns, bounceClass: classes[n], trace: spans[n]?.traceparent }, world),
        hold,
      );
    if (said && mayKeep) world.conversations.keep(tx, held.id, job.attempts + 1, said);
    mayKeep = false;
    if (order) {
      countDone(tx, order.id, world.context.redis);
      tx.whenDone(() => Promise.resolve(world.context.metrics.steered.inc({ kind: order.kind })));
    }
    if (!remaining) return undefined;
    const reply = verdict.judgements.find(({ type }) => type === 'TransientFailure')?.reply;
    const data: DeliveryJob = {
      ...(to?.job ?? job),
      envelope: { ...job.envelope, recipients: remaining.recipients },
      attempts: job.attempts + 1,
      ...(warns && { warned: { times: (job.warned?.times ?? 0) + 1, at: now } }),
      ...(reply && (!reply.local || !job.last) && { last: { reply, peer } }),
    };
    const lane = to?.lane ?? held.queue;
    world.lanes.wakeLater(tx, lane, remaining.retryAt);
    return { lane, at: remaining.retryAt, data };
  });
  return settled.finally(() => spans.forEach((span) => span?.end()));
}

/** Gives a job to the lane that its domain belongs to now. No attempt is counted. */
export async function move(held: HeldJob, job: DeliveryJob, lane: string, fetchNext: boolean, world: World): Promise<Settled> {
  const moves = (job.moves ?? 0) + 1;
  const text = `Context: the mail exchangers of ${job.routingDomain ?? job.domain} changed. Next due now in ${egressPath(lane)}`;
  const moved = delayedRecord({ held, job, suffix: `m${moves}`, reply: localReply(400, '4.4.4', text), next: Date.now() }, world);
  const { queues, lanes, dispositions } = world;
  const tx = queues.begin();
  dispositions.publish(tx, moved);
  tx.add(lane, { id: held.id, name: 'message', data: { ...job, moves } });
  lanes.wake(tx, lane);
  const at = tx.length;
  tx.finish(held, fetchNext);
  return read(await execute(tx, world), at, world, held);
}

/** The record of a job that is put off or elsewhere without an attempt. `next`: epoch ms of the next one. */
export function delayedRecord(
  { held, job, suffix, reply, next }: { held: HeldJob; job: DeliveryJob; suffix: string; reply: Reply; next: number },
  world: World,
): DispositionRecord {
  return {
    type: 'Delayed',
    event_id: `${held.id}.${job.attempts}.${suffix}`,
    ...recordBase({ id: job.message, ...job }, world.context.instance),
    recipient: recipientField(job.envelope.recipients),
    queue: job.queue,
    site: egressPath(held.queue),
    response: formatResponse(reply),
    peer_address: null,
    ...timeFields(Date.now()),
    num_attempts: job.attempts,
    delivery_protocol: null,
    egress_source: job.source,
    next_attempt: next,
  };
}

/** Puts a job into a lane, its own or another, until `at` (epoch ms) and with new data; no attempt is counted. `also`: what happens with it. */
export function putBack(
  held: HeldJob,
  put: { lane: string; at: number; data: DeliveryJob },
  fetchNext: boolean,
  world: World,
  also: (tx: Transaction) => void,
): Promise<Settled> {
  return transact(held, fetchNext, world, (tx) => {
    also(tx);
    if (put.at <= Date.now()) world.lanes.wake(tx, put.lane);
    else world.lanes.wakeLater(tx, put.lane, put.at);
    return put;
  });
}

/** Puts a job back for the next session to take at once; no attempt is counted. */
export async function giveBack(held: HeldJob, job: DeliveryJob, world: World): Promise<void> {
  const tx = world.queues.begin();
  tx.postpone(held, 0, job, false);
  world.lanes.wakeLater(tx, held.queue, Date.now());
  await execute(tx, world);
}

/** Runs `write`, then releases and completes the job, or puts it back when `write` says until when and with what data. */
async function transact(
  held: HeldJob,
  fetchNext: boolean,
  world: World,
  write: (tx: Transaction) => { lane: string; at: number; data: DeliveryJob } | undefined,
): Promise<Settled> {
  const { queues, spool } = world;
  const backend = queues.backend(held.queue);
  const message = held.id.slice(0, held.id.indexOf('.'));
  const build = (): { tx: Transaction; finishedAt: number } => {
    const tx = queues.begin();
    const put = write(tx);
    if (!put) spool.release(tx, message, held.id, { lockKey: backend.toKey(`${held.id}:lock`), token: held.token });
    const isMoved = put && put.lane !== held.queue;
    if (isMoved) tx.add(put.lane, { id: held.id, name: 'message', data: put.data, delay: Math.max(0, put.at - Date.now()) });
    const finishedAt = tx.length;
    if (put && !isMoved) tx.postpone(held, put.at, put.data, fetchNext);
    else tx.finish(held, fetchNext);
    tx.redis.llen(backend.keys['wait'] ?? '');
    return { tx, finishedAt };
  };
  for (;;) {
    const { tx, finishedAt } = build();
    try {
      const results = await tx.exec();
      return { ...read(results, finishedAt, world, held), waiting: Number(results.at(-1)) };
    } catch (error) {
      // A full Redis refuses the transaction as a whole. The outcome is known and must be kept: the lock is held on to.
      world.context.metrics.redisErrors.inc({ operation: 'settle' });
      world.context.log.error({ event: 'settle_failed', lane: held.queue, job: held.id, error: String(error) });
      if (world.cut.aborted) throw error;
      await new Promise((resolve) => setTimeout(resolve, settleRetryDelay));
    }
  }
}

async function execute(tx: Transaction, world: World): Promise<unknown[]> {
  try {
    return await tx.exec();
  } catch (error) {
    world.context.metrics.redisErrors.inc({ operation: 'settle' });
    throw error;
  }
}

function read(results: unknown[], finishedAt: number, world: World, held: HeldJob): Settled {
  const next = parseNext(results[finishedAt]);
  if (next !== 'lost') return { next, waiting: 0 };
  world.context.log.warn({ event: 'job_lost', lane: held.queue, job: held.id }, 'its lock ran out: another worker may repeat the attempt');
  return { next: { kind: 'empty' }, waiting: 0 };
}

const isUnreported = ({ kind, report }: Order): boolean => kind === 'drop' || (kind === 'bounce' && report === false);

const letters: Record<Judgement['type'], string> = { Delivery: 'd', Bounce: 'b', TransientFailure: 't', Expiration: 'x', AdminBounce: 'a' };

/** With its place in the verdict, its class, and whether senders who want to hear of delays are warned. */
type NumberedJudgement = Judgement & { n: number; warns: boolean; bounceClass: string | undefined; trace: string | undefined };

function record(attempted: Attempted, judgement: NumberedJudgement, world: World): DispositionRecord {
  const { held, job, verdict, expires, peer, protocol, tls, order } = attempted;
  const { type, recipients, reply, n, warns, bounceClass, trace } = judgement;
  const now = Date.now();
  const { envelope } = job;
  return {
    type,
    event_id: `${held.id}.${job.attempts + 1}.${letters[type]}${n}`,
    ...recordBase({ id: job.message, ...job }, world.context.instance),
    recipient: recipientField(recipients),
    queue: job.queue,
    site: egressPath(held.queue),
    response: formatResponse(reply),
    peer_address: judgement.isEarlier ? (job.last?.peer ?? null) : peer,
    ...timeFields(now),
    // An order is no attempt.
    num_attempts: order ? job.attempts : job.attempts + 1,
    bounce_classification: bounceClass ?? 'Uncategorized',
    egress_source: job.source,
    delivery_protocol: peer ? (protocol ?? null) : null,
    ...(order && { order: { id: order.id, kind: order.kind, ...(isUnreported(order) && { report: false }) } }),
    ...(trace && { traceparent: trace }),
    ...(tls && { tls_protocol_version: tls.protocol, tls_cipher: tls.cipher }),
    dsn: {
      recipients,
      ...(envelope.envid && { envid: envelope.envid }),
      ...(envelope.ret && { ret: envelope.ret }),
      ...(envelope.smtpUtf8 && { smtp_utf8: true }),
      ...(envelope.eightBit && { eight_bit: true }),
      ...(judgement.relayedDsn && { relayed: true }),
    },
    ...(verdict.remaining &&
      type === 'TransientFailure' &&
      verdict.remaining.recipients.some((recipient) => recipients.includes(recipient)) && {
        next_attempt: verdict.remaining.retryAt,
        expires,
        ...(warns && { delay_warning: true }),
      }),
  };
}
