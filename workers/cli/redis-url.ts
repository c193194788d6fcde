import type { Config } from '../../shared/core/config.ts';
import { doesRedisAnswer, embeddedRedisUrl } from '../../shared/io/embedded-redis.ts';
import { Failure } from './command.ts';

/** The Redis that is configured, else the one that a `rebound start` on the same data folder has brought up. */
export async function findRedisUrl({ redis, dataDir }: Pick<Config, 'redis' | 'dataDir'>): Promise<string> {
  if (redis.url) return redis.url;
  const url = embeddedRedisUrl(dataDir);
  if (await doesRedisAnswer(url)) return url;
  throw new Failure('there is no Redis: set REDIS_URL, or use "rebound start", which brings its own');
}
