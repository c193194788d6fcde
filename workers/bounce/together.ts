import type { DispositionRecord } from '../../shared/core/disposition.ts';
import { bounceSubscription } from '../../shared/core/subscriptions.ts';
import type { SubscriberJob } from '../../shared/io/dispositions.ts';
import { claimGathered, type Claim } from '../../shared/io/gathered.ts';
import { readReportMarks } from '../../shared/io/report-marks.ts';
import { reportOn, type ReportOutcome, type ReportWorld } from './report.ts';

export interface Told {
  record: DispositionRecord;
  outcome: ReportOutcome;
}

/**
 * Tells the disposition of a job, and with it what else is gathered of its message. Empty when another job has told it
 * already; undefined when another worker is at it: to be asked again.
 */
export async function reportTogether(job: SubscriberJob, token: string, world: ReportWorld): Promise<Told[] | undefined> {
  if (!job.gathered) return report([job.record], world);
  const { redis, config } = world.context;
  const { event_id, id } = job.record;
  const claim = await claimGathered(redis, bounceSubscription.queue, id, token, config.delivery.lockDuration);
  if (!claim) return undefined;
  try {
    if (claim.records.some((record) => record.event_id === event_id)) return await report(claim.records, world, claim);
    const isDone = (await readReportMarks(redis, [event_id])).has(event_id);
    return isDone ? [] : await report([job.record], world, claim);
  } finally {
    // A claim that cannot be ended ends by itself.
    await claim.end().catch(() => undefined);
  }
}

async function report(records: DispositionRecord[], world: ReportWorld, claim?: Claim): Promise<Told[]> {
  const outcomes = await reportOn(records, world, claim && { claim });
  return records.map((record) => ({ record, outcome: outcomes.get(record.event_id) ?? 'none' }));
}
