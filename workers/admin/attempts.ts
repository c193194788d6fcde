import { LRUCache } from 'lru-cache';
import { parseIp } from '../../shared/core/cidr.ts';

/** Guesses of one address, and of all at once. */
export interface Attempts {
  /** Undefined when there were too many; else one is counted until it turns out to be right. */
  begin(address: string): { wasRight(): void } | undefined;
}

/** Wrong guesses of one address within a minute. */
const mostOfAddress = 10;
/** Wrong guesses of all addresses within a minute: each costs some 40 ms of a core for every token there is. */
const mostOfAll = 300;
const window = 60_000;
const mostAddresses = 10_000;

/** Counted when it begins, so that guesses at the same time are limited too. */
export function openAttempts(now: () => number = Date.now): Attempts {
  const byAddress = new LRUCache<string, Count>({ max: mostAddresses });
  const all: Count = { since: 0, guesses: 0 };
  return {
    begin: (address) => {
      const key = networkOf(address);
      const own = byAddress.get(key) ?? { since: 0, guesses: 0 };
      byAddress.set(key, own);
      for (const count of [own, all]) if (now() - count.since >= window) Object.assign(count, { since: now(), guesses: 0 });
      if (own.guesses >= mostOfAddress || all.guesses >= mostOfAll) return undefined;
      own.guesses += 1;
      all.guesses += 1;
      return {
        wasRight: () => {
          own.guesses -= 1;
          all.guesses -= 1;
        },
      };
    },
  };
}

interface Count {
  /** Epoch ms. */
  since: number;
  guesses: number;
}

/** One customer has a /64 of IPv6 at least. */
function networkOf(address: string): string {
  const bytes = parseIp(address);
  const isV4 = bytes?.subarray(0, 10).every((byte) => byte === 0);
  return bytes ? bytes.subarray(0, isV4 ? 16 : 8).join('.') : '';
}
