import type { HeldJob, Queues } from '../../shared/io/queues.ts';
import type { Logger } from '../../shared/io/log.ts';

/** The lane jobs this process works on; their locks are renewed for as long as they are here. */
export interface HeldJobs {
  add(job: HeldJob): void;
  delete(job: HeldJob): void;
  close(): void;
}

/** `lockDuration` in milliseconds; locks are renewed at a third of it, so that one late timer loses none. */
export function openHeldJobs(queues: Queues, lockDuration: number, log: Logger): HeldJobs {
  const jobs = new Set<HeldJob>();
  const renew = async (): Promise<void> => {
    for (const [lane, held] of Map.groupBy(jobs, (job) => job.queue)) {
      const ids = held.map((job) => job.id);
      const lost = await queues.backend(lane).extendLocks(
        ids,
        held.map((job) => job.token),
        lockDuration,
      );
      // Most of them were settled while the renewal was on its way; their answers are being read just now.
      await new Promise(setImmediate);
      const missed = held.filter((job) => jobs.has(job) && lost.includes(job.id));
      if (missed.length > 0) log.warn({ event: 'locks_lost', lane, jobs: missed.map((job) => job.id) });
    }
  };
  const timer = setInterval(() => {
    renew().catch((error: unknown) => log.warn({ event: 'lock_renewal_failed', error: String(error) }));
  }, lockDuration / 3).unref();
  return {
    add: (job) => jobs.add(job),
    delete: (job) => jobs.delete(job),
    close: () => clearInterval(timer),
  };
}
