import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { recipientsOf } from '../../shared/core/disposition.ts';
import { ordersKey } from '../../shared/io/order-store.ts';
import { openOrders } from '../../shared/io/orders.ts';
import { roles } from '../../workers/cli/roles.ts';
import { connectRedis, silent } from '../support/redis.ts';
import { startRole, type RoleProcess } from '../support/processes.ts';
import { startRebound, type Relay } from '../support/relay.ts';

const home = 'ann@home.test';
const aof = ['--appendonly', 'yes', '--appendfsync', 'always'];
const isRefusal = (error: Error & { responseCode?: number }): boolean => error.responseCode === 451 || error.responseCode === 452;

test('a Redis that dies is answered with 451 at once, and what was accepted before is delivered after it is back', async (t) => {
  const relay = await startRebound(t, { redis: aof, deliveries: 0, bounces: false });
  for (let n = 0; n < 5; n++) await relay.send({ from: home, to: `r${n}@dest.test` });
  await relay.redis.kill();
  while (relay.context.redis.isReady) await sleep(5);
  const started = Date.now();
  await assert.rejects(relay.send({ from: home, to: 'lost@dest.test' }), isRefusal);
  assert.ok(Date.now() - started < 2000, `${Date.now() - started} ms`);
  await relay.redis.restart();
  while (!relay.context.redis.isReady || !relay.observer.redis.isReady) await sleep(5);
  await relay.send({ from: home, to: 'after@dest.test' });
  await relay.startDelivery();
  await relay.until((r) => r.type === 'Delivery', 6);
  const arrived = relay.sink.messages.flatMap((m) => m.recipients).sort();
  assert.deepEqual(arrived, ['after@dest.test', 'r0@dest.test', 'r1@dest.test', 'r2@dest.test', 'r3@dest.test', 'r4@dest.test']);
});

test('a Redis that stops answering is 451 within the timeout, then at once, and mail flows when it answers again', async (t) => {
  const relay = await startRebound(t, { config: { redis: { timeout: '700ms' } } });
  process.kill(relay.redis.pid, 'SIGSTOP');
  try {
    const first = Date.now();
    await assert.rejects(relay.send({ from: home, to: 'a@dest.test' }), isRefusal);
    assert.ok(Date.now() - first < 3000, `${Date.now() - first} ms`);
    const second = Date.now();
    await assert.rejects(relay.send({ from: home, to: 'b@dest.test' }), isRefusal);
    assert.ok(Date.now() - second < 600, `${Date.now() - second} ms`);
  } finally {
    process.kill(relay.redis.pid, 'SIGCONT');
  }
  while (!relay.context.redis.isReady) await sleep(5);
  await relay.send({ from: home, to: 'c@dest.test' });
  await relay.sink.next((m) => m.recipients.includes('c@dest.test'));
});

test('a Redis that stands still in the middle of a large message is 451 too, and what lands late is nobody’s', async (t) => {
  const relay = await startRebound(t, { deliveries: 0, config: { redis: { timeout: '500ms' }, spool: { threshold: '1KB' } } });
  const socket = connect(relay.port, '127.0.0.1');
  t.after(() => socket.destroy());
  await once(socket, 'data');
  let seen = '';
  socket.on('data', (chunk) => (seen += chunk.toString()));
  socket.write(`EHLO x\r\nMAIL FROM:<${home}>\r\nRCPT TO:<bob@dest.test>\r\nDATA\r\n`);
  while (!seen.includes('354')) await sleep(5);
  process.kill(relay.redis.pid, 'SIGSTOP');
  try {
    const started = Date.now();
    socket.write(`Subject: x\r\n\r\n${`${'y'.repeat(78)}\r\n`.repeat(10_000)}.\r\n`);
    while (!/^451 /m.test(seen)) await sleep(5);
    assert.ok(Date.now() - started < 4000, `${Date.now() - started} ms`);
  } finally {
    process.kill(relay.redis.pid, 'SIGCONT');
  }
  while (!relay.context.redis.isReady) await sleep(5);
  assert.equal((await relay.records('Reception')).length, 0);
  const { client, key } = relay.observer.redis;
  for (const chunks of await client.keys(`${key('spool:')}*`)) assert.ok((await client.ttl(chunks)) > 0, `${chunks} stays for ever`);
});

test('a log that fills Redis gives way to mail', async (t) => {
  const relay = await startRebound(t, { redis: ['--maxmemory', '30mb', '--maxmemory-policy', 'noeviction'] });
  const { client, key } = relay.observer.redis;
  const entry = 'x'.repeat(5000);
  for (let full = false; !full;) {
    const filling = client.pipeline();
    for (let n = 0; n < 100; n++) filling.xadd(key('log'), '*', 'r', JSON.stringify({ type: 'Reception', filler: entry }));
    await filling.exec();
    full = Number(/used_memory:(\d+)/.exec(await client.info('memory'))?.[1]) > 27_500_000;
  }
  while (
    !(await relay.send({ from: home, to: 'bob@dest.test' }).then(
      () => true,
      () => sleep(50).then(() => false),
    ))
  );
  await relay.sink.next((m) => m.recipients.includes('bob@dest.test'));
});

