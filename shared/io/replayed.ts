import type { Job } from 'bullmq';
import type { DispositionRecord } from '../core/disposition.ts';
import { sampleOf } from '../core/replay.ts';
import type { Context } from './context.ts';
import type { SubscriberJob } from './dispositions.ts';
import type { Transaction } from './queues.ts';
import { countOutcome, isReplayCancelled } from './replay-state.ts';

type ReplayedJob = Pick<Job<SubscriberJob>, 'data'> & { id?: string | undefined };

/** What consumers do about jobs of replays. Of other jobs nothing is done. */
export interface Replayed {
  /** Its replay was cancelled, which is counted: there is nothing to do. */
  isCancelled(job: ReplayedJob): Promise<boolean>;
  /** The record as foreign programs see it: it says which replay it belongs to. */
  recordOf(job: ReplayedJob): DispositionRecord;
  /** Counts what became of it, once. Never rejects: a count is not worth doing a thing twice. */
  count(job: ReplayedJob, outcome: string): Promise<void>;
  /** The same in the transaction that makes it so. */
  countIn(tx: Transaction, job: ReplayedJob, outcome: string): void;
}

export function openReplayed(queue: string, { redis, log }: Pick<Context, 'redis' | 'log'>): Replayed {
  const describe = (job: ReplayedJob, replay: string, outcome: string) => ({
    replay,
    outcome,
    key: `${redis.prefix}:${queue}:${job.id}`,
    sample: sampleOf(job.data.record),
  });
  const count = async (job: ReplayedJob, outcome: string): Promise<void> => {
    const { replay } = job.data;
    if (!replay) return;
    try {
      await countOutcome(redis.client, redis, describe(job, replay.id, outcome));
    } catch (error) {
      log.warn({ event: 'replay_not_counted', replay: replay.id, outcome, error: String(error) });
    }
  };
  return {
    isCancelled: async (job) => {
      const { replay } = job.data;
      if (!replay || !(await isReplayCancelled(redis, replay.id))) return false;
      await count(job, 'cancelled');
      return true;
    },
    recordOf: ({ data: { record, replay } }) => (replay ? { ...record, replay } : record),
    count,
    countIn: (tx, job, outcome) => {
      const { replay } = job.data;
      if (replay) countOutcome(tx.redis, redis, describe(job, replay.id, outcome));
    },
  };
}
