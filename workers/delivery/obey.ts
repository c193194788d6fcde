import type { DeliveryJob } from '../../shared/core/delivery-job.ts';
import type { DispositionRecord } from '../../shared/core/disposition.ts';
import type { Verdict } from '../../shared/core/judge.ts';
import type { Order } from '../../shared/core/order.ts';
import { adminBounceReply } from '../../shared/core/policy/requeue-message.ts';
import { localReply, type Reply } from '../../shared/core/reply.ts';
import { promoteJobs } from '../../shared/io/lane-walk.ts';
import { countDone, ordersKey } from '../../shared/io/order-store.ts';
import type { HeldJob } from '../../shared/io/queues.ts';
import { laneOf, movedJob } from './requeue.ts';
import { delayedRecord, putBack, settle, type Settled } from './settle.ts';
import type { World } from './world.ts';

/** What is put off without an end is looked at again after this, should nobody come back for it. Milliseconds. */
const longestPutOff = 6 * 3_600_000;

/** The orders that are carried out on single messages. */
export type JobOrder = Order & { kind: 'bounce' | 'drop' | 'rebind' | 'hold' | 'suspend' };

/**
 * Does with a job in our hands what an order wants: ends it, gives it another queue, or puts it off. No attempt is counted. Undefined when there is nothing to do about
 * this one, which is delivered then.
 */
export async function obey(
  order: JobOrder,
  held: HeldJob,
  job: DeliveryJob,
  fetchNext: boolean,
  world: World,
): Promise<Settled | undefined> {
  switch (order.kind) {
    case 'bounce':
    case 'drop':
      return settle(
        { held, job, verdict: endedBy(order, job), expires: Date.now(), peer: null, order, trace: job.trace },
        fetchNext,
        world,
      );
    case 'rebind':
      return rebind(order, held, job, fetchNext, world);
    case 'hold':
    case 'suspend':
      return putOff(order, held, job, fetchNext, world);
  }
}

export const isJobOrder = (order: Order): order is JobOrder => order.kind !== 'limits' && order.kind !== 'retry';

/** The job as it goes on: time for which it was held is known, and nothing puts it off any more. */
export function resumed(job: DeliveryJob, now: number): DeliveryJob {
  const { putOff: last, ...rest } = job;
  if (!last) return job;
  return { ...rest, ...(last.isHeld && { held: (job.held ?? 0) + Math.max(0, now - last.since) }) };
}

const endedBy = ({ reason }: Order, { envelope }: DeliveryJob): Verdict => ({
  judgements: [{ type: 'AdminBounce', recipients: envelope.recipients, reply: adminBounceReply(reason) }],
});

async function rebind(order: Order, held: HeldJob, given: DeliveryJob, fetchNext: boolean, world: World): Promise<Settled | undefined> {
  const job = resumed(given, Date.now());
  const { tenant, campaign, routing_domain: routingDomain, source } = order.to ?? {};
  const moved = movedJob(job, {
    ...(tenant !== undefined && { tenant }),
    ...(campaign !== undefined && { campaign }),
    ...(routingDomain !== undefined && { routingDomain }),
    ...(source !== undefined && { source }),
  });
  // It is there already.
  if (!moved) return undefined;
  const { requeues: _, ...rest } = moved;
  const data: DeliveryJob = {
    ...rest,
    ...(job.requeues !== undefined && { requeues: job.requeues }),
    rebound: [...(job.rebound ?? []).slice(-9), order.id],
  };
  const lane = await laneOf(held.queue, moved, world);
  const reply = localReply(
    400,
    '4.2.1',
    `Context: an administrator gave it the queue ${moved.queue} and the source ${moved.source}: ${order.reason}`,
  );
  const now = Date.now();
  return putBack(held, { lane, at: now, data }, fetchNext, world, (tx) => {
    world.dispositions.publish(tx, recordOf(order, { held, job, reply, next: now }, world));
    note(tx, order, world);
  });
}

async function putOff(order: Order, held: HeldJob, given: DeliveryJob, fetchNext: boolean, world: World): Promise<Settled> {
  const now = Date.now();
  const job = resumed(given, now);
  const { maxAge } = await world.queueSettings.schedule(job.queue);
  const expires = job.created + (job.held ?? 0) + maxAge;
  const isHeld = order.kind === 'hold';
  const reply = localReply(400, '4.2.1', `Context: ${isHeld ? 'held' : 'suspended'} by an administrator: ${order.reason}`);
  if (!isHeld && now >= expires) {
    const verdict: Verdict = { judgements: [{ type: 'Expiration', recipients: job.envelope.recipients, ...lastWords(job, reply) }] };
    return settle({ held, job, verdict, expires, peer: null, order, trace: job.trace }, fetchNext, world);
  }
  const end = order.expires === null ? Infinity : world.orders.local(order.expires);
  const at = Math.max(now + 1, Math.min(end, now + longestPutOff, isHeld ? Infinity : expires));
  const data: DeliveryJob = { ...job, putOff: { order: order.id, since: now, ...(isHeld && { isHeld }) } };
  const isNew = given.putOff?.order !== order.id;
  return putBack(held, { lane: held.queue, at, data }, fetchNext, world, (tx) => {
    if (isNew) {
      world.dispositions.publish(tx, recordOf(order, { held, job, reply, next: at }, world));
      note(tx, order, world);
    }
    // Whoever ends the order looks for what it put off; what a process puts off that has not heard of the end, it brings back itself.
    const asked = tx.length;
    tx.redis.hexists(ordersKey(world.context.redis), order.id);
    tx.whenDone(async (results) => {
      if (results[asked] === 1) return;
      await promoteJobs(held.queue, [held.id], world.context.redis, world.queues);
      const wake = world.queues.begin();
      world.lanes.wake(wake, held.queue);
      await wake.exec();
    });
  });
}

type Tx = Parameters<typeof countDone>[0];

function note(tx: Tx, { id, kind }: Order, { context: { redis, metrics } }: World): void {
  countDone(tx, id, redis);
  tx.whenDone(() => Promise.resolve(metrics.steered.inc({ kind })));
}

/** A server's last words are worth more than ours (RFC 3464 §2.3.3). */
const lastWords = ({ last }: DeliveryJob, reply: Reply): { reply: Reply; isEarlier?: true } =>
  last && !last.reply.local ? { reply: last.reply, isEarlier: true } : { reply };

const recordOf = (order: Order, put: { held: HeldJob; job: DeliveryJob; reply: Reply; next: number }, world: World): DispositionRecord => ({
  ...delayedRecord({ ...put, suffix: `${order.kind}-${order.id}` }, world),
  order: { id: order.id, kind: order.kind },
});
