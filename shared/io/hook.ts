import { UnrecoverableError, WaitingError, Worker, type Job } from 'bullmq';
import type { RecordType } from '../core/disposition.ts';
import type { DispositionRecord } from '../core/disposition.ts';
import { defaultHookTimeout, type HookHandler, type HookMessage } from '../core/hook.ts';
import { factsOf, hookMessage } from '../core/hook-message.ts';
import { hookQueue } from '../core/subscriptions.ts';
import { backoffDelay } from '../core/webhook.ts';
import { closeWorker, redisPatience } from './close-worker.ts';
import type { Context } from './context.ts';
import type { SubscriberJob } from './dispositions.ts';
import { consumerOptions, observeConsumer } from './hook-consumer.ts';
import { releaseHook } from './original-holds.ts';
import type { Pipeline } from './pipeline.ts';
import { whileAnswering } from './redis.ts';
import { openReplayed } from './replayed.ts';
import { withTimeout } from './with-timeout.ts';
import type { SpoolStore } from './spool-store.ts';

/** The consumer of a policy hook. `hookSubscription` makes what publishers must know of it. */
export interface Hook {
  name: string;
  /** What was queued before these changed is passed over. Looked at for each record, as are `needsOriginal` and `timeout`. */
  types: readonly RecordType[];
  needsOriginal?: boolean;
  run: HookHandler;
  /** Records at once. Default 10. */
  concurrency?: number;
  /** Time for one record, after which it counts as failed though it may go on. Milliseconds; default 30 seconds. */
  timeout?: number;
  /** Attempts after which a record is given up, about three hours with the default of 15, and the waits between them. */
  attempts?: number;
  backoff?: { first: number; max: number };
}

const defaultBackoff = { first: 1000, max: 3_600_000 };
/** Octets. */
const contentLimit = 1024 * 1024;

export interface RunningHook {
  /** Ends once the work in hand is done; with `patience` (ms) what still waits for the hook then is given back to the queue. */
  close(patience?: number): Promise<void>;
}

/**
 * Runs a hook on its queue. The original is let go of once the job is done; a record that was given up keeps it until the
 * backlog's age is over, so that it can be tried again by hand.
 */
export async function startHook(hook: Hook, context: Context, { queues, spool }: Pick<Pipeline, 'queues' | 'spool'>): Promise<RunningHook> {
  const { name, run, concurrency = 10, attempts = 15, backoff = defaultBackoff } = hook;
  const queue = hookQueue(name);
  const { redis, log } = context;
  const observed = observeConsumer(queue, context);
  const replayed = openReplayed(queue, context);
  const releasing = new Set<Promise<unknown>>();
  /** Of the calls under way. */
  const giveUp = new Set<(end: 'given up') => void>();

  const worker = new Worker<SubscriberJob>(
    queue,
    async (job, token) => {
      if (await replayed.isCancelled(job)) return;
      const { record } = job.data;
      if (!hook.types.includes(record.type)) return replayed.count(job, 'not-heard');
      const givenUp = Promise.withResolvers<'given up'>();
      giveUp.add(givenUp.resolve);
      let end: unknown;
      const begin = performance.now();
      try {
        const work = withTimeout(call(run, messageOf(record, spool), replayed.recordOf(job)), hook.timeout ?? defaultHookTimeout);
        end = await Promise.race([work.then(() => 'done'), givenUp.promise]);
        if (end === 'done') {
          observed.called(performance.now() - begin, true);
          await replayed.count(job, 'delivered');
        }
      } catch (error) {
        observed.called(performance.now() - begin, false);
        const reason = wordsOf(error);
        if (job.attemptsMade + 1 >= attempts) {
          await replayed.count(job, 'dead');
          throw new UnrecoverableError(reason);
        }
        observed.retried(1);
        log.warn({ event: 'hook_failed', hook: queue, reason, dispositionId: record.event_id, attempt: job.attemptsMade + 1 });
        throw error instanceof Error && !(error instanceof UnrecoverableError) ? error : new Error(reason);
      } finally {
        giveUp.delete(givenUp.resolve);
      }
      if (end === 'done') return;
      await job.moveToWait(token);
      throw new WaitingError();
    },
    {
      ...consumerOptions(context),
      connection: redis.duplicate() as never,
      concurrency,
      settings: { backoffStrategy: (failures) => backoffDelay(backoff, failures, Math.random()) },
    },
  );
  // After its completion, so that a job that runs again finds its original.
  const release = (job: Job<SubscriberJob>): void => {
    const tx = queues.begin();
    releaseHook(tx, queue, job.data.record, redis, spool);
    const work = tx
      .exec()
      .catch((error: unknown) => log.warn({ event: 'hook_release_failed', hook: queue, error: String(error) }))
      .finally(() => releasing.delete(work));
    releasing.add(work);
  };
  worker.on('error', (error) => log.warn({ event: 'hook_worker_error', hook: queue, error: error.message }));
  worker.on('completed', (job) => {
    observed.done(job);
    // A replayed record holds nothing, and must not let go of what the record's first job may still need.
    if ((hook.needsOriginal ?? true) && !job.data.replay) release(job);
  });
  worker.on('failed', (job, error) => {
    if (error instanceof UnrecoverableError) observed.dead(job, error);
  });
  await worker.waitUntilReady();
  return {
    close: async (patience) => {
      const closed = closeWorker(worker, context); // takes no more from now on
      const timer = patience === undefined ? undefined : setTimeout(() => giveUp.forEach((settle) => settle('given up')), patience);
      try {
        await closed;
        await whileAnswering(redis, Promise.all(releasing), redisPatience);
      } finally {
        clearTimeout(timer);
        observed.close();
      }
    },
  };
}

/** A handler may throw before it returns a promise. */
const call = async (run: HookHandler, message: HookMessage, record: DispositionRecord): Promise<unknown> => run(message, record);

const wordsOf = (error: unknown): string => (error instanceof Error ? error.message : String(error)).slice(0, 500);

const messageOf = (record: DispositionRecord, spool: SpoolStore): HookMessage =>
  hookMessage(factsOf(record), (limit = contentLimit) => readContent(record.id, spool, limit));

async function readContent(id: string, spool: SpoolStore, limit: number): Promise<Uint8Array | undefined> {
  const content = id === '' ? undefined : await spool.read(id);
  if (!content) return undefined;
  if (Buffer.isBuffer(content)) return content.subarray(0, limit);
  const parts: Buffer[] = [];
  let size = 0;
  for await (const chunk of content) {
    parts.push(chunk);
    size += chunk.length;
    if (size >= limit) break;
  }
  return Buffer.concat(parts).subarray(0, limit);
}
