import { setTimeout as delay } from 'node:timers/promises';
import { RedisConnection, RedisQueueBackend, QueueKeys } from 'bullmq';
import { Cluster, type Redis, type RedisOptions } from 'ioredis';
import type { Config } from '../core/config.ts';
import { ClosableRedis } from './closable-redis.ts';
import type { Logger } from './log.ts';
import { withTimeout } from './with-timeout.ts';

/** The one connection of a process for commands, and what hangs on it. */
export interface RedisLink {
  readonly client: Redis;
  /** False while the server is away or does not answer; ingress refuses mail at once then. */
  readonly isReady: boolean;
  /** What `250` promises, from the server's settings; `unknown` where it will not tell. */
  readonly durability: Durability;
  /** The prefix of every BullMQ queue; hash-tagged, so that all keys share one slot of a cluster. */
  readonly prefix: string;
  /** BullMQ's scripts bound to this connection; `forQueue` gives the backend of any other queue without a connection of its own. */
  readonly backend: RedisQueueBackend;
  /** The name of one of our own keys. */
  key(name: string): string;
  /** A further connection for a BullMQ worker, which blocks. The worker closes it. */
  duplicate(): Redis;
  /** Says that a command was not answered in time: `isReady` is false until the server answers again. */
  suspect(): void;
  close(): Promise<void>;
}

export interface Durability {
  aof: 'always' | 'everysec' | 'no' | 'off' | 'unknown';
  evicts: boolean;
}

export interface RedisUse {
  /** Commands fail at once while the server is away instead of waiting for it: for ingress, which must answer. */
  failFast?: boolean;
  /** BullMQ's options for jobs taken over this connection. Milliseconds. */
  lockDuration?: number;
  stalledInterval?: number;
  /** Recorded as the worker of a job. */
  name?: string;
}

const connectTimeout = 5000;

/** A Redis that cannot be used; the message is for people. */
export class RedisUnavailable extends Error {
  override readonly name = 'RedisUnavailable';
}

/**
 * Connects and checks the server. Rejects with RedisUnavailable when it cannot be reached, or when it is not durable and
 * `requireDurable` is set; warns in the log otherwise.
 */
export async function openRedis(url: string, config: Config['redis'], log: Logger, use: RedisUse = {}): Promise<RedisLink> {
  let client: Redis;
  try {
    client = connect(url, use.failFast === true);
  } catch (error) {
    throw new RedisUnavailable(`${hideSecrets(url)} is no URL of a Redis; "/", "@" and ":" in a password are written %2F, %40 and %3A`, {
      cause: error,
    });
  }
  let lastError: Error | undefined;
  let isOpen = false;
  client.on('error', (error: Error) => {
    // One line per change of mind: ioredis repeats the error at every reconnection. Before, the caller tells.
    if (isOpen && error.message !== lastError?.message) log.warn({ event: 'redis_error', error: error.message });
    lastError = error;
  });
  client.on('ready', () => {
    if (lastError) log.info({ event: 'redis_ready' });
    lastError = undefined;
  });
  try {
    await withTimeout(client.connect(), connectTimeout);
    await withTimeout(client.ping(), connectTimeout);
  } catch (error) {
    client.disconnect();
    const reason = lastError?.message ?? (error instanceof Error ? error.message : String(error));
    throw new RedisUnavailable(`Redis at ${hideSecrets(url)} cannot be reached (${reason}). Is it running, and is REDIS_URL right?`, {
      cause: error,
    });
  }
  isOpen = true;
  const durability = await readDurability(client);
  const complaint = complainOf(durability);
  if (complaint && config.requireDurable) {
    client.disconnect();
    throw new RedisUnavailable(`Redis at ${hideSecrets(url)} is refused because redis.requireDurable is set: ${complaint}`);
  }
  if (complaint) log.warn({ event: 'redis_not_durable', ...durability }, complaint);
  log.info({ event: 'redis_durability', ...durability });

  const prefix = `{${config.prefix}}`;
  const keys = new QueueKeys(prefix);
  const connection = new RedisConnection(client, { shared: true, blocking: false });
  connection.on('error', () => undefined); // the client's errors again
  const backend = new RedisQueueBackend(
    connection,
    'root',
    keys.getKeys('root'),
    (type) => keys.toKey('root', type),
    {
      connection: client,
      prefix,
      name: use.name ?? 'rebound',
      lockDuration: use.lockDuration ?? 30_000,
      stalledInterval: use.stalledInterval ?? 10_000,
      // BullMQ fails a job that stalled more often, without running our code: attempts are bounded by us, by age.
      maxStalledCount: 1_000_000_000,
    } as never,
    undefined,
    false,
  );
  await backend.waitUntilReady();

  let isAnswering = true;
  const duplicates: Redis[] = [];
  return {
    client,
    get isReady() {
      return isAnswering && (client.status === 'ready' || (client.isCluster && client.status === ('connect' as string)));
    },
    durability,
    prefix,
    backend,
    key: (name) => `${prefix}/${name}`,
    duplicate: () => {
      const copy = connect(url, false);
      copy.on('error', () => undefined); // the first connection logs what is wrong
      duplicates.push(copy);
      return copy;
    },
    suspect: () => {
      if (!isAnswering) return;
      isAnswering = false;
      const answered = (): void => {
        isAnswering = true;
      };
      // Sent now and answered when the server is back; with a lost connection it fails, and the status tells.
      client.ping().then(answered, answered);
    },
    close: async () => {
      await connection.close().catch(() => undefined);
      await withTimeout(client.quit(), 1000).catch(() => undefined);
      client.disconnect();
      for (const copy of duplicates) copy.disconnect();
    },
  };
}

