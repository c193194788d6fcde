import type { DispositionRecord } from '../../shared/core/disposition.ts';
import { suppressionWords } from '../../shared/core/dsn/report-policy.ts';
import type { LogEntry } from '../../shared/core/log-entry.ts';
import type { LogFilter } from '../../shared/core/log-filter.ts';
import { formatReplayTarget, queueOfTarget, replayJobId } from '../../shared/core/replay.ts';
import { bounceSubscription, isHeard } from '../../shared/core/subscriptions.ts';
import type { RecordSource } from '../../shared/io/record-reader.ts';
import { replayPlans } from '../../shared/io/replay-state.ts';
import { readReportMarks } from '../../shared/io/report-marks.ts';
import type { RedisLink } from '../../shared/io/redis.ts';
import { readBounded } from './log-search.ts';

/** How long one is looked for in each way. Milliseconds. */
const searchTime = 2000;
/** The clock of the server that made the id may be ahead of that of Redis. Milliseconds. */
const clockSkew = 5000;
/** What has no message of its own is logged soon after its id was made. Milliseconds. */
const soon = 600_000;

/** A record by its event id; undefined when there is none, or it was not found in a bounded time. */
export async function findDisposition(source: RecordSource, eventId: string): Promise<LogEntry | undefined> {
  // Ids of ours begin with a UUIDv7, which has the time: of the message, or of a rejection or report that came in.
  const begin = /^[0-9a-f]{32}/.exec(eventId)?.[0];
  if (begin === undefined) return undefined;
  const since = Math.max(0, Number.parseInt(begin.slice(0, 12), 16) - clockSkew);
  return (
    (await first(source, { message: begin, since }, eventId)) ?? (await first(source, { since, until: since + clockSkew + soon }, eventId))
  );
}

async function first(source: RecordSource, filter: LogFilter, eventId: string): Promise<LogEntry | undefined> {
  let found: LogEntry | undefined;
  await readBounded(source, { filter }, searchTime, (entry) => {
    if (entry.record.event_id === eventId) found = entry;
    return found !== undefined;
  });
  return found;
}

/** What became of the report of a record. */
export async function reportFate(redis: RedisLink, record: DispositionRecord) {
  const { event_id: eventId } = record;
  const [marks, [name, finishedOn]] = await Promise.all([
    readReportMarks(redis, [eventId]),
    redis.client.hmget(`${redis.prefix}:${bounceSubscription.queue}:${eventId}`, 'name', 'finishedOn'),
  ]);
  const fate = { message: null, reason: null, words: null };
  const mark = marks.get(eventId);
  if (mark?.kind === 'sent') return { ...fate, outcome: 'sent' as const, message: mark.message };
  if (mark) {
    // A reason of another version is told by its own name.
    const words = new Map(Object.entries(suppressionWords)).get(mark.reason) ?? null;
    return { ...fate, outcome: 'suppressed' as const, reason: mark.reason, words };
  }
  if (name && !finishedOn) return { ...fate, outcome: 'waiting' as const };
  return { ...fate, outcome: isHeard(bounceSubscription, record) ? ('unknown' as const) : ('none' as const) };
}

/** The replays that have a job of this record, of those remembered. */
export async function replaysOf(
  redis: RedisLink,
  { event_id: eventId }: DispositionRecord,
): Promise<{ id: string; to: string; outcome: string | null }[]> {
  const plans = await replayPlans(redis);
  if (plans.length === 0) return [];
  const trip = redis.client.pipeline();
  for (const { id, plan } of plans)
    trip.hmget(`${redis.prefix}:${queueOfTarget(plan.target)}:${replayJobId(eventId, id)}`, 'name', 'replayOutcome');
  const answers = (await trip.exec()) ?? [];
  return plans.flatMap(({ id, plan }, n) => {
    const [error, values] = answers[n] ?? [];
    if (error) throw error;
    const [name = null, outcome = null] = (values ?? []) as (string | null)[];
    return name === null ? [] : [{ id, to: formatReplayTarget(plan.target), outcome }];
  });
}
