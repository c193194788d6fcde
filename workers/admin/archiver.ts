import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { formatLogLine, parseRecordText } from '../../shared/core/log-entry.ts';
import { indexWords } from '../../shared/core/log-filter.ts';
import { compareLogIds, laterLogId } from '../../shared/core/log-id.ts';
import { backoffDelay } from '../../shared/core/webhook.ts';
import { joinArchiveGroup, setArchivePosition } from '../../shared/io/archive-position.ts';
import { segmentWriter, type SegmentWriter } from '../../shared/io/archive-segment.ts';
import type { ArchiveStore, Draft } from '../../shared/io/archive-store.ts';
import { segmentName } from '../../shared/io/archive.ts';
import type { Context } from '../../shared/io/context.ts';
import { withTimeout } from '../../shared/io/with-timeout.ts';
import { openArchiveLag } from './archive-lag.ts';
import { endOfArchive, removeOldSegments } from './archive-upkeep.ts';

export interface ArchiverOptions {
  /** A segment is finished at this size (octets, unpacked) or age (milliseconds). Larger ones are fewer to search. */
  segmentBytes: number;
  segmentAge: number;
  /** How often the log is looked at. Milliseconds. */
  pollInterval: number;
  /** How long an archiver that gives no sign is believed to be alive. Milliseconds. */
  lease: number;
}

const usual: ArchiverOptions = { segmentBytes: 64 * 1024 * 1024, segmentAge: 3_600_000, pollInterval: 1000, lease: 30_000 };
const pageSize = 500;
/** For the work in hand at the end. Milliseconds. */
const patience = 2000;
/** Between attempts after errors. Milliseconds. */
const longestPause = 60_000;
/** How often the bounds of the archive are looked after. Milliseconds. */
const upkeepInterval = 60_000;

/**
 * Moves the disposition log into the archive, segment by segment. What is archived is what a finished segment holds: it is
 * written where nobody sees it, made durable, given its name, and only then the position in Redis advances. Whoever begins looks at
 * the newest segment first; so a crash at any point repeats the work of one segment and nothing else. Of several archivers
 * one works; should two of them, the store gives the next name to one.
 */
export function startArchiver(context: Context, store: ArchiveStore, options: Partial<ArchiverOptions> = {}): { close(): Promise<void> } {
  const { log, metrics, config } = context;
  const settings = { ...usual, ...options };
  // Each attempt reads what is pending again, and a full disk is filled again.
  const pauses = { first: settings.pollInterval, max: Math.max(settings.pollInterval, longestPause) };
  const closing = new AbortController();
  const leadership = openLeadership(context, settings.lease);
  const lag = openArchiveLag(context, settings.segmentAge);
  let work: Work | undefined;
  let lookedAfterAt = 0;
  let problem: string | undefined;
  let failures = 0;

  const round = async (): Promise<void> => {
    for (let isEnd = false; !isEnd && !closing.signal.aborted;) {
      if (!(await leadership.take())) {
        await work?.drop();
        work = undefined;
        lag.forget();
        return;
      }
      const isNew = work === undefined;
      work ??= await begin(context, store, settings);
      const page = await work.readPage(pageSize);
      if (isNew && failures === 0) log.info({ event: 'archive_begins', place: store.place, after: work.after });
      isEnd = page.isEnd;
      lag.see(page.added, work.pending, isEnd);
      // Somebody else was faster, or leads by now: where to go on is looked up again.
      if (work.isDue() && !(await work.finish(leadership.take))) work = undefined;
    }
    if (Date.now() - lookedAfterAt < upkeepInterval) return;
    lookedAfterAt = Date.now();
    metrics.archiveSize.set(await removeOldSegments(store, config.archive, log));
  };

  const tell = (error: unknown): void => {
    metrics.archiveErrors.inc();
    const message = error instanceof Error ? error.message : String(error);
    // One line per change of mind.
    if (message !== problem) log.error({ event: 'archive_failed', error: message });
    problem = message;
  };

  const run = async (): Promise<void> => {
    while (!closing.signal.aborted) {
      try {
        await round();
        if (problem !== undefined) log.info({ event: 'archive_works' });
        problem = undefined;
        failures = 0;
      } catch (error) {
        tell(error);
        failures += 1;
        await work?.drop().catch(() => undefined);
        work = undefined;
      }
      if (leadership.isHeld) await lag.measure().catch(() => undefined);
      await sleep(failures === 0 ? settings.pollInterval : backoffDelay(pauses, failures, 1), undefined, { signal: closing.signal }).catch(
        () => undefined,
      );
    }
    await work?.drop().catch(() => undefined);
    await leadership.giveUp().catch(() => undefined);
  };
  const running = run();
  return {
    close: async () => {
      closing.abort();
      // Redis may be away and never answer. Whoever begins next does what was left undone, as after a crash.
      await withTimeout(running, patience).catch(() => undefined);
    },
  };
}

/** The way on from a position. */
interface Work {
  /** The id that the archive ends at. */
  readonly after: string;
  /** Entries read that are not durable yet. */
  readonly pending: number;
  /** Reads on. `added`: entries that Redis had ever been given by then; undefined where it does not tell (before version 7). */
  readPage(count: number): Promise<{ isEnd: boolean; added: number | undefined }>;
  isDue(): boolean;
  /** Finishes the open segment; false when that was another archiver's business, and this work is over. */
  finish(isLeader: () => Promise<boolean>): Promise<boolean>;
  drop(): Promise<void>;
}

