import { Worker, type Job } from 'bullmq';
import { closeWorker } from '../../shared/io/close-worker.ts';
import type { Context } from '../../shared/io/context.ts';
import { trimBacklogs } from '../../shared/io/hook-backlog.ts';
import { sessionsQueue, type SessionJob } from '../../shared/io/lanes.ts';
import { trimLog } from '../../shared/io/log-trim.ts';
import { releaseKept } from '../../shared/io/original-holds.ts';
import { openConversations, trimConversations } from '../../shared/io/conversations.ts';
import type { Outbound } from '../../shared/io/outbound.ts';
import { openPipeline } from '../../shared/io/pipeline.ts';
import { openRuleFiles } from '../../shared/io/rule-file.ts';
import { smtpClient } from '../../shared/io/smtp-client.ts';
import { nodemailerClient } from '../../shared/io/smtp-client-nodemailer.ts';
import { openTracer } from '../../shared/io/tracer.ts';
import type { Config } from '../../shared/core/config.ts';
import { openEgressPaths } from './egress-paths.ts';
import { openHeldJobs } from './held-jobs.ts';
import { policyRewriter, rulesRewriter } from './rewrite.ts';
import { runSession, wakeAfterSuspension, type SessionEnd } from './session.ts';
import { openSiteHealth } from './site-health.ts';
import { openSteering } from './steering.ts';
import type { World } from './world.ts';

const clients: Record<Config['delivery']['client'], Outbound> = { rebound: smtpClient, nodemailer: nodemailerClient };

/** The delivery role: one BullMQ worker on `sessions`, and the sweeper. */
export async function run(context: Context): Promise<{ close(): Promise<void>; loaded(): Record<string, unknown> }> {
  const { config, redis, log } = context;
  context.metrics.sessionLimit.set(config.delivery.sessions);
  const { sessions, lockDuration, sweepInterval } = config.delivery;
  const closing = new AbortController();
  const cut = new AbortController();
  const { rules: paths, rulesInterval: interval } = config.delivery;
  const rules = await openRuleFiles({ paths, interval, log, metrics: context.metrics });
  const pipeline = openPipeline(context);
  // Nothing is tried before it is known what may not be.
  await pipeline.orders.refresh();
  const world: World = {
    ...pipeline,
    context,
    outbound: clients[config.delivery.client],
    tracer: openTracer(context),
    conversations: openConversations(context),
    paths: openEgressPaths(context, pipeline.lanes),
    held: openHeldJobs(pipeline.queues, lockDuration, log),
    health: openSiteHealth(),
    rules,
    // The owner's code goes first: what it leaves alone, the files may decide.
    rewriters: [
      ...(config.policy.file === '' ? [] : [policyRewriter(context.policy, config.delivery)]),
      ...(paths.length > 0 ? [rulesRewriter(rules, config.delivery)] : []),
    ],
    closing: closing.signal,
    cut: cut.signal,
  };

  world.orders.onChange((changed) => {
    if (changed.some(({ kind }) => kind === 'retry')) world.health.forget();
    return Promise.resolve();
  });
  const steering = openSteering(world);
  const worker = new Worker<SessionJob, SessionEnd>(sessionsQueue, (job, _token, signal) => open(job, world, signal), {
    connection: redis.duplicate() as never,
    prefix: redis.prefix,
    name: context.instance,
    concurrency: sessions,
    lockDuration,
    stalledInterval: sweepInterval,
    maxStalledCount: 1_000_000_000,
    removeOnComplete: { count: 0 },
    removeOnFail: { count: 0 },
  });
  const quietly = (event: string, work: () => Promise<unknown>): void => {
    work().catch((error: unknown) => log.warn({ event, error: String(error) }));
  };
  worker.on('error', (error) => log.warn({ event: 'sessions_worker_error', error: error.message }));
  // A permit that was lost while Redis stood still is someone else's by now.
  worker.on('lockRenewalFailed', (ids) => ids.forEach((id) => worker.cancelJob(id, 'permit lost')));
  worker.on('failed', (job, error) => log.error({ event: 'session_failed', lane: job?.data.lane, error: String(error) }));
  // Only now is the permit's id free again: what came in while it was still there has woken nobody.
  worker.on('completed', (job, end) => quietly('recheck_failed', () => recheck(job, end, world)));
  const sweeper = setInterval(() => quietly('sweep_failed', () => sweep(world)), sweepInterval);
  await worker.waitUntilReady();

  return {
    loaded: () => ({ rules: rules.loaded() }),
    close: async () => {
      clearInterval(sweeper);
      closing.abort();
      const timer = setTimeout(() => cut.abort(), config.shutdownTimeout);
      const closed = await Promise.allSettled([closeWorker(worker, context), steering.close()]);
      clearTimeout(timer);
      world.held.close();
      world.tracer.close();
      rules.close();
      await pipeline.close();
      for (const end of closed) if (end.status === 'rejected') throw end.reason;
    },
  };
}

async function open(job: Job<SessionJob, SessionEnd>, world: World, signal?: AbortSignal): Promise<SessionEnd> {
  const { lane, index } = job.data;
  // Whoever ends a suspension wakes the lane once, maybe before we have heard of the end.
  if (world.orders.suspensionOf(lane)) await world.orders.refresh();
  if (world.orders.suspensionOf(lane)) {
    await wakeAfterSuspension(lane, world);
    return 'waiting';
  }
  // A permit of a time when the site was allowed more connections.
  if (index !== undefined && index >= world.lanes.limits(lane).connections) return 'waiting';
  if (index !== undefined) return runSession({ lane, index }, world, signal);
  await wake(lane, world);
  return 'waiting';
}

async function recheck(job: Job<SessionJob, SessionEnd>, end: SessionEnd, world: World): Promise<void> {
  const { lane } = job.data;
  if (end === 'yielded' || (end === 'empty' && (await world.lanes.hasWork(lane)))) await wake(lane, world, job.data.index);
}

async function wake(lane: string, world: World, index = 0): Promise<void> {
  const tx = world.queues.begin();
  world.lanes.wake(tx, lane);
  if (index > 0) world.lanes.addSession(tx, lane, index);
  await tx.exec();
}

async function sweep(world: World): Promise<void> {
  const { metrics, log } = world.context;
  if (!(await isOurTurn(world))) return;
  const isShort = await trimLog(world.context);
  // First what only takes away: a Redis beyond its memory refuses the rest.
  await trimConversations(world.context, isShort);
  await releaseKept(world.context, world.spool, isShort || !world.spool.hasRoom());
  await trimBacklogs(world.context, world, isShort);
  const woken = await world.lanes.sweep();
  metrics.swept.inc(woken);
  if (woken > 0) log.info({ event: 'lanes_swept', woken });
}

/** One process sweeps in each interval; each of them while Redis has no memory for the lease, since nothing else makes room then. */
async function isOurTurn({ context: { redis, config, instance } }: World): Promise<boolean> {
  const duration = Math.floor(config.delivery.sweepInterval * 0.9);
  const lease = redis.client.set(redis.key('sweeper'), instance, 'PX', duration, 'NX');
  return lease.then(
    (answer) => answer === 'OK',
    (error: unknown) => {
      if (!String(error).includes('OOM ')) throw error;
      return true;
    },
  );
}
