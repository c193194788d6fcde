import { compareLogIds, firstLogId } from '../core/log-id.ts';
import type { RedisLink } from './redis.ts';

/** The consumer group of the log whose position is the last record that is safe in the archive: what may be trimmed. */
const group = 'archive';

/** The position; undefined when nobody has ever archived this log. */
export async function archivePosition(redis: RedisLink): Promise<string | undefined> {
  const groups = (await redis.client.xinfo('GROUPS', redis.key('log')).catch(ifNoLog)) as unknown[][];
  for (const fields of groups) {
    if (fields[fields.indexOf('name') + 1] === group) return String(fields[fields.indexOf('last-delivered-id') + 1]);
  }
  return undefined;
}

/** The position, which is the beginning of the log when nobody has archived it yet. */
export async function joinArchiveGroup(redis: RedisLink): Promise<string> {
  await redis.client.xgroup('CREATE', redis.key('log'), group, firstLogId, 'MKSTREAM').catch((error: Error) => {
    if (!error.message.startsWith('BUSYGROUP')) throw error;
  });
  return (await archivePosition(redis)) ?? firstLogId;
}

/** Tells that everything up to `id` is durable in the archive. Never goes back. */
export async function setArchivePosition(redis: RedisLink, id: string): Promise<void> {
  if (compareLogIds(await joinArchiveGroup(redis), id) < 0) await redis.client.xgroup('SETID', redis.key('log'), group, id);
}

function ifNoLog(error: Error): [] {
  if (error.message.includes('no such key')) return [];
  throw error;
}
