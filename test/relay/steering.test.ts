import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startSteered } from '../support/steering.ts';

const many = (n: number, domain: string): string[] => Array.from({ length: n }, (_, i) => `r${i}@${domain}`);

test('a suspended domain waits without an attempt, others go on, and all of it comes when it is resumed', async (t) => {
  const relay = await startSteered(t);
  const order = await relay.give({ kind: 'suspend', criteria: { domain: 'SLOW.test' }, reason: 'they asked us to' });
  assert.deepEqual([order.state, order.expires], ['working', null]);
  await relay.untilKnown();
  await relay.mail([...many(20, 'slow.test'), ...many(20, 'fast.test')]);
  await relay.until(({ type, queue }) => type === 'Delivery' && queue === 'fast.test', 20);
  const delayed = await relay.until(({ type }) => type === 'Delayed', 20);
  for (const record of delayed) {
    assert.deepEqual([record.queue, record.num_attempts, record.order], ['slow.test', 0, { id: order.id, kind: 'suspend' }]);
    assert.match(record.response.content, /suspended by an administrator: they asked us to/);
  }
  const resumed = await relay.end(order.id);
  assert.deepEqual([resumed.state, resumed.ended?.reason, resumed.messages.done], ['ended', 'enough', 20]);
  const delivered = await relay.until(({ type, queue }) => type === 'Delivery' && queue === 'slow.test', 20);
  assert.deepEqual(new Set(delivered.map(({ num_attempts }) => num_attempts)), new Set([1]), 'no attempt was used up');
  assert.equal((await relay.end(order.id)).ended?.reason, 'enough', 'ending it twice changes nothing');
});

test('a suspended lane stops as it is, and goes on when its time is over', async (t) => {
  const relay = await startSteered(t);
  const { json } = await relay.ask('GET', '/api/lanes');
  assert.deepEqual(json['lanes'], []);
  await relay.mail(['first@dest.test']);
  await relay.until(({ type }) => type === 'Delivery');
  const [lane = ''] = await relay.pipeline.lanes.names();
  const site = lane.slice(lane.indexOf('->') + 2).replaceAll(';', ':');
  const order = await relay.give({ kind: 'suspend', criteria: { site }, duration: '10s' });
  assert.equal(order.state, 'in force');
  const end = Date.parse(order.expires ?? '');
  await relay.waitFor('a lane that is told of as suspended', async () => {
    const answer = await relay.ask('GET', `/api/lanes/${encodeURIComponent(lane)}`);
    return (answer.json['suspended'] as { order: string } | null)?.order === order.id;
  });
  await relay.untilKnown();
  await relay.mail(many(30, 'dest.test'));
  const delivered = (await relay.until(({ type }) => type === 'Delivery', 31)).slice(1);
  for (const { event_time, num_attempts } of delivered) {
    assert.ok(Date.parse(event_time) >= end, `${event_time} is before ${order.expires}`);
    assert.equal(num_attempts, 1);
  }
  assert.deepEqual(await relay.records('Delayed'), [], 'nothing is written of what only stays where it is');
  assert.equal((await relay.untilOrder(order.id, ({ state }) => state === 'ended')).ended?.reason, 'its time was over');
});

