import { firstLogId } from '../../../shared/core/log-id.ts';
import { printable } from '../../../shared/core/printable.ts';
import { archivePosition } from '../../../shared/io/archive-position.ts';
import { listSegments } from '../../../shared/io/archive.ts';
import type { RecordSource } from '../../../shared/io/record-reader.ts';

export async function warnOfMissingArchive({ redis, archive }: RecordSource): Promise<void> {
  // One that cannot be read is told of by the reading.
  if (!archive || (await listSegments(archive).catch(() => undefined))?.length !== 0) return;
  const position = await archivePosition(redis);
  if (position === undefined || position === firstLogId) return;
  warn(
    `there is no archive in ${archive.place}: only what is in Redis is read. Run this where the admin role runs, or with its settings of archive`,
  );
}

export const warn = (words: string): void => void process.stderr.write(`rebound: ${printable(words)}\n`);
