import type { DeliveryJob } from '../../shared/core/delivery-job.ts';
import { judge, type Verdict } from '../../shared/core/judge.ts';
import { adminBounceReply } from '../../shared/core/policy/requeue-message.ts';
import { sessionsQueue, type SessionJob } from '../../shared/io/lanes.ts';
import { isOfWholeLane } from '../../shared/core/order.ts';
import type { HeldJob, Taken } from '../../shared/io/queues.ts';
import { attempt, type AttemptResult } from './attempt.ts';
import { isJobOrder, obey, resumed } from './obey.ts';
import { requeue } from './requeue.ts';
import { rewriteOutcomes } from './rewrite.ts';
import { giveBack, move, settle, type Settled } from './settle.ts';
import { openSiteLink, type SiteLink } from './site-link.ts';
import type { World } from './world.ts';

/**
 * Why a session ended. `empty`: nothing may be taken; `waiting`: the lane's rate is used up, or it is suspended, and a wake-up is set;
 * `yielded`: others wait for the place, the lane still has work.
 */
export type SessionEnd = 'empty' | 'waiting' | 'yielded';

/** Polls of an idle connection for the next message, before `idleTimeout` closes it. Milliseconds. */
const idlePoll = 25;
/** A lane that piles up gets more sessions, but not faster than this. Milliseconds. */
const growthInterval = 20;
/** A session busy with one message looks for further ones this often. Milliseconds. */
const growthPoll = 200;
/** A failed connection answers for the other messages of the lane this long at most. Milliseconds. */
const longestFailureTtl = 10_000;

let tokens = 0;

/** One delivery session: holds a connection permit and drains its lane, one message after another. */
export async function runSession(permit: Required<SessionJob>, world: World, revoked?: AbortSignal): Promise<SessionEnd> {
  const { lane } = permit;
  const token = `${world.context.instance}-${++tokens}`;
  await world.queues.backend(lane).moveStalledJobsToWait();
  const link = openSiteLink(lane, world);
  const growth = openGrowth(permit, link, world);
  const turn = openTurn(world);
  world.context.metrics.sessions.inc();
  try {
    let taken = await world.queues.take(lane, token);
    for (;;) {
      switch (taken.kind) {
        case 'job': {
          const held: HeldJob = { queue: lane, id: taken.id, token };
          const mayContinue = !world.closing.aborted && !revoked?.aborted && !isStopped(permit, world) && !(await turn.isOver());
          const settled = await deliverOne(held, JSON.parse(taken.data) as DeliveryJob, { permit, link, fetchNext: mayContinue }, world);
          if (settled === 'given back') return 'waiting';
          if (!mayContinue) return 'yielded';
          if (settled.waiting > 0) await growth.grow();
          // An empty answer may also mean a limit: only taking tells.
          taken = settled.next.kind === 'job' ? settled.next : await world.queues.take(lane, token);
          break;
        }
        case 'limited': {
          const tx = world.queues.begin();
          world.lanes.wakeLater(tx, lane, Date.now() + taken.ms);
          await tx.exec();
          return 'waiting';
        }
        case 'empty': {
          const next = await linger(permit, token, link, world);
          if (!next) return 'empty';
          taken = next;
        }
      }
    }
  } finally {
    growth.close();
    world.context.metrics.sessions.dec();
    await link.close();
  }
}

interface Turn {
  permit: Required<SessionJob>;
  link: SiteLink;
  fetchNext: boolean;
}

/** May this session take no further job? Its lane is suspended, or allowed fewer connections by now. */
const isStopped = ({ lane, index }: Required<SessionJob>, { lanes, orders }: World): boolean =>
  orders.book.orders.length > 0 && (orders.suspensionOf(lane) !== undefined || index >= lanes.limits(lane).connections);

/** Has the lane looked at when its suspension ends; one without an end is ended by somebody, who wakes the lane. */
export async function wakeAfterSuspension(lane: string, world: World): Promise<void> {
  const until = world.orders.suspensionOf(lane)?.expires ?? undefined;
  if (until === undefined) return;
  const tx = world.queues.begin();
  world.lanes.wakeLater(tx, lane, world.orders.local(until) + 1);
  await tx.exec();
}

/** The steps of one job: attempt, rewrite, judge, settle; or it is given back as it was, and the session ends. */
async function deliverOne(
  held: HeldJob,
  given: DeliveryJob,
  { permit, link, fetchNext }: Turn,
  world: World,
): Promise<Settled | 'given back'> {
  // First: a policy may take longer than a lock lasts.
  world.held.add(held);
  try {
    const order = given.adminBounce === undefined ? world.orders.orderFor(given, held.queue) : undefined;
    if (order && isOfWholeLane(order)) {
      await giveBack(held, given, world);
      return 'given back';
    }
    const obeyed = order && isJobOrder(order) ? await obey(order, held, given, fetchNext, world) : undefined;
    if (obeyed) return obeyed;
    const job = resumed(given, Date.now());
    const schedule = await world.queueSettings.schedule(job.queue);
    const path = await world.paths.of(held.queue, job);
    // The policy allows fewer connections than were open or asked for when nobody had asked it.
    if (permit.index >= world.lanes.limits(held.queue).connections) {
      await giveBack(held, job, world);
      return 'given back';
    }
    const result =
      job.adminBounce === undefined
        ? await attempt(job, { lane: held.queue, path, link, world, failureTtl: Math.min(longestFailureTtl, schedule.interval / 2) })
        : undefined;
    if (result?.kind === 'outcomes' && isNoAttempt(result, permit, world)) {
      await giveBack(held, job, world);
      return 'given back';
    }
    if (result?.kind === 'moved') return await move(held, job, result.lane, fetchNext, world);
    // What a server's own code says of its connection holds, whatever the rules make of it for the message.
    if (result) await heed(result, held.queue, world);
    const outcomes = result && (await rewriteOutcomes(result.outcomes, job, held.queue, world));
    const verdict: Verdict = outcomes
      ? judge(
          {
            recipients: job.envelope.recipients,
            outcomes,
            // What was held has its time all the same.
            created: job.created + (job.held ?? 0),
            attempts: job.attempts + 1,
            ...(job.last && { last: job.last.reply }),
          },
          schedule,
          Date.now(),
          Math.random() * 2 - 1,
        )
      : adminBounce(job);
    const { peer, protocol, tls, said } = result ?? { peer: null };
    const expires = job.created + (job.held ?? 0) + schedule.maxAge;
    const requeued = await requeue(held.queue, job, verdict, expires, world);
    const facts = { peer, ...(protocol && { protocol }), ...(tls && { tls }), ...(said && { said }) };
    return await settle({ held, job, ...requeued, expires, ...facts }, fetchNext, world);
  } finally {
    world.held.delete(held);
  }
}