/** The segment in the making. */
interface Open {
  draft: Draft;
  writer: SegmentWriter;
  written: number;
  /** Epoch ms. */
  since: number;
}

async function begin(context: Context, store: ArchiveStore, { segmentBytes, segmentAge }: ArchiverOptions): Promise<Work> {
  const { redis, log, metrics } = context;
  const key = redis.key('log');
  await store.prepare();
  const inRedis = await joinArchiveGroup(redis);
  const archived = (await endOfArchive(store, inRedis, log)) ?? inRedis;
  await assertNotAhead(context, store, archived);
  // Either may be ahead: the archive after a crash, Redis when the newest segments were removed for their age.
  let position = laterLogId(inRedis, archived);
  await setArchivePosition(redis, position);
  let readUpTo = position;
  let pending = 0;
  let open: Open | undefined;

  const add = async (at: string, text: string): Promise<void> => {
    const record = parseRecordText(text);
    if (record) {
      open ??= await openSegment(store);
      await open.writer.add(at, formatLogLine({ at, record }, text), indexWords(record));
    }
    // What is no record counts as dealt with.
    readUpTo = at;
    pending += 1;
  };
  return {
    get after() {
      return position;
    },
    get pending() {
      return pending;
    },
    readPage: async (count) => {
      const answers = (await redis.client.multi().xrange(key, `(${readUpTo}`, '+', 'COUNT', count).xinfo('STREAM', key).exec()) ?? [];
      for (const [error] of answers) if (error) throw error;
      const page = answers[0]?.[1] as [id: string, fields: string[]][];
      const info = answers[1]?.[1] as unknown[];
      for (const [at, fields] of page) await add(at, fields[fields.indexOf('r') + 1] ?? '');
      const added = info.indexOf('entries-added');
      return { isEnd: page.length < count, added: added < 0 ? undefined : Number(info[added + 1]) };
    },
    isDue: () => open !== undefined && (open.writer.bytes >= segmentBytes || Date.now() - open.since >= segmentAge),
    finish: async (isLeader) => {
      if (!open) return true;
      const { draft, writer } = open;
      const last = readUpTo;
      await writer.finish(last);
      // The store tells who is too late. That nobody went on from here is asked first because of segments that were removed since.
      const isMine = (await isLeader()) && (await joinArchiveGroup(redis)) === position;
      if (!isMine) await draft.discard();
      if (!isMine || !(await draft.commit(segmentName(position)))) return false;
      await setArchivePosition(redis, last);
      metrics.archived.inc(writer.records);
      metrics.archivedBytes.inc(open.written);
      log.info({ event: 'archived', segment: segmentName(position), records: writer.records, bytes: open.written });
      position = last;
      pending = 0;
      open = undefined;
      return true;
    },
    drop: async () => {
      await open?.draft.discard();
    },
  };
}

/**
 * An archive that ends after the newest id ever given (Redis lost its data, or its clock went back) would pass for having what comes
 * next. A log that is empty goes on behind it; else it is for a person to say what is right, and nothing is given up for trimming.
 */
async function assertNotAhead({ redis }: Context, store: ArchiveStore, archived: string): Promise<void> {
  const key = redis.key('log');
  const info = (await redis.client.xinfo('STREAM', key)) as unknown[];
  const newest = String(info[info.indexOf('last-generated-id') + 1]);
  if (compareLogIds(archived, newest) <= 0 || (await redis.client.eval(goOnBehind, 1, key, archived)) === 1) return;
  throw new Error(`the archive in ${store.place} is ahead of the log: it ends at ${archived}, the log at ${newest}; see docs/log.md`);
}

/** Between a look at the log and a write a record could come. */
const goOnBehind = `if redis.call('xlen', KEYS[1]) > 0 then return 0 end redis.call('xsetid', KEYS[1], ARGV[1]) return 1`;

async function openSegment(store: ArchiveStore): Promise<Open> {
  const draft = await store.create();
  const open: Open = { draft, written: 0, since: Date.now(), writer: segmentWriter((chunk) => write(chunk)) };
  const write = (chunk: Uint8Array): Promise<void> => {
    open.written += chunk.length;
    return draft.write(chunk);
  };
  return open;
}

/** Who archives. An economy, not what keeps records from being doubled. */
function openLeadership({ redis, instance }: Context, lease: number) {
  const key = redis.key('archiver');
  const me = `${instance}/${randomUUID()}`;
  let isHeld = false;
  return {
    get isHeld() {
      return isHeld;
    },
    /** Takes it, or keeps it. */
    take: async (): Promise<boolean> => {
      isHeld = (await redis.client.set(key, me, 'PX', lease, 'NX')) === 'OK' || (await redis.client.eval(renew, 1, key, me, lease)) === 1;
      return isHeld;
    },
    giveUp: async (): Promise<void> => {
      await redis.client.eval(release, 1, key, me);
    },
  };
}

const renew = `if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('pexpire', KEYS[1], ARGV[2]) end return 0`;
const release = `if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end return 0`;
