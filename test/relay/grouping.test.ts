import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ConfigInput } from '../../shared/core/config.ts';
import { recipientsOf } from '../../shared/core/disposition.ts';
import { parseRfc3464 } from '../../shared/core/dsn/parse.ts';
import { allExtensions, type SinkMessage } from '../../shared/io/sink-server.ts';
import { readReportMarks } from '../../shared/io/report-marks.ts';
import { startRebound, type Relay } from '../support/relay.ts';

const home = 'ann@home.test';

/** Whoever begins with `no` is refused in words of its own. The sink offers no DSN: what is delivered is told by us. */
const start = (t: TestContext, bounce: ConfigInput['bounce'], bounces = true): Promise<Relay> =>
  startRebound(t, {
    bounces,
    config: { bounce },
    sink: {
      extensions: allExtensions.filter((keyword) => keyword !== 'DSN'),
      rules: { rcpt: ({ recipient }) => (recipient.startsWith('no') ? `550 5.1.1 no ${recipient} here` : undefined) },
    },
  });

const strangers = (count: number): string[] => Array.from({ length: count }, (_, n) => `no${n}@d${n}.test`);
const isReport = (message: SinkMessage): boolean => message.sender === '' && message.recipients.includes(home);
const groups = (report: SinkMessage): string[] =>
  (parseRfc3464(report.bytes)?.recipients ?? []).map((r) => `${r.finalRecipient?.value} ${r.action} ${r.status}`).sort();

/** Their groups, in an order that is always the same. */
const inOrder = (reports: SinkMessage[]): string[][] => reports.map(groups).sort((a, b) => (String(a) < String(b) ? -1 : 1));

/** Every message and job is gone: nothing more can come. */
async function untilQuiet(relay: Relay): Promise<SinkMessage[]> {
  for (const deadline = Date.now() + 30_000; (await relay.leftovers()).length > 0; await sleep(20)) {
    assert.ok(Date.now() < deadline, (await relay.leftovers()).join('\n'));
  }
  return relay.sink.messages.filter(isReport);
}

async function fail(relay: Relay, to: string[], notify = 'FAILURE'): Promise<void> {
  await relay.send({ from: home, to, dsn: { notify } });
  const failing = to.filter((address) => address.startsWith('no'));
  await relay.until((r) => r.type === 'Bounce' && recipientsOf(r).every((address) => to.includes(address)), failing.length);
}

test('recipients of many domains that fail together are told in one report, however many bounce workers race for it (rule 10)', async (t) => {
  const relay = await start(t, {}, false);
  const to = strangers(30);
  await fail(relay, to);
  await Promise.all([relay.startBounce(), relay.startBounce()]);
  const reports = await untilQuiet(relay);
  assert.equal(reports.length, 1);
  assert.deepEqual(groups(reports[0] as SinkMessage), to.map((address) => `${address} failed 5.1.1`).sort());
  const text = reports[0]?.bytes.toString() ?? '';
  for (const address of to) assert.match(text.replaceAll(/\r\n {2}/g, ' '), new RegExp(`no ${address} here`));
  assert.equal(text.split('Content-Type: message/rfc822').length, 2, 'the original once');
  const bounces = await relay.records('Bounce');
  const marks = await readReportMarks(
    relay.observer.redis,
    bounces.map((r) => r.event_id),
  );
  assert.equal(marks.size, 30);
  assert.equal(new Set([...marks.values()].map((mark) => (mark.kind === 'sent' ? mark.message : ''))).size, 1);
  const { client, key } = relay.observer.redis;
  for (const deadline = Date.now() + 30_000; (await client.keys(key('gathered:*'))).length > 0; await sleep(20)) {
    assert.ok(Date.now() < deadline, 'what was told still lies with what is gathered');
  }
});

test('two messages that fail together have a report each (rule 9)', async (t) => {
  const relay = await start(t, {}, false);
  await fail(relay, strangers(2));
  await fail(relay, ['no7@d7.test', 'no8@d8.test']);
  await relay.startBounce();
  const reports = await untilQuiet(relay);
  assert.deepEqual(inOrder(reports), [
    ['no0@d0.test failed 5.1.1', 'no1@d1.test failed 5.1.1'],
    ['no7@d7.test failed 5.1.1', 'no8@d8.test failed 5.1.1'],
  ]);
});

