import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import type { Endpoints } from '../../../shared/core/api/endpoints.ts';
import { harmlessJson } from '../../../shared/core/api/problem.ts';
import { egressPath } from '../../../shared/core/lane.ts';
import { traceMatcher, type TraceFilter } from '../../../shared/core/trace.ts';
import { readConversation } from '../../../shared/io/conversations.ts';
import { announceWatcher, watchLifetime, withdrawWatcher, type TraceBatch } from '../../../shared/io/tracer.ts';
import { Problem } from '../problem.ts';
import type { World } from '../world.ts';
import { assertStreams, openEventStream } from './event-stream.ts';
import type { Handler } from './mount.ts';

/** Octets that a client has not taken yet; what comes then is left out. */
const mostUnread = 1_000_000;

export const conversation: Handler<Endpoints['conversation']> = async ({ params: { event } }, { context }) => {
  const kept = await readConversation(context, event);
  if (!kept) {
    const { keepConversations } = context.config.delivery;
    const why = keepConversations === 0 ? 'delivery.keepConversations is 0' : 'only attempts that failed have one, and only for a time';
    throw new Problem(404, `no conversation of this event is kept: ${why}`);
  }
  const lines = kept.lines.map((line) => ({ ...line, at: new Date(line.at).toISOString() }));
  return { lines, truncated: kept.truncated };
};

export const smtpTrace: Handler<Endpoints['smtpTrace']> = async ({ query, reply }, world) => {
  assertStreams(world);
  const named = { ...query, ...(query.lane !== undefined && { lane: egressPath(query.lane) }) };
  const filter: TraceFilter = Object.fromEntries(Object.entries(named).filter(([, value]) => value !== undefined));
  const watcher = randomUUID();
  await announceWatcher(world.context.redis, watcher, filter);
  openEventStream(reply, world, (raw) => run(raw, watcher, filter, world));
};

async function run(raw: ServerResponse, watcher: string, filter: TraceFilter, world: World): Promise<void> {
  const { redis } = world.context;
  const fits = traceMatcher(filter);
  let leftOut = 0;
  const hear = (batch: TraceBatch): void => {
    leftOut += batch.leftOut;
    if (raw.destroyed) return;
    const lines = batch.lines.filter(fits);
    if (raw.writableLength > mostUnread) {
      leftOut += lines.length;
      return;
    }
    const gap = leftOut > 0 ? `event: gap\ndata: {"process":${JSON.stringify(batch.process)},"left_out":${leftOut}}\n\n` : '';
    leftOut = 0;
    const text = lines.map((line) => `data: ${harmlessJson({ ...line, at: new Date(line.at).toISOString() })}\n\n`).join('');
    if (gap !== '' || text !== '') raw.write(`${gap}${text}`);
  };
  const gone = once(raw, 'close').catch(() => undefined);
  // Redis may be away for a while: whoever watches goes on when it is back.
  const renewing = setInterval(() => {
    if (redis.isReady) announceWatcher(redis, watcher, filter).catch(() => undefined);
    if (raw.writableLength === 0) raw.write(': alive\n\n');
  }, watchLifetime / 3);
  const { ready, stop } = world.trace.listen(hear);
  ready.then(
    () => raw.write(': watching\n\n'),
    () => undefined,
  );
  try {
    if (!raw.destroyed) await gone;
  } finally {
    clearInterval(renewing);
    stop();
    if (redis.isReady) await withdrawWatcher(redis, watcher).catch(() => undefined);
  }
}
