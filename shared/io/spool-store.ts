import { join } from 'node:path';
import type { Config } from '../core/config.ts';
import { queueUnavailable, SmtpRefusal, spoolFull } from '../core/refusal.ts';
import type { Logger } from './log.ts';
import type { Transaction, HeldJob } from './queues.ts';
import { readMemory, type RedisLink, type RedisMemory } from './redis.ts';
import { diskTier } from './spool-disk.ts';
import { chunksKey, redisTier } from './spool-redis.ts';
import type { SpoolTier, TierWriter } from './spool-tier.ts';
import type { Spool, SpoolDraft } from './spool.ts';

/**
 * The spool: a hash per message in Redis with `b` the content (all of a small message; of a large one only what was put
 * in front), `s` its size, `x` the tier of a large one's content, and a field `h:<holder>` for each holder.
 */
export interface SpoolStore extends Spool {
  /** Adds the entry to the transaction; `seal` must have resolved. */
  commit(tx: Transaction, draft: SpoolDraft, holders: readonly string[]): void;
  /** Makes a large draft's content durable in its tier. */
  seal(draft: SpoolDraft): Promise<void>;
  /** The transaction was surely not done: `discard` may remove the content again. */
  reclaim(draft: SpoolDraft): void;
  hold(tx: Transaction, id: string, holder: string): void;
  /**
   * Takes a holder away, and the entry with the last one; content outside Redis is removed after the transaction, or by
   * the sweeper. With `job`, only while that job is still ours.
   */
  release(tx: Transaction, id: string, holder: string, job?: { lockKey: string; token: HeldJob['token'] }): void;
  /** Takes holders away without a transaction: a Redis beyond its memory refuses each of those, and this makes room. */
  releaseNow(holds: readonly SpoolHold[]): Promise<void>;
}

export interface SpoolHold {
  id: string;
  holder: string;
}

const releaseScript = `
if #KEYS > 2 and redis.call('GET', KEYS[3]) ~= ARGV[2] then return -1 end
redis.call('HDEL', KEYS[1], 'h:' .. ARGV[1])
if redis.call('HLEN', KEYS[1]) > 3 then return 0 end
local tier = redis.call('HGET', KEYS[1], 'x')
redis.call('UNLINK', KEYS[1], KEYS[2])
return tier or ''`;

/** Job, record and hash of a message in Redis, about. Octets. */
const entryOverhead = 5000;
/** Redis's allocator rounds up to a quarter of a power of two. */
const allocatorOverhead = 1.25;
/** Numbers that say whether there is room are refreshed this often. Milliseconds. */
const roomInterval = 1000;
const sweepInterval = 3_600_000;

/** Whether new mail is accepted as far as room goes; `free`: octets of the disk, where it is on one. */
export interface SpoolRoom {
  hasRoom: boolean;
  free: number | undefined;
}

/** `noteRoom` is told every second. */
export function openSpool(
  redis: RedisLink,
  config: Config,
  log: Logger,
  noteRoom: (room: SpoolRoom) => void = () => undefined,
): SpoolStore {
  const tiers: Record<SpoolTier['name'], SpoolTier> = {
    redis: redisTier(redis, config.redis.timeout),
    disk: diskTier(join(config.dataDir, 'spool', config.redis.prefix), config.spool.minFreeDisk),
  };
  const tier = tiers[config.spool.driver];
  const entryKey = (id: string): string => redis.key(`spool:${id}`);
  const keysOf = (id: string): string[] => [entryKey(id), chunksKey(redis, id)];
  redis.client.defineCommand('reboundRelease', { lua: releaseScript });

  let full: string | undefined;
  let memory: RedisMemory = { used: 0, max: 0 };
  const watch = async (): Promise<void> => {
    if (redis.isReady) memory = await readMemory(redis);
    full = await tier.full();
    noteRoom({ hasRoom: whyFull() === undefined, free: await tier.free?.() });
  };
  const whyFull = (): string | undefined => {
    if (full) return full;
    // What is left above the limit is for delivering what is queued: a Redis that is quite full cannot even do that.
    const isShort = memory.max > 0 && memory.used > memory.max * config.spool.maxRedisMemory;
    return isShort ? `Redis uses ${memory.used} of ${memory.max} bytes` : undefined;
  };
  const quietly = (work: () => Promise<void>) => (): void => {
    work().catch((error: unknown) => log.debug({ event: 'spool_watch', error: String(error) }));
  };
  const watching = setInterval(quietly(watch), roomInterval).unref();
  const isHeld = async (id: string): Promise<boolean> => (await redis.client.exists(entryKey(id))) === 1;
  const sweeping = setInterval(
    quietly(() => tier.sweep(isHeld)),
    sweepInterval,
  ).unref();
  quietly(watch)();

  return {
    draft: (id) => new Draft(id, tier, config.spool.threshold),
    seal: (draft) => (draft as Draft).seal(),
    reclaim: (draft) => {
      (draft as Draft).isHandedOver = false;
    },
    commit: (tx, draft, holders) => {
      const { id, inline, size, tierName } = draft as Draft;
      (draft as Draft).isHandedOver = true;
      memory.used += size * allocatorOverhead + entryOverhead; // until the server tells the truth again
      const fields: (string | Buffer | number)[] = ['b', inline(), 's', size, 'x', tierName];
      for (const holder of holders) fields.push(`h:${holder}`, '');
      tx.redis.hset(entryKey(id), ...fields);
      if (tierName === 'redis') tx.redis.persist(chunksKey(redis, id));
    },
    hold: (tx, id, holder) => {
      tx.redis.hset(entryKey(id), `h:${holder}`, '');
    },
    release: (tx, id, holder, job) => {
      const keys = job ? [...keysOf(id), job.lockKey] : keysOf(id);
      const at = tx.length;
      tx.whenDone(async (results) => {
        if (results[at] === 'disk') await tiers.disk.remove(id);
      });
      const call = tx.redis as unknown as { reboundRelease(count: number, ...args: string[]): void };
      call.reboundRelease(keys.length, ...keys, holder, job?.token ?? '');
    },
    releaseNow: async (holds) => {
      const trip = redis.client.pipeline();
      const call = trip as unknown as { reboundRelease(count: number, ...args: string[]): void };
      for (const { id, holder } of holds) call.reboundRelease(2, ...keysOf(id), holder, '');
      for (const [n, [error, tierName]] of ((await trip.exec()) ?? []).entries()) {
        if (error) throw error;
        const hold = holds[n];
        if (hold && tierName === 'disk') await tiers.disk.remove(hold.id);
      }
    },
    read: async (id) => {
      const [head, name] = await redis.client.hmgetBuffer(entryKey(id), 'b', 'x');
      if (!head || !name) return undefined;
      const content = tiers[name.toString() as SpoolTier['name']]?.read(id);
      return content ? headThen(head, content) : head;
    },
    assertRoom: () => {
      const why = whyFull();
      if (why) throw spoolFull(new Error(why));
    },
    hasRoom: () => whyFull() === undefined,
    close: () => {
      clearInterval(watching);
      clearInterval(sweeping);
      return Promise.resolve();
    },
  };
}

