import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../support/ports.ts';
import { startSink } from '../../shared/io/sink-server.ts';
import { cleanUp } from '../support/cleanup.ts';
import { startRole } from '../support/processes.ts';
import { startRebound, type Relay } from '../support/relay.ts';

const home = 'ann@home.test';
/** So long that a test which needs the sweeper to go on fails. */
const noSweeper = { delivery: { sweepInterval: '10m', lockDuration: '60s' } } as const;

test('no wake-up is lost: messages that arrive while sessions end are delivered without the sweeper', async (t) => {
  const relay = await startRebound(t, { deliveries: 2, config: { delivery: { ...noSweeper.delivery, idleTimeout: 0 } } });
  // Sessions end at every moment between two messages here, since an idle connection is not kept.
  for (let n = 0; n < 150; n++) {
    await relay.send({ from: home, to: `r${n}@dest.test` });
    await sleep(n % 7);
  }
  await relay.until((r) => r.type === 'Delivery', 150);
  assert.equal(relay.sink.messages.length, 150);
});

test('a report that arrives while the session of its lane ends is delivered without the sweeper', async (t) => {
  const refuse = ({ sender }: { sender: string }): string | undefined => (sender ? '554 5.5.0 no data here' : undefined);
  const relay = await startRebound(t, { config: noSweeper, sink: { rules: { data: refuse } } });
  for (let n = 1; n <= 10; n++) {
    await relay.send({ from: home, to: 'bob@dest.test' });
    await relay.sink.until(() => relay.sink.messages.length === n, 2000);
  }
});

test('a retry that is due wakes its lane without the sweeper', async (t) => {
  const seen = new Set<string>();
  const rcpt = ({ recipient }: { recipient: string }): string | undefined => {
    if (seen.has(recipient)) return undefined;
    seen.add(recipient);
    return '451 4.7.1 later';
  };
  const relay = await startRebound(t, { deliveries: 2, config: noSweeper, sink: { rules: { rcpt } } });
  for (let n = 0; n < 30; n++) await relay.send({ from: home, to: `r${n}@dest.test` });
  const deliveries = await relay.until((r) => r.type === 'Delivery', 30);
  assert.deepEqual(new Set(deliveries.map((r) => r.num_attempts)), new Set([2]));
});

test('a site gets as many connections as it may have, over all workers, and no more', async (t) => {
  const relay = await startRebound(t, {
    deliveries: 3,
    config: { delivery: { connectionsPerSite: 4 } },
    sink: { rules: { message: { delayMs: 20 } } },
  });
  await Promise.all(Array.from({ length: 10 }, (_, c) => sendMany(relay, 15, c)));
  await relay.until((r) => r.type === 'Delivery', 150);
  assert.equal(relay.sink.counts.connections.maxOpen, 4);
});

test('the limits of a single site hold: connections, transactions in flight, rate', async (t) => {
  const port = await freePort();
  const relay = await startRebound(t, {
    deliveries: 0,
    sink: { port, rules: { message: { delayMs: 30 } } },
    config: { delivery: { sites: { [`127.0.0.1:${port}`]: { connections: 6, concurrency: 2, rate: '20/s' } } } },
  });
  await sendMany(relay, 50, 0);
  const started = Date.now();
  await relay.startDelivery();
  await relay.startDelivery();
  await relay.until((r) => r.type === 'Delivery', 50);
  // 50 messages in windows of 20 per second need two windows to pass; an unlimited lane needs 0.8 seconds.
  assert.ok(Date.now() - started > 1900, `${Date.now() - started} ms`);
  assert.equal(relay.sink.counts.transactions.maxOpen, 2);
});

test('a lane with a long backlog does not hold up other lanes', async (t) => {
  const relay = await startRebound(t, {
    // Nobody listens at the second address: what counts is that its lane has a turn while the other has a backlog.
    config: {
      delivery: { sessions: 4, connectionsPerSite: 4, fairnessInterval: '100ms' },
      outbound: { routes: { 'quick.test': '127.0.0.2:9' } },
    },
    sink: { rules: { message: { delayMs: 20 } } },
    deliveries: 0,
  });
  await Promise.all(Array.from({ length: 8 }, (_, c) => sendMany(relay, 150, c)));
  await relay.startDelivery();
  await relay.until((r) => r.type === 'Delivery', 20);
  await relay.send({ from: home, to: 'bob@quick.test' });
  await relay.until((r) => r.type === 'TransientFailure' && r.recipient === 'bob@quick.test');
  assert.ok((await relay.records('Delivery')).length < 1000);
});

