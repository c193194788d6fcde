import type { Config } from '../../shared/core/config.ts';
import { compareLogIds, timeOfLogId } from '../../shared/core/log-id.ts';
import { isUnreadable } from '../../shared/io/archive-segment.ts';
import type { ArchiveStore } from '../../shared/io/archive-store.ts';
import { lastOfSegment, listSegments } from '../../shared/io/archive.ts';
import type { Logger } from '../../shared/io/log.ts';

/** The last id in the archive; undefined for an empty one. A damaged newest segment is told of and does not stop what comes after it. */
export async function endOfArchive(store: ArchiveStore, inRedis: string, log: Logger): Promise<string | undefined> {
  const newest = (await listSegments(store)).at(-1);
  if (!newest) return undefined;
  try {
    return await lastOfSegment(store, newest.name);
  } catch (error) {
    if (!isUnreadable(error)) throw error;
    log.error({ event: 'archive_damaged', segment: newest.name, error: (error as Error).message });
    // Redis knows that it was finished; where it does not, it still has the records, and the name must be free for them.
    if (compareLogIds(inRedis, newest.after) <= 0) await store.setAside(newest.name);
    return newest.after;
  }
}

/** Deletes what is too old or too much, oldest first; the newest stays. Resolves with the octets that are left. */
export async function removeOldSegments(
  store: ArchiveStore,
  { maxAge, maxSize }: Pick<Config['archive'], 'maxAge' | 'maxSize'>,
  log: Logger,
): Promise<number> {
  const segments = await listSegments(store);
  let total = segments.reduce((sum, { size }) => sum + size, 0);
  for (const [i, { name, size }] of segments.entries()) {
    const next = segments[i + 1];
    if (!next) break;
    // The next one begins where this one ends.
    const isOld = timeOfLogId(next.after) < Date.now() - maxAge;
    if (!isOld && total <= maxSize) break;
    await store.remove(name);
    total -= size;
    log.info({ event: 'archive_removed', segment: name, reason: isOld ? 'age' : 'size' });
  }
  return total;
}