async function* headThen(head: Buffer, content: AsyncIterable<Buffer>): AsyncIterable<Buffer> {
  if (head.length > 0) yield head;
  yield* content;
}

/** The reply for a failed write to Redis or disk: no room, or not now. */
export function refusalOf(error: unknown): SmtpRefusal {
  if (error instanceof SmtpRefusal) return error;
  const text = error instanceof Error ? `${error.message} ${(error as NodeJS.ErrnoException).code ?? ''}` : String(error);
  return /OOM|ENOSPC|EDQUOT|No space/.test(text) || hasOom(error) ? spoolFull(error) : queueUnavailable(error);
}

/** A transaction refused as a whole carries the reason in `previousErrors`. */
function hasOom(error: unknown): boolean {
  const previous = (error as { previousErrors?: Error[] } | undefined)?.previousErrors;
  return Array.isArray(previous) && previous.some((e) => /OOM/.test(e.message));
}

/** A buffer takes 300 octets however little it holds: those of a client that sends octet by octet are joined. */
const mostParts = 64;

/** Content in memory up to the threshold, then in a tier. */
class Draft implements SpoolDraft {
  readonly id: string;
  size = 0;
  /** In a transaction whose outcome may be unknown: the sweeper removes the content if nobody holds it. */
  isHandedOver = false;
  private head: Buffer[] = [];
  private parts: Buffer[] = [];
  private writer: TierWriter | undefined;
  private readonly tier: SpoolTier;
  private readonly threshold: number;

  constructor(id: string, tier: SpoolTier, threshold: number) {
    this.id = id;
    this.tier = tier;
    this.threshold = threshold;
  }

  get tierName(): string {
    return this.writer ? this.tier.name : '';
  }

  /** What goes into the entry itself. */
  inline = (): Buffer => {
    const all = [...this.head, ...this.parts];
    return all.length === 1 && all[0] ? all[0] : Buffer.concat(all);
  };

  async write(chunk: Buffer): Promise<void> {
    this.size += chunk.length;
    if (!this.writer && this.size <= this.threshold) {
      this.parts.push(chunk);
      if (this.parts.length === mostParts) this.parts = [Buffer.concat(this.parts)];
      return;
    }
    try {
      if (!this.writer) {
        this.writer = this.tier.open(this.id);
        const parts = this.parts;
        this.parts = [];
        for (const part of parts) await this.writer.write(part);
      }
      await this.writer.write(chunk);
    } catch (error) {
      throw refusalOf(error);
    }
  }

  prepend(head: Buffer): void {
    this.head.unshift(head);
    this.size += head.length;
  }

  async seal(): Promise<void> {
    try {
      await this.writer?.seal();
    } catch (error) {
      throw refusalOf(error);
    }
  }

  async discard(): Promise<void> {
    if (this.isHandedOver) return;
    this.parts = [];
    // A draft that cannot be removed now expires or is swept.
    await this.writer?.discard().catch(() => undefined);
  }
}
