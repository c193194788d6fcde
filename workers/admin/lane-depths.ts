import { parseLaneName } from '../../shared/core/lane.ts';
import type { Lanes } from '../../shared/io/lanes.ts';
import type { RedisLink } from '../../shared/io/redis.ts';

/** What lies in one lane; messages by state. */
export interface LaneDepth {
  lane: string;
  source: string;
  site: string;
  waiting: number;
  delayed: number;
  /** Those of the delayed whose time has come. */
  due: number;
  active: number;
  paused: boolean;
  /** The site said 421 and is left alone for this time. Milliseconds; 0: it is not. */
  heldMs: number;
  /** Epoch ms of the reception of the older of two: the next message, and the next one that is due for a retry. */
  oldest: number | undefined;
}

export interface Depths {
  /** The deepest first. */
  lanes: LaneDepth[];
  waiting: number;
  delayed: number;
  active: number;
}

/** Several pages and scrapes within this time share one look at the lanes. Milliseconds. */
const freshFor = 1000;
/** Small: between two trips others are answered. */
const lanesPerTrip = 50;
const commandsPerLane = 10;
/** BullMQ's counter of a rate limit is set to a number beyond every limit when a lane is held. */
const heldCount = 1_000_000_000;

/** A look at more lanes than this takes time: it takes a tenth of a core at most, and who asks is given the last one. */
const manyLanes = 500;
const mostOfTime = 0.1;
/** How old an answer may be then. Milliseconds. */
const stillGood = 15_000;

/** `ahead`: nobody asks yet; of few lanes whoever asks then gets a look of his own. */
export type AskDepths = (ahead?: 'ahead') => Promise<Depths>;

/** All lanes of the registry, looked at once a second at most. */
export function openDepths(redis: RedisLink, lanes: Lanes): AskDepths {
  let depths: Promise<Depths> | undefined;
  let readAt = 0;
  /** Of many lanes: the last answer, and when the next look may begin. */
  let kept: { depths: Depths; at: number; until: number } | undefined;
  const look = async (): Promise<Depths> => {
    const found = await read(redis, lanes);
    const now = Date.now();
    kept = found.lanes.length > manyLanes ? { depths: found, at: now, until: now + (now - readAt) / mostOfTime } : undefined;
    return found;
  };
  return (ahead) => {
    const now = Date.now();
    if (!depths || (now - readAt > freshFor && now > (kept?.until ?? 0))) {
      readAt = now;
      depths = look();
      depths.then(
        () => ahead && !kept && (depths = undefined),
        () => (depths = undefined),
      );
    }
    return kept && now - kept.at < stillGood ? Promise.resolve(kept.depths) : depths;
  };
}

async function read(redis: RedisLink, lanes: Lanes): Promise<Depths> {
  const names = await lanes.names();
  const found: LaneDepth[] = [];
  for (let at = 0; at < names.length; at += lanesPerTrip) {
    found.push(...(await readSome(redis, names.slice(at, at + lanesPerTrip))));
  }
  const total = (state: 'waiting' | 'delayed' | 'active'): number => found.reduce((sum, lane) => sum + lane[state], 0);
  found.sort((a, b) => depthOf(b) - depthOf(a) || (a.lane < b.lane ? -1 : 1));
  return { lanes: found, waiting: total('waiting'), delayed: total('delayed'), active: total('active') };
}

/** All messages of a lane. */
export const depthOf = (lane: LaneDepth): number => lane.waiting + lane.delayed + lane.active;

export async function readLane(redis: RedisLink, name: string): Promise<LaneDepth> {
  const [lane] = await readSome(redis, [name]);
  if (!lane) throw new Error('a look at one lane gave none');
  return lane;
}

async function readSome(redis: RedisLink, names: readonly string[]): Promise<LaneDepth[]> {
  const trip = redis.client.pipeline();
  for (const name of names) {
    // Not by a backend of each lane: thousands of them cost more than asking.
    const key = (part: string): string => `${redis.prefix}:${name}:${part}`;
    trip.llen(key('wait')).zcard(key('prioritized')).zcard(key('delayed')).llen(key('active'));
    trip.hexists(key('meta'), 'paused').get(key('limiter')).pttl(key('limiter'));
    trip.lindex(key('wait'), -1).zrange(key('delayed'), '0', '0');
    // BullMQ keeps 12 bits of order below the time.
    trip.zcount(key('delayed'), '-inf', Date.now() * 0x1000 + 0xfff);
  }
  const answers = (await trip.exec()) ?? [];
  const value = (lane: number, n: number): unknown => {
    const [error, answer] = answers[lane * commandsPerLane + n] ?? [];
    if (error) throw error;
    return answer;
  };
  return names.map((lane, i) => ({
    lane,
    ...(parseLaneName(lane) ?? { source: '', site: lane }),
    waiting: Number(value(i, 0)) + Number(value(i, 1)),
    delayed: Number(value(i, 2)),
    due: Number(value(i, 9)),
    active: Number(value(i, 3)),
    paused: value(i, 4) === 1,
    heldMs: Number(value(i, 5)) > heldCount ? Math.max(0, Number(value(i, 6))) : 0,
    oldest: oldestOf([value(i, 7), ...(value(i, 8) as unknown[])]),
  }));
}

/** The id of a lane job begins with that of its message, which begins with its time (UUIDv7). */
function oldestOf(jobIds: readonly unknown[]): number | undefined {
  const times = jobIds.flatMap((id) =>
    typeof id === 'string' && /^[0-9a-f]{32}\./.test(id) ? [Number.parseInt(id.slice(0, 12), 16)] : [],
  );
  return times.length > 0 ? Math.min(...times) : undefined;
}
