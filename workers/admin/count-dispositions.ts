import { setTimeout as sleep } from 'node:timers/promises';
import { countedTime, openDispositionCounts, type DispositionCounts } from '../../shared/core/disposition-counts.ts';
import { nextLogId, timeOfLogId } from '../../shared/core/log-id.ts';
import type { Logger } from '../../shared/io/log.ts';
import { readRecords, type RecordSource } from '../../shared/io/record-reader.ts';
import type { RecordLog } from './record-log.ts';

/** Counts of the last day, made from the log by this process alone: nothing is added to what mail costs. */
export interface CountedDispositions {
  counts: DispositionCounts;
  /** Epoch ms: what was logged since then is counted. */
  countedSince: number;
  /** A day, or all that there is, is counted. */
  isAll: boolean;
}

export interface DispositionCounting {
  ask(): Promise<CountedDispositions>;
  close(): void;
}

/** Without a question for so long, counting ends and begins anew with the next. Milliseconds. */
const idleTime = 3_600_000;
const pollInterval = 500;
const pageSize = 1000;
/** An answer waits for so long for what was before it; a page would rather ask again. Milliseconds. */
const firstWait = 250;
/** Of the time that reading back takes, so many times more is rested: other requests and the archiver share the process. */
const rest = 2;
/** Milliseconds. */
const longestTurn = 50;
/** Records read back at most. */
const mostBack = 5_000_000;

interface Counting extends CountedDispositions {
  askedAt: number;
  stop: AbortController;
  /** Settles when reading back has ended; never rejects. */
  back: Promise<void>;
}

/** Counts from the first question on: on with what comes, and back to a day before in the background. */
export function openDispositionCounting(source: RecordSource, log: RecordLog, logger: Logger): DispositionCounting {
  let current: Promise<Counting> | undefined;

  const begin = async (): Promise<Counting> => {
    const end = await log.end();
    const counting: Counting = {
      counts: openDispositionCounts(),
      countedSince: end === '0' ? Date.now() : timeOfLogId(end) + 1,
      isAll: false,
      askedAt: Date.now(),
      stop: new AbortController(),
      back: Promise.resolve(),
    };
    const quietly = (work: Promise<void>): Promise<void> =>
      work.catch((error: unknown) => {
        if (counting.stop.signal.aborted) return;
        logger.warn({ event: 'counting_failed', error: String(error) });
        forget(counting);
      });
    counting.back = quietly(countBack(source, counting, end));
    void quietly(countOn(log, counting, end).then(() => forget(counting)));
    return counting;
  };
  /** The next question begins anew. */
  const forget = ({ stop }: Counting): void => {
    stop.abort();
    current = undefined;
  };
  return {
    ask: async () => {
      current ??= begin().catch((error: unknown) => {
        current = undefined;
        throw error;
      });
      const counting = await current;
      counting.askedAt = Date.now();
      const waiting = new AbortController();
      await Promise.race([counting.back, sleep(firstWait, undefined, { signal: waiting.signal }).catch(() => undefined)]);
      waiting.abort();
      return counting;
    },
    close: () => void current?.then(({ stop }) => stop.abort()).catch(() => undefined),
  };
}

/** Ends when nobody has asked for long. */
async function countOn(log: RecordLog, counting: Counting, from: string): Promise<void> {
  const { counts, stop } = counting;
  let place = from;
  while (!stop.signal.aborted && Date.now() - counting.askedAt < idleTime) {
    const page = await log.after(place, pageSize);
    for (const { at, record } of page) counts.add(timeOfLogId(at), record, Date.now());
    place = page.at(-1)?.at ?? place;
    if (page.length < pageSize) await sleep(pollInterval, undefined, { signal: stop.signal }).catch(() => undefined);
  }
}

async function countBack(source: RecordSource, counting: Counting, end: string): Promise<void> {
  const { counts, stop } = counting;
  const since = Math.max(0, Date.now() - countedTime);
  const enough = new AbortController();
  let read = 0;
  let busySince = performance.now();
  const reading = readRecords(source, {
    order: 'newest',
    // The stream may be empty where the archive is not.
    cursor: end === '0' ? `${Date.now()}-0` : nextLogId(end),
    filter: { since },
    signal: AbortSignal.any([stop.signal, enough.signal]),
    onProgress: ({ at, scanned }) => {
      counting.countedSince = timeOfLogId(at);
      read += scanned;
      if (read >= mostBack) enough.abort();
    },
  });
  for await (const { at, record } of reading) {
    counts.add(timeOfLogId(at), record, Date.now());
    const busy = performance.now() - busySince;
    if (busy < longestTurn) continue;
    await sleep(busy * rest, undefined, { signal: stop.signal }).catch(() => undefined);
    busySince = performance.now();
  }
  if (enough.signal.aborted || stop.signal.aborted) return;
  counting.countedSince = since;
  counting.isAll = true;
}
