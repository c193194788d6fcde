import { parseOrder, type Order } from '../core/order.ts';
import type { Queues, Transaction } from './queues.ts';
import type { RedisLink } from './redis.ts';

/** The queue of what is to be done about orders; the delivery role does it. */
export const steeringQueue = 'steering';

/** `begin`: carry it out on what waits. `end`: its time is over. `ended`: somebody ended it, and what it put off goes on. */
export interface SteeringJob {
  order: string;
  step: 'begin' | 'end' | 'ended';
}

export interface OrderEnd {
  /** Epoch ms. */
  at: number;
  who: string;
  reason: string;
}

/** An order with what became of it. */
export interface OrderState {
  order: Order;
  ended: OrderEnd | null;
  isWorking: boolean;
  messages: { examined: number; matched: number; done: number; busy: number };
}

/** Orders that have ended are remembered up to this number. */
const mostEnded = 1000;
/** Orders that may be in force at the same time. */
export const mostInForce = 500;

/** Hash of the orders that have not ended, by id. */
export const ordersKey = (redis: RedisLink): string => redis.key('orders');
/** Counts the changes of that hash, so that a look at it is cheap. */
export const versionKey = (redis: RedisLink): string => redis.key('orders-version');
/** Sorted set of the ids of all that are remembered, by the time they were given. */
const givenKey = (redis: RedisLink): string => redis.key('orders-given');
/** Hash of one order: `order`, `ended`, `working`, and the counts. */
const orderKey = (redis: RedisLink, id: string): string => redis.key(`order:${id}`);

/** Tried until it is done; a person sees in the board what is not. */
const jobOptions = {
  attempts: 1_000_000,
  backoff: { type: 'fixed', delay: 1000 },
  removeOnComplete: { count: 100 },
  removeOnFail: { count: 100 },
} as const;

/** Epoch ms by the clock of Redis, which is the one of all orders. */
export async function redisNow(redis: RedisLink): Promise<number> {
  const [seconds, microseconds] = await redis.client.time();
  return Number(seconds) * 1000 + Math.floor(Number(microseconds) / 1000);
}

/** Kinds that are carried out on what waits; a suspension of a whole lane and limits act by being there. */
const hasWork = ({ kind }: Order, isOfWholeLane: boolean): boolean => kind !== 'limits' && !isOfWholeLane;

/** Milliseconds: by then every process knows of a new order. */
export const knownAfter = 1000;

/**
 * Puts an order in force, and what there is to do about it into the queue, in one transaction. Resolves to false when as many are in force as may
 * be. Given again under the same id it changes nothing.
 */
export async function giveOrder(order: Order, isOfWholeLane: boolean, redis: RedisLink, queues: Queues): Promise<boolean> {
  const { client } = redis;
  if ((await client.exists(orderKey(redis, order.id))) === 1) return true;
  if ((await client.hlen(ordersKey(redis))) >= mostInForce) return false;
  await forgetOldest(redis);
  const text = JSON.stringify(order);
  const tx = queues.begin();
  // First, because a full Redis refuses this plain write, and with it the whole transaction.
  tx.redis.hset(ordersKey(redis), order.id, text);
  tx.redis.incr(versionKey(redis));
  tx.redis.zadd(givenKey(redis), order.created, order.id);
  const isWorking = hasWork(order, isOfWholeLane);
  tx.redis.hset(orderKey(redis, order.id), { order: text, ...(isWorking && { working: '1' }) });
  // A retry must find every process without what it remembers of failing sites.
  if (isWorking) addStep(tx, order.id, 'begin', order.kind === 'retry' ? knownAfter : 0);
  if (order.expires !== null && order.expires > order.created) addStep(tx, order.id, 'end', order.expires - order.created);
  await tx.exec();
  return true;
}

function addStep(tx: Transaction, order: string, step: SteeringJob['step'], delay: number): void {
  const data: SteeringJob = { order, step };
  tx.add(steeringQueue, { id: `${order}/${step}`, name: step, data, delay, opts: jobOptions });
}

const endScript = `
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then return 0 end
redis.call('HSET', KEYS[2], 'ended', ARGV[2])
redis.call('HDEL', KEYS[2], 'working')
redis.call('INCR', KEYS[3])
redis.call('HDEL', KEYS[1], ARGV[1])
return 1`;

