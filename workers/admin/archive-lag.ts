import { archivePosition } from '../../shared/io/archive-position.ts';
import { timeOfLogId } from '../../shared/core/log-id.ts';
import type { Context } from '../../shared/io/context.ts';

/** How far the archive is behind the log, as metrics and as a warning. */
export interface ArchiveLag {
  /** A page was read: `added` entries were ever put into the log, `pending` are read and not durable. */
  see(added: number | undefined, pending: number, isEnd: boolean): void;
  /** Asks Redis. Milliseconds matter less than that it works while archiving does not. */
  measure(): Promise<void>;
  /** Somebody else archives. */
  forget(): void;
}

/** An hour's records wait for their segment to be finished; more than this many times that is a lag. */
const bearable = 2;

export function openArchiveLag({ redis, metrics, log, config }: Context, segmentAge: number): ArchiveLag {
  const key = redis.key('log');
  /** How many entries had been added when the last durable one was. */
  let durable: number | undefined;
  let lags = false;

  return {
    see: (added, pending, isEnd) => {
      if (isEnd && added !== undefined) durable = added - pending;
    },
    measure: async () => {
      const position = await archivePosition(redis);
      if (position === undefined) return;
      const [[, first], [, length], [, info]] = (await redis.client
        .multi()
        .xrange(key, `(${position}`, '+', 'COUNT', 1)
        .xlen(key)
        .xinfo('STREAM', key)
        .exec()) as [[unknown, [string, string[]][]], [unknown, number], [unknown, unknown[]]];
      const oldest = first[0]?.[0];
      const added = info.indexOf('entries-added');
      // Before the end of the log was ever reached the whole of it may be unarchived.
      const records = oldest === undefined ? 0 : durable === undefined || added < 0 ? length : Number(info[added + 1]) - durable;
      const seconds = oldest === undefined ? 0 : Math.max(0, Date.now() - timeOfLogId(oldest)) / 1000;
      metrics.archiveLag.set(records);
      metrics.archiveLagSeconds.set(seconds);
      const doesLag = seconds * 1000 > segmentAge * bearable || records > config.log.keepRecords * bearable;
      if (doesLag !== lags) log[doesLag ? 'warn' : 'info']({ event: doesLag ? 'archive_lags' : 'archive_caught_up', records, seconds });
      lags = doesLag;
    },
    forget: () => {
      durable = undefined;
      lags = false;
      metrics.archiveLag.set(0);
      metrics.archiveLagSeconds.set(0);
      metrics.archiveSize.set(0);
    },
  };
}
