import type { Job } from 'bullmq';
import { replayJobId } from '../../shared/core/replay.ts';
import { bounceSubscription } from '../../shared/core/subscriptions.ts';
import type { SubscriberJob } from '../../shared/io/dispositions.ts';
import { claimGathered } from '../../shared/io/gathered.ts';
import { openReplayed } from '../../shared/io/replayed.ts';
import { reportOn, type ReportWorld, type Retelling } from './report.ts';
import type { Told } from './together.ts';

/**
 * Tells the disposition of a replayed job, by the settings of now: once, however many replays have it. Undefined while its
 * first job or another replay's is at it: to be asked again.
 */
export async function reportAgain(job: Job<SubscriberJob>, token: string, world: ReportWorld): Promise<Told[] | 'cancelled' | undefined> {
  const { record, replay } = job.data;
  const { redis, config } = world.context;
  const replayed = openReplayed(bounceSubscription.queue, world.context);
  if (await replayed.isCancelled(job)) return 'cancelled';
  if (await isUnfinished(record.event_id, world)) return undefined;
  const claim = await claimGathered(redis, bounceSubscription.queue, record.id, token, config.delivery.lockDuration);
  if (!claim) return undefined;
  const isForced = replay?.force === true;
  const retelling: Retelling = {
    isForced,
    markOf: ({ event_id }) => (isForced && replay ? replayJobId(event_id, replay.id) : event_id),
    note: (tx, outcome) => {
      const isPlain = outcome === 'sent' || outcome === 'repeated' || outcome === 'unknown' || outcome === 'gathered';
      replayed.countIn(tx, job, isPlain ? outcome : `suppressed:${outcome}`);
    },
  };
  try {
    const outcomes = await reportOn([record], world, { retelling });
    return [{ record, outcome: outcomes.get(record.event_id) ?? 'none' }];
  } finally {
    // A claim that cannot be ended ends by itself.
    await claim.end().catch(() => undefined);
  }
}

/** The job that the disposition itself made: it may wait for others of its message, or be in the hands of another worker. */
async function isUnfinished(eventId: string, { context: { redis } }: ReportWorld): Promise<boolean> {
  const [name, finishedOn] = await redis.client.hmget(`${redis.prefix}:${bounceSubscription.queue}:${eventId}`, 'name', 'finishedOn');
  return name !== null && finishedOn === null;
}
