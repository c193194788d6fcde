import dns from 'node:dns/promises';
import { LRUCache } from 'lru-cache';
import type { Config } from '../core/config.ts';
import type { MxRecord } from '../core/mx.ts';

/** `none`: the name does not exist. `empty`: it exists without records of this type. `failed`: nobody could say. */
export type Answer<T> = { kind: 'found'; records: T[] } | { kind: 'none' } | { kind: 'empty' } | { kind: 'failed'; why: string };

/** DNS with memory. Names in A-label form. */
export interface Resolver {
  mx(name: string): Promise<Answer<MxRecord>>;
  /** The addresses of one family. */
  addresses(name: string, family: 4 | 6): Promise<Answer<string>>;
}

interface Timed<T> {
  answer: Answer<T>;
  /** How long it holds. */
  ttlMs: number;
}

const maxEntries = 10_000;
/** node:dns does not tell the TTL of an MX record. */
const mxTtlMs = 300_000;
const negativeTtlMs = 30_000;
const minTtlMs = 1000;
const maxTtlMs = 3_600_000;

/** `now`: epoch ms. */
export function openResolver({ dnsServers, dnsTimeout }: Config['outbound'], now: () => number): Resolver {
  // c-ares waits `timeout` in its first round and longer in the second; `withDeadline` is the limit that holds.
  const resolver = new dns.Resolver({ timeout: Math.max(1, Math.ceil(dnsTimeout / 2)), tries: 2 });
  if (dnsServers.length > 0) resolver.setServers(dnsServers);

  const lookUpMx = async (name: string): Promise<Timed<MxRecord>> => {
    const records = await resolver.resolveMx(name);
    return found(
      records.map((r) => ({ exchange: r.exchange, preference: r.priority })),
      mxTtlMs,
    );
  };
  const lookUpAddresses = async (name: string, family: 4 | 6): Promise<Timed<string>> => {
    const records = await (family === 4 ? resolver.resolve4(name, { ttl: true }) : resolver.resolve6(name, { ttl: true }));
    const ttlMs = 1000 * Math.min(...records.map((r) => r.ttl));
    return found(
      records.map((r) => r.address),
      Math.min(Math.max(ttlMs, minTtlMs), maxTtlMs),
    );
  };
  const ask =
    <T>(lookUp: () => Promise<Timed<T>>) =>
    (): Promise<Timed<T>> =>
      withDeadline(lookUp(), dnsTimeout);
  const mxMemory = openMemory<MxRecord>(now);
  const addressMemory = openMemory<string>(now);
  return {
    mx: (name) =>
      mxMemory(
        name,
        ask(() => lookUpMx(name)),
      ),
    addresses: (name, family) =>
      addressMemory(
        `${family} ${name}`,
        ask(() => lookUpAddresses(name, family)),
      ),
  };
}

function found<T>(records: T[], ttlMs: number): Timed<T> {
  return records.length > 0 ? { answer: { kind: 'found', records }, ttlMs } : { answer: { kind: 'empty' }, ttlMs: negativeTtlMs };
}

/** Rejects after `ms`, like a server that does not answer; failures of the lookup are answers, too. */
async function withDeadline<T>(lookup: Promise<Timed<T>>, ms: number): Promise<Timed<T>> {
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(Object.assign(new Error('no answer in time'), { code: dns.TIMEOUT })), ms);
  });
  try {
    return await Promise.race([lookup, deadline]);
  } catch (error) {
    return { answer: negative(error), ttlMs: negativeTtlMs };
  } finally {
    clearTimeout(timer);
  }
}

function negative(error: unknown): Answer<never> {
  const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
  switch (code) {
    case dns.NOTFOUND:
      return { kind: 'none' };
    case dns.NODATA:
      return { kind: 'empty' };
    default:
      return { kind: 'failed', why: code };
  }
}

/** Remembers answers for as long as they hold; questions that are asked at the same time are asked once. */
function openMemory<T>(now: () => number): (key: string, ask: () => Promise<Timed<T>>) => Promise<Answer<T>> {
  const entries = new LRUCache<string, { answer: Answer<T>; until: number }>({ max: maxEntries });
  const asking = new Map<string, Promise<Answer<T>>>();
  return (key, ask) => {
    const entry = entries.get(key);
    if (entry && entry.until > now()) return Promise.resolve(entry.answer);
    const pending = asking.get(key);
    if (pending) return pending;
    const fresh = ask()
      .then(({ answer, ttlMs }) => {
        entries.set(key, { answer, until: now() + ttlMs });
        return answer;
      })
      .finally(() => asking.delete(key));
    asking.set(key, fresh);
    return fresh;
  };
}