test('a bounce meets what waits beyond all limits, what is put off for hours, and what comes in its time', async (t) => {
  const relay = await startSteered(t, {
    config: { retry: { interval: '2h', maxInterval: '2h', maxAge: '5d' } },
    sink: { rules: { rcpt: { 'later@dest.test': '452 4.2.2 mailbox full' } } },
  });
  await relay.mail(['later@dest.test']);
  await relay.until(({ type }) => type === 'TransientFailure');
  const [lane = ''] = await relay.pipeline.lanes.names();
  const limits = await relay.give({ kind: 'limits', criteria: { lane }, limits: { rate: '1/h' } });
  await relay.waitFor('the limit', async () => {
    const answer = await relay.ask('GET', `/api/lanes/${encodeURIComponent(lane)}`);
    const inForce = answer.json['limits'] as { rate: unknown; from: { rate: string }; orders: string[] };
    return (
      JSON.stringify(inForce.rate) === '{"messages":1,"ms":3600000}' && inForce.from.rate === 'order' && inForce.orders[0] === limits.id
    );
  });
  await relay.mail(many(1500, 'dest.test'));
  await relay.mail(many(20, 'other.test'));
  const order = await relay.give({ kind: 'bounce', criteria: { domain: 'dest.test' }, reason: 'the domain moved' });
  // A process that had not heard of the limit for a moment may have sent some.
  const ended = await relay.until(({ type, queue }) => type === 'AdminBounce' && queue === 'dest.test', 1300);
  for (const { response, order: by } of ended) {
    assert.deepEqual([response.code, by], [551, { id: order.id, kind: 'bounce' }]);
    assert.match(response.content, /the domain moved/);
  }
  await relay.until(({ type, recipient }) => type === 'AdminBounce' && recipient === 'later@dest.test');
  await relay.mail(['new@dest.test']);
  // Reports go the same way, and wait there.
  await relay.until(({ type, reception_protocol }) => type === 'Reception' && reception_protocol === 'Report');
  await relay.give({ kind: 'bounce', criteria: { domain: 'dest.test' }, duration: '0s' });
  await relay.until(({ type, recipient }) => type === 'AdminBounce' && recipient === 'new@dest.test');
  const kinds = ['AdminBounce', 'Delivery', 'Expiration', 'Bounce'];
  const finals = await relay.until(({ type, queue }) => kinds.includes(type) && queue === 'dest.test', 1502);
  assert.equal(new Set(finals.map(({ id }) => id)).size, 1502);
  assert.ok(finals.filter(({ type }) => type === 'Delivery').length < 200, 'it was the order that ended them');
  await relay.end(limits.id);
  await relay.until(({ type, queue }) => type === 'Delivery' && queue === 'other.test', 20);
  const all = (await relay.records()).filter(({ type, queue }) => kinds.includes(type) && queue === 'dest.test');
  assert.equal(all.length, 1502, 'each ends once');
});

test('what is dropped ends with a record and without a report, also what comes in the time that was given', async (t) => {
  const relay = await startSteered(t);
  await relay.give({ kind: 'suspend', criteria: { sender: '@news.test' } });
  await relay.untilKnown();
  await relay.mail(many(10, 'a.test'), { from: 'list@news.test' });
  await relay.until(({ type }) => type === 'Delayed', 10);
  const order = await relay.give({ kind: 'drop', criteria: { sender: 'LIST@news.test' }, duration: '1h', reason: 'not what was meant' });
  await relay.until(({ type }) => type === 'AdminBounce', 10);
  await relay.untilKnown();
  await relay.mail(many(5, 'b.test'), { from: 'list@news.test' });
  await relay.mail(['ok@b.test'], { from: 'ann@home.test' });
  const ended = await relay.until(({ type }) => type === 'AdminBounce', 15);
  assert.ok(ended.every(({ order: by }) => by?.id === order.id && by.report === false));
  await relay.until(({ type }) => type === 'Delivery');
  const keys = await relay.waitFor('the reasons', async () => {
    const found = await relay.observer.redis.client.keys(relay.observer.redis.key('report:*'));
    return found.length === 15 && found;
  });
  for (const key of keys) assert.equal(await relay.observer.redis.client.get(key), 'suppressed:order');
  assert.equal((await relay.records('Delivery')).length, 1, 'no report, and none of them');
  assert.equal((await relay.order(order.id)).messages.done, 15);
});

test('held mail has its time from when it is released', async (t) => {
  let asked = 0;
  const relay = await startSteered(t, {
    config: { retry: { interval: '200ms', maxInterval: '200ms', maxAge: '3s' } },
    sink: { rules: { rcpt: ({ recipient }) => (recipient === 'held@a.test' && asked++ === 0 ? '452 4.2.2 mailbox full' : '250 ok') } },
  });
  const hold = await relay.give({ kind: 'hold', criteria: { tenant: 'acme' } });
  await relay.give({ kind: 'suspend', criteria: { tenant: 'other' } });
  await relay.untilKnown();
  await relay.mail(['held@a.test'], { tenant: 'acme', campaign: 'spring' });
  await relay.mail(['suspended@a.test'], { tenant: 'other' });
  const [expired] = await relay.until(({ type }) => type === 'Expiration');
  assert.equal(expired?.recipient, 'suspended@a.test', 'a suspension ends no later than the message');
  assert.match(expired.response.content, /suspended by an administrator/);
  await relay.end(hold.id);
  const [delivered] = await relay.until(({ type, recipient }) => type === 'Delivery' && recipient === 'held@a.test');
  assert.ok((delivered?.timestamp ?? 0) - (delivered?.created ?? 0) >= 3, 'older than its age allows');
  assert.equal(delivered?.num_attempts, 2, 'there was time for a second attempt');
});

