import type { Config } from '../core/config.ts';
import { parseLaneName } from '../core/lane.ts';
import { parseRate } from '../core/rate.ts';
import type { Queues, Transaction } from './queues.ts';

/** Absent: as set, or none. */
export interface LaneLimits {
  connections?: number | undefined;
  /** Transactions in flight. */
  concurrency?: number | undefined;
  /** Messages per time, `50/s`. */
  rate?: string | undefined;
}

/** The limits of lanes, from the settings and from whoever steers them; BullMQ heeds those in a lane's meta. */
export interface LimitsOfLanes {
  connections(lane: string): number;
  /** Writes the limits of a lane that gets work. */
  write(tx: Transaction, lane: string): void;
  /** Has these limits hold for the lane for a minute, in place of the settings'. */
  steer(lane: string, limits: LaneLimits): Promise<void>;
}

/** Milliseconds. */
const steeredFor = 60_000;
const maxSteered = 10_000;
/** BullMQ heeds `hold` only where a rate is set, so every lane has one. */
const unlimited = { max: 1_000_000_000, ms: 1000 };

/** `isSteered`: may other processes set limits by `steer`? Then what they wrote is left alone. */
export function openLaneLimits(queues: Queues, config: Config['delivery'], isSteered: () => boolean): LimitsOfLanes {
  const sites = new Map(Object.entries(config.sites).map(([site, limits]) => [site.toLowerCase(), limits]));
  const steered = new Map<string, { limits: LaneLimits; until: number }>();
  // The marks of a static route (TLS, login) are no part of its name.
  const configured = (lane: string): LaneLimits => {
    const site = parseLaneName(lane)?.site.toLowerCase() ?? '';
    return sites.get(site) ?? sites.get(site.replace(/\+.*$/, '')) ?? {};
  };
  const limitsOf = (lane: string): LaneLimits => {
    const before = configured(lane);
    const set = isSteered() ? steered.get(lane)?.limits : undefined;
    if (!set) return before;
    return {
      connections: set.connections ?? before.connections,
      concurrency: set.concurrency ?? before.concurrency,
      rate: set.rate ?? before.rate,
    };
  };
  const metaOf = (lane: string): string => queues.backend(lane).keys['meta'] ?? '';
  const overwrite = (tx: Transaction, lane: string): void => {
    const limits = limitsOf(lane);
    if (limits.concurrency === undefined) tx.redis.hdel(metaOf(lane), 'concurrency');
    tx.redis.hset(metaOf(lane), fieldsOf(limits));
  };
  return {
    connections: (lane) => limitsOf(lane).connections ?? config.connectionsPerSite,
    write: (tx, lane) => {
      // Nobody reads the event streams of lanes.
      tx.redis.hset(metaOf(lane), 'opts.maxLenEvents', '0');
      if (!isSteered() || steered.has(lane)) overwrite(tx, lane);
      else for (const [field, value] of Object.entries(fieldsOf(limitsOf(lane)))) tx.redis.hsetnx(metaOf(lane), field, value);
    },
    steer: async (lane, limits) => {
      const now = Date.now();
      if ((steered.get(lane)?.until ?? 0) > now) return;
      if (steered.size >= maxSteered) steered.clear();
      steered.set(lane, { limits, until: now + steeredFor });
      const tx = queues.begin();
      overwrite(tx, lane);
      await tx.exec();
    },
  };
}

/** The names of BullMQ's global concurrency and rate limit in a queue's meta. */
function fieldsOf({ rate, concurrency }: LaneLimits): Record<string, string> {
  const { max, ms } = (rate === undefined ? undefined : parseRate(rate)) ?? unlimited;
  return { max: String(max), duration: String(ms), ...(concurrency !== undefined && { concurrency: String(concurrency) }) };
}
