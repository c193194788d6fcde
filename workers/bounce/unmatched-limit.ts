import type { RedisLink } from '../../shared/io/redis.ts';

/** Records of reports that match nothing, over all bounce processes: whoever forges by the thousand must not flush the log of what is true. */
const mostPerMinute = 600;

/** Counts one more of this minute; false when it is one too many. */
export async function takeUnmatched(redis: RedisLink): Promise<boolean> {
  const key = redis.key(`unmatched:${Math.floor(Date.now() / 60_000)}`);
  const [taken] = (await redis.client.multi().incr(key).expire(key, 120).exec()) ?? [];
  return Number(taken?.[1]) <= mostPerMinute;
}
