import type { Endpoints } from '../../../shared/core/api/endpoints.ts';
import { countedTime } from '../../../shared/core/disposition-counts.ts';
import type { LogEntry } from '../../../shared/core/log-entry.ts';
import { explainReply } from '../../../shared/core/dsn/explain-reply.ts';
import { en } from '../../../shared/core/dsn/wording/en.ts';
import { timeOfLogId } from '../../../shared/core/log-id.ts';
import { findDisposition, replaysOf, reportFate } from '../disposition-fate.ts';
import { formatPlace, parsePlace, readBounded, readFilter } from '../log-search.ts';
import { badRequest, Problem } from '../problem.ts';
import type { Handler } from './mount.ts';

/** How long one request searches. Milliseconds. */
const searchTime = 2000;
/** Answers stay smaller than this, beyond the last record. Octets, about. */
const mostText = 8 << 20;

export const dispositions: Handler<Endpoints['dispositions']> = async ({ query }, { source }) => {
  const { order, limit, cursor } = query;
  const { since, until, ...asked } = readFilter(query);
  const place = cursor === undefined ? undefined : parsePlace(cursor, order);
  const times = place
    ? { ...(place.since !== undefined && { since: place.since }), ...(place.until !== undefined && { until: place.until }) }
    : { ...(since !== undefined && { since }), ...(until !== undefined && { until }) };
  const filter = { ...asked, ...times };
  const entries: LogEntry[] = [];
  let size = 0;
  const { stoppedAt, damage } = await readBounded(source, { filter, order, ...(place && { cursor: place.at }) }, searchTime, (entry) => {
    entries.push(entry);
    size += sizeOf(entry);
    return entries.length === limit || size > mostText;
  });
  return {
    records: entries.map(({ at, record }) => ({ ...record, log_id: at })),
    next: stoppedAt === undefined ? null : formatPlace({ order, at: stoppedAt, ...times }),
    searched_to: stoppedAt === undefined ? null : new Date(timeOfLogId(stoppedAt)).toISOString(),
    damage,
  };
};

export const disposition: Handler<Endpoints['disposition']> = async ({ params }, { source, context: { redis } }) => {
  const found = await findDisposition(source, params.event);
  if (!found)
    throw new Problem(404, 'neither the log nor its archive has such a record', { errors: [{ field: 'event', message: 'is unknown' }] });
  const { record, at } = found;
  const [report, replays, redelivered, isKept] = await Promise.all([
    reportFate(redis, record),
    replaysOf(redis, record),
    redis.client.get(redis.key(`redelivered:${record.event_id}`)),
    // Who holds what was never there holds an entry without content.
    record.id === '' ? 0 : redis.client.hexists(redis.key(`spool:${record.id}`), 'b'),
  ]);
  return {
    record,
    explanation: explainReply(record, en) ?? null,
    logged: new Date(timeOfLogId(at)).toISOString(),
    report,
    replays,
    redelivered_as: redelivered,
    original: record.id === '' ? 'none' : isKept === 1 ? 'kept' : 'gone',
  };
};

/** Minutes. */
const steps = { '1m': 1, '5m': 5, '15m': 15, '1h': 60 };

export const dispositionCounts: Handler<Endpoints['dispositionCounts']> = async ({ query }, { counting }) => {
  const now = Date.now();
  const since = query.since === undefined ? now - countedTime : (readFilter({ since: query.since }).since ?? now);
  if (since < now - countedTime - leeway || since > now)
    throw badRequest([{ field: 'since', message: 'expected a time of the last 24 hours' }]);
  const { counts, countedSince, isAll } = await counting.ask();
  const { start, ...read } = counts.read(since, Date.now(), steps[query.step], query.top);
  return {
    ...read,
    start: new Date(start).toISOString(),
    step_seconds: steps[query.step] * 60,
    counted_since: new Date(countedSince).toISOString(),
    is_complete: isAll || countedSince <= since,
  };
};

/** A request takes its time. Milliseconds. */
const leeway = 60_000;

/** What makes a record large: its recipients, and what servers said. */
const sizeOf = ({ record: { recipient, response, dsn } }: LogEntry): number =>
  1000 + (typeof recipient === 'string' ? 0 : recipient.length * (dsn ? 300 : 100)) + response.content.length * 3;
