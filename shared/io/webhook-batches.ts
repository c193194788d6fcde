import type { WebhookConfig } from '../core/config.ts';
import type { DispositionRecord } from '../core/disposition.ts';
import { unreachable } from '../core/unreachable.ts';
import { backoffDelay, type Backoff, type WebhookVerdict } from '../core/webhook.ts';

/** What became of a record: posted, given up, or given back because we close. */
export type RecordEnd = { kind: 'done' } | { kind: 'dead'; reason: string } | { kind: 'back' };

/** Puts records together into requests of one endpoint. */
export interface Batches {
  /** Resolves when a request with the record was answered for good. `since`: epoch ms of its disposition. */
  add(record: DispositionRecord, since: number): Promise<RecordEnd>;
  /** Gives back what is not in a request, and waits for those that are. */
  close(): Promise<void>;
}

export interface BatchEvents {
  /** A request failed; `pauseMs` until the next one. */
  failed(reason: string, records: number, failures: number, pauseMs: number): void;
  recovered(failures: number): void;
}

interface Entry {
  record: DispositionRecord;
  since: number;
  addedAt: number;
  settle(end: RecordEnd): void;
}

/** Stays as it is when it is tried again, so that its Idempotency-Key does. */
interface Batch {
  entries: Entry[];
  refusals: number;
  notBefore: number;
}

/** The endpoint is down: everything waits for it. Milliseconds. */
const whenDown: Backoff = { first: 1000, max: 300_000 };
/** The endpoint did not want these records. */
const whenRefused: Backoff = { first: 500, max: 10_000 };
/** Refusals after which a batch is divided, and a single record given up. */
const mostRefusals = 4;

type Settings = Pick<WebhookConfig, 'batchSize' | 'batchWait' | 'concurrency' | 'maxAge'>;

export function openBatches(
  settings: Settings,
  post: (records: readonly DispositionRecord[]) => Promise<WebhookVerdict>,
  events: BatchEvents,
): Batches {
  const { batchSize, batchWait, concurrency, maxAge } = settings;
  const fresh: Entry[] = [];
  const again: Batch[] = [];
  const sending = new Set<Promise<void>>();
  let failures = 0;
  let pausedUntil = 0;
  let isClosing = false;
  let timer: NodeJS.Timeout | undefined;

  const takeBatch = (now: number): Batch | undefined => {
    if (now < pausedUntil) return undefined;
    const due = again.findIndex(({ notBefore }) => notBefore <= now);
    if (due >= 0) return again.splice(due, 1)[0];
    const [oldest] = fresh;
    if (!oldest || (fresh.length < batchSize && now < oldest.addedAt + batchWait)) return undefined;
    return { entries: fresh.splice(0, batchSize), refusals: 0, notBefore: 0 };
  };

  const pump = (): void => {
    clearTimeout(timer);
    if (isClosing) return;
    const now = Date.now();
    // One request finds out whether an endpoint that was down is back.
    while (sending.size < (failures > 0 ? 1 : concurrency)) {
      const batch = takeBatch(now);
      if (!batch) return wakeAtNext(now);
      const work = send(batch).finally(() => {
        sending.delete(work);
        pump();
      });
      sending.add(work);
    }
    // The next one that is answered goes on.
  };

  const wakeAtNext = (now: number): void => {
    const times = again.map(({ notBefore }) => notBefore);
    if (fresh[0]) times.push(fresh[0].addedAt + batchWait);
    if (times.length > 0) timer = setTimeout(pump, Math.max(Math.min(...times), pausedUntil) - now + 1);
  };

  const send = async (batch: Batch): Promise<void> => {
    const verdict = await post(batch.entries.map(({ record }) => record));
    if (verdict.kind !== 'later' && failures > 0) {
      events.recovered(failures);
      failures = 0;
    }
    switch (verdict.kind) {
      case 'done':
        return settleAll(batch.entries, { kind: 'done' });
      case 'refused':
        return refuse(batch, verdict.reason);
      case 'later':
        return wait(batch, verdict);
      default:
        return unreachable(verdict);
    }
  };

  /** The endpoint is well: only this batch waits. One record that it cannot stand must not take the others with it. */
  const refuse = (batch: Batch, reason: string): void => {
    if (isClosing) return settleAll(batch.entries, { kind: 'back' });
    const now = Date.now();
    const refusals = batch.refusals + 1;
    const pauseMs = backoffDelay(whenRefused, refusals, Math.random());
    const isLast = refusals >= mostRefusals;
    if (isLast && batch.entries.length === 1) return settleAll(batch.entries, { kind: 'dead', reason });
    events.failed(reason, batch.entries.length, refusals, isLast ? 0 : pauseMs);
    if (!isLast) again.push({ ...batch, refusals, notBefore: now + pauseMs });
    else again.push(...batch.entries.map((entry) => ({ entries: [entry], refusals: mostRefusals - 1, notBefore: now })));
    return undefined;
  };

  const wait = (batch: Batch, { reason, afterMs = 0 }: { reason: string; afterMs?: number }): void => {
    if (isClosing) return settleAll(batch.entries, { kind: 'back' });
    const now = Date.now();
    if (now >= pausedUntil) {
      failures++;
      const pauseMs = Math.max(afterMs, backoffDelay(whenDown, failures, Math.random()));
      pausedUntil = now + pauseMs;
      events.failed(reason, batch.entries.length, failures, pauseMs);
    }
    const isOld = ({ since }: Entry): boolean => now - since > maxAge;
    settleAll(batch.entries.filter(isOld), { kind: 'dead', reason: `${reason}; older than maxAge` });
    const entries = batch.entries.filter((entry) => !isOld(entry));
    if (entries.length > 0) again.unshift({ ...batch, entries });
    return undefined;
  };

  return {
    add: (record, since) =>
      new Promise((settle) => {
        if (isClosing) return settle({ kind: 'back' });
        fresh.push({ record, since, addedAt: Date.now(), settle });
        return pump();
      }),
    close: async () => {
      isClosing = true;
      clearTimeout(timer);
      settleAll([...fresh, ...again.flatMap(({ entries }) => entries)], { kind: 'back' });
      await Promise.all(sending);
    },
  };
}

function settleAll(entries: readonly Entry[], end: RecordEnd): void {
  for (const entry of entries) entry.settle(end);
}
