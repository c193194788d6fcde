import { isOfWholeLane, type Order } from '../../shared/core/order.ts';
import { giveOrder, mostInForce } from '../../shared/io/order-store.ts';
import { Problem } from './problem.ts';
import type { World } from './world.ts';

/** Puts an order in force; throws Problem when as many are as may be. */
export async function giveWithin(order: Order, { context, queues }: World): Promise<void> {
  if (await giveOrder(order, isOfWholeLane(order), context.redis, queues)) return;
  throw new Problem(409, `${mostInForce} orders are in force, which is as many as may be; end some first`);
}
