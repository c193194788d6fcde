import { createHash, randomBytes } from 'node:crypto';
import type { Endpoints } from '../../../shared/core/api/endpoints.ts';
import { parseDuration } from '../../../shared/core/duration.ts';
import { egressPath } from '../../../shared/core/lane.ts';
import { fits, mayConcern, type Order, type OrderKind } from '../../../shared/core/order.ts';
import { activeJobs, everyState, jobsOfMessage, walkLane, type WalkedJob } from '../../../shared/io/lane-walk.ts';
import { endOrder as end, readOrder, readOrders, redisNow, type OrderState } from '../../../shared/io/order-store.ts';
import { giveWithin } from '../give-order.ts';
import { badRequest, Problem } from '../problem.ts';
import type { World } from '../world.ts';
import type { ApiRequest, Handler } from './mount.ts';

type Body = ApiRequest<Endpoints['giveOrder']>['body'];

/** Milliseconds; null: until it is ended; 0: only what waits now. */
const usualLife: Record<OrderKind, number | null> = {
  suspend: null,
  hold: null,
  limits: null,
  bounce: 300_000,
  drop: 0,
  rebind: 0,
  retry: 0,
};
/** Kinds that would do nothing without a life. */
const needsLife: readonly OrderKind[] = ['suspend', 'hold', 'limits'];
/** A preview looks at so many jobs at most. */
const mostExamined = 20_000;
const sampleSize = 10;
const mostLanes = 100;

export const giveOrder: Handler<Endpoints['giveOrder']> = async ({ body, actor, once, note }, world) => {
  const { redis, config } = world.context;
  const created = await redisNow(redis);
  const sources = config.outbound.sources.map(({ name }) => name);
  if (body.kind === 'rebind' && body.to.source !== undefined && !(sources.length > 0 ? sources : ['default']).includes(body.to.source))
    throw badRequest([{ field: 'to.source', message: 'there is no such egress source' }]);
  // The same request repeated under its key is the same order.
  const id = once === undefined ? randomBytes(16).toString('hex') : createHash('sha256').update(once).digest('hex').slice(0, 32);
  const order: Order = {
    id,
    kind: body.kind,
    criteria: body.criteria,
    reason: body.reason,
    who: actor.name,
    created,
    expires: expiryOf(body, created),
    ...(body.kind === 'bounce' && { report: body.report }),
    ...(body.kind === 'rebind' && { to: body.to }),
    ...(body.kind === 'limits' && { limits: body.limits }),
  };
  await giveWithin(order, world);
  note({ target: id, result: `${body.kind} ${JSON.stringify(body.criteria)}` });
  return describe(await stateOf(id, world));
};

export const endOrder: Handler<Endpoints['endOrder']> = async ({ params: { id }, body, actor, note }, world) => {
  const { redis } = world.context;
  await stateOf(id, world);
  const isEnded = await end(id, { at: await redisNow(redis), who: actor.name, reason: body.reason }, redis, world.queues);
  note({ target: id, result: isEnded ? 'ended' : 'it had ended already' });
  return describe(await stateOf(id, world));
};

export const order: Handler<Endpoints['order']> = async ({ params: { id } }, world) => describe(await stateOf(id, world));

export const orders: Handler<Endpoints['orders']> = async ({ query }, world) => {
  const { state, kind, limit, cursor } = query;
  const isWanted = ({ ended, order: one }: OrderState): boolean =>
    (state === 'all' || ended === null) && (kind === undefined || one.kind === kind);
  const found = await readOrders(world.context.redis, isWanted, cursor === undefined ? undefined : readPlace(cursor), limit + 1);
  const page = found.slice(0, limit);
  const last = page.at(-1);
  return { orders: page.map(describe), next: last && found.length > limit ? formatPlace(last.order) : null };
};