test('a rebound message goes on in its new queue and source, once for each order', async (t) => {
  const relay = await startSteered(t, { config: { outbound: { sources: [{ name: 'one' }, { name: 'two' }] } } });
  const suspension = await relay.give({ kind: 'suspend', criteria: { source: 'one' } });
  await relay.untilKnown();
  await relay.mail(many(8, 'a.test'), { tenant: 'acme' });
  const stays = await relay.until(({ type, site }) => type === 'Delivery' && site.startsWith('two->'), 4);
  assert.equal(stays.length, 4);
  const waiting = await relay.ask('POST', '/api/orders/preview', { criteria: { source: 'one' } });
  assert.partialDeepStrictEqual(waiting.json, { messages: 4, recipients: 4, is_complete: true });
  const order = await relay.give({ kind: 'rebind', criteria: { tenant: 'ACME' }, to: { source: 'two', tenant: null, campaign: 'moved' } });
  const moved = await relay.until(
    ({ type, site, queue }) => type === 'Delivery' && site.startsWith('two->') && queue === 'moved:@a.test',
    4,
  );
  assert.ok(moved.every(({ egress_source, num_attempts }) => egress_source === 'two' && num_attempts === 1));
  assert.equal((await relay.records('Delayed')).length, 4);
  assert.equal((await relay.untilOrder(order.id, ({ state }) => state === 'ended')).messages.done, 4);
  await relay.end(suspension.id);
});

test('a retry brings what waits for hours at once, but not what is suspended', async (t) => {
  let isFull = true;
  const relay = await startSteered(t, {
    config: { retry: { interval: '2h', maxInterval: '2h', maxAge: '5d' } },
    sink: { rules: { rcpt: () => (isFull ? '452 4.2.2 mailbox full' : '250 ok') } },
  });
  await relay.mail([...many(10, 'a.test'), ...many(10, 'b.test')]);
  await relay.until(({ type }) => type === 'TransientFailure', 20);
  isFull = false;
  const suspension = await relay.give({ kind: 'suspend', criteria: { domain: 'b.test' } });
  const order = await relay.give({ kind: 'retry', criteria: { everything: true } });
  const delivered = await relay.until(({ type }) => type === 'Delivery', 10);
  assert.deepEqual(new Set(delivered.map(({ queue, num_attempts }) => `${queue} ${num_attempts}`)), new Set(['a.test 2']));
  assert.equal((await relay.untilOrder(order.id, ({ state }) => state === 'ended')).messages.done, 10);
  await relay.end(suspension.id);
  await relay.give({ kind: 'retry', criteria: { domain: 'b.test' } });
  await relay.until(({ type, queue }) => type === 'Delivery' && queue === 'b.test', 10);
});

test('limits given while it runs hold in every process, more and fewer connections for sessions at work, until they are lifted', async (t) => {
  const relay = await startSteered(t, {
    config: { delivery: { connectionsPerSite: 2 } },
    // Slow, so that there is work for all of it.
    sink: { rules: { message: { delayMs: 500, answer: '250 ok' } } },
  });
  await relay.mail(['first@dest.test']);
  await relay.until(({ type }) => type === 'Delivery');
  const [lane = ''] = await relay.pipeline.lanes.names();
  const site = lane.slice(lane.indexOf('->') + 2).replaceAll(';', ':');
  const meta = relay.pipeline.queues.backend(lane).keys['meta'] ?? '';
  const fields = (): Promise<(string | null)[]> => relay.observer.redis.client.hmget(meta, 'max', 'duration', 'concurrency');
  const usual = await fields();
  const more = await relay.give({ kind: 'limits', criteria: { site }, limits: { connections: 8 } });
  await relay.mail(many(1000, 'dest.test'));
  await relay.waitFor('more connections', () => Promise.resolve(relay.sink.counts.connections.open >= 7));
  const fewer = await relay.give({ kind: 'limits', criteria: { lane }, limits: { connections: 1, concurrency: 1, rate: '1000/s' } });
  await relay.waitFor('fewer', () => Promise.resolve(relay.sink.counts.connections.open === 1));
  assert.deepEqual(await fields(), ['1000', '1000', '1'], 'a lane goes before its site');
  await relay.end(fewer.id);
  await relay.waitFor('more again', () => Promise.resolve(relay.sink.counts.connections.open >= 5));
  await relay.waitFor('the limits of before', async () => JSON.stringify(await fields()) === JSON.stringify(usual));
  await relay.end(more.id);
  await relay.waitFor('as few as are set', () => Promise.resolve(relay.sink.counts.connections.open <= 2));
  relay.sink.rules = {};
  await relay.until(({ type }) => type === 'Delivery', 1001);
});

