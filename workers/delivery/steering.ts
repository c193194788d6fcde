import { setTimeout as delay } from 'node:timers/promises';
import { DelayedError, Worker, type Job } from 'bullmq';
import type { DeliveryJob } from '../../shared/core/delivery-job.ts';
import { concerns, isOfWholeLane, mayConcern, type Order } from '../../shared/core/order.ts';
import { closeWorker } from '../../shared/io/close-worker.ts';
import {
  activeJobs,
  everyState,
  lanesOfMessage,
  promoteJobs,
  takeJobs,
  walkLane,
  type LanePage,
  type WaitingState,
  type WalkedJob,
} from '../../shared/io/lane-walk.ts';
import { endOrder, knownAfter, noteProgress, readOrder, steeringQueue, type SteeringJob } from '../../shared/io/order-store.ts';
import { giveBack } from './settle.ts';
import { isJobOrder, obey, type JobOrder } from './obey.ts';
import type { World } from './world.ts';

/** Orders that one process carries out at the same time. */
const atOnce = 4;
/** Jobs that are settled at the same time: Redis syncs what is on its way together. */
const settledAtOnce = 50;
/** Between two looks for what was in somebody's hands. Milliseconds. */
const lookAgainAfter = 2000;
/** They are waited for so long, and looked for later then, so that other orders have their turn meanwhile. Milliseconds. */
const lookFor = 5000;
const lookLaterAfter = 5000;
/** What is in somebody's hands for longer is left to them: no attempt takes as long. Milliseconds. */
const longestLook = 2 * 3_600_000;

let tokens = 0;

/** Carries orders out on what waits, whatever the limits of the lanes are. */
export function openSteering(world: World): { close(): Promise<void> } {
  const { redis, config, log, instance } = world.context;
  const { lockDuration, sweepInterval } = config.delivery;
  const worker = new Worker<SteeringJob>(steeringQueue, (job, token) => carryOut(job, token, world), {
    connection: redis.duplicate() as never,
    prefix: redis.prefix,
    name: instance,
    concurrency: atOnce,
    lockDuration,
    stalledInterval: sweepInterval,
    maxStalledCount: 1_000_000_000,
  });
  worker.on('error', (error) => log.warn({ event: 'steering_worker_error', error: error.message }));
  worker.on('failed', (job, error) => log.warn({ event: 'order_interrupted', order: job?.data.order, error: String(error) }));
  return { close: () => closeWorker(worker, world.context) };
}

async function carryOut(job: Job<SteeringJob>, token: string | undefined, world: World): Promise<void> {
  const { redis, log } = world.context;
  const { order: id, step } = job.data;
  // What is held back by another order that was given before is not touched.
  await world.orders.refresh();
  const state = await readOrder(id, redis);
  if (!state) return;
  const { order, ended } = state;
  if (step === 'ended') return bringBack(order, world);
  if (ended) return;
  // The queue goes by the clocks of whoever gave the order and of this machine.
  const early = step === 'end' ? (order.expires ?? 0) - world.orders.now() : 0;
  if (early > 0) return putOffStep(job, token, early);
  if (step === 'begin' || isOnce(order)) {
    const busy = await work(order, world);
    if (busy > 0 && isOnce(order) && world.orders.now() < (order.expires ?? order.created) + longestLook)
      return putOffStep(job, token, lookLaterAfter);
    await noteProgress(id, { isWorking: false }, redis);
  }
  // What ends by itself: at its time, or when what waited is done.
  if (step === 'end' || isOver(order)) {
    const end = { at: world.orders.now(), who: '', reason: step === 'end' ? 'its time was over' : 'done' };
    await endOrder(id, end, redis, world.queues);
  }
  log.info({ event: 'order_step', order: id, kind: order.kind, step });
}

async function putOffStep(job: Job<SteeringJob>, token: string | undefined, ms: number): Promise<never> {
  await job.moveToDelayed(Date.now() + ms, token);
  throw new DelayedError();
}

/** Kinds that concern a message once, and those that came in their time also after it: they are looked for at the end. */
const isOnce = ({ kind }: Order): boolean => kind === 'bounce' || kind === 'drop' || kind === 'rebind' || kind === 'retry';

/** Only for what waited when it was given. */
const isOver = ({ kind, expires, created }: Order): boolean => kind === 'retry' || (expires !== null && expires <= created);

/**
 * Walks through all that waits, and again until nothing it concerns is in somebody's hands: at least twice, for a process that had
 * not heard of the order yet may have put something back behind us, and then not for long. Resolves to how many are in somebody's
 * hands still.
 */
async function work(order: Order, world: World): Promise<number> {
  const { redis } = world.context;
  let deadline = Infinity;
  await noteProgress(order.id, { isWorking: true, examined: 0 }, redis);
  for (let pass = 0; ; pass++) {
    const busy = await walk(order, world);
    // A promotion is not repeated: what was tried meanwhile has failed again.
    if (busy === 'ended' || order.kind === 'retry') return 0;
    if ((pass > 0 && busy === 0) || Date.now() > deadline) return busy;
    // The first walk may take minutes.
    if (pass === 0) deadline = Date.now() + knownAfter + lookFor;
    await delay(pass === 0 ? knownAfter : lookAgainAfter, undefined, { signal: world.closing });
  }
}

