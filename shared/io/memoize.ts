import { LRUCache } from 'lru-cache';
import { parseDuration } from '../core/duration.ts';
import { withTimeout } from './with-timeout.ts';

export interface MemoizeOptions {
  /** What is remembered; for messages. */
  name: string;
  /** How long a result is good: milliseconds, or words such as `5 minutes`, `1 hour`, `90s`. */
  ttl: number | string;
  /** Results kept, one for each list of arguments; the one that was not asked for longest gives way. */
  capacity: number;
  /** Told of each call that failed; `isStale`: the callers were given the result of before. */
  onError?: (failure: { name: string; error: unknown; isStale: boolean }) => void;
}

/** After a failure the next try is this long away at most, so that it is neither repeated by every caller nor remembered. Milliseconds. */
const failureTtl = 1000;
/** Who has a result of before waits no longer for a new one. Milliseconds. */
const staleAfter = 200;
/** A call that takes longer has failed. Milliseconds. */
const longestCall = 30_000;

interface Entry<V> {
  result?: { value: V };
  /** Why there is no result. */
  error?: unknown;
  /** Epoch ms when the function is called again. */
  until: number;
}

/**
 * Remembers what a function returned, by its arguments (as JSON). Many callers at once make one call. When a call fails,
 * the result of before is given again, however old; where there is none, the callers get the error. Throws TypeError for
 * options that make no sense.
 */
export function memoize<A extends unknown[], V>(fn: (...args: A) => V | Promise<V>, options: MemoizeOptions): (...args: A) => Promise<V> {
  const { name, capacity, onError } = options;
  const ttl = typeof options.ttl === 'number' ? options.ttl : parseDuration(options.ttl);
  if (ttl === undefined || !(ttl >= 0)) throw new TypeError(`memoize "${name}": ttl must be a time such as "5 minutes"`);
  if (!Number.isInteger(capacity) || capacity < 1) throw new TypeError(`memoize "${name}": capacity must be a whole number from 1`);
  const entries = new LRUCache<string, Entry<V>>({ max: capacity });
  const calls = new Map<string, Promise<V>>();

  const call = async (key: string, args: A): Promise<V> => {
    try {
      const value = await withTimeout(Promise.resolve(fn(...args)), longestCall);
      entries.set(key, { result: { value }, until: Date.now() + ttl });
      return value;
    } catch (error) {
      const result = entries.peek(key)?.result;
      entries.set(key, { ...(result && { result }), error, until: Date.now() + Math.min(ttl, failureTtl) });
      onError?.({ name, error, isStale: result !== undefined });
      if (result) return result.value;
      throw error;
    }
  };

  return async (...args) => {
    const key = JSON.stringify(args);
    const entry = entries.get(key);
    // A clock that was set back must not make a result last.
    if (entry && Date.now() < entry.until && entry.until <= Date.now() + ttl) {
      if (entry.result) return entry.result.value;
      throw entry.error;
    }
    let running = calls.get(key);
    if (!running) {
      running = call(key, args).finally(() => calls.delete(key));
      calls.set(key, running);
    }
    const before = entry?.result;
    return before ? withTimeout(running, staleAfter).catch(() => before.value) : running;
  };
}
