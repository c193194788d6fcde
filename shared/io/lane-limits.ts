import type { Config } from '../core/config.ts';
import { parseLaneName } from '../core/lane.ts';
import { mayConcern } from '../core/order.ts';
import { parseRate } from '../core/rate.ts';
import type { Orders } from './orders.ts';
import type { Queues, Transaction } from './queues.ts';

/** Absent: as set, or none. */
export interface LaneLimits {
  connections?: number | undefined;
  /** Transactions in flight. */
  concurrency?: number | undefined;
  /** Messages per time, `50/s`. */
  rate?: string | undefined;
}

/** Who said so. */
type From = 'order' | 'policy' | 'settings';

export interface LimitsInForce extends LaneLimits {
  connections: number;
  /** Of each limit; `settings` also where there is none. */
  from: Record<keyof LaneLimits, From>;
}

/** The limits of lanes, from the settings, from orders and from whoever steers them; BullMQ heeds those in a lane's meta. */
export interface LimitsOfLanes {
  of(lane: string): LimitsInForce;
  /** Writes the limits of a lane that gets work. */
  write(tx: Transaction, lane: string): void;
  /** Has these limits hold for the lane for a minute, in place of the settings'. */
  steer(lane: string, limits: LaneLimits): Promise<void>;
  /** From now on has lanes get what orders say, and the other limits back when those end; and be woken, for there may be room for more. */
  followOrders(names: () => Promise<string[]>, wake: (tx: Transaction, lane: string) => void): void;
}

/** Milliseconds. */
const steeredFor = 60_000;
const maxSteered = 10_000;
const lanesPerTrip = 200;
/** BullMQ heeds `hold` only where a rate is set, so every lane has one. */
const unlimited = { max: 1_000_000_000, ms: 1000 };

/** `isSteered`: may other processes set limits by `steer`? Then what they wrote is left alone. */
export function openLaneLimits(queues: Queues, config: Config['delivery'], orders: Orders, isSteered: () => boolean): LimitsOfLanes {
  const sites = new Map(Object.entries(config.sites).map(([site, limits]) => [site.toLowerCase(), limits]));
  const steered = new Map<string, { limits: LaneLimits; until: number }>();
  // The marks of a static route (TLS, login) are no part of its name.
  const configured = (lane: string): LaneLimits => {
    const site = parseLaneName(lane)?.site.toLowerCase() ?? '';
    return sites.get(site) ?? sites.get(site.replace(/\+.*$/, '')) ?? {};
  };
  const limitsOf = (lane: string): Omit<LimitsInForce, 'connections'> & LaneLimits => {
    const before = configured(lane);
    const set = isSteered() ? steered.get(lane)?.limits : undefined;
    const ordered = orders.book.limitsOf(lane, orders.now()).map(({ limits }) => limits ?? {});
    const choose = <K extends keyof LaneLimits>(name: K): { value: LaneLimits[K]; from: From } => {
      const found = ordered.find((limits) => limits[name] !== undefined)?.[name];
      if (found !== undefined) return { value: found as LaneLimits[K], from: 'order' };
      return set?.[name] === undefined ? { value: before[name], from: 'settings' } : { value: set[name], from: 'policy' };
    };
    const [connections, concurrency, rate] = [choose('connections'), choose('concurrency'), choose('rate')];
    return {
      connections: connections.value,
      concurrency: concurrency.value,
      rate: rate.value,
      from: { connections: connections.from, concurrency: concurrency.from, rate: rate.from },
    };
  };
  const metaOf = (lane: string): string => queues.backend(lane).keys['meta'] ?? '';
  const isOrdered = (lane: string): boolean => orders.book.limitsOf(lane, orders.now()).length > 0;
  const overwrite = (tx: Transaction, lane: string): void => {
    const limits = limitsOf(lane);
    if (limits.concurrency === undefined) tx.redis.hdel(metaOf(lane), 'concurrency');
    tx.redis.hset(metaOf(lane), fieldsOf(limits));
  };
  return {
    of: (lane) => {
      const limits = limitsOf(lane);
      return { ...limits, connections: limits.connections ?? config.connectionsPerSite };
    },
    write: (tx, lane) => {
      // Nobody reads the event streams of lanes.
      tx.redis.hset(metaOf(lane), 'opts.maxLenEvents', '0');
      if (!isSteered() || steered.has(lane) || isOrdered(lane)) overwrite(tx, lane);
      else for (const [field, value] of Object.entries(fieldsOf(limitsOf(lane)))) tx.redis.hsetnx(metaOf(lane), field, value);
    },
    followOrders: (names, wake) =>
      orders.onChange(async (changed) => {
        const limiting = changed.filter(({ kind }) => kind === 'limits');
        if (limiting.length === 0) return;
        const concerned = (await names()).filter((lane) => limiting.some(({ criteria }) => mayConcern(criteria, lane)));
        // Every process does, and each knows the same; so what one wrote that had not heard of the change yet does not stay.
        for (let at = 0; at < concerned.length; at += lanesPerTrip) {
          const tx = queues.begin();
          for (const lane of concerned.slice(at, at + lanesPerTrip)) {
            overwrite(tx, lane);
            wake(tx, lane);
          }
          await tx.exec();
        }
        // A worker that was told by the policy writes that again, at its next message.
        for (const lane of concerned) {
          const entry = steered.get(lane);
          if (entry) entry.until = 0;
        }
      }),
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
