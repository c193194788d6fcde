import { recipientsOf, recordTypes, type DispositionRecord, type RecordType } from './disposition.ts';

/**
 * What happened within a day, as counts of recipients in bounded memory: types and classes by minute, sites by tens of
 * minutes. Records may be added in any order of time.
 */
export interface DispositionCounts {
  /** `at`: epoch ms at which it was logged. What is older than a day before `now` is passed over. */
  add(at: number, record: DispositionRecord, now: number): void;
  /** `since`, `now`: epoch ms; `step`: minutes of a count. */
  read(since: number, now: number, step: number, top: number): CountsOverTime;
}

export interface CountsOverTime {
  /** Epoch ms of the first step. */
  start: number;
  steps: number;
  types: Record<RecordType, number[]>;
  failures: ClassCounts[];
  deferrals: ClassCounts[];
  sites: SiteCounts[];
}

export interface ClassCounts {
  class: string;
  total: number;
  counts: number[];
}

export interface SiteCounts {
  site: string;
  delivered: number;
  deferred: number;
  failed: number;
  last_reply: LastReply | null;
}

export interface LastReply {
  time: string;
  type: string;
  code: number;
  enhanced: string | null;
  content: string;
}

/** What is beyond the names counted apart. */
export const others = '(others)';

const minute = 60_000;
export const countedTime = 24 * 60 * minute;
/** Minutes of a count of sites. */
const siteStep = 10;
const mostClasses = 40;
const mostSites = 200;
const mostReplies = 2000;
/** Characters. */
const longestName = 200;
const longestReply = 300;

const failed: ReadonlySet<RecordType> = new Set(['Bounce', 'Expiration', 'OOB', 'AdminBounce']);
const classified: ReadonlySet<RecordType> = new Set(['Bounce', 'Expiration', 'OOB']);

interface Minute {
  types: Map<RecordType, number>;
  failures: Map<string, number>;
  deferrals: Map<string, number>;
}

type SiteCount = Omit<SiteCounts, 'site' | 'last_reply'>;

export function openDispositionCounts(): DispositionCounts {
  const minutes = new Map<number, Minute>();
  const sites = new Map<number, Map<string, SiteCount>>();
  const replies = new Map<string, { at: number; reply: LastReply }>();
  let newest = 0;

  const forget = (now: number): void => {
    for (const n of minutes.keys()) if ((n + 1) * minute <= now - countedTime) minutes.delete(n);
    for (const n of sites.keys()) if ((n + 1) * siteStep * minute <= now - countedTime) sites.delete(n);
  };
  const addSite = (at: number, record: DispositionRecord, count: number): void => {
    const what = record.type === 'Delivery' ? 'delivered' : record.type === 'TransientFailure' ? 'deferred' : 'failed';
    const name = siteOf(record);
    if (name === '' || (what === 'failed' && !failed.has(record.type))) return;
    const counts = entry(sites, Math.floor(at / minute / siteStep), () => new Map<string, SiteCount>());
    const key = counts.has(name) || counts.size < mostSites ? name : others;
    entry(counts, key, () => ({ delivered: 0, deferred: 0, failed: 0 }))[what] += count;
    if (record.response.local === true || (replies.get(name)?.at ?? 0) > at) return;
    // The one that was told of longest ago gives way.
    replies.delete(name);
    replies.set(name, { at, reply: replyOf(record) });
    const [oldest] = replies.keys();
    if (replies.size > mostReplies && oldest !== undefined) replies.delete(oldest);
  };
  return {
    add: (at, record, now) => {
      if (at <= now - countedTime || !isKnownType(record.type)) return;
      const n = Math.floor(at / minute);
      if (n > newest) forget(now);
      newest = Math.max(newest, n);
      const counts = entry(minutes, n, () => ({ types: new Map(), failures: new Map(), deferrals: new Map() }) as Minute);
      // What was refused before any recipient was named counts as one.
      const count = Math.max(1, recipientsOf(record).length);
      counts.types.set(record.type, (counts.types.get(record.type) ?? 0) + count);
      if (classified.has(record.type)) addName(counts.failures, String(record.bounce_classification), count, mostClasses);
      if (record.type === 'TransientFailure') addName(counts.deferrals, String(record.bounce_classification), count, mostClasses);
      addSite(at, record, count);
    },
    read: (since, now, step, top) => {
      const width = step * minute;
      const start = Math.floor(since / width) * width;
      const steps = Math.floor(now / width) - start / width + 1;
      const zeros = (): number[] => Array.from({ length: steps }, () => 0);
      const types = Object.fromEntries(recordTypes.map((type) => [type, zeros()])) as Record<RecordType, number[]>;
      const classes = { failures: new Map<string, number[]>(), deferrals: new Map<string, number[]>() };
      for (const [n, counts] of minutes) {
        const place = Math.floor((n * minute - start) / width);
        if (place < 0 || place >= steps) continue;
        for (const [type, count] of counts.types) types[type][place] = (types[type][place] ?? 0) + count;
        for (const kind of ['failures', 'deferrals'] as const) {
          for (const [name, count] of counts[kind]) {
            const series = entry(classes[kind], name, zeros);
            series[place] = (series[place] ?? 0) + count;
          }
        }
      }
      const inTime = [...sites].flatMap(([n, counts]) => ((n + 1) * siteStep * minute > since ? [counts] : []));
      return {
        start,
        steps,
        types,
        failures: topClasses(classes.failures, top),
        deferrals: topClasses(classes.deferrals, top),
        sites: topSites(inTime, replies, top),
      };
    },
  };
}

