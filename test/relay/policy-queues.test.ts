import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import type { ConfigInput } from '../../shared/core/config.ts';
import type { SinkRules } from '../../shared/io/sink-server.ts';
import { policyFolder } from '../support/policy.ts';
import { startRebound, type Relay } from '../support/relay.ts';

const home = 'ann@home.test';

async function relayWith(
  t: TestContext,
  handlers: string,
  { config = {}, rules = {}, deliveries = 1 }: { config?: ConfigInput; rules?: SinkRules; deliveries?: number } = {},
): Promise<Relay> {
  const { file } = await policyFolder(
    t,
    `import { definePolicy, reject } from 'rebound';\nexport default definePolicy((policy) => {\n${handlers}\n});\n`,
  );
  return startRebound(t, { deliveries, sink: { rules }, config: { policy: { file, timeout: '50s' }, ...config } });
}

/** Each recipient is refused once. */
function onceLater(): SinkRules {
  const seen = new Set<string>();
  const isSeen = (recipient: string): boolean => seen.has(recipient) || !seen.add(recipient);
  return { rcpt: ({ recipient }) => (isSeen(recipient) ? undefined : '451 4.7.1 later') };
}

/** A wait that no test lives to see the end of. */
const never = '2h';

test('a queue has the schedule that the policy gives it, and that of the settings where it gives none that can be used', async (t) => {
  const relay = await relayWith(
    t,
    `policy.on('get_queue_config', (domain, tenant, campaign, routingDomain) => {
      if (domain === 'fast.test') return { interval: '20ms', jitter: 0 };
      if (domain === 'old.test') return { maxAge: 0 };
      if (domain === 'words.test') return { interval: 'soon' };
      if (domain === 'negative.test') return { interval: -5 };
      if (domain === 'typo.test') return { intervall: 5 } as never;
      if (domain === 'text.test') return '20ms' as never;
      if (domain === 'refused.test') reject(550, 'no');
      if (domain === 'throw.test') throw new Error('oops');
      return undefined;
    });`,
    { config: { retry: { interval: never, maxInterval: never, maxAge: '3h', jitter: 0 } }, rules: onceLater() },
  );
  const broken = ['words', 'negative', 'typo', 'text', 'refused', 'throw', 'other'];
  for (const name of ['fast', 'old', ...broken]) await relay.send({ from: home, to: `bob@${name}.test` });
  const [delivery] = await relay.until(({ type, recipient }) => type === 'Delivery' && recipient === 'bob@fast.test');
  assert.equal(delivery?.num_attempts, 2);
  await relay.until(({ type, recipient }) => type === 'Expiration' && recipient === 'bob@old.test');
  const failures = await relay.until(({ type, queue }) => type === 'TransientFailure' && queue !== 'fast.test', broken.length);
  for (const { queue, next_attempt, timestamp } of failures) {
    assert.ok((next_attempt ?? 0) / 1000 - timestamp > 3600, `${queue} waits for ${(next_attempt ?? 0) / 1000 - timestamp} seconds`);
  }
});

test('a queue has the egress source that the policy gives it: one, several in turn, and none that there is not', async (t) => {
  const relay = await relayWith(
    t,
    `policy.on('get_queue_config', (domain) =>
      ({ 'one.test': { source: 'b' }, 'two.test': { source: ['b', 'c'] }, 'odd.test': { source: ['b', 'x'] }, 'bad.test': { source: 7 } as never })[domain]);`,
    { config: { outbound: { sources: [{ name: 'a' }, { name: 'b', address: '127.0.0.2' }, { name: 'c', address: '127.0.0.3' }] } } },
  );
  const sourcesOf = async (domain: string, count: number): Promise<string[]> => {
    for (let n = 0; n < count; n++) await relay.send({ from: home, to: `r${n}@${domain}` });
    const deliveries = await relay.until(({ type, queue }) => type === 'Delivery' && queue === domain, count);
    return deliveries.map(({ egress_source }) => String(egress_source));
  };
  assert.deepEqual(await sourcesOf('one.test', 3), ['b', 'b', 'b']);
  assert.deepEqual(new Set(await sourcesOf('two.test', 4)), new Set(['b', 'c']));
  assert.deepEqual(new Set(await sourcesOf('odd.test', 6)), new Set(['a', 'b', 'c']));
  assert.deepEqual(new Set(await sourcesOf('bad.test', 6)), new Set(['a', 'b', 'c']));
  assert.ok(
    relay.sink.messages.filter(({ recipients }) => recipients[0]?.endsWith('@one.test')).every((m) => m.clientAddress === '127.0.0.2'),
  );
});

