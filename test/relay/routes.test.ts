import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { parseRfc3464 } from '../../shared/core/dsn/parse.ts';
import { startSink } from '../../shared/io/sink-server.ts';
import { cleanUp } from '../support/cleanup.ts';
import { startFakeDns, type FakeDns } from '../../shared/io/fake-dns.ts';
import { startRebound } from '../support/relay.ts';

const home = 'ann@home.test';

async function startDns(t: TestContext): Promise<FakeDns> {
  const dns = await startFakeDns();
  cleanUp(t, () => dns[Symbol.asyncDispose]());
  dns.set('home.test', { mx: [[10, 'mx.home.test']] });
  dns.set('mx.home.test', { a: ['127.0.0.1'] });
  return dns;
}

test('a laboratory drives the whole system: its own DNS, its own port, its own sink', async (t) => {
  const dns = await startDns(t);
  dns.set('dest.test', {
    mx: [
      [20, 'backup.dest.test'],
      [10, 'mx.dest.test'],
    ],
  });
  dns.set('mx.dest.test', { a: ['127.0.0.1'] });
  dns.set('backup.dest.test', { a: ['127.0.0.3'] });
  const relay = await startRebound(t, { config: { outbound: { dnsServers: [dns.server] } } });
  await relay.send({ from: home, to: 'bob@dest.test' });
  const [delivery] = await relay.until((r) => r.type === 'Delivery');
  assert.equal(delivery?.peer_address?.name, 'mx.dest.test');
  assert.match(delivery.site, /^default->.*dest\.test/);
  assert.ok(dns.questions.includes('MX dest.test'));
});

test('domains with the same mail exchangers share a lane', async (t) => {
  const dns = await startDns(t);
  for (const domain of ['one.test', 'two.test']) dns.set(domain, { mx: [[10, 'mx.host.test']] });
  dns.set('mx.host.test', { a: ['127.0.0.1'] });
  const relay = await startRebound(t, { config: { outbound: { dnsServers: [dns.server] } } });
  await relay.send({ from: home, to: ['a@one.test', 'b@two.test'] });
  const deliveries = await relay.until((r) => r.type === 'Delivery', 2);
  assert.deepEqual(new Set(deliveries.map((r) => r.site)), new Set(['default->mx.host.test']));
  assert.equal(relay.sink.messages.length, 2);
});

test('a message whose domain has other mail exchangers by now moves to their lane', async (t) => {
  const dns = await startDns(t);
  dns.set('dest.test', { mx: [[10, 'old.dest.test']] });
  dns.set('old.dest.test', { a: ['127.0.0.1'] });
  dns.set('new.dest.test', { a: ['127.0.0.2'] });
  const relay = await startRebound(t, { deliveries: 0, config: { outbound: { dnsServers: [dns.server] } } });
  const other = await startSink({ host: '127.0.0.2', port: relay.sink.port });
  cleanUp(t, () => other.close());
  await relay.send({ from: home, to: 'bob@dest.test' });
  dns.set('dest.test', { mx: [[10, 'new.dest.test']] });
  await relay.startDelivery();
  await other.next((m) => m.recipients.includes('bob@dest.test'));
  const [delivery] = await relay.until((r) => r.type === 'Delivery');
  assert.equal(delivery?.site, 'default->new.dest.test');
  assert.deepEqual(
    (await relay.records('Delayed')).map((r) => [r.site, r.num_attempts]),
    [['default->old.dest.test', 0]],
  );
  assert.equal(relay.sink.messages.length, 0);
  assert.deepEqual(await relay.leftovers(), []);
});

test('a domain that cannot be looked up in time waits in a lane of its own name and is looked up again', async (t) => {
  const dns = await startDns(t);
  dns.set('slow.test', 'silence');
  const relay = await startRebound(t, {
    config: { outbound: { dnsServers: [dns.server], dnsTimeout: '300ms' }, ingress: { lookupTimeout: '100ms' } },
  });
  const started = Date.now();
  await relay.send({ from: home, to: 'bob@slow.test' });
  assert.ok(Date.now() - started < 1000, 'the client does not wait for the DNS');
  const [failure] = await relay.until((r) => r.type === 'TransientFailure');
  assert.equal(failure?.site, 'default->slow.test');
  assert.deepEqual([failure.response.code, failure.response.local], [451, true]);
});

const hopeless: [name: string, records: Parameters<FakeDns['set']>[1], status: string][] = [
  ['a null MX', { mx: [[0, '.']] }, '5.1.10'],
  ['a domain that does not exist', 'NXDOMAIN', '5.1.2'],
];
for (const [name, records, status] of hopeless) {
  test(`${name} is reported at once, without a Remote-MTA (rules 16, 59, 61, 115)`, async (t) => {
    const dns = await startDns(t);
    dns.set('dest.test', records);
    const relay = await startRebound(t, { config: { outbound: { dnsServers: [dns.server] } } });
    await relay.send({ from: home, to: 'bob@dest.test' });
    const report = await relay.sink.next((m) => m.sender === '');
    const [block] = parseRfc3464(report.bytes)?.recipients ?? [];
    assert.equal(block?.status, status);
    assert.equal(block.remoteMta, undefined);
    assert.equal(block.diagnostic?.type, 'x-rebound');
  });
}

test('addresses of this machine and of private networks are refused when DNS gives them', async (t) => {
  const dns = await startDns(t);
  dns.set('evil.test', { mx: [[10, 'mx.evil.test']] });
  dns.set('mx.evil.test', { a: ['127.0.0.1', '10.0.0.1'] });
  const relay = await startRebound(t, { bounces: false, config: { outbound: { dnsServers: [dns.server], allowPrivate: false } } });
  await relay.send({ from: home, to: 'bob@evil.test' });
  const [record] = await relay.until((r) => r.type === 'Bounce' || r.type === 'TransientFailure');
  assert.equal(record?.type, 'Bounce');
  assert.equal(record.response.code, 550);
  assert.equal(relay.sink.counts.connections.total, 0);
});

test('messages leave by the egress sources in turn, each with its address and its name', async (t) => {
  const relay = await startRebound(t, {
    config: {
      outbound: {
        ehloName: 'relay.test',
        sources: [
          { name: 'one', address: '127.0.0.11', ehloName: 'one.relay.test' },
          { name: 'two', address: '127.0.0.12' },
        ],
      },
    },
  });
  for (let n = 0; n < 4; n++) await relay.send({ from: home, to: `r${n}@dest.test` });
  const deliveries = await relay.until((r) => r.type === 'Delivery', 4);
  assert.deepEqual(deliveries.map((r) => String(r.egress_source)).sort(), ['one', 'one', 'two', 'two']);
  const seen = relay.sink.messages.map((m) => `${m.clientName} ${m.clientAddress}`);
  assert.deepEqual(new Set(seen), new Set(['one.relay.test 127.0.0.11', 'relay.test 127.0.0.12']));
});
