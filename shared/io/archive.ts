import { join } from 'node:path';
import { mayContain } from '../core/bloom.ts';
import type { Config } from '../core/config.ts';
import { parseLogLine, type LogEntry } from '../core/log-entry.ts';
import { compareLogIds, isLogId, laterLogId } from '../core/log-id.ts';
import { diskArchive } from './archive-disk.ts';
import { s3Archive } from './archive-s3.ts';
import { isUnreadable, readBlock, readIndex, type Block } from './archive-segment.ts';
import { SegmentGone, segmentSuffix, StoreAway, type ArchiveStore, type OpenSegment, type StoredSegment } from './archive-store.ts';

/** A segment by its name: it holds what was logged after `after`, up to where the next one begins. */
export interface Segment extends StoredSegment {
  after: string;
}

/** Something in the archive that cannot be read. */
export interface Damage {
  segment: string;
  problem: string;
}

/** Entries in a row, in the order asked for, and how far the reading has come with them. */
export interface Page {
  entries: LogEntry[];
  /** The id that was read last, of an entry or not. */
  upTo: string;
  /** Entries looked at, those that an index ruled out included. */
  scanned: number;
}

export interface ArchiveQuery {
  /** Ids, both excluded. */
  after: string;
  before: string | undefined;
  order: 'oldest' | 'newest';
  /** Lists of words of `wordsNeeded`: what the index rules out is not read. */
  words: readonly (readonly string[])[];
  onDamage(damage: Damage): void;
}

/** Of one installation: ids of two logs in one folder would pass for those of one. */
export function openArchiveStore({ archive, dataDir, redis, spool }: Config): ArchiveStore {
  if (archive.driver === 'disk') return diskArchive(join(archive.dir || join(dataDir, 'archive'), redis.prefix), spool.minFreeDisk);
  const folders = [...archive.s3.prefix.split('/'), redis.prefix].filter((folder) => folder !== '');
  return s3Archive(archive.s3, `${folders.join('/')}/`);
}

/**
 * The name of the segment that goes on after a record. Two archivers that have come equally far want the same name, and the
 * store gives it to one of them.
 */
export function segmentName(after: string): string {
  const [time = '', number = ''] = after.split('-');
  return `${time.padStart(15, '0')}-${number}${segmentSuffix}`;
}

/** All segments, oldest first. Files with other names are not ours. */
export async function listSegments(store: ArchiveStore): Promise<Segment[]> {
  const found = (await store.list()).flatMap((segment) => {
    const after = segment.name.slice(0, -segmentSuffix.length).replace(/^0+(?=\d)/, '');
    return isLogId(after) && segmentName(after) === segment.name ? [{ ...segment, after }] : [];
  });
  return found.sort((a, b) => compareLogIds(a.after, b.after));
}

/** The id of the last record that is archived; undefined where there is none to be read. What cannot be read does not count. */
export async function lastArchived(store: ArchiveStore): Promise<string | undefined> {
  for (const { name } of (await listSegments(store).catch(() => [])).reverse()) {
    let isAway = false;
    const last = await lastOfSegment(store, name).catch((error: unknown) => {
      isAway = error instanceof StoreAway;
      return undefined;
    });
    if (last !== undefined || isAway) return last;
  }
  return undefined;
}

/** Reads the archive; what is damaged is told and passed over, and what is removed meanwhile is not missed. */
export async function* readArchive(store: ArchiveStore, query: ArchiveQuery): AsyncGenerator<Page> {
  const segments = await listSegments(store).catch((error: unknown) => {
    query.onDamage({ segment: store.place, problem: problemOf(error) });
    return [];
  });
  const wanted = segments.filter(({ after }, i) => {
    const next = segments[i + 1];
    return (!next || compareLogIds(next.after, query.after) > 0) && (!query.before || compareLogIds(after, query.before) < 0);
  });
  let away: StoreAway | undefined;
  for (const { name } of query.order === 'oldest' ? wanted : wanted.reverse()) {
    // Each would take as long as the first to find out.
    if (away) query.onDamage({ segment: name, problem: away.message });
    else away = yield* readSegment(store, name, query);
  }
}

/** Looks at every octet of a segment; undefined when it is as it should be (or gone). Throws StoreAway: that says nothing about the segment. */
export async function checkSegment(store: ArchiveStore, name: string): Promise<Damage | undefined> {
  const damages: Damage[] = [];
  const everything: ArchiveQuery = {
    after: '0-0',
    before: undefined,
    order: 'oldest',
    words: [],
    onDamage: (damage) => damages.push(damage),
  };
  let found = 0;
  const reading = readSegment(store, name, everything);
  let step = await reading.next();
  for (; !step.done; step = await reading.next()) found += step.value.entries.length;
  if (step.value) throw step.value;
  if (damages.length > 0) return damages[0];
  const promised = await withSegment(store, name, async (file) => (await readIndex(file)).records).catch(undefinedIfDamaged);
  return promised === undefined || promised === found
    ? undefined
    : { segment: name, problem: `${found} of ${promised} records can be read` };
}

/** The id of the last record that a segment answers for; undefined when it is gone. Throws SegmentDamaged. */
export const lastOfSegment = (store: ArchiveStore, name: string): Promise<string | undefined> =>
  withSegment(store, name, async (file) => (await readIndex(file)).last);

/** Returns why the store is away when it was found to be. */
async function* readSegment(store: ArchiveStore, name: string, query: ArchiveQuery): AsyncGenerator<Page, StoreAway | undefined> {
  const { after, before, order } = query;
  let isGone = false;
  let away: StoreAway | undefined;
  const damaged = (error: unknown): undefined => {
    isGone = error instanceof SegmentGone;
    if (error instanceof StoreAway) away = error;
    if (!isGone) query.onDamage({ segment: name, problem: problemOf(error) });
    return undefined;
  };
  const file = await store.open(name).catch(damaged);
  if (!file) return away;
  try {
    const index = await readIndex(file).catch(damaged);
    if (!index) return away;
    const isInside = (block: Block): boolean => compareLogIds(block.last, after) > 0 && (!before || compareLogIds(block.first, before) < 0);
    const blocks = index.blocks.filter(isInside);
    for (const block of order === 'oldest' ? blocks : blocks.reverse()) {
      const lines = mayFit(block, query) ? await readBlock(file, block).catch(damaged) : [];
      if (isGone || away) return away;
      if (!lines) continue;
      const entries = lines
        .flatMap((line) => parseLogLine(line) ?? [])
        .filter(({ at }) => compareLogIds(at, after) > 0 && (!before || compareLogIds(at, before) < 0));
      if (order === 'newest') entries.reverse();
      yield { entries, upTo: order === 'oldest' ? block.last : block.first, scanned: block.records };
    }
    // What the segment answers for beyond its last record: entries that were no records of ours.
    if (order === 'oldest' && !before) yield { entries: [], upTo: laterLogId(index.last, after), scanned: 0 };
    return undefined;
  } finally {
    await file.close();
  }
}

const mayFit = ({ bloom }: Block, { words }: ArchiveQuery): boolean => words.every((some) => some.some((word) => mayContain(bloom, word)));

async function withSegment<T>(store: ArchiveStore, name: string, work: (file: OpenSegment) => Promise<T>): Promise<T | undefined> {
  const file = await store.open(name);
  if (!file) return undefined;
  try {
    return await work(file);
  } finally {
    await file.close();
  }
}

function undefinedIfDamaged(error: unknown): undefined {
  if (isUnreadable(error)) return undefined;
  throw error;
}

/** A disk that cannot read is told of like a damage: the rest may still be had. */
const problemOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
