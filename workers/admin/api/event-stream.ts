import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import type { FastifyReply } from 'fastify';
import { Problem } from '../problem.ts';
import type { World } from '../world.ts';

/** Streams of one admin process. */
const mostStreams = 50;

/** Is there room for one more? Throws 503. */
export function assertStreams({ streams }: World): void {
  if (streams.size >= mostStreams) throw new Problem(503, 'there are too many event streams', {}, { 'retry-after': '10' });
}

/** Answers with server-sent events, which `run` writes until it ends or the client goes. */
export function openEventStream(reply: FastifyReply, world: World, run: (raw: ServerResponse) => Promise<void>): void {
  reply.hijack();
  const { raw } = reply;
  raw.writeHead(200, {
    ...(reply.getHeaders() as Record<string, string>),
    'content-type': 'text/event-stream; charset=utf-8',
    'x-accel-buffering': 'no', // nginx would gather events
  });
  raw.on('error', () => undefined);
  const { log, metrics } = world.context;
  world.streams.add(raw);
  metrics.eventStreams.inc();
  // Who has logged out, or whose login was taken away, hears no more.
  const leave = async (): Promise<void> => {
    const actor = await world.access.actorOf(reply.request);
    if (actor instanceof Problem && actor.status === 401) raw.destroy();
  };
  const watch = setInterval(() => void leave().catch(() => undefined), world.streamTimes.heartbeat);
  void run(raw)
    .catch((error: unknown) => log.debug({ event: 'event_stream_failed', error: String(error) }))
    .finally(() => {
      clearInterval(watch);
      world.streams.delete(raw);
      metrics.eventStreams.dec();
      raw.destroy();
    });
}

/** Resolves when the client has taken it. Rejects when it takes longer than `patience` (ms). */
export async function sendEvents(raw: ServerResponse, text: string, patience: number): Promise<void> {
  if (raw.destroyed || raw.write(text)) return;
  const waiting = new AbortController();
  const timer = setTimeout(() => waiting.abort(), patience);
  const { signal } = waiting;
  try {
    await Promise.race([once(raw, 'drain', { signal }), once(raw, 'close', { signal })]);
  } finally {
    clearTimeout(timer);
    // The other one listens no more: a client that catches up comes here many times a second.
    waiting.abort();
  }
}
