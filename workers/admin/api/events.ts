import { setTimeout as delay } from 'node:timers/promises';
import type { ServerResponse } from 'node:http';
import type { Endpoints } from '../../../shared/core/api/endpoints.ts';
import { harmlessJson } from '../../../shared/core/api/problem.ts';
import type { DispositionRecord } from '../../../shared/core/disposition.ts';
import { recordMatcher } from '../../../shared/core/log-filter.ts';
import { lastLogIdBefore } from '../../../shared/core/log-id.ts';
import { readFilter } from '../log-search.ts';
import { badRequest } from '../problem.ts';
import type { Entry, RecordLog } from '../record-log.ts';
import type { World } from '../world.ts';
import { assertStreams, openEventStream, sendEvents } from './event-stream.ts';
import type { Handler } from './mount.ts';

/** How often each stream asks Redis. Milliseconds. */
const pollInterval = 250;
/** Records are a kilobyte, but one with a thousand recipients is larger. */
const pageSize = 100;
/** Asks for all there is. */
const beginning = '0';
/** How soon a client comes back. */
const retryAfter = 2000;

/**
 * Each client has its own place in the log and is read for at its own speed: nothing is queued for it, and none slows
 * another down.
 */
export const events: Handler<Endpoints['events']> = async ({ query, request, reply }, world) => {
  const filter = readFilter(query);
  const from = filter.since === undefined ? undefined : lastLogIdBefore(filter.since);
  const after = placeOf(request.headers['last-event-id']) ?? query.after ?? from;
  assertStreams(world);
  const start = after ?? (await world.log.end());
  const isGap = after !== undefined && after !== beginning && (await world.log.isBefore(after));
  openEventStream(reply, world, (raw) => run(raw, start, { isGap, fits: recordMatcher(filter) }, world));
};

async function run(
  raw: ServerResponse,
  start: string,
  { isGap, fits }: { isGap: boolean; fits: (record: DispositionRecord) => boolean },
  { log, context, streamTimes }: World,
): Promise<void> {
  const { heartbeat, patience } = streamTimes;
  await sendEvents(raw, `retry: ${retryAfter}\n\n${isGap ? 'event: gap\ndata: {}\n\n' : ''}`, patience);
  let last = start;
  let said = Date.now();
  while (!raw.destroyed) {
    const page = context.redis.isReady ? await read(log, last) : [];
    last = page.at(-1)?.at ?? last;
    const fitting = page.filter(({ record }) => fits(record));
    const isQuiet = Date.now() - said > heartbeat;
    if (fitting.length > 0 || isQuiet) {
      // What was passed over is not looked at again by a client that comes back.
      await sendEvents(raw, fitting.length > 0 ? fitting.map(print).join('') : `: alive\nid: ${last}\n\n`, patience);
      said = Date.now();
    }
    if (page.length < pageSize) await delay(pollInterval);
  }
}

/** Redis may go away at any time; the stream goes on when it is back. */
const read = (log: RecordLog, after: string): Promise<Entry[]> => log.after(after, pageSize).catch(() => []);

const print = ({ at, record }: Entry): string => `id: ${at}\ndata: ${harmlessJson(record)}\n\n`;

function placeOf(header: string | string[] | undefined): string | undefined {
  if (header === undefined) return undefined;
  if (typeof header === 'string' && /^\d{1,15}(-\d{1,19})?$/.test(header)) return header;
  throw badRequest([{ field: 'Last-Event-ID', message: 'expected the id of an event' }]);
}