export const previewOrder: Handler<Endpoints['previewOrder']> = async ({ body: { criteria } }, world) => {
  const { queues, context, lanes } = world;
  const { redis } = context;
  let examined = 0;
  let messages = 0;
  let recipients = 0;
  const byLane = new Map<string, number>();
  const sample: { lane: string; data: WalkedJob['data'] }[] = [];
  const look = (lane: string, jobs: readonly WalkedJob[]): void => {
    for (const { data } of jobs) {
      if (!fits(criteria, data, lane)) continue;
      messages += 1;
      recipients += data.envelope.recipients.length;
      byLane.set(lane, (byLane.get(lane) ?? 0) + 1);
      if (sample.length < sampleSize) sample.push({ lane, data });
    }
  };
  const concerned = (await lanes.names()).filter((lane) => mayConcern(criteria, lane));
  const { message } = criteria;
  if (message !== undefined) for (const { lane, jobs } of await jobsOfMessage(message, concerned, redis, queues)) look(lane, jobs);
  for (const lane of message === undefined ? concerned : []) {
    if (examined >= mostExamined) break;
    look(lane, await activeJobs(lane, redis, queues));
    for await (const page of walkLane(lane, everyState, { redis, queues })) {
      look(lane, page.jobs);
      examined += page.examined;
      if (examined >= mostExamined) break;
    }
  }
  const deepest = [...byLane]
    .map(([lane, count]) => ({ lane: egressPath(lane), messages: count }))
    .toSorted((a, b) => b.messages - a.messages);
  return {
    messages,
    recipients,
    is_complete: examined < mostExamined,
    lanes: deepest.slice(0, mostLanes),
    sample: sample.map(({ lane, data }) => ({
      message: data.message,
      lane: egressPath(lane),
      sender: data.envelope.sender,
      recipients: data.envelope.recipients.slice(0, sampleSize).map(({ address }) => address),
      created: timeOf(data.created),
      attempts: data.attempts,
    })),
  };
};

/** When an order's time is over, by the clock of Redis, on which it is `now`. */
function expiryOf(body: Body, now: number): number | null {
  const { duration, expires } = body.kind === 'retry' ? {} : body;
  if (expires !== undefined) {
    const at = Date.parse(expires);
    if (at <= now) throw badRequest([{ field: 'expires', message: 'that time is over' }]);
    if (at - now > longestLife) throw badRequest([{ field: 'expires', message: 'expected a time within a year' }]);
    return at;
  }
  if (duration === undefined) {
    const usual = usualLife[body.kind];
    return usual === null ? null : now + usual;
  }
  const ms = parseDuration(duration) ?? 0;
  if (ms === 0 && needsLife.includes(body.kind)) throw badRequest([{ field: 'duration', message: 'expected a time such as 30m or 2h' }]);
  return now + ms;
}

const longestLife = 366 * 86_400_000;

async function stateOf(id: string, { context }: World): Promise<OrderState> {
  const state = await readOrder(id, context.redis);
  if (!state) throw new Problem(404, `there is no order ${id}`);
  return state;
}

const describe = ({
  order: { id, kind, criteria, reason, who, created, expires, report, to, limits },
  ended,
  isWorking,
  messages,
}: OrderState) => ({
  id,
  kind,
  criteria: given(criteria),
  reason,
  who,
  created: timeOf(created),
  expires: expires === null ? null : timeOf(expires),
  state: ended ? ('ended' as const) : isWorking ? ('working' as const) : ('in force' as const),
  ended: ended && { at: timeOf(ended.at), who: ended.who, reason: ended.reason },
  messages,
  ...(report !== undefined && { report }),
  ...(to && { to: given(to) }),
  ...(limits && { limits: given(limits) }),
});

/** Without what is not said. */
const given = <T extends object>(fields: T) =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Record<string, Exclude<T[keyof T], undefined>>;

const timeOf = (at: number): string => new Date(at).toISOString();

const formatPlace = ({ created, id }: Order): string => Buffer.from(JSON.stringify([created, id])).toString('base64url');

function readPlace(text: string): { created: number; id: string } {
  try {
    const [created, id] = JSON.parse(Buffer.from(text, 'base64url').toString()) as unknown[];
    if (typeof created === 'number' && typeof id === 'string') return { created, id };
  } catch {
    // told below
  }
  throw badRequest([{ field: 'cursor', message: 'expected the "next" of a page before' }]);
}
