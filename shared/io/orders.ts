import { holds, openOrderBook, type Order, type OrderBook } from '../core/order.ts';
import type { DeliveryJob } from '../core/delivery-job.ts';
import type { Logger } from './log.ts';
import type { Metrics } from './metrics.ts';
import { readInForce, redisNow, versionKey } from './order-store.ts';
import type { RedisLink } from './redis.ts';
import { withTimeout } from './with-timeout.ts';

/**
 * This process's copy of the orders in force, looked at a few times a second. While Redis is away the last one holds; what ends
 * by the clock ends here by itself.
 */
export interface Orders {
  /** Resolves when every order given before the call is known here; rejects when Redis cannot be read. */
  refresh(): Promise<void>;
  readonly book: OrderBook;
  /** Epoch ms by the clock of Redis. */
  now(): number;
  /** The same moment by the clock of this machine. */
  local(at: number): number;
  orderFor(job: DeliveryJob, lane: string): Order | undefined;
  suspensionOf(lane: string): Order | undefined;
  /** Has `work` done when orders come or go, or limits run out: with those that have changed. */
  onChange(work: (changed: readonly Order[]) => Promise<void>): void;
  close(): void;
}

/** How often the version is looked at. Milliseconds. */
const lookInterval = 300;
/** Of an answer that a lost connection took along nobody hears any more where commands are not sent again. Milliseconds. */
const patience = 5000;

export function openOrders(redis: RedisLink, log: Logger, metrics: Metrics): Orders {
  let book = openOrderBook([]);
  let version: string | null | undefined;
  /** Those that hold now, by id: what is not in it any more has ended. */
  let effective = new Map<string, Order>();
  let clockAhead = 0;
  let looking: Promise<void> | undefined;
  const listeners: ((changed: readonly Order[]) => Promise<void>)[] = [];
  const now = (): number => Date.now() + clockAhead;

  const look = async (): Promise<void> => {
    const asked = Date.now();
    // The version first: what changes in between is seen the next time.
    const [current, time] = await Promise.all([redis.client.get(versionKey(redis)), redisNow(redis)]);
    clockAhead = Math.round(time - (asked + Date.now()) / 2);
    if (current !== version) {
      const { orders, unreadable } = await readInForce(redis);
      if (unreadable.length > 0) log.error({ event: 'orders_unreadable', orders: unreadable }, 'they are not followed; the others are');
      book = openOrderBook(orders);
      version = current;
      if (version !== null) log.info({ event: 'orders_known', version: Number(version), inForce: orders.length });
      metrics.orders.reset();
      for (const { kind } of orders) metrics.orders.inc({ kind });
    }
    tell();
  };
  const tell = (): void => {
    const at = now();
    const before = effective;
    effective = new Map(book.orders.filter((order) => order.kind !== 'limits' || holds(order, at)).map((order) => [order.id, order]));
    const changed = [
      ...[...before.values()].filter(({ id }) => !effective.has(id)),
      ...[...effective.values()].filter(({ id }) => !before.has(id)),
    ];
    if (changed.length === 0) return;
    for (const work of listeners)
      work(changed).catch((error: unknown) => {
        // Told again the next time, all of them.
        effective = new Map();
        log.warn({ event: 'orders_not_followed', error: String(error) });
      });
  };
  const lookOnce = (): Promise<void> => {
    looking ??= withTimeout(look(), patience).finally(() => {
      looking = undefined;
    });
    return looking;
  };
  const quietly = (): void => {
    lookOnce().catch((error: unknown) => log.debug({ event: 'orders_not_read', error: String(error) }));
  };
  // A Redis that comes back without what it wrote last counts to the same number again, for other orders.
  redis.client.on('close', () => {
    version = undefined;
  });
  const timer = setInterval(quietly, lookInterval).unref();
  quietly();

  return {
    refresh: async () => {
      // A look that is under way may have asked before.
      await looking?.catch(() => undefined);
      await lookOnce();
    },
    get book() {
      return book;
    },
    now,
    local: (at) => at - clockAhead,
    orderFor: (job, lane) => (book.orders.length === 0 ? undefined : book.orderFor(job, lane, now())),
    suspensionOf: (lane) => (book.orders.length === 0 ? undefined : book.suspensionOf(lane, now())),
    onChange: (work) => void listeners.push(work),
    close: () => clearInterval(timer),
  };
}