const sendMany = (relay: Relay, count: number, domain: string): Promise<unknown> =>
  Promise.all(Array.from({ length: count }, (_, n) => relay.send({ from: home, to: `r${n}@${domain}` })));

test('a path has the connections that the policy gives it, over all workers', async (t) => {
  const relay = await relayWith(t, "policy.on('get_egress_path_config', () => ({ connections: 2 }));", {
    rules: { message: { delayMs: 20 } },
    deliveries: 2,
  });
  await sendMany(relay, 40, 'dest.test');
  await relay.until(({ type }) => type === 'Delivery', 40);
  assert.ok(relay.sink.counts.connections.maxOpen <= 2, String(relay.sink.counts.connections.maxOpen));
});

test('a path has the messages for a connection, and the limits in its lane, that the policy gives it', async (t) => {
  const relay = await relayWith(
    t,
    `policy.on('get_egress_path_config', (domain, source, site) =>
      ({ messagesPerConnection: domain === 'dest.test' && source === 'default' ? 1 : 1000, rate: site.startsWith('127.0.0.1:') ? '500/h' : '1/h', concurrency: 7 }));`,
  );
  await sendMany(relay, 5, 'dest.test');
  await relay.until(({ type }) => type === 'Delivery', 5);
  assert.equal(relay.sink.counts.connections.total, 5);
  const { client } = relay.observer.redis;
  const [meta] = (await client.keys('*')).filter((key) => /default->127\.0\.0\.1.*:meta$/.test(key));
  assert.deepEqual(await client.hmget(meta ?? '', 'max', 'duration', 'concurrency'), ['500', '3600000', '7']);
});

test('a domain whose mail the policy wants encrypted waits for TLS; its neighbour on the same site does not', async (t) => {
  const relay = await relayWith(
    t,
    "policy.on('get_egress_path_config', (domain) => (domain === 'secret.test' ? { tls: 'required', timeouts: { connect: '5s' } } : {}));",
    { config: { delivery: { idleTimeout: '10s' }, retry: { interval: never } } },
  );
  await relay.send({ from: home, to: 'bob@open.test' });
  await relay.until(({ type, queue }) => type === 'Delivery' && queue === 'open.test');
  await relay.send({ from: home, to: 'bob@secret.test' });
  const [failure] = await relay.until(({ type, queue }) => type === 'TransientFailure' && queue === 'secret.test');
  assert.match(failure?.response.content ?? '', /TLS/);
  await relay.send({ from: home, to: 'carl@open.test' });
  await relay.until(({ type, recipient }) => type === 'Delivery' && recipient === 'carl@open.test');
  assert.equal(relay.sink.messages.length, 2);
});

test('mail that waits for TLS has its attempts, and its end, while the site serves others', async (t) => {
  const relay = await relayWith(
    t,
    "policy.on('get_egress_path_config', (domain) => (domain === 'secret.test' ? { tls: 'required' } : {}));",
    {
      rules: { message: { delayMs: 20_000 } },
    },
  );
  await relay.send({ from: home, to: 'bob@open.test' });
  await relay.sink.until(() => relay.sink.counts.transactions.open === 1);
  await relay.send({ from: home, to: 'bob@secret.test' });
  await relay.until(({ type, queue }) => type === 'TransientFailure' && queue === 'secret.test');
  assert.equal((await relay.records('Delivery')).length, 0);
});

for (const [name, result] of [
  ['no connections', '{ connections: 0 }'],
  ['a rate in words', "{ rate: 'slowly' }"],
  ['TLS of its own kind', "{ tls: 'maybe' }"],
  ['a list', '[]'],
  ['a number', '7'],
  ['a typo', '{ connexions: 1 }'],
  ['a timeout of nothing', '{ timeouts: { connect: null } }'],
  ['no answer at all', '(() => { throw new Error("oops"); })()'],
]) {
  test(`mail flows as set when the policy says of a path: ${name}`, async (t) => {
    const relay = await relayWith(t, `policy.on('get_egress_path_config', () => (${result}) as never);`);
    await relay.send({ from: home, to: 'bob@dest.test' });
    await relay.until(({ type }) => type === 'Delivery');
  });
}
