import { setTimeout as sleep } from 'node:timers/promises';
import { printable } from '../../../shared/core/printable.ts';
import { ApiError, type ReboundClient } from '../../../shared/io/client.ts';
import { criteriaWords, type Order } from '../api/order-table.ts';
import { inOf } from '../api/times.ts';
import { openScreen } from '../demo/screen.ts';
import { renderBar } from '../demo/table.ts';
import { warn } from '../log/warn.ts';

/** Milliseconds. */
const lookInterval = 250;
/** Without any news for so long, it is left to itself. Milliseconds. */
const patience = 15_000;

/** Shows how far an order is until it is carried out on what waits, or the signal is aborted. Resolves with its last state. */
export async function followOrder(api: ReboundClient, given: Order, expected: number, signal: AbortSignal): Promise<Order> {
  const screen = openScreen(process.stderr, process.env);
  let order = given;
  let news = Date.now();
  try {
    while (order.state === 'working' && !signal.aborted) {
      const { done, busy } = order.messages;
      const words = `${done.toLocaleString('en')} done${busy > 0 ? `, ${busy} just being tried` : ''}`;
      screen.draw([renderBar(Math.min(1, done / Math.max(1, expected)), words)]);
      await sleep(lookInterval, undefined, { signal }).catch(() => undefined);
      const next = await look(api, order, signal);
      if (JSON.stringify(next.messages) !== JSON.stringify(order.messages)) news = Date.now();
      order = next;
      if (Date.now() - news < patience) continue;
      warn(`it is not carried out yet; is a delivery process running? "rebound orders show ${order.id}" tells how far it is`);
      break;
    }
  } finally {
    screen.keep();
  }
  if (signal.aborted) warn(`it goes on; "rebound orders show ${order.id}" tells how far it is, "rebound orders end" ends it`);
  return order;
}

/** As it was while Redis is away, or when nobody waits any more. */
async function look(api: ReboundClient, order: Order, signal: AbortSignal): Promise<Order> {
  try {
    return await api.order({ params: { id: order.id }, signal });
  } catch (error) {
    if (signal.aborted || (error instanceof ApiError && error.status === 503)) return order;
    throw error;
  }
}

/** What is said of one order in the end. */
export function orderWords({ id, kind, state, criteria, reason, who, expires, ended, messages, to, limits }: Order): string[] {
  const { done, matched, busy } = messages;
  const until = state === 'ended' ? '' : expires === null ? ', until it is ended' : `, ends ${inOf(expires)}`;
  return [
    `order    ${id}`,
    `what     ${kind} ${criteriaWords(criteria)}${pairs(to)}${pairs(limits)}`,
    `state    ${state}${until}`,
    `messages ${done.toLocaleString('en')} done of ${matched.toLocaleString('en')} that fit${busy > 0 ? `, ${busy} were just being tried` : ''}`,
    `why      ${reason} (${who})`,
    ...(ended ? [`ended    ${ended.at}${ended.who === '' ? '' : ` by ${ended.who}`}: ${ended.reason}`] : []),
  ].map((line) => printable(line, 2000));
}

const pairs = (values: Readonly<Record<string, string | number | null>> | undefined): string =>
  values
    ? `; ${Object.entries(values)
        .map(([name, value]) => `${name} ${value === null ? 'none' : String(value)}`)
        .join(', ')}`
    : '';
