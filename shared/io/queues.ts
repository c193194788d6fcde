import { raw2NextJobData, type JobJson, type RedisQueueBackend } from 'bullmq';
import type { ChainableCommander } from 'ioredis';
import { LRUCache } from 'lru-cache';
import type { RedisLink } from './redis.ts';

/**
 * Jobs of many queues over one connection, in transactions. This is the one file that knows BullMQ's scripts: a lane
 * costs a few key names here instead of a Queue and a Worker with connections of their own, and what belongs together
 * (spool entry, jobs, records) is one MULTI, all or nothing.
 */
export interface Queues {
  backend(queue: string): RedisQueueBackend;
  begin(): Transaction;
  /** Takes the next job of a queue without blocking. */
  take(queue: string, token: string): Promise<Taken>;
}

/** `limited`: the lane's rate is used up for so long. `empty`: nothing may be taken; also when it is paused or its concurrency used up. */
export type Taken = { kind: 'job'; id: string; data: string } | { kind: 'limited'; ms: number } | { kind: 'empty' };

export interface NewJob {
  id: string;
  name: string;
  data: unknown;
  /** Milliseconds from now. */
  delay?: number;
  opts?: JobJson['opts'];
}

export interface HeldJob {
  queue: string;
  id: string;
  token: string;
}

export interface Transaction {
  /** Plain commands; their results come first-come in `exec`. */
  readonly redis: ChainableCommander;
  add(queue: string, job: NewJob): void;
  /** Completes and removes a held job. */
  finish(job: HeldJob, fetchNext: boolean): void;
  /** Puts a held job back until `at` (epoch ms; now or earlier: at once) with new data. */
  postpone(job: HeldJob, at: number, data: unknown, fetchNext: boolean): void;
  /** Has `work` done with the results once it was run; what it throws is lost. */
  whenDone(work: (results: unknown[]) => Promise<void>): void;
  /** Runs it. Rejects with a ReplyError when it was refused as a whole, with another Error when a command failed and the others are done. */
  exec(): Promise<unknown[]>;
  /** Number of commands so far: the index of the next one's result. */
  readonly length: number;
}

/** The scripts that transactions use. */
const transactional = new Set(['addStandardJob', 'addDelayedJob', 'addPrioritizedJob', 'addParentJob', 'moveToFinished', 'moveToDelayed']);

/**
 * ioredis copies every script it knows into each new transaction; BullMQ has sixty, and copying them cost a tenth of a
 * message's CPU. The client keeps them all as methods of its own.
 */
function forgetScriptsOutsideTransactions(redis: RedisLink): void {
  const { scriptsSet } = redis.client as unknown as { scriptsSet: Record<string, unknown> };
  for (const name of Object.keys(scriptsSet)) {
    const [script = '', version] = name.split(':');
    if (version !== undefined && !transactional.has(script)) delete scriptsSet[name];
  }
}

export function openQueues(redis: RedisLink): Queues {
  forgetScriptsOutsideTransactions(redis);
  // About 11 KB each; a lane that falls out is made again for nothing.
  const backends = new LRUCache<string, RedisQueueBackend>({ max: 5000 });
  const backend = (queue: string): RedisQueueBackend => {
    let found = backends.get(queue);
    if (!found) {
      found = redis.backend.forQueue(queue, redis.prefix) as RedisQueueBackend;
      backends.set(queue, found);
    }
    return found;
  };
  return {
    backend,
    begin: () => begin(redis, backend),
    take: async (queue, token) => parseTaken(await backend(queue).moveToActive(token, 'delivery')),
  };
}

function begin(redis: RedisLink, backend: Queues['backend']): Transaction {
  const multi = redis.client.multi();
  const afterwards: ((results: unknown[]) => Promise<void>)[] = [];
  const before = multi.length; // MULTI itself is in the queue and not among the results
  const commands = {
    // ioredis has every script of BullMQ as a method of its transactions, named with BullMQ's version.
    runCommand: (name: string, args: unknown[]): unknown =>
      (multi as unknown as Record<string, (args: unknown[]) => unknown>)[name]?.(args),
  };
  const script = (queue: string, name: string, args: unknown[]): void => {
    backend(queue).execCommand(commands as never, name, args);
  };
  return {
    redis: multi,
    get length() {
      return multi.length - before;
    },
    add: (queue, job) => {
      const opts = { ...job.opts, ...(job.delay && job.delay > 0 && { delay: job.delay }) };
      const json = { id: job.id, name: job.name, data: JSON.stringify(job.data), opts, timestamp: Date.now() } as JobJson;
      // Queued before its first await; the outcome comes with exec().
      void backend(queue).addJobToTransaction(commands as never, json, job.id);
    },
    finish: (job, fetchNext) => {
      const minimal = { id: job.id, opts: {} } as never;
      script(job.queue, 'moveToFinished', backend(job.queue).moveToCompletedArgs(minimal, null, true, job.token, fetchNext));
    },
    postpone: (job, at, data, fetchNext) => {
      const now = Date.now();
      const delay = Math.max(0, at - now);
      const fieldsToUpdate = { data: JSON.stringify(data) };
      const args = backend(job.queue).moveToDelayedArgs(job.id, now, job.token, delay, { skipAttempt: true, fieldsToUpdate, fetchNext });
      script(job.queue, 'moveToDelayed', args);
    },
    whenDone: (work) => void afterwards.push(work),
    exec: async () => {
      const answers = await multi.exec();
      if (!answers) throw new Error('transaction was discarded');
      const results = answers.map(([error, value]) => {
        // Not the server's ReplyError for the whole: the other commands are done, and nobody may take this for a refusal.
        if (error) throw new Error(`a command of a transaction failed: ${error.message}`, { cause: error });
        return value;
      });
      for (const work of afterwards) work(results).catch(() => undefined);
      return results;
    },
  };
}

/**
 * The next job from the answer of a finishing script: a job, or `empty`, which may also mean limited (`take` tells).
 * Scripts answer a negative number when the job was not ours any more: `lost`.
 */
export function parseNext(raw: unknown): Taken | 'lost' {
  if (typeof raw === 'number' && raw < 0) return 'lost';
  return Array.isArray(raw) ? parseTaken(raw2NextJobData(raw)) : { kind: 'empty' };
}

function parseTaken(next: unknown[] | undefined): Taken {
  const [job, id, limitedMs] = (next ?? []) as [{ data?: string } | undefined, string, number];
  if (job && id) return { kind: 'job', id: String(id), data: job.data ?? '{}' };
  return limitedMs > 0 ? { kind: 'limited', ms: limitedMs } : { kind: 'empty' };
}