/** Ends an order; false when it had ended. What it put off is brought back by the job that is added with it. */
export async function endOrder(id: string, end: OrderEnd, redis: RedisLink, queues: Queues): Promise<boolean> {
  const tx = queues.begin();
  tx.redis.eval(endScript, 3, ordersKey(redis), orderKey(redis, id), versionKey(redis), id, JSON.stringify(end));
  addStep(tx, id, 'ended', 0);
  const [isEnded] = await tx.exec();
  return isEnded === 1;
}

export async function readOrder(id: string, redis: RedisLink): Promise<OrderState | undefined> {
  const [state] = await readStates([id], redis);
  return state;
}

/** Those that have not ended, and the ids of what cannot be read. */
export async function readInForce(redis: RedisLink): Promise<{ orders: Order[]; unreadable: string[] }> {
  const read = Object.entries(await redis.client.hgetall(ordersKey(redis))).map(([id, text]) => ({ id, order: parseOrder(text) }));
  return { orders: read.flatMap(({ order }) => order ?? []), unreadable: read.flatMap(({ id, order }) => (order ? [] : id)).toSorted() };
}

/** Up to `count` orders given before (created, id), the newest first. */
export async function readOrders(
  redis: RedisLink,
  fits: (state: OrderState) => boolean,
  before: { created: number; id: string } | undefined,
  count: number,
): Promise<OrderState[]> {
  const raw = await redis.client.zrevrange(givenKey(redis), '0', '-1', 'WITHSCORES');
  const ids: string[] = [];
  for (let i = 0; i < raw.length; i += 2) {
    const [id = '', created] = [raw[i], Number(raw[i + 1])];
    if (!before || created < before.created || (created === before.created && id < before.id)) ids.push(id);
  }
  const found: OrderState[] = [];
  for (let at = 0; at < ids.length && found.length < count; at += 200)
    found.push(...(await readStates(ids.slice(at, at + 200), redis)).filter(fits));
  return found.slice(0, count);
}

async function readStates(ids: readonly string[], redis: RedisLink): Promise<OrderState[]> {
  const trip = redis.client.pipeline();
  for (const id of ids) trip.hgetall(orderKey(redis, id));
  return ((await trip.exec()) ?? []).flatMap(([error, value]) => {
    if (error) throw error;
    const { order: text, ended, working, examined, done, busy } = value as Record<string, string | undefined>;
    const order = text === undefined ? undefined : parseOrder(text);
    if (!order) return [];
    const counts = { examined: Number(examined ?? 0), done: Number(done ?? 0), busy: Number(busy ?? 0) };
    return [
      {
        order,
        ended: ended === undefined ? null : (JSON.parse(ended) as OrderEnd),
        isWorking: working !== undefined,
        messages: { ...counts, matched: counts.done + counts.busy },
      },
    ];
  });
}

/** Counts a message that was dealt with, in the transaction that does it. */
export const countDone = (tx: Transaction, id: string, redis: RedisLink): unknown => tx.redis.hincrby(orderKey(redis, id), 'done', 1);

/** Writes how far the work on an order is; resolves to whether it is still in force. */
export async function noteProgress(
  id: string,
  changes: { examined?: number; busy?: number; done?: number; isWorking?: boolean },
  redis: RedisLink,
): Promise<boolean> {
  const key = orderKey(redis, id);
  const { examined, busy, done, isWorking } = changes;
  const tx = redis.client.multi();
  tx.hexists(ordersKey(redis), id);
  if (examined !== undefined) tx.hset(key, 'examined', examined);
  if (busy !== undefined) tx.hset(key, 'busy', busy);
  if (done !== undefined) tx.hincrby(key, 'done', done);
  if (isWorking === true) tx.hset(key, 'working', '1');
  if (isWorking === false) tx.hdel(key, 'working');
  const [answer] = (await tx.exec()) ?? [];
  return answer?.[1] === 1;
}

/** Lets go of the oldest that have ended, beyond those that are remembered. */
async function forgetOldest(redis: RedisLink): Promise<void> {
  const { client } = redis;
  const old = await client.zrange(givenKey(redis), '0', String(-mostEnded));
  if (old.length === 0) return;
  const inForce = new Set(await client.hkeys(ordersKey(redis)));
  const gone = old.filter((id) => !inForce.has(id));
  if (gone.length === 0) return;
  await client
    .multi()
    .zrem(givenKey(redis), ...gone)
    .unlink(...gone.map((id) => orderKey(redis, id)))
    .exec();
}
