import type { Job } from 'bullmq';
import type { Context } from './context.ts';
import type { SubscriberJob } from './dispositions.ts';

/** The latest jobs that succeeded and that were given up, for people to see. */
const kept = { count: 1000 } as const;

/** What the BullMQ workers of webhooks and hooks have in common. How often a job stalls says nothing about it: attempts are bounded otherwise. */
export const consumerOptions = ({ config, redis }: Context) => ({
  prefix: redis.prefix,
  lockDuration: config.delivery.lockDuration,
  stalledInterval: config.delivery.sweepInterval,
  maxStalledCount: 1_000_000_000,
  removeOnComplete: kept,
  removeOnFail: kept,
});

/** Counts and logs what becomes of the jobs of one consumer. */
export interface ObservedConsumer {
  done(job: Job<SubscriberJob>): void;
  retried(records: number): void;
  /** A call of it or a request has ended. Milliseconds. */
  called(ms: number, isOk: boolean): void;
  /** The job was given up and lies in BullMQ's failed set. */
  dead(job: Job<SubscriberJob> | undefined, error: Error): void;
  close(): void;
}

/** Many records may be given up at once: they are logged together. Milliseconds. */
const logInterval = 1000;
const mostNamed = 20;

export function observeConsumer(hook: string, { metrics, log }: Context): ObservedConsumer {
  // From the start: Prometheus sees no increase in what begins with its first one.
  metrics.hookJobs.inc({ hook, outcome: 'dead' }, 0);
  let dead: { event: string; reason: string }[] = [];
  let timer: NodeJS.Timeout | undefined;
  const tell = (): void => {
    clearTimeout(timer);
    timer = undefined;
    if (dead.length === 0) return;
    const named = dead.slice(0, mostNamed);
    log.error({
      event: 'hook_dead_letters',
      hook,
      records: dead.length,
      reason: named[0]?.reason,
      dispositionIds: named.map(({ event }) => event),
    });
    dead = [];
  };
  return {
    done: (job) => {
      metrics.hookJobs.inc({ hook, outcome: 'done' });
      metrics.hookSeconds.observe({ hook }, (Date.now() - job.timestamp) / 1000);
    },
    called: (ms, isOk) => metrics.hookCalls.observe({ hook, result: isOk ? 'ok' : 'failed' }, ms / 1000),
    retried: (records) => metrics.hookJobs.inc({ hook, outcome: 'retry' }, records),
    dead: (job, error) => {
      metrics.hookJobs.inc({ hook, outcome: 'dead' });
      dead.push({ event: job?.data.record.event_id ?? '', reason: error.message });
      timer ??= setTimeout(tell, logInterval);
    },
    close: tell,
  };
}
