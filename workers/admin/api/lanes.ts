import type { Endpoints } from '../../../shared/core/api/endpoints.ts';
import type { RecordType } from '../../../shared/core/disposition.ts';
import { egressPath } from '../../../shared/core/lane.ts';
import { badRequest, Problem } from '../problem.ts';
import { depthOf, readLane, type LaneDepth } from '../lane-depths.ts';
import { readSessions } from '../open-sessions.ts';
import type { World } from '../world.ts';
import type { Handler } from './mount.ts';

/** Where a page ended: what its last lane was sorted by, and its name. */
type Place = [rank: number, lane: string];

const mostReplies = 10;

export const lanes: Handler<Endpoints['lanes']> = async ({ query }, world) => {
  const { sort, site, source, limit, cursor } = query;
  const rank = sort === 'age' ? (lane: LaneDepth): number => -(lane.oldest ?? Number.MAX_SAFE_INTEGER) : depthOf;
  const { lanes: all } = await world.depths();
  const fitting = all
    .filter(
      (lane) =>
        (site === undefined || lane.site.toLowerCase().includes(site.toLowerCase())) && (source === undefined || lane.source === source),
    )
    .map((lane): { place: Place; lane: LaneDepth } => ({ place: [rank(lane), lane.lane], lane }))
    .toSorted((a, b) => comparePlaces(a.place, b.place));
  const from = cursor === undefined ? undefined : readPlace(cursor);
  // By its place and not by its number: lanes come and go between two pages.
  const rest = from ? fitting.filter(({ place }) => comparePlaces(place, from) > 0) : fitting;
  const page = rest.slice(0, limit);
  const last = page.at(-1);
  return {
    lanes: page.map(({ lane }) => describe(lane, world)),
    next: last && rest.length > page.length ? Buffer.from(JSON.stringify(last.place)).toString('base64url') : null,
    total: fitting.length,
  };
};

/** What an attempt came to: what operators ended or put off was said by no site. */
const ofAttempts: ReadonlySet<RecordType> = new Set(['Delivery', 'TransientFailure', 'Bounce', 'Expiration']);

export const lane: Handler<Endpoints['lane']> = async ({ params }, world) => {
  const name = params.lane;
  const { context, queues } = world;
  const { client } = context.redis;
  if ((await client.zscore(context.redis.key('lanes'), name)) === null) throw new Problem(404, 'there is no such lane');
  const { keys } = queues.backend(name);
  const [depth, limits, due, sessions, replies] = await Promise.all([
    readLane(context.redis, name),
    client.hmget(keys['meta'] ?? '', 'max', 'duration', 'concurrency'),
    client.zrange(keys['delayed'] ?? '', '0', '0', 'WITHSCORES'),
    readSessions(context.redis, queues),
    world.log.newest({ types: ofAttempts, site: egressPath(name) }, mostReplies),
  ]);
  const [max, ms, concurrency] = limits;
  // Every lane has a rate; one of a milliard is none.
  const inForce = world.lanes.limits(name);
  const { orders } = world.pipeline;
  const isLimited = Number(max ?? 0) > 0 && Number(max) < 1_000_000_000;
  return {
    ...describe(depth, world),
    next_retry: due[1] === undefined ? null : timeOf(Number(due[1]) / 0x1000), // BullMQ keeps 12 bits of order below the time
    limits: {
      connections: inForce.connections,
      concurrency: concurrency ? Number(concurrency) : null,
      rate: isLimited ? { messages: Number(max), ms: Number(ms) } : null,
      from: inForce.from,
      orders: orders.book.limitsOf(name, orders.now()).map(({ id }) => id),
    },
    sessions: sessions.filter((session) => session.lane === name).map(({ index, worker, since }) => ({ index, worker, since })),
    last_replies: replies.entries.map(({ record }) => record),
  };
};

export const sessions: Handler<Endpoints['sessions']> = async ({ query }, { context, queues }: World) => {
  const all = await readSessions(context.redis, queues);
  const fitting = all.filter((session) => query.lane === undefined || session.lane === query.lane);
  return { sessions: fitting.slice(0, query.limit), total: all.length };
};

const describe = ({ lane, source, site, waiting, delayed, active, paused, heldMs, oldest }: LaneDepth, { pipeline }: World) => ({
  lane,
  source,
  site,
  waiting,
  delayed,
  active,
  paused,
  suspended: suspensionOf(lane, pipeline),
  held_ms: heldMs,
  oldest: oldest === undefined ? null : timeOf(oldest),
});

function suspensionOf(lane: string, { orders }: World['pipeline']) {
  const order = orders.suspensionOf(lane);
  return order ? { order: order.id, reason: order.reason, expires: order.expires === null ? null : timeOf(order.expires) } : null;
}

const timeOf = (at: number): string => new Date(at).toISOString();

/** The higher rank first, then by name. */
const comparePlaces = ([a, nameA]: Place, [b, nameB]: Place): number => b - a || (nameA < nameB ? -1 : nameA > nameB ? 1 : 0);

function readPlace(cursor: string): Place {
  try {
    const [rank, name] = JSON.parse(Buffer.from(cursor, 'base64url').toString()) as unknown[];
    if (typeof rank === 'number' && typeof name === 'string') return [rank, name];
  } catch {
    // told below
  }
  throw badRequest([{ field: 'cursor', message: 'expected the "next" of a page before' }]);
}
