import { UnrecoverableError, WaitingError, Worker } from 'bullmq';
import type { WebhookConfig } from '../core/config.ts';
import type { DispositionRecord } from '../core/disposition.ts';
import { webhookQueue } from '../core/subscriptions.ts';
import type { WebhookVerdict } from '../core/webhook.ts';
import { closeWorker } from './close-worker.ts';
import type { Context } from './context.ts';
import type { SubscriberJob } from './dispositions.ts';
import { consumerOptions, observeConsumer } from './hook-consumer.ts';
import { openReplayed } from './replayed.ts';
import { loadSecret } from './secret-file.ts';
import { openBatches } from './webhook-batches.ts';
import { openPoster } from './webhook-request.ts';

/**
 * Consumes the queue of one webhook: each job waits in its batch until the endpoint has answered, its lock renewed by BullMQ
 * meanwhile; a killed process's jobs are taken over by others. What an endpoint that is down holds up is its own queue.
 * Rejects with ConfigError when `secretFile` cannot be read.
 */
export async function startWebhook(name: string, webhook: WebhookConfig, context: Context): Promise<{ close(): Promise<void> }> {
  const { config, redis, log } = context;
  const hook = webhookQueue(name);
  const secret = webhook.secretFile ? await loadSecret(`webhooks.${name}.secretFile`, webhook.secretFile) : webhook.secret;
  const poster = openPoster(webhook, secret);
  const observed = observeConsumer(hook, context);
  const replayed = openReplayed(hook, context);
  const post = async (records: readonly DispositionRecord[]): Promise<WebhookVerdict> => {
    const begin = performance.now();
    const verdict = await poster.post(records);
    observed.called(performance.now() - begin, verdict.kind === 'done');
    return verdict;
  };
  const batches = openBatches(webhook, post, {
    failed: (reason, records, failures, pauseMs) => {
      observed.retried(records);
      log.warn({ event: 'webhook_failed', hook, reason, records, failures, nextInMs: pauseMs });
    },
    recovered: (failures) => log.info({ event: 'webhook_recovered', hook, failures }),
  });

  const worker = new Worker<SubscriberJob>(
    hook,
    async (job, token) => {
      if (await replayed.isCancelled(job)) return;
      const end = await batches.add(replayed.recordOf(job), job.timestamp);
      if (end.kind === 'done') return replayed.count(job, 'delivered');
      if (end.kind === 'dead') {
        await replayed.count(job, 'dead');
        throw new UnrecoverableError(end.reason);
      }
      await job.moveToWait(token);
      throw new WaitingError();
    },
    // Twice what is being posted, so that the next batches fill meanwhile.
    { ...consumerOptions(context), connection: redis.duplicate() as never, concurrency: webhook.batchSize * webhook.concurrency * 2 },
  );
  worker.on('error', (error) => log.warn({ event: 'hook_worker_error', hook, error: error.message }));
  worker.on('completed', (job) => observed.done(job));
  worker.on('failed', (job, error) => observed.dead(job, error));
  await worker.waitUntilReady();
  return {
    close: async () => {
      const closed = closeWorker(worker, context); // takes no more from now on
      const timer = setTimeout(() => poster.close(), config.shutdownTimeout);
      try {
        await Promise.all([closed, batches.close()]);
      } finally {
        clearTimeout(timer);
        poster.close();
        observed.close();
      }
    },
  };
}
