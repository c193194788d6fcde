import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import type { ConfigInput } from '../../shared/core/config.ts';
import { startSink, type SinkRules } from '../../shared/io/sink-server.ts';
import { cleanUp } from '../support/cleanup.ts';
import { policyFolder } from '../support/policy.ts';
import { startRebound, type Relay } from '../support/relay.ts';

const home = 'ann@home.test';
/** A wait that no test lives to see the end of. */
const never = '2h';

/** A relay whose destination refuses for a while what goes to `dest.test`, and that asks the policy what then. */
async function relayWith(t: TestContext, handler: string, config: ConfigInput = {}, rules: SinkRules = refusing): Promise<Relay> {
  const { file } = await policyFolder(
    t,
    `import { definePolicy, reject } from 'rebound';\nexport default definePolicy((policy) => policy.on('requeue_message', ${handler}));\n`,
  );
  const retry = { interval: never, maxInterval: never, maxAge: '5h', jitter: 0 };
  return startRebound(t, { sink: { rules }, config: { policy: { file, timeout: '50s' }, retry, ...config } });
}

const refusing: SinkRules = { rcpt: ({ recipient }) => (recipient.endsWith('@dest.test') ? '451 4.7.1 not now' : undefined) };
/** The first time only. */
function refusingOnce(): SinkRules {
  let count = 0;
  return { rcpt: ({ recipient }) => (recipient.endsWith('@dest.test') && count++ === 0 ? '451 4.7.1 not now' : undefined) };
}

test('a message that failed goes another way at once, in its new queue', async (t) => {
  const backup = await startSink();
  cleanUp(t, () => backup.close());
  const relay = await relayWith(
    t,
    `(message, response, attempts) =>
      message.domain === 'dest.test' && response.startsWith('451 4.7.1') && attempts === 1 && message.recipients[0] === 'bob@dest.test'
        ? { routingDomain: 'backup.test', tenant: 'second' } : undefined`,
    { outbound: { routes: { 'backup.test': `127.0.0.1:${backup.port}` } } },
  );
  await relay.send({ from: home, to: 'bob@dest.test' });
  const [delivery] = await relay.until(({ type }) => type === 'Delivery');
  assert.equal(delivery?.queue, 'second@dest.test!backup.test');
  assert.equal(delivery.site, `default->127.0.0.1:${backup.port}`);
  assert.equal(delivery.num_attempts, 2);
  assert.equal(backup.messages.length, 1);
  assert.deepEqual(await relay.leftovers(), []);
});

test('a message that failed goes from another source', async (t) => {
  const relay = await relayWith(
    t,
    "({ source }) => ({ source: source === 'a' ? 'b' : 'a' })",
    { outbound: { sources: [{ name: 'a' }, { name: 'b', address: '127.0.0.2' }] } },
    refusingOnce(),
  );
  await relay.send({ from: home, to: 'bob@dest.test' });
  const [failure, delivery] = await relay.until(({ type }) => type === 'TransientFailure' || type === 'Delivery', 2);
  assert.ok(['a', 'b'].includes(delivery?.egress_source ?? ''));
  assert.notEqual(failure?.egress_source, delivery?.egress_source);
});

test('a queue that changes each time changes ten times, and then the schedule holds again', async (t) => {
  const relay = await relayWith(t, "({ tenant }) => ({ tenant: tenant === 'ping' ? 'pong' : 'ping' })");
  await relay.send({ from: home, to: 'bob@dest.test' });
  const failures = await relay.until(({ type }) => type === 'TransientFailure', 11);
  assert.deepEqual(
    failures.map(({ queue }) => queue),
    ['dest.test', ...Array.from({ length: 10 }, (_, n) => `${n % 2 === 0 ? 'ping' : 'pong'}@dest.test`)],
  );
  const last = failures.at(-1);
  assert.ok((last?.next_attempt ?? 0) / 1000 - (last?.timestamp ?? 0) > 3600);
});

test('what a server says of one recipient ends no other', async (t) => {
  const words = (recipient: string): string => (recipient === 'full@dest.test' ? '452 4.2.2 mailbox full' : '451 4.7.1 greylisted');
  const relay = await relayWith(
    t,
    "(message, response) => response.includes('4.2.2') ? { bounce: 'full for too long' } : undefined",
    {},
    { rcpt: ({ recipient }) => words(recipient) },
  );
  await relay.send({ from: home, to: ['full@dest.test', 'bob@dest.test'] });
  const [bounce] = await relay.until(({ type }) => type === 'AdminBounce');
  assert.equal(bounce?.recipient, 'full@dest.test');
  const failures = await relay.until(({ type }) => type === 'TransientFailure', 2);
  const due = Object.fromEntries(failures.map(({ recipient, next_attempt }) => [String(recipient), next_attempt !== undefined]));
  assert.deepEqual(due, { 'full@dest.test': false, 'bob@dest.test': true });
});

test('a message is tried again when the policy says, but not at once', async (t) => {
  const relay = await relayWith(t, '() => ({ delay: 0 })', {}, refusingOnce());
  await relay.send({ from: home, to: 'bob@dest.test' });
  const [delivery] = await relay.until(({ type }) => type === 'Delivery');
  assert.equal(delivery?.num_attempts, 2);
  const [failure] = await relay.records('TransientFailure');
  assert.ok((failure?.next_attempt ?? 0) >= ((failure?.timestamp ?? 0) + 1) * 1000, String(failure?.next_attempt));
});

const ends: [name: string, handler: string, type: string, content: RegExp][] = [
  ['a reason', "() => ({ bounce: 'no longer wanted' })", 'AdminBounce', /551.*Administrator bounced with reason: no longer wanted/],
  ['a reply', "() => reject(550, '5.7.0 given up')", 'AdminBounce', /550.*given up/],
  ['its time', '() => ({ expire: true })', 'Expiration', /451.*not now/],
];
for (const [name, handler, type, content] of ends) {
  test(`a message that failed is ended by the policy with ${name}, and its sender is told`, async (t) => {
    const relay = await relayWith(t, handler);
    await relay.send({ from: home, to: 'bob@dest.test' });
    const [ended] = await relay.until((record) => record.type === type);
    assert.match(`${ended?.response.code} ${ended?.response.content}`, content);
    const report = await relay.sink.next(({ recipients }) => recipients[0] === home);
    assert.match(report.bytes.toString(), /Action: failed/);
    await relay.until((record) => record.type === 'Delivery' && record.recipient === home);
    assert.deepEqual(await relay.leftovers(), []);
  });
}

for (const [name, result] of [
  ['words', "'later'"],
  ['a list', '[]'],
  ['an end that is none', '{ expire: false }'],
  ['a reason with a line end', "{ bounce: 'a\\r\\nb' }"],
  ['a temporary rejection', "reject(451, 'later')"],
  ['an unknown source', "{ source: 'x' }"],
  ['a tenant that is no name', "{ tenant: 'a@b' }"],
  ['a routing domain that is none', "{ routingDomain: 'a b' }"],
  ['a time before now', '{ delay: -1 }'],
  ['a typo', "{ dealy: '1s' }"],
  ['an error', '(() => { throw new Error("oops"); })()'],
]) {
  test(`the schedule of the settings holds when the policy answers with ${name}`, async (t) => {
    const relay = await relayWith(t, `() => (${result}) as never`);
    await relay.send({ from: home, to: 'bob@dest.test' });
    const [failure] = await relay.until(({ type }) => type === 'TransientFailure');
    assert.equal(failure?.queue, 'dest.test');
    assert.ok((failure.next_attempt ?? 0) / 1000 - failure.timestamp > 3600);
  });
}