/** One walk; resolves to how many jobs were in somebody's hands, or `ended` when somebody ended the order meanwhile. */
async function walk(order: Order, world: World): Promise<number | 'ended'> {
  const { redis } = world.context;
  let examined = 0;
  let busy = 0;
  for (const lane of await lanesOf(order, world)) {
    // What a killed worker had is back in the lane then.
    await world.queues.backend(lane).moveStalledJobsToWait();
    const pages = walkLane(lane, statesOf(order), { redis, queues: world.queues, message: order.criteria.message });
    for (let next = await pages.next(); !next.done;) {
      const page = next.value;
      const taken = await actOn(page, order, world);
      examined += page.examined;
      const isInForce = await noteProgress(order.id, { examined }, redis);
      if (!isInForce) return 'ended';
      world.closing.throwIfAborted();
      next = await pages.next(taken);
    }
    const now = world.orders.now();
    busy += (await activeJobs(lane, redis, world.queues)).filter(({ data }) => concerns(order, data, lane, now)).length;
  }
  await noteProgress(order.id, { busy }, redis);
  return busy;
}

/** A message whose retry is to come anyway is suspended when it is due; one that is held has its time from now on. */
const statesOf = ({ kind }: Order): readonly WaitingState[] =>
  kind === 'retry' ? ['delayed', 'wait'] : kind === 'suspend' ? ['wait', 'prioritized'] : everyState;

async function lanesOf({ criteria }: Order, { context, queues, lanes }: World): Promise<string[]> {
  const names = (await lanes.names()).filter((lane) => mayConcern(criteria, lane));
  return criteria.message === undefined ? names : lanesOfMessage(criteria.message, names, context.redis, queues);
}

/** Does what the order wants with the jobs of a page; resolves to how many are gone from it. */
async function actOn(page: LanePage, order: Order, world: World): Promise<number> {
  const { lane } = page;
  const now = world.orders.now();
  const wanted = page.jobs.filter(({ data }) => concerns(order, data, lane, now) && data.putOff?.order !== order.id);
  if (wanted.length === 0) return 0;
  return order.kind === 'retry' ? hurry(page, wanted, order, world) : takeAndObey(page, wanted, order, world);
}

async function takeAndObey(page: LanePage, wanted: readonly WalkedJob[], order: Order, world: World): Promise<number> {
  const { redis, config } = world.context;
  const { lane } = page;
  const token = `${world.context.instance}-steering-${++tokens}`;
  const ids = wanted.map(({ id }) => id);
  const taken = await takeJobs(page, ids, token, config.delivery.lockDuration, { redis, queues: world.queues });
  for (const { held } of taken) world.held.add(held);
  try {
    for (let at = 0; at < taken.length; at += settledAtOnce) {
      await Promise.all(
        taken.slice(at, at + settledAtOnce).map(async ({ held, data }) => {
          const chosen = strongest(order, data, lane, world);
          const settled = chosen && (await obey(chosen, held, data, false, world));
          if (!settled) await giveBack(held, data, world);
          world.held.delete(held);
        }),
      );
    }
  } finally {
    for (const { held } of taken) world.held.delete(held);
  }
  // While we had them its transactions in flight may have been used up, and its sessions have ended.
  if (taken.length > 0) await wakeLane(lane, world);
  return taken.length;
}

/** What is to be done with a job that we took: another order may come first for it, or it may be another matter by now. */
function strongest(order: Order, data: DeliveryJob, lane: string, world: World): JobOrder | undefined {
  if (!isJobOrder(order) || !concerns(order, data, lane, world.orders.now())) return undefined;
  const first = world.orders.orderFor(data, lane);
  return first && isJobOrder(first) && !isOfWholeLane(first) ? first : order;
}

/** Has delayed jobs be due now, but for those that another order holds back; and the lane tried though its site said 421. */
async function hurry({ lane, state }: LanePage, wanted: readonly WalkedJob[], order: Order, world: World): Promise<number> {
  const { redis, metrics } = world.context;
  const ids = wanted.filter(({ data }) => world.orders.orderFor(data, lane) === undefined).map(({ id }) => id);
  if (ids.length === 0) return 0;
  const promoted = state === 'delayed' ? await promoteJobs(lane, ids, redis, world.queues) : 0;
  metrics.steered.inc({ kind: order.kind }, promoted);
  await noteProgress(order.id, { done: promoted }, redis);
  await world.lanes.release(lane);
  await wakeLane(lane, world);
  return promoted;
}

/** What the order put off goes on at once. */
async function bringBack(order: Order, world: World): Promise<void> {
  if (order.kind !== 'suspend' && order.kind !== 'hold') return;
  const { redis } = world.context;
  for (const lane of await lanesOf(order, world)) {
    if (isOfWholeLane(order)) {
      await wakeLane(lane, world);
      continue;
    }
    const pages = walkLane(lane, ['delayed'], { redis, queues: world.queues, message: order.criteria.message });
    for (let next = await pages.next(); !next.done;) {
      const ids = next.value.jobs.filter(({ data }) => data.putOff?.order === order.id).map(({ id }) => id);
      const promoted = await promoteJobs(lane, ids, redis, world.queues);
      if (promoted > 0) await wakeLane(lane, world);
      world.closing.throwIfAborted();
      next = await pages.next(promoted);
    }
  }
}

async function wakeLane(lane: string, world: World): Promise<void> {
  const tx = world.queues.begin();
  world.lanes.wake(tx, lane);
  await tx.exec();
}