test('failed and relayed recipients share a report, who asked for nothing is not in it (rule 12)', async (t) => {
  const relay = await start(t, {}, false);
  await fail(relay, ['no0@d0.test', 'yes@d1.test'], 'FAILURE,SUCCESS');
  await relay.until((r) => r.type === 'Delivery');
  await relay.startBounce();
  const reports = await untilQuiet(relay);
  assert.deepEqual(reports.map(groups), [['no0@d0.test failed 5.1.1', 'yes@d1.test relayed 2.0.0']]);
  assert.match(reports[0]?.bytes.toString() ?? '', /^Subject: Your message could not be delivered to everyone\r$/m);
});

test('with bounce.mixed off, failures and successes have reports of their own', async (t) => {
  const relay = await start(t, { mixed: false }, false);
  await fail(relay, ['no0@d0.test', 'no1@d1.test', 'yes@d2.test'], 'FAILURE,SUCCESS');
  await relay.until((r) => r.type === 'Delivery');
  await relay.startBounce();
  const reports = await untilQuiet(relay);
  assert.deepEqual(inOrder(reports), [['no0@d0.test failed 5.1.1', 'no1@d1.test failed 5.1.1'], ['yes@d2.test relayed 2.0.0']]);
});

test('without bounce.hold each disposition has its report', async (t) => {
  const relay = await start(t, { hold: '0s' });
  await fail(relay, strangers(3));
  assert.deepEqual(inOrder(await untilQuiet(relay)), [
    ['no0@d0.test failed 5.1.1'],
    ['no1@d1.test failed 5.1.1'],
    ['no2@d2.test failed 5.1.1'],
  ]);
});

test('recipients of one domain that are refused in different words are told in one report', async (t) => {
  const relay = await start(t, {});
  await fail(relay, ['no0@same.test', 'no1@same.test', 'yes@same.test']);
  assert.deepEqual((await untilQuiet(relay)).map(groups), [['no0@same.test failed 5.1.1', 'no1@same.test failed 5.1.1']]);
});

test('what was told and is published again is not told with a later outcome (rule 11)', async (t) => {
  const relay = await start(t, { hold: '50ms' });
  await relay.send({ from: home, to: ['no0@d0.test', 'no1@d1.test'] });
  await relay.until((r) => r.type === 'Bounce', 2);
  const told = (await untilQuiet(relay)).length;
  const { redis } = relay.observer;
  const [first, second] = await relay.records('Bounce');
  assert.ok(first && second);
  // As a settling that is repeated after Redis died would leave it.
  await redis.client.hset(redis.key(`gathered:bounces:${first.id}`), first.event_id, JSON.stringify(first));
  const late = {
    ...second,
    event_id: `${second.event_id}.late`,
    recipient: 'no2@d2.test',
    dsn: { recipients: [{ address: 'no2@d2.test' }] },
  };
  await redis.client.hset(redis.key(`gathered:bounces:${first.id}`), late.event_id, JSON.stringify(late));
  const { Queue } = await import('bullmq');
  const queue = new Queue('bounces', { connection: redis.client as never, prefix: redis.prefix });
  await queue.add('Bounce', { record: late, gathered: true }, { jobId: late.event_id });
  await relay.sink.until(() => relay.sink.messages.filter(isReport).length > told);
  const reports = await untilQuiet(relay);
  assert.deepEqual(groups(reports.at(-1) as SinkMessage), ['no2@d2.test failed 5.1.1']);
  assert.equal(reports.length, told + 1);
});

test('what a killed worker had claimed is told when its claim ends', async (t) => {
  const relay = await start(t, {}, false);
  await fail(relay, strangers(2));
  const { redis } = relay.observer;
  const [bounce] = await relay.records('Bounce');
  await redis.client.set(redis.key(`gathered:bounces:${bounce?.id}:claim`), 'dead', 'PX', 700);
  await relay.startBounce();
  assert.deepEqual((await untilQuiet(relay)).map(groups), [['no0@d0.test failed 5.1.1', 'no1@d1.test failed 5.1.1']]);
});