type Options = Omit<RedisOptions, 'replyMapping'> & { replyMapping?: 'legacy' };

/** The client of any URL form; a Cluster is used through the commands it shares with Redis. */
function connect(url: string, failFast: boolean): Redis {
  const client = clientOf(url, failFast);
  if (failFast && !client.isCluster) rejectUnanswered(client);
  return client;
}

/** Commands that are not sent again when their connection is lost are forgotten by ioredis: whoever waits for one would wait for ever. */
function rejectUnanswered(client: Redis): void {
  const unanswered = client as unknown as { flushQueue(error: Error, queues: { offlineQueue: boolean }): void };
  client.on('close', () => unanswered.flushQueue(new Error('Connection is closed.'), { offlineQueue: false }));
}

function clientOf(url: string, failFast: boolean): Redis {
  const options = {
    lazyConnect: true,
    maxRetriesPerRequest: null,
    connectTimeout,
    retryStrategy: (times: number) => Math.min(times * 100, 2000),
    // A command whose answer was lost may have been done: ingress reports 451 instead of sending it a second time.
    ...(failFast && { enableOfflineQueue: false, autoResendUnfulfilledCommands: false }),
  };
  if (url.startsWith('unix://')) return new ClosableRedis({ ...options, path: url.slice('unix://'.length) } as Options);
  const parsed = new URL(url.replace(/^redis-(sentinel|cluster):/, 'redis:').replace(/(:\/\/(?:[^@/]*@)?)([^/]+)/, firstHostOnly));
  const login = {
    ...(parsed.username && { username: decodeURIComponent(parsed.username) }),
    ...(parsed.password && { password: decodeURIComponent(parsed.password) }),
  };
  if (url.startsWith('redis-sentinel:')) {
    const name = parsed.pathname.split('/')[1] || 'mymaster';
    return new ClosableRedis({ ...options, ...login, sentinels: hostList(url, 26379), name } as Options);
  }
  if (url.startsWith('redis-cluster:')) {
    const cluster = new Cluster(hostList(url, 6379), {
      lazyConnect: true,
      enableOfflineQueue: !failFast,
      clusterRetryStrategy: (times) => Math.min(times * 100, 2000),
      redisOptions: { ...login, maxRetriesPerRequest: null, connectTimeout },
    });
    return cluster as unknown as Redis;
  }
  return new ClosableRedis(url, options as Options);
}

const firstHostOnly = (_: string, head: string, hosts: string): string => head + (hosts.split(',')[0] ?? '');

/** `a:1,b:2` of a sentinel or cluster URL. */
function hostList(url: string, defaultPort: number): { host: string; port: number }[] {
  const hosts = /^[a-z-]+:\/\/(?:[^@/]*@)?([^/]*)/.exec(url)?.[1] ?? '';
  return hosts.split(',').map((text) => {
    const match = /^(?:\[(.+)\]|([^:]+))(?::(\d+))?$/.exec(text.trim());
    return { host: match?.[1] ?? match?.[2] ?? 'localhost', port: Number(match?.[3] ?? defaultPort) };
  });
}

/** Reads what the server does with its data; INFO is allowed where CONFIG is not (managed services). */
async function readDurability(client: Redis): Promise<Durability> {
  const info = await client.info().catch(() => '');
  const field = (name: string): string | undefined => new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1];
  const fsync = await client.config('GET', 'appendfsync').catch(() => []);
  const policy = Array.isArray(fsync) ? String(fsync[1] ?? '') : '';
  const on = field('aof_enabled');
  return {
    aof:
      on === undefined
        ? 'unknown'
        : on !== '1'
          ? 'off'
          : policy === 'always' || policy === 'everysec' || policy === 'no'
            ? policy
            : 'unknown',
    evicts: (field('maxmemory_policy') ?? 'noeviction') !== 'noeviction' && Number(field('maxmemory') ?? 0) > 0,
  };
}

function complainOf({ aof, evicts }: Durability): string | undefined {
  if (evicts) return 'its maxmemory-policy evicts keys: accepted mail can vanish. Set maxmemory-policy noeviction';
  if (aof === 'off') return 'it has no append-only file: accepted mail is lost when it restarts. Set appendonly yes and appendfsync always';
  return undefined;
}

/** Octets; `max` 0 for no limit. */
export interface RedisMemory {
  used: number;
  max: number;
}

/** What the server uses and may use. */
export async function readMemory(redis: RedisLink): Promise<RedisMemory> {
  const info = await redis.client.info('memory');
  const field = (name: string): number => Number(new RegExp(`^${name}:(\\d+)`, 'm').exec(info)?.[1] ?? 0);
  return { used: field('used_memory'), max: field('maxmemory') };
}

/** The URL without its password, for messages. */
export function hideSecrets(url: string): string {
  return url.replace(/:\/\/.*@/, '://[hidden]@');
}

/**
 * The work's own result however long it takes, as long as Redis answers other commands meanwhile; when one of these has no
 * answer within `ms`, rejects and has `isReady` be false until it does. Commands wait for ever otherwise when a server hangs.
 */
export async function whileAnswering<T>(redis: RedisLink, work: Promise<T>, ms: number): Promise<T> {
  const pending = Symbol('pending');
  for (;;) {
    const timer = new AbortController();
    const result = await Promise.race([work, delay(ms / 5, pending, { signal: timer.signal })]).finally(() => timer.abort());
    if (result !== pending) return result as T;
    await withTimeout(redis.client.ping(), ms).catch((error: unknown) => {
      work.catch(() => undefined);
      redis.suspect();
      throw error;
    });
  }
}
