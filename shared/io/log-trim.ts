import { compareLogIds, nextLogId } from '../core/log-id.ts';
import { archivePosition } from './archive-position.ts';
import type { Context } from './context.ts';
import { readMemory } from './redis.ts';
import { forgetOldestDay } from './sent-index.ts';

/** The log gives way at this part of the memory at which new mail is refused. */
const logShare = 0.9;
/** An archive that does not keep up may make the log so many times longer than it should be; then Redis goes first. */
const patience = 4;
/**
 * So many times `log.keepRecords` whoever writes leaves of the log where trimming is the sweeper's: no delivery process may be running. More
 * than the sweeper leaves, which counts what is lost.
 */
export const unsweptLog = patience + 1;

/**
 * Keeps the log within its length and age, and drops the older half of it when Redis runs short of memory: what has happened gives way
 * to mail, and a day of the index of what was sent does too. With an archive only what is archived goes, as long as there is room; what
 * goes without is counted and told loudly. Resolves with whether Redis ran short.
 */
export async function trimLog(context: Context): Promise<boolean> {
  const { redis, config, log, metrics } = context;
  const { client } = redis;
  const key = redis.key('log');
  const memory = await readMemory(redis);
  const isShort = (): boolean => memory.max > 0 && memory.used > memory.max * config.spool.maxRedisMemory * logShare;
  const wasShort = isShort();
  if (wasShort && (await forgetOldestDay(redis))) log.warn({ event: 'sent_index_trimmed', usedBytes: memory.used, maxBytes: memory.max });
  const length = await client.xlen(key);
  if (length === 0) return wasShort;
  const position = config.archive.enabled ? await archivePosition(redis) : undefined;
  const kept = wasShort ? Math.ceil(length / 2) : config.log.keepRecords;

  let dropped = 0;
  if (position === undefined) {
    if (length > kept) dropped += await client.xtrim(key, 'MAXLEN', '~', kept);
  } else if (length > kept) {
    // Whole nodes of the stream go, oldest first, and none that reaches beyond the position.
    dropped += await client.xtrim(key, 'MINID', '~', position, 'LIMIT', length - kept);
  }
  const oldest = `${Math.max(0, Date.now() - config.log.maxAge)}-0`;
  dropped += await client.xtrim(key, 'MINID', '~', position !== undefined && compareLogIds(position, oldest) < 0 ? position : oldest);
  if (wasShort) log.warn({ event: 'log_trimmed', usedBytes: memory.used, maxBytes: memory.max, dropped }, 'Redis runs short of memory');
  if (position === undefined) return wasShort;

  Object.assign(memory, await readMemory(redis));
  const left = length - dropped;
  const bearable = isShort() ? Math.min(kept, left) : config.log.keepRecords * patience;
  if (left <= bearable) return wasShort;
  // The archived part of the first node goes too: then everything that follows is a loss.
  await client.xtrim(key, 'MINID', nextLogId(position));
  const lost = await client.xtrim(key, 'MAXLEN', bearable);
  if (lost === 0) return wasShort;
  metrics.logLost.inc(lost);
  log.error(
    { event: 'log_lost', records: lost, archivedUpTo: position, usedBytes: memory.used, maxBytes: memory.max },
    'dispositions were dropped that were not archived: is an admin process running, and can it write the archive?',
  );
  return wasShort;
}
