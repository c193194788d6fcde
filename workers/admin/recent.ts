import { recipientsOf, type RecordType } from '../../shared/core/disposition.ts';
import type { Entry, RecordLog } from './record-log.ts';

/** What the overview tells of the disposition log. */
export interface Recent {
  /** Recipients by type of record; what was refused before any recipient was named counts as one. */
  counts: Readonly<Record<RecordType, number>>;
  /** Records counted. */
  counted: number;
  /** Epoch ms of the first one counted; undefined before there is any. */
  since: number | undefined;
}

/** Counted back when the process starts; the same when nobody looked for so long that more came in. */
const mostAtOnce = 20_000;
const pageSize = 1000;

/**
 * Counts what the log has got since the last look: a look costs what is new, and nothing while nobody looks. Looks at the
 * same time share one.
 */
export function openRecent(log: RecordLog): () => Promise<Recent> {
  let state = empty();
  let last: string | undefined;
  let running: Promise<Recent> | undefined;

  const count = ({ at, record }: Entry): void => {
    state.counts[record.type] = (state.counts[record.type] ?? 0) + Math.max(1, recipientsOf(record).length);
    state.counted += 1;
    state.since ??= timeOf(at);
    last = at;
  };
  const look = async (): Promise<Recent> => {
    const fresh = last === undefined ? undefined : await newer(log, last);
    if (fresh === undefined) {
      const { entries } = await log.newest({ types: new Set() }, mostAtOnce);
      state = empty();
      for (const entry of entries.reverse()) count(entry);
    } else {
      for (const entry of fresh) count(entry);
    }
    return { ...state, counts: { ...state.counts } };
  };
  return () => {
    running ??= look().finally(() => {
      running = undefined;
    });
    return running;
  };
}

/** All entries after `last`; undefined when there are too many to count them one by one. */
async function newer(log: RecordLog, last: string): Promise<Entry[] | undefined> {
  const entries: Entry[] = [];
  for (let from = last; entries.length < mostAtOnce;) {
    const page = await log.after(from, pageSize);
    entries.push(...page);
    const end = page.at(-1);
    if (end === undefined || page.length < pageSize) return entries;
    from = end.at;
  }
  return undefined;
}

const empty = (): { counts: Record<RecordType, number>; counted: number; since: number | undefined } => ({
  counts: {
    Reception: 0,
    Delivery: 0,
    TransientFailure: 0,
    Bounce: 0,
    Expiration: 0,
    Rejection: 0,
    AdminBounce: 0,
    Delayed: 0,
    OOB: 0,
    Feedback: 0,
  },
  counted: 0,
  since: undefined,
});

const timeOf = (at: string): number => Number(at.split('-')[0]);