/**
 * Did the attempt say nothing of the message? On shutdown, when we ended it ourselves; and when a site that serves other
 * connections refused this one: the message waits for those, and is not put off for its whole schedule.
 */
function isNoAttempt(
  { outcomes, isUnconnected }: Extract<AttemptResult, { kind: 'outcomes' }>,
  { lane, index }: Required<SessionJob>,
  world: World,
): boolean {
  const isUnheard = outcomes.every(({ kind, reply }) => (kind === 'failed' && reply.local === true) || kind === 'untried');
  if (world.cut.aborted || (world.closing.aborted && isUnconnected)) return isUnheard;
  // A site that cannot do the TLS that is wanted will not do it on another connection either.
  const isAboutTls = outcomes.some(({ reply }) => reply.command === 'STARTTLS');
  return isUnconnected === true && !isAboutTls && (index > 0 || world.health.isServed(lane));
}

const adminBounce = (job: DeliveryJob): Verdict => ({
  judgements: [
    {
      type: 'AdminBounce',
      recipients: job.envelope.recipients,
      reply: adminBounceReply(job.adminBounce ?? ''),
    },
  ],
});

/** A refused connection is remembered as such; what is said in a transaction is not. */
const inTransaction = new Set<string | undefined>(['MAIL', 'RCPT', 'DATA', '.']);

/** A 421 means not now (RFC 5321 §3.8): the whole lane waits. A delivery ends the waiting. */
async function heed(result: Extract<AttemptResult, { kind: 'outcomes' }>, lane: string, world: World): Promise<void> {
  if (result.outcomes.some(({ kind }) => kind === 'accepted')) world.health.succeeded(lane);
  else if (result.outcomes.some(({ reply }) => reply.code === 421 && !reply.local && inTransaction.has(reply.command))) {
    await world.lanes.hold(lane, world.health.holdAfter421(lane));
  }
}

/** Keeps an open connection for the next message for a moment; undefined when none came. */
async function linger(permit: Required<SessionJob>, token: string, link: SiteLink, world: World): Promise<Taken | undefined> {
  const end = Date.now() + (link.idleTimeout ?? world.context.config.delivery.idleTimeout);
  while (link.isOpen && Date.now() < end && !world.closing.aborted && !isStopped(permit, world)) {
    await new Promise((resolve) => setTimeout(resolve, idlePoll));
    if (isStopped(permit, world)) return undefined;
    const taken = await world.queues.take(permit.lane, token);
    if (taken.kind !== 'empty') return taken;
  }
  return undefined;
}

/**
 * Adds permits while messages wait, each session two, so that a burst has all its connections after a few messages. A
 * timer looks too: a server may take minutes for the message in hand. Only a site that has taken our connection gets
 * more: those that hang would take the places of others.
 */
function openGrowth({ lane, index }: Required<SessionJob>, link: SiteLink, world: World): { grow(): Promise<void>; close(): void } {
  const children = (): number[] => [2 * index + 1, 2 * index + 2].filter((child) => child < world.lanes.limits(lane).connections);
  let next = 0;
  const grow = async (): Promise<void> => {
    if (Date.now() < next || world.closing.aborted || !link.isProven || world.health.isFull(lane)) return;
    next = Date.now() + growthInterval;
    // Asked each time: a policy or an order may allow more while it runs.
    if (children().length === 0) return;
    const tx = world.queues.begin();
    for (const child of children()) world.lanes.addSession(tx, lane, child);
    await tx.exec();
  };
  const waitKey = world.queues.backend(lane).keys['wait'] ?? '';
  const look = async (): Promise<void> => {
    if (link.isProven && children().length > 0 && (await world.context.redis.client.llen(waitKey)) > 0) await grow();
  };
  const timer = setInterval(() => {
    look().catch((error: unknown) => world.context.log.debug({ event: 'growth_failed', lane, error: String(error) }));
  }, growthPoll);
  return { grow, close: () => clearInterval(timer) };
}

/** A session with endless work gives way after `fairnessInterval` when others wait for a place. */
function openTurn(world: World): { isOver(): Promise<boolean> } {
  const { fairnessInterval } = world.context.config.delivery;
  const waitKey = world.queues.backend(sessionsQueue).keys['wait'] ?? '';
  let check = Date.now() + fairnessInterval;
  return {
    isOver: async () => {
      if (Date.now() < check) return false;
      check = Date.now() + fairnessInterval;
      return (await world.context.redis.client.llen(waitKey)) > 0;
    },
  };
}
