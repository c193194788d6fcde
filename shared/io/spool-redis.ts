import type { RedisLink } from './redis.ts';
import { withTimeout } from './with-timeout.ts';
import type { SpoolTier, TierWriter } from './spool-tier.ts';

const chunkBytes = 256 * 1024;
/** A list that nobody commits is gone after this. Seconds. */
const draftTtl = 3600;

/** Large messages in Redis: a list of chunks, written while the content arrives. */
export function redisTier(redis: RedisLink, timeoutMs: number): SpoolTier {
  return {
    name: 'redis',
    open: (id) => openWriter(redis, chunksKey(redis, id), timeoutMs),
    read: async function* (id) {
      const key = chunksKey(redis, id);
      for (let index = 0; ; index++) {
        const [chunk] = await redis.client.lrangeBuffer(key, index, index);
        if (chunk) yield chunk;
        else if (index === 0) throw new Error(`the content of message ${id} is not in Redis`);
        else return;
      }
    },
    remove: async (id) => {
      await redis.client.unlink(chunksKey(redis, id));
    },
    full: () => Promise.resolve(undefined), // the spool watches Redis memory for both tiers
    sweep: () => Promise.resolve(), // drafts expire
  };
}

/** The list of a large message's chunks. */
export const chunksKey = (redis: RedisLink, id: string): string => redis.key(`spool:${id}:chunks`);

function openWriter(redis: RedisLink, key: string, timeoutMs: number): TierWriter {
  let parts: Buffer[] = [];
  let size = 0;
  const flush = async (): Promise<void> => {
    if (size === 0) return;
    const chunk = Buffer.concat(parts);
    parts = [];
    size = 0;
    // Each time anew: a chunk that lands late, after the draft was given up, must go too.
    const tx = redis.client.multi().rpush(key, chunk).expire(key, draftTtl);
    const results = await withTimeout(tx.exec(), timeoutMs).catch((error: unknown) => {
      redis.suspect();
      throw error;
    });
    const error = results ? results[0]?.[0] : new Error('transaction was discarded');
    if (error) throw error;
  };
  return {
    write: async (chunk) => {
      parts.push(chunk);
      size += chunk.length;
      if (parts.length === 64) parts = [Buffer.concat(parts)];
      if (size >= chunkBytes) await flush();
    },
    seal: flush,
    discard: async () => {
      await withTimeout(redis.client.unlink(key), timeoutMs);
    },
  };
}