const isKnownType = (type: string): type is RecordType => (recordTypes as readonly string[]).includes(type);

function entry<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  let value = map.get(key);
  if (value === undefined) map.set(key, (value = make()));
  return value;
}

function addName(counts: Map<string, number>, name: string, count: number, most: number): void {
  const cut = name.slice(0, longestName);
  const key = counts.has(cut) || counts.size < most ? cut : others;
  counts.set(key, (counts.get(key) ?? 0) + count);
}

/** The site whatever the source. */
function siteOf({ site }: DispositionRecord): string {
  if (typeof site !== 'string') return '';
  return site.slice(site.indexOf('->') + (site.includes('->') ? 2 : 1)).slice(0, longestName);
}

function replyOf({ type, event_time, response }: DispositionRecord): LastReply {
  const e = response.enhanced_code;
  return {
    time: String(event_time).slice(0, 40),
    type,
    code: Number(response.code) || 0,
    enhanced: e ? `${e.class}.${e.subject}.${e.detail}`.slice(0, 20) : null,
    content: response.content.slice(0, longestReply),
  };
}

function topClasses(classes: ReadonlyMap<string, number[]>, top: number): ClassCounts[] {
  const all = [...classes].map(([name, counts]) => ({ class: name, total: counts.reduce((sum, n) => sum + n, 0), counts }));
  return rank(
    all,
    ({ total }) => total,
    top,
    (rest) => ({
      class: others,
      total: rest.reduce((sum, { total }) => sum + total, 0),
      counts: (rest[0]?.counts ?? []).map((_, i) => rest.reduce((sum, { counts }) => sum + (counts[i] ?? 0), 0)),
    }),
    (one) => one.class,
  );
}

function topSites(
  parts: readonly ReadonlyMap<string, SiteCount>[],
  replies: ReadonlyMap<string, { reply: LastReply }>,
  top: number,
): SiteCounts[] {
  const sums = new Map<string, SiteCount>();
  for (const part of parts) {
    for (const [site, { delivered, deferred, failed: lost }] of part) {
      const sum = entry(sums, site, () => ({ delivered: 0, deferred: 0, failed: 0 }));
      sum.delivered += delivered;
      sum.deferred += deferred;
      sum.failed += lost;
    }
  }
  const all = [...sums].map(([site, sum]): SiteCounts => ({ site, ...sum, last_reply: replies.get(site)?.reply ?? null }));
  return rank(
    all,
    ({ delivered, deferred, failed: lost }) => delivered + deferred + lost,
    top,
    (rest) => ({
      site: others,
      delivered: rest.reduce((sum, one) => sum + one.delivered, 0),
      deferred: rest.reduce((sum, one) => sum + one.deferred, 0),
      failed: rest.reduce((sum, one) => sum + one.failed, 0),
      last_reply: null,
    }),
    (one) => one.site,
  );
}

/** The `top` largest, and the rest as one. */
function rank<T>(all: readonly T[], size: (one: T) => number, top: number, join: (rest: readonly T[]) => T, name: (one: T) => string): T[] {
  const named = all.filter((one) => name(one) !== others).toSorted((a, b) => size(b) - size(a) || (name(a) < name(b) ? -1 : 1));
  const rest = [...named.slice(top), ...all.filter((one) => name(one) === others)];
  return [...named.slice(0, top), ...(rest.length > 0 ? [join(rest)] : [])];
}