test('a worker that is killed in the middle of its transactions loses nothing, and its messages go on', async (t) => {
  const relay = await startRebound(t, { deliveries: 0, sink: { rules: { message: 'hang' } } });
  const victim = await startRole(t, 'delivery', relay.redis, relay.config);
  await sendMany(relay, 12, 0);
  await relay.sink.until(() => relay.sink.counts.transactions.open >= 2, 15_000);
  await victim.kill();
  relay.sink.rules = {};
  await relay.startDelivery();
  const deliveries = await relay.until((r) => r.type === 'Delivery', 12);
  assert.equal(new Set(deliveries.map((r) => r.recipient)).size, 12);
  assert.deepEqual(
    (await relay.records()).filter((r) => r.type !== 'Delivery' && r.type !== 'Reception'),
    [],
  );
  assert.deepEqual(await relay.leftovers(), []);
});

test('several crashes of the same job are no reason to fail it', async (t) => {
  const relay = await startRebound(t, {
    deliveries: 0,
    sink: { rules: { message: 'hang' } },
    config: { delivery: { lockDuration: '1s', sweepInterval: '500ms' } },
  });
  await relay.send({ from: home, to: 'bob@dest.test' });
  for (let crash = 1; crash <= 3; crash++) {
    const victim = await startRole(t, 'delivery', relay.redis, relay.config);
    await relay.sink.until(() => relay.sink.counts.transactions.total >= crash && relay.sink.counts.transactions.open > 0, 20_000);
    await victim.kill();
    await relay.sink.until(() => relay.sink.counts.transactions.open === 0);
  }
  relay.sink.rules = {};
  await relay.startDelivery();
  const [delivery] = await relay.until((r) => r.type === 'Delivery');
  assert.equal(delivery?.num_attempts, 1);
});

test('a shutdown finishes the transaction in hand, gives back the rest, and leaves nothing active', async (t) => {
  const relay = await startRebound(t, {
    deliveries: 0,
    config: { delivery: { connectionsPerSite: 3 } },
    sink: { rules: { message: { delayMs: 300 } } },
  });
  const worker = await startRole(t, 'delivery', relay.redis, relay.config);
  await sendMany(relay, 20, 0);
  await relay.sink.until(() => relay.sink.counts.transactions.open >= 3, 15_000);
  assert.equal(await worker.terminate(), 0, worker.log());
  const delivered = (await relay.records('Delivery')).length;
  assert.equal(delivered, relay.sink.messages.length);
  assert.ok(delivered >= 3 && delivered < 20, `${delivered} delivered`);
  const { client, prefix } = relay.observer.redis;
  for (const key of await client.keys(`${prefix}:*:active`)) assert.equal(await client.llen(key), 0, key);
  relay.sink.rules = {};
  await relay.startDelivery();
  await relay.until((r) => r.type === 'Delivery', 20);
  assert.equal(relay.sink.messages.length, 20);
});

test('a shutdown cuts what does not end in time, and those messages go on with the next worker', async (t) => {
  const relay = await startRebound(t, { deliveries: 0, sink: { rules: { message: 'hang' } }, config: { shutdownTimeout: '500ms' } });
  const worker = await startRole(t, 'delivery', relay.redis, relay.config);
  await sendMany(relay, 3, 0);
  await relay.sink.until(() => relay.sink.counts.transactions.open > 0, 15_000);
  await worker.terminate();
  const { client, prefix } = relay.observer.redis;
  for (const key of await client.keys(`${prefix}:default->*:active`)) assert.equal(await client.llen(key), 0, key);
  relay.sink.rules = {};
  await relay.startDelivery();
  const deliveries = await relay.until((r) => r.type === 'Delivery', 3);
  assert.deepEqual(
    deliveries.map((r) => r.num_attempts),
    [1, 1, 1],
  );
});