test('a process that is killed while it carries out an order leaves nothing undone and does nothing twice', async (t) => {
  const relay = await startSteered(t, { deliveries: 1, config: { delivery: { lockDuration: 1500 } } });
  await relay.give({ kind: 'suspend', criteria: { everything: true } });
  await relay.untilKnown();
  await relay.mail(many(3000, 'dest.test'));
  const order = await relay.give({ kind: 'bounce', criteria: { domain: 'dest.test' }, duration: '0s', report: false });
  await relay.until(({ type }) => type === 'AdminBounce', 300);
  await relay.deliveries[0]?.kill();
  const before = (await relay.records('AdminBounce')).length;
  assert.ok(before < 3000, `it was killed in the middle: ${before}`);
  await relay.startDeliveryProcess();
  await relay.startDeliveryProcess();
  await relay.untilOrder(order.id, ({ state }) => state === 'ended');
  const finals = await relay.records('AdminBounce');
  assert.deepEqual([finals.length, new Set(finals.map(({ id }) => id)).size], [3000, 3000]);
  assert.deepEqual(await relay.leftovers(), []);
  assert.equal((await relay.order(order.id)).messages.done, 3000);
});

test('orders outlive Redis and the workers, which follow the last they knew meanwhile', async (t) => {
  const relay = await startSteered(t, { redis: ['--appendonly', 'yes', '--appendfsync', 'always'] });
  const order = await relay.give({ kind: 'suspend', criteria: { domain: 'slow.test' } });
  await relay.untilKnown();
  await relay.mail(many(5, 'slow.test'));
  await relay.until(({ type }) => type === 'Delayed', 5);
  await relay.redis.kill();
  await relay.redis.restart();
  await Promise.all(relay.deliveries.map((role) => role.terminate()));
  await relay.mail(many(5, 'slow.test'));
  await relay.startDeliveryProcess();
  await relay.startDeliveryProcess();
  await relay.until(({ type }) => type === 'Delayed', 10);
  assert.deepEqual(await relay.records('Delivery'), []);
  await relay.end(order.id);
  await relay.until(({ type }) => type === 'Delivery', 10);
});

test('two operators at once: each message ends in exactly one way', async (t) => {
  const relay = await startSteered(t);
  const suspension = await relay.give({ kind: 'suspend', criteria: { domain: 'a.test' } });
  const hold = await relay.give({ kind: 'hold', criteria: { sender: '' } });
  await relay.untilKnown();
  await relay.mail(many(300, 'a.test'));
  await relay.mail(many(50, 'b.test'), { from: '' });
  await relay.until(({ type }) => type === 'Delayed', 350);
  const [drop] = await Promise.all([
    relay.give({ kind: 'drop', criteria: { domain: 'a.test' } }),
    relay.end(suspension.id),
    relay.end(hold.id),
    relay.end(suspension.id),
    relay.give({ kind: 'bounce', criteria: { everything: true }, duration: '0s', report: false }),
    relay.give({ kind: 'retry', criteria: { everything: true } }),
  ]);
  await relay.untilOrder(drop.id, ({ state }) => state === 'ended');
  const isFinal = ({ type }: { type: string }): boolean => type === 'AdminBounce' || type === 'Delivery';
  const finals = await relay.until(isFinal, 350);
  assert.equal(new Set(finals.map(({ id }) => id)).size, 350);
  assert.equal((await relay.records()).filter(isFinal).length, 350);
  await relay.waitFor('an empty spool', async () => (await relay.leftovers()).length === 0);
});
