import { Worker, type Job } from 'bullmq';
import { bounceSubscription } from '../../shared/core/subscriptions.ts';
import { wordingsInUse } from '../../shared/core/tenant-reports.ts';
import type { Context } from '../../shared/io/context.ts';
import type { SubscriberJob } from '../../shared/io/dispositions.ts';
import { ownDomains } from '../../shared/io/own-domains.ts';
import { openPipeline } from '../../shared/io/pipeline.ts';
import { loadTemplates } from '../../shared/io/template-load.ts';
import { reportOn, type ReportOutcome } from './report.ts';

/** The bounce role: one BullMQ worker on its subscription, making reports and putting them back into the queue. */
export async function run(context: Context): Promise<{ close(): Promise<void> }> {
  const { config, redis, log, metrics } = context;
  const templates = await loadTemplates(wordingsInUse(config.bounce));
  const pipeline = openPipeline(context);
  const world = { ...pipeline, context, isOwnDomain: ownDomains(config.ingress.domains), templates };

  const worker = new Worker<SubscriberJob, ReportOutcome>(
    bounceSubscription.queue,
    async (job: Job<SubscriberJob, ReportOutcome>) => {
      const { record } = job.data;
      const outcome = await reportOn(record, world);
      metrics.reports.inc({ outcome });
      log.info({
        event: 'report',
        outcome,
        dispositionId: record.event_id,
        messageId: record.id,
        type: record.type,
        sender: record.sender,
      });
      return outcome;
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
  worker.on('failed', (job, error) =>
    log.error({ event: 'report_failed', dispositionId: job?.data.record.event_id, error: String(error) }),
  );
  await worker.waitUntilReady();
  return {
    close: async () => {
      await worker.close();
      await pipeline.close();
    },
  };
}
