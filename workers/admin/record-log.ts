import { recipientsOf, type DispositionRecord, type RecordType } from '../../shared/core/disposition.ts';
import { parseRecordText } from '../../shared/core/log-entry.ts';
import type { RedisLink } from '../../shared/io/redis.ts';

/** A record and its place in the log. */
export interface Entry {
  /** `<epoch ms>-<number>`: the id of the stream entry. */
  at: string;
  record: DispositionRecord;
}

export interface Filter {
  /** None: every type. */
  types: ReadonlySet<RecordType>;
  /** A mailbox, or `@domain` for all of a domain; any case. */
  recipient?: string;
  /** A lane as records name it (`egressPath`). */
  site?: string;
}

export interface Page {
  /** Newest first. */
  entries: Entry[];
  /** Where to go on, as `before`; undefined when the log has no more. */
  next: string | undefined;
}

/** Reading the disposition log. Every read is bounded: the log may hold millions of records. */
export interface RecordLog {
  /** The newest `limit` records that fit, older than `before`. A page may be short, or empty, and still have a `next`. */
  newest(filter: Filter, limit: number, before?: string): Promise<Page>;
  /** At most `count` records newer than `after`, oldest first. */
  after(after: string, count: number): Promise<Entry[]>;
  /** The place of the newest record: what comes later is after it. */
  end(): Promise<string>;
  /** Does the log begin after this place, so that records may be missing between? */
  isBefore(at: string): Promise<boolean>;
  /** The records of a message, oldest first; `isComplete` is false when the log is too long to have been read in full. */
  ofMessage(id: string): Promise<{ entries: Entry[]; isComplete: boolean }>;
}

/** Records read for one request at most, from each end. */
const longestScan = 50_000;
const pageSize = 1000;
/** The clock of the server that made the id may be ahead of that of Redis. Milliseconds. */
const clockSkew = 5000;

export function openRecordLog(redis: RedisLink): RecordLog {
  const key = redis.key('log');
  const { client } = redis;
  const forward = (from: string, count: number): Promise<RawEntry[]> => client.xrange(key, from, '+', 'COUNT', count);
  const backward = (from: string, count: number): Promise<RawEntry[]> => client.xrevrange(key, from, '-', 'COUNT', count);

  return {
    newest: async (filter, limit, before) => {
      const entries: Entry[] = [];
      let from = before === undefined ? '+' : `(${before}`;
      for (let scanned = 0; scanned < longestScan; scanned += pageSize) {
        const raw = await backward(from, pageSize);
        for (const entry of parseEntries(raw)) {
          if (!fits(entry.record, filter)) continue;
          entries.push(entry);
          if (entries.length === limit) return { entries, next: entry.at };
        }
        const last = raw.at(-1)?.[0];
        if (last === undefined || raw.length < pageSize) return { entries, next: undefined };
        from = `(${last}`;
      }
      return { entries, next: from.slice(1) };
    },
    after: async (after, count) => parseEntries(await forward(`(${after}`, count)),
    end: async () => (await client.xrevrange(key, '+', '-', 'COUNT', 1))[0]?.[0] ?? '0',
    isBefore: async (at) => {
      const [first] = await forward('-', 1);
      return first !== undefined && compareIds(at, first[0]) < 0;
    },
    ofMessage: async (id) => {
      const created = Number.parseInt(id.slice(0, 12), 16);
      const found = new Map<string, DispositionRecord>();
      const keep = (raw: RawEntry[]): void => {
        // Most entries are of other messages: the text tells without parsing it.
        for (const { at, record } of parseEntries(raw.filter(([, [, text]]) => text?.includes(id))))
          if (record.id === id) found.set(at, record);
      };
      const start = await scan(forward, String(Math.max(created - clockSkew, 0)), keep);
      const end = start === 'all' ? start : await scan(backward, '+', keep, (at) => compareIds(at, start) <= 0);
      const entries = [...found].sort(([a], [b]) => compareIds(a, b)).map(([at, record]) => ({ at, record }));
      return { entries, isComplete: end === 'all' };
    },
  };
}

type RawEntry = [id: string, fields: string[]];

/** Reads on until there is no more, or `isEnough` says so (`all`), or too much was read: then the id of the last one read. */
async function scan(
  read: (from: string, count: number) => Promise<RawEntry[]>,
  start: string,
  keep: (raw: RawEntry[]) => void,
  isEnough: (at: string) => boolean = () => false,
): Promise<string> {
  let from = start;
  for (let scanned = 0; scanned < longestScan; scanned += pageSize) {
    const raw = await read(from, pageSize);
    keep(raw);
    const last = raw.at(-1)?.[0];
    if (last === undefined || raw.length < pageSize || isEnough(last)) return 'all';
    from = `(${last}`;
  }
  return from.slice(1);
}

/** An entry that somebody else put there is passed over. */
const parseEntries = (raw: readonly RawEntry[]): Entry[] =>
  raw.flatMap(([at, fields]) => {
    const record = parseRecordText(fields[fields.indexOf('r') + 1]);
    return record ? [{ at, record }] : [];
  });

function fits(record: DispositionRecord, { types, recipient, site }: Filter): boolean {
  if (site !== undefined && record.site !== site) return false;
  if (types.size > 0 && !types.has(record.type)) return false;
  if (recipient === undefined) return true;
  const wanted = recipient.toLowerCase();
  return recipientsOf(record).some((address) =>
    wanted.startsWith('@') ? address.toLowerCase().endsWith(wanted) : address.toLowerCase() === wanted,
  );
}

function compareIds(a: string, b: string): number {
  const [aMs = 0, aSeq = 0] = a.split('-').map(Number);
  const [bMs = 0, bSeq = 0] = b.split('-').map(Number);
  return aMs - bMs || aSeq - bSeq;
}