test('a Redis that dies while delivery works loses nothing and doubles at most what was in hand', async (t) => {
  const relay = await startRebound(t, {
    redis: aof,
    config: { delivery: { connectionsPerSite: 3 } },
    sink: { rules: { message: { delayMs: 20 } } },
  });
  for (let n = 0; n < 40; n++) await relay.send({ from: home, to: `r${n}@dest.test` });
  await relay.sink.until(() => relay.sink.messages.length >= 5);
  await relay.redis.kill();
  await sleep(200);
  await relay.redis.restart();
  while (!relay.observer.redis.isReady) await sleep(5);
  // What was settled when Redis died may be settled again: then one recipient has two records, of the same event.
  const delivered = async (): Promise<number> => new Set((await relay.records('Delivery')).flatMap(recipientsOf)).size;
  for (const deadline = Date.now() + 30_000; (await delivered()) < 40;) {
    assert.ok(Date.now() < deadline, `only ${await delivered()} of 40 delivered`);
    await sleep(20);
  }
  assert.equal(new Set(relay.sink.messages.flatMap((m) => m.recipients)).size, 40);
  assert.ok(relay.sink.messages.length <= 43, `${relay.sink.messages.length} messages arrived`);
});

test('a Redis without room is 452 before the message is sent, and what is queued is delivered', async (t) => {
  const relay = await startRebound(t, { deliveries: 0, redis: ['--maxmemory', '40mb', '--maxmemory-policy', 'noeviction'] });
  await relay.send({ from: home, to: 'first@dest.test' });
  let accepted = 1;
  let refusal: (Error & { responseCode?: number }) | undefined;
  while (!refusal && accepted < 500) {
    await relay.send({ from: home, to: `r${accepted}@dest.test`, text: `${'x'.repeat(70)}\r\n`.repeat(1400) }).then(
      () => (accepted += 1),
      (error: Error) => (refusal = error),
    );
  }
  assert.equal(refusal?.responseCode, 452);
  await relay.startDelivery();
  await relay.until((r) => r.type === 'Delivery', accepted);
  assert.equal(relay.sink.messages.length, accepted);
  while (
    !(await relay.send({ from: home, to: 'again@dest.test' }).then(
      () => true,
      () => sleep(20).then(() => false),
    ))
  );
  await relay.sink.next((m) => m.recipients.includes('again@dest.test'));
});

test('a Redis beyond its memory is swept all the same: what is kept for redelivery gives way, and mail goes on', async (t) => {
  const relay = await startRebound(t, {
    config: { bounce: { keepOriginals: '1h' }, delivery: { sweepInterval: '1s' } },
    sink: { rules: { rcpt: { 'nobody@dest.test': '550 5.1.1 no' } } },
    redis: ['--maxmemory-policy', 'noeviction'],
  });
  const { client, key } = relay.observer.redis;
  for (let n = 0; n < 5; n++) await relay.send({ from: home, to: 'nobody@dest.test' });
  await relay.until(({ type }) => type === 'Bounce', 5);
  assert.equal(await client.zcard(key('kept')), 5);
  // No delivery process may have the lease any more: Redis refuses the next one.
  await client.config('SET', 'maxmemory', '1');
  for (const deadline = Date.now() + 30_000; (await client.zcard(key('kept'))) > 0;) {
    assert.ok(Date.now() < deadline, `${await client.zcard(key('kept'))} of 5 are still kept`);
    await sleep(20);
  }
  await client.config('SET', 'maxmemory', '0');
  while (
    !(await relay.send({ from: home, to: 'bob@dest.test' }).then(
      () => true,
      () => sleep(20).then(() => false),
    ))
  );
  await relay.until(({ type, recipient }) => type === 'Delivery' && recipient === 'bob@dest.test');
});

test('a client that vanishes in the middle of its message leaves nothing', async (t) => {
  const relay = await startRebound(t, { config: { spool: { threshold: '1KB' } } });
  for (const size of [100, 500_000]) {
    const socket = connect(relay.port, '127.0.0.1');
    await once(socket, 'data');
    socket.write(`EHLO x\r\nMAIL FROM:<${home}>\r\nRCPT TO:<bob@dest.test>\r\nDATA\r\n`);
    let seen = '';
    while (!seen.includes('354')) seen += String((await once(socket, 'data'))[0]);
    socket.write(`Subject: x\r\n\r\n${'y'.repeat(78)}\r\n`.repeat(Math.ceil(size / 80)));
    await sleep(50);
    socket.destroy();
  }
  await relay.send({ from: home, to: 'whole@dest.test' });
  await relay.until((r) => r.type === 'Delivery');
  while ((await relay.leftovers()).length > 0) await sleep(10);
  assert.equal((await relay.records('Reception')).length, 1);
  assert.equal(relay.sink.messages.length, 1);
});

