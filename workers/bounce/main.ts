import { DelayedError, Worker, type Job } from 'bullmq';
import { bounceSubscription } from '../../shared/core/subscriptions.ts';
import { wordingsInUse } from '../../shared/core/tenant-reports.ts';
import type { SubscriberJob } from '../../shared/io/dispositions.ts';
import { closeWorker } from '../../shared/io/close-worker.ts';
import { ConfigError } from '../../shared/io/config-load.ts';
import type { Context } from '../../shared/io/context.ts';
import { dkimSigner, loadDkimKeys, type DkimSigner } from '../../shared/io/dkim.ts';
import { ownDomains } from '../../shared/io/own-domains.ts';
import { reportAddresses } from '../../shared/io/report-addresses.ts';
import { openInjection } from '../../shared/io/inject.ts';
import { openPipeline } from '../../shared/io/pipeline.ts';
import { startPolicyHooks } from '../../shared/io/policy-hooks.ts';
import { loadTemplates } from '../../shared/io/template-load.ts';
import { startWebhook } from '../../shared/io/webhook.ts';
import { startInbound } from './inbound.ts';
import { startRedelivery } from './redeliver.ts';
import { reportAgain } from './again.ts';
import { reportTogether } from './together.ts';
import type { ReportOutcome } from './report.ts';

/** When to look again at what another worker is telling. Milliseconds. */
const claimedElsewhereDelay = 250;

/**
 * The bounce role: the consumers of dispositions. One BullMQ worker makes reports and puts them back into the queue, one
 * delivers again what a replay asks for, each webhook and each hook of the policy has its own. Keys and templates are read once, here; rejects with ConfigError when one cannot be used.
 */
export async function run(context: Context): Promise<{ close(): Promise<void> }> {
  const { config, redis, log, metrics } = context;
  const sign = await openSigner(context);
  const templates = await loadTemplates(wordingsInUse(config.bounce));
  const pipeline = openPipeline(context);
  const isReadHere = reportAddresses(config.ingress.reports.to);
  const world = { ...pipeline, context, isOwnDomain: ownDomains(config.ingress.domains), isReadHere, templates, ...(sign && { sign }) };

  // From the start: Prometheus sees no increase in what begins with its first one.
  for (const outcome of ['sender-limit', 'domain-limit']) metrics.reports.inc({ outcome }, 0);
  const worker = new Worker<SubscriberJob, ReportOutcome | 'cancelled'>(
    bounceSubscription.queue,
    async (job: Job<SubscriberJob, ReportOutcome | 'cancelled'>, token = '') => {
      const told = job.data.replay ? await reportAgain(job, token, world) : await reportTogether(job.data, token, world);
      if (!told) {
        await job.moveToDelayed(Date.now() + claimedElsewhereDelay, token);
        throw new DelayedError();
      }
      if (told === 'cancelled') return told;
      for (const { record, outcome } of told) {
        metrics.reports.inc({ outcome });
        log.info({
          event: 'report',
          outcome,
          dispositionId: record.event_id,
          messageId: record.id,
          type: record.type,
          sender: record.sender,
        });
      }
      return told.find(({ record }) => record.event_id === job.data.record.event_id)?.outcome ?? 'gathered';
    },
    {
      connection: redis.duplicate() as never,
      prefix: redis.prefix,
      concurrency: config.bounce.concurrency,
      lockDuration: config.delivery.lockDuration,
      stalledInterval: config.delivery.sweepInterval,
      maxStalledCount: 1_000_000_000,
    },
  );
  worker.on('error', (error) => log.warn({ event: 'bounce_worker_error', error: error.message }));
  worker.on('failed', (job, error) => {
    metrics.reportErrors.inc();
    log.error({ event: 'report_failed', dispositionId: job?.data.record.event_id, error: String(error) });
  });
  const started: Closable[] = [{ close: () => closeWorker(worker, context) }];
  const close = async (): Promise<void> => {
    const closed = await Promise.allSettled(started.map((one) => one.close()));
    await pipeline.close();
    for (const end of closed) if (end.status === 'rejected') throw end.reason;
  };
  try {
    started.push(await startInbound({ ...pipeline, context }));
    started.push(await startRedelivery({ ...pipeline, context }));
    started.push(...(await startAll(Object.entries(config.webhooks), ([name, webhook]) => startWebhook(name, webhook, context))));
    started.push(await startPolicyHooks(context, pipeline, openInjection(context, pipeline, sign).injectMessage));
  } catch (error) {
    await close();
    throw error;
  }
  await worker.waitUntilReady();
  return { close };
}

interface Closable {
  close(): Promise<void>;
}

/** Starts one of each, or none: when one fails the others are closed again. */
async function startAll<T, R extends Closable>(items: readonly T[], start: (item: T) => Promise<R>): Promise<R[]> {
  const started = await Promise.allSettled(items.map(start));
  const failed = started.find((result) => result.status === 'rejected');
  const running = started.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  if (!failed) return running;
  await Promise.all(running.map((one) => one.close()));
  throw failed.reason;
}

/** None without keys. */
async function openSigner({ config, log }: Context): Promise<DkimSigner | undefined> {
  const { keys, problems, warnings } = await loadDkimKeys(config.bounce.dkim);
  if (problems.length > 0) throw new ConfigError(problems);
  for (const { source, message } of warnings) log.warn({ event: 'dkim_key_weak', setting: source, reason: message });
  return keys.length > 0 ? dkimSigner(keys) : undefined;
}
