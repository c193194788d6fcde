import { parseLogFilter, type FilterField, type LogFilter } from '../../shared/core/log-filter.ts';
import { firstLogId, isLogId } from '../../shared/core/log-id.ts';
import type { LogEntry } from '../../shared/core/log-entry.ts';
import type { Damage } from '../../shared/io/archive.ts';
import { readRecords, type ReadOptions, type RecordSource } from '../../shared/io/record-reader.ts';
import { badRequest, Problem } from './problem.ts';

/** Redis and this machine may not agree about the time. Milliseconds. */
const clockSkew = 60_000;

/** The filter of a request, of which other fields are passed over. Throws Problem with every field that is wrong. */
export function readFilter(fields: Partial<Record<FilterField, string | undefined>>): LogFilter {
  const now = Date.now();
  const read = parseLogFilter(fields, now);
  if ('problems' in read) throw badRequest(read.problems);
  if ((read.filter.since ?? 0) > now + clockSkew) throw badRequest([{ field: 'since', message: 'expected a time that has been' }]);
  return read.filter;
}

/** Where a reading of the log goes on: what a relative time meant at its beginning goes on to hold. */
export interface Place {
  order: 'newest' | 'oldest';
  /** The id up to which everything was read. */
  at: string;
  since?: number;
  until?: number;
}

export const formatPlace = ({ order, at, since, until }: Place): string =>
  Buffer.from(JSON.stringify([order === 'newest' ? 'n' : 'o', at, since ?? null, until ?? null])).toString('base64url');

/** Throws Problem for what is no cursor of this order. */
export function parsePlace(cursor: string, order: Place['order']): Place {
  const parts = jsonOf(cursor);
  if (Array.isArray(parts) && parts.length === 4) {
    const [letter, at, since, until] = parts as unknown[];
    const isPlace = typeof at === 'string' && isLogId(at) && (order === 'oldest' || at !== firstLogId);
    if (isPlace && letter === order.charAt(0) && isTime(since) && isTime(until))
      return { order, at, ...(since !== null && { since }), ...(until !== null && { until }) };
  }
  throw badRequest([{ field: 'cursor', message: `expected the "next" of a page before, with the order ${order}` }]);
}

/** A part of the log that was read in bounded time. */
export interface Reading {
  /** Undefined when everything was read. */
  stoppedAt: string | undefined;
  damage: Damage[];
}

/** Readings of one admin process at the same time: each may take a core. */
const mostAtOnce = 12;
const mostDamages = 20;
let running = 0;

/**
 * Reads the log and its archive until `take` says that it is enough, or for `budget` ms. Throws Problem (503) when too
 * many read at once. Other requests are answered in between.
 */
export async function readBounded(
  source: RecordSource,
  options: ReadOptions,
  budget: number,
  take: (entry: LogEntry) => boolean | undefined,
): Promise<Reading> {
  if (running >= mostAtOnce) throw new Problem(503, 'too many searches at once', {}, { 'retry-after': '2' });
  running += 1;
  const enough = new AbortController();
  const deadline = performance.now() + budget;
  const damage: Damage[] = [];
  let at: string | undefined;
  let isOver = false;
  try {
    const reading = readRecords(source, {
      ...options,
      signal: enough.signal,
      onDamage: (one) => damage.length < mostDamages && damage.push({ ...one, problem: one.problem.slice(0, 300) }),
      onProgress: (progress) => {
        at = progress.at;
        isOver = performance.now() > deadline;
        if (isOver) enough.abort();
      },
    });
    for await (const entry of reading) {
      if (take(entry) === true) return { stoppedAt: entry.at, damage };
      if (performance.now() > deadline) return { stoppedAt: entry.at, damage };
    }
    return { stoppedAt: isOver ? at : undefined, damage };
  } finally {
    running -= 1;
  }
}

const isTime = (value: unknown): value is number | null => value === null || (Number.isSafeInteger(value) && Number(value) >= 0);

function jsonOf(cursor: string): unknown {
  try {
    return JSON.parse(Buffer.from(cursor, 'base64url').toString());
  } catch {
    return undefined;
  }
}