const inTime = <T>(work: Promise<T>): Promise<T> =>
  Promise.race([work, sleep(60_000, undefined, { ref: false }).then((): never => assert.fail('not within a minute'))]);

for (const [how, harm] of [
  ['is away', (relay: Relay) => relay.redis.kill()],
  ['stands still', (relay: Relay) => Promise.resolve(process.kill(relay.redis.pid, 'SIGSTOP'))],
] as const) {
  test(`workers without work close while Redis ${how}`, async (t) => {
    const relay = await startRebound(t, { deliveries: 0, bounces: false, config: { shutdownTimeout: '30s' } });
    const workers = [await relay.startDelivery(), await relay.startBounce()];
    await harm(relay);
    // Without an answer for some seconds BullMQ goes on in another way: that has its own way to hang.
    await sleep(5500);
    await inTime(Promise.all(workers.map((worker) => worker.close())));
  });
}

test('workers close though Redis goes away and comes back empty meanwhile', async (t) => {
  const relay = await startRebound(t, { deliveries: 0, bounces: false, config: { shutdownTimeout: '30s' } });
  const workers = [await relay.startDelivery(), await relay.startBounce()];
  await relay.redis.kill();
  while (relay.observer.redis.isReady) await sleep(5);
  const closed = Promise.all(workers.map((worker) => worker.close()));
  await relay.redis.restart();
  await inTime(closed);
});

test('what a worker has in hand while Redis is away is not waited for beyond shutdownTimeout', async (t) => {
  const relay = await startRebound(t, { deliveries: 0, config: { shutdownTimeout: '1s', delivery: { idleTimeout: '1m' } } });
  const worker = await relay.startDelivery();
  await relay.send({ from: home, to: 'bob@dest.test' });
  await relay.until((r) => r.type === 'Delivery');
  await relay.redis.kill();
  while (relay.observer.redis.isReady) await sleep(5);
  // The session that waits for a further message asks Redis.
  await inTime(assert.rejects(worker.close(), /Redis does not answer/));
  await relay.redis.restart();
});

test('every role without work ends with exit code 0 at SIGTERM while Redis stands still', async (t) => {
  const relay = await startRebound(t, { deliveries: 0, bounces: false, config: { shutdownTimeout: '30s', admin: { port: 0 } } });
  const running: RoleProcess[] = [];
  for (const name of roles) {
    const role = await startRole(t, name, relay.redis, relay.config);
    while (!role.log().includes('"event":"ready"')) await sleep(20);
    running.push(role);
  }
  process.kill(relay.redis.pid, 'SIGSTOP');
  const codes = await inTime(Promise.all(running.map((role) => role.terminate())));
  assert.deepEqual(codes, [0, 0, 0, 0], running.map((role) => role.log()).join('\n'));
});

test('a lane is in the registry, with its limits, also when Redis came back empty', async (t) => {
  const relay = await startRebound(t, { deliveries: 0, bounces: false });
  await relay.send({ from: home, to: 'a@dest.test' });
  const { client, key } = relay.observer.redis;
  const known = (): Promise<string[]> => client.zrange(key('lanes'), '0', '-1');
  const lanes = await known();
  assert.equal(lanes.length, 1);
  await relay.redis.kill();
  while (relay.context.redis.isReady || relay.observer.redis.isReady) await sleep(5);
  await relay.redis.restart();
  while (!relay.context.redis.isReady || !relay.observer.redis.isReady) await sleep(5);
  assert.deepEqual(await known(), []);
  await relay.send({ from: home, to: 'b@dest.test' });
  assert.deepEqual(await known(), lanes);
  assert.notEqual(await client.hget(`${relay.observer.redis.prefix}:${lanes[0]}:meta`, 'max'), null);
});

test('orders are read anew from a Redis that was away, though their version is the same', async (t) => {
  const relay = await startRebound(t, { deliveries: 0, bounces: false });
  const { redis, metrics } = relay.observer;
  const orders = openOrders(redis, silent, metrics);
  t.after(() => orders.close());
  await orders.refresh();
  const other = await connectRedis(t, relay.redis.url);
  const order = {
    id: 'f'.repeat(32),
    kind: 'suspend',
    criteria: { domain: 'dest.test' },
    reason: 'a test',
    who: '',
    created: 1,
    expires: null,
  };
  await other.client.hset(ordersKey(redis), order.id, JSON.stringify(order));
  await orders.refresh();
  assert.equal(orders.book.orders.length, 0);
  await other.client.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
  const deadline = Date.now() + 30_000;
  while (orders.book.orders.length === 0) {
    assert.ok(Date.now() < deadline, 'the order is not known');
    await sleep(10);
  }
});