test('a site that is down is tried once for all that waits, and each message keeps its own schedule', async (t) => {
  const relay = await startRebound(t, {
    deliveries: 0,
    config: { retry: { interval: '2s' } },
    sink: { rules: { connect: '421 4.3.2 go away' } },
  });
  await sendMany(relay, 40, 0);
  await relay.startDelivery();
  await relay.until((r) => r.type === 'TransientFailure', 40);
  assert.ok(relay.sink.counts.connections.total <= 20, `${relay.sink.counts.connections.total} connections`);
  relay.sink.rules = {};
  await relay.until((r) => r.type === 'Delivery', 40);
});

test('a site that takes a few connections and refuses more is full, not down: nothing is put off', async (t) => {
  const relay = await startRebound(t, { deliveries: 0, config: { retry: { interval: '10m' }, delivery: { connectionsPerSite: 20 } } });
  relay.sink.rules = {
    connect: () => (relay.sink.counts.connections.open > 3 ? '421 4.7.0 too many connections' : undefined),
    message: { delayMs: 5 },
  };
  await sendMany(relay, 200, 0);
  await relay.startDelivery();
  await relay.until((r) => r.type === 'Delivery', 200);
  assert.deepEqual(await relay.records('TransientFailure'), []);
});

test('sites that hang take one place each, and mail for others goes by', async (t) => {
  const hanging = await startSink({ rules: { connect: 'hang' } });
  cleanUp(t, () => hanging.close());
  const relay = await startRebound(t, {
    config: { delivery: { sessions: 8 }, outbound: { routes: { 'stuck.test': `127.0.0.1:${hanging.port}` } } },
  });
  for (let n = 0; n < 40; n++) await relay.send({ from: home, to: `r${n}@stuck.test` });
  await hanging.until(() => hanging.counts.connections.open === 1);
  for (let n = 0; n < 10; n++) await relay.send({ from: home, to: `r${n}@dest.test` });
  await relay.until((r) => r.type === 'Delivery', 10);
  assert.equal(hanging.counts.connections.maxOpen, 1);
});

test('a lane that was empty for long leaves nothing in Redis', async (t) => {
  const relay = await startRebound(t);
  await relay.send({ from: home, to: 'bob@dest.test' });
  await relay.until((r) => r.type === 'Delivery');
  const { client, prefix, key } = relay.observer.redis;
  const [lane = ''] = await client.zrange(key('lanes'), '0', '-1');
  await client.zadd(key('lanes'), Date.now() - 2 * 3_600_000, lane);
  while ((await client.keys(`${prefix}:${lane}:*`)).length > 0) await sleep(20);
  await relay.send({ from: home, to: 'bob@dest.test' });
  await relay.until((r) => r.type === 'Delivery', 2);
});

test('connections are reused, and closed when there is nothing to send', async (t) => {
  const relay = await startRebound(t, { config: { delivery: { messagesPerConnection: 10, connectionsPerSite: 1 } } });
  await sendMany(relay, 35, 0);
  await relay.until((r) => r.type === 'Delivery', 35);
  assert.ok(relay.sink.counts.connections.total >= 4, 'ten messages a connection');
  assert.ok(relay.sink.counts.connections.total < 20, `${relay.sink.counts.connections.total} connections`);
  await relay.sink.until(() => relay.sink.counts.connections.open === 0);
});

test('the count of attempts survives a restart of the worker (rule 18)', async (t) => {
  const relay = await startRebound(t, {
    deliveries: 0,
    config: { retry: { interval: '1s' } },
    sink: { rules: { rcpt: '451 4.7.1 later' } },
  });
  const first = await relay.startDelivery();
  await relay.send({ from: home, to: 'bob@dest.test' });
  await relay.until((r) => r.type === 'TransientFailure');
  await first.close();
  relay.sink.rules = {};
  await relay.startDelivery();
  const [delivery] = await relay.until((r) => r.type === 'Delivery');
  assert.equal(delivery?.num_attempts, 2);
});

async function sendMany(relay: Relay, count: number, client: number): Promise<void> {
  for (let n = 0; n < count; n++) await relay.send({ from: home, to: `r${client}-${n}@dest.test` });
}
