import { setTimeout as sleep } from 'node:timers/promises';
import { parseRecordText, type LogEntry } from '../core/log-entry.ts';
import { recordMatcher, wordsNeeded, type LogFilter } from '../core/log-filter.ts';
import { compareLogIds, firstLogId, lastLogIdBefore, laterLogId } from '../core/log-id.ts';
import { lastArchived, readArchive, type Damage, type Page } from './archive.ts';
import type { ArchiveStore } from './archive-store.ts';
import type { RedisLink } from './redis.ts';

export interface ReadOptions {
  filter?: LogFilter;
  /** Default `oldest` first. */
  order?: 'oldest' | 'newest';
  /** Go on behind this id, in the order of reading: the `at` of the entry that was dealt with last. */
  cursor?: string;
  /** Wait for more at the end of the log, which ends the reading only by `signal`. With the order `oldest`. */
  follow?: boolean;
  /** Ends the reading at the next page. */
  signal?: AbortSignal;
  /** Something in the archive cannot be read and is passed over. */
  onDamage?: (damage: Damage) => void;
  /** Called as the reading goes on, whether anything fits or not: `at` is a cursor, `scanned` the entries since the call before. */
  onProgress?: (progress: { at: string; scanned: number }) => void;
}

/** The stream, and the archive where there is one on this machine. */
export interface RecordSource {
  redis: RedisLink;
  archive?: ArchiveStore;
}

/**
 * Reads the disposition log: archive and stream as one, in its order, each record once, while records come in, are archived
 * and trimmed. Holds one page in memory. Resumable: with the id of the last entry as `cursor` it goes on behind that.
 */
export async function* readRecords(source: RecordSource, options: ReadOptions = {}): AsyncGenerator<LogEntry> {
  const { filter = {}, signal, onProgress, onDamage } = options;
  const fits = recordMatcher(filter);
  // The archive may be looked at again and again.
  const told = new Set<string>();
  const tellOnce = (damage: Damage): void => {
    const words = `${damage.segment} ${damage.problem}`;
    if (!told.has(words)) onDamage?.(damage);
    told.add(words);
  };
  const request = { ...options, onDamage: tellOnce };
  const pages = options.order === 'newest' ? newestFirst(source, request) : oldestFirst(source, request);
  for await (const { entries, upTo, scanned } of pages) {
    if (signal?.aborted) return;
    for (const entry of entries) if (fits(entry.record)) yield entry;
    onProgress?.({ at: upTo, scanned });
  }
}

const pageSize = 1000;
/** How often a follower looks for more. Milliseconds. */
const lookInterval = 200;

async function* oldestFirst({ redis, archive }: RecordSource, options: ReadOptions): AsyncGenerator<Page> {
  const { filter = {}, follow = false, signal } = options;
  const before = filter.until === undefined ? undefined : `${filter.until}-0`;
  if (before === firstLogId) return; // Redis refuses a range that ends before everything
  let position = laterLogId(options.cursor ?? firstLogId, lastLogIdBefore(filter.since ?? 0));
  const archived = async function* (): AsyncGenerator<Page> {
    if (!archive) return;
    for await (const page of readArchive(archive, { ...archiveQuery(options), after: position, before, order: 'oldest' })) {
      position = laterLogId(position, page.upTo);
      yield page;
    }
  };
  yield* archived();
  while (!signal?.aborted) {
    const { entries, oldest } = await readStream(redis, `(${position}`, before === undefined ? '+' : `(${before}`);
    // The stream begins behind us: what is missing may have been archived and trimmed since the archive was read. When
    // the archive has no more either, there was nothing, or it is lost.
    if (archive && (oldest === undefined || compareLogIds(oldest, position) > 0)) {
      const from = position;
      yield* archived();
      if (position !== from) continue;
    }
    const last = entries.at(-1);
    if (last) {
      position = last.at;
      yield pageOf(entries, position);
    }
    if (entries.length === pageSize) continue;
    if (!follow || (filter.until !== undefined && Date.now() > filter.until + clockSkew)) return;
    await sleep(lookInterval, undefined, { ...(signal && { signal }) }).catch(() => undefined);
  }
}

async function* newestFirst({ redis, archive }: RecordSource, options: ReadOptions): AsyncGenerator<Page> {
  const { filter = {}, signal } = options;
  const after = lastLogIdBefore(filter.since ?? 0);
  let position = filter.until === undefined ? options.cursor : `${filter.until}-0`;
  if (options.cursor !== undefined && position !== undefined && compareLogIds(options.cursor, position) < 0) position = options.cursor;
  if (position === firstLogId) return;
  // As far as the archive reaches it is read from there: the stream's part of it may be trimmed at any time.
  const bottom = laterLogId(after, (archive && (await lastArchived(archive))) ?? firstLogId);
  for (let isEnd = false; !isEnd && !signal?.aborted;) {
    const { entries } = await readStream(redis, `(${bottom}`, position === undefined ? '+' : `(${position}`, true);
    isEnd = entries.length < pageSize;
    const last = entries.at(-1);
    if (!last) continue;
    position = last.at;
    yield pageOf(entries, position);
  }
  // Listed again only now: what was trimmed while we read was archived before, and is older than our position.
  if (archive) yield* readArchive(archive, { ...archiveQuery(options), after, before: position, order: 'newest' });
}

const archiveQuery = ({ filter = {}, onDamage }: ReadOptions) => ({ words: wordsNeeded(filter), onDamage: onDamage ?? (() => undefined) });

/** Redis and this machine may not agree about the time. Milliseconds. */
const clockSkew = 5000;

interface RawEntry {
  at: string;
  text: string | undefined;
}

/**
 * A page of the stream, and the oldest id that it has afterwards. Not one transaction, which a full Redis refuses though it
 * only reads: what is trimmed in between has us look into the archive once too often.
 */
async function readStream(
  redis: RedisLink,
  from: string,
  to: string,
  isBackward = false,
): Promise<{ entries: RawEntry[]; oldest: string | undefined }> {
  const key = redis.key('log');
  const trip = redis.client.pipeline();
  if (isBackward) trip.xrevrange(key, to, from, 'COUNT', pageSize);
  else trip.xrange(key, from, to, 'COUNT', pageSize);
  trip.xrange(key, '-', '+', 'COUNT', 1);
  const [page, first] = ((await trip.exec()) ?? []).map(([error, value]) => {
    if (error) throw error;
    return value as [id: string, fields: string[]][];
  });
  return {
    entries: (page ?? []).map(([at, fields]) => ({ at, text: fields[fields.indexOf('r') + 1] })),
    oldest: first?.[0]?.[0],
  };
}

/** An entry that somebody else put there is passed over. */
const pageOf = (raw: readonly RawEntry[], upTo: string): Page => ({
  entries: raw.flatMap(({ at, text }) => {
    const record = parseRecordText(text);
    return record ? [{ at, record }] : [];
  }),
  upTo,
  scanned: raw.length,
});
