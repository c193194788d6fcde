import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { startSteered, type Steered } from '../support/steering.ts';

const many = (n: number, domain: string): string[] => Array.from({ length: n }, (_, i) => `r${i}@${domain}`);

/** Nothing is found by the sweeper: whoever changes something has to see to it that the mail goes on. */
const startUnswept = (t: TestContext): Promise<Steered> => startSteered(t, { config: { delivery: { sweepInterval: '1h' } } });

const sessionsKey = ({ pipeline }: Steered, name: string): string => pipeline.queues.backend('sessions').keys[name] ?? '';

/** Until no session runs, or is about to. */
async function untilAsleep(relay: Steered): Promise<void> {
  const { client } = relay.observer.redis;
  const [wait, active] = [sessionsKey(relay, 'wait'), sessionsKey(relay, 'active')];
  await relay.waitFor('nobody at the lane', async () => (await client.llen(wait)) + (await client.llen(active)) === 0);
}

async function laneOf(relay: Steered): Promise<string> {
  await relay.mail(['first@dest.test']);
  await relay.until(({ type }) => type === 'Delivery');
  const [lane = ''] = await relay.pipeline.lanes.names();
  return lane;
}

test('a lane that is resumed goes on at once, whichever process hears of it first', async (t) => {
  const relay = await startUnswept(t);
  for (let n = 1; n <= 8; n++) {
    const order = await relay.give({ kind: 'suspend', criteria: { everything: true } });
    await relay.untilKnown();
    await relay.mail([`r${n}@dest.test`]);
    await untilAsleep(relay);
    await relay.end(order.id);
    await relay.until(({ type }) => type === 'Delivery', n);
  }
});

test('a lane whose rate is lifted goes on at once', async (t) => {
  const relay = await startUnswept(t);
  const lane = await laneOf(relay);
  const order = await relay.give({ kind: 'limits', criteria: { lane }, limits: { rate: '1/h' } });
  await relay.untilKnown();
  const { keys } = relay.pipeline.queues.backend(lane);
  const { client } = relay.observer.redis;
  // This process puts the mail in, and writes what it knows of the lane's limits with it.
  await relay.waitFor('a limit that is known here', () => Promise.resolve(relay.pipeline.lanes.limits(lane).rate === '1/h'));
  await relay.waitFor('the limit', async () => (await client.hget(keys['meta'] ?? '', 'duration')) === '3600000');
  await relay.mail(many(20, 'dest.test'));
  // The one of this hour; then there is a wake-up for the next.
  await relay.until(({ type }) => type === 'Delivery', 2);
  const due = sessionsKey(relay, 'delayed');
  await relay.waitFor('a wake-up in an hour', async () => {
    const [, score] = await client.zrevrange(due, '0', '0', 'WITHSCORES');
    return Number(score) / 0x1000 > Date.now() + 60_000;
  });
  await untilAsleep(relay);
  await relay.end(order.id);
  await relay.until(({ type }) => type === 'Delivery', 21);
});

test('what an order leaves in a lane goes on, though the order had all transactions that are allowed in its hands', async (t) => {
  const relay = await startUnswept(t);
  const lane = await laneOf(relay);
  await relay.give({ kind: 'limits', criteria: { lane }, limits: { concurrency: 1 } });
  await relay.untilKnown();
  relay.sink.rules = { message: { delayMs: 20, answer: '250 ok' } };
  await relay.mail(many(600, 'drop.test'));
  await relay.mail(many(20, 'dest.test'));
  await relay.give({ kind: 'drop', criteria: { domain: 'drop.test' } });
  await relay.until(({ type, queue }) => type === 'Delivery' && queue === 'dest.test', 21);
});

test('what a server has in its hands for long is dropped when it comes back', async (t) => {
  const relay = await startSteered(t, {
    config: { retry: { interval: '2h', maxInterval: '2h', maxAge: '5d' } },
    sink: { rules: { message: { delayMs: 9000, answer: '452 4.3.1 full' } } },
  });
  await relay.mail(['slow@dest.test']);
  await relay.waitFor('a message with the server', () => Promise.resolve(relay.sink.counts.connections.open > 0));
  const order = await relay.give({ kind: 'drop', criteria: { everything: true } });
  await relay.until(({ type }) => type === 'TransientFailure');
  const [dropped] = await relay.until(({ type }) => type === 'AdminBounce');
  assert.equal(dropped?.num_attempts, 1, 'the order is no attempt');
  assert.equal((await relay.untilOrder(order.id, ({ state }) => state === 'ended')).messages.done, 1);
});

test('what cannot be read among the orders keeps no other from being followed', async (t) => {
  const relay = await startSteered(t);
  const { client, key } = relay.observer.redis;
  await client.hset(key('orders'), { a: '{', b: 'null', c: '{"kind":"drop","criteria":{}}' });
  await client.incr(key('orders-version'));
  const order = await relay.give({ kind: 'suspend', criteria: { domain: 'a.test' } });
  await relay.untilKnown();
  await relay.mail(['one@a.test', 'one@b.test']);
  const [delayed] = await relay.until(({ type }) => type === 'Delayed');
  assert.equal(delayed?.order?.id, order.id);
  await relay.until(({ type, queue }) => type === 'Delivery' && queue === 'b.test');
  assert.match(relay.deliveries.map((role) => role.log()).join(''), /"event":"orders_unreadable","orders":\["a","b","c"\]/);
});

test('an order lasts by the clock of Redis, also when the queue of a fast machine has its end come early', async (t) => {
  const relay = await startSteered(t);
  const order = await relay.give({ kind: 'suspend', criteria: { domain: 'a.test' }, duration: '8s' });
  const steering = relay.pipeline.queues.backend('steering');
  await steering.promote(`${order.id}/end`);
  const ended = await relay.untilOrder(order.id, ({ state }) => state === 'ended');
  const at = Date.parse((ended.ended as unknown as { at: string }).at);
  assert.ok(at >= Date.parse(order.expires ?? ''), `ended at ${new Date(at).toISOString()}, not ${order.expires}`);
});

test('orders are read again when Redis comes back, though it has counted to the same number', async (t) => {
  const relay = await startSteered(t);
  const given = await relay.give({ kind: 'suspend', criteria: { domain: 'a.test' } });
  await relay.untilKnown();
  const { client, key } = relay.observer.redis;
  // As a Redis that lost the last write, and was given another order since.
  const other = JSON.stringify({ ...given, criteria: { domain: 'b.test' }, created: Date.now(), expires: null });
  await client.hset(key('orders'), given.id, other);
  await client.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
  await relay.waitFor('orders that were read again', () =>
    Promise.resolve(relay.deliveries.every((role) => [...role.log().matchAll(/"event":"orders_known"/g)].length >= 2)),
  );
  await relay.mail(['one@a.test', 'one@b.test']);
  await relay.until(({ type, queue }) => type === 'Delivery' && queue === 'a.test');
  await relay.until(({ type, queue }) => type === 'Delayed' && queue === 'b.test');
});
