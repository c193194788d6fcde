import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import type { ConfigInput } from '../../shared/core/config.ts';
import type { DispositionRecord } from '../../shared/core/disposition.ts';
import { parseReplayTarget } from '../../shared/core/replay.ts';
import { hookSubscription } from '../../shared/core/subscriptions.ts';
import { openContext } from '../../shared/io/context.ts';
import { startHook } from '../../shared/io/hook.ts';
import { releaseKept } from '../../shared/io/original-holds.ts';
import { openPipeline, type Pipeline } from '../../shared/io/pipeline.ts';
import { createReplay, readReplay } from '../../shared/io/replay-state.ts';
import { runReplay } from '../../shared/io/replay.ts';
import { readReportMarks, reportMarkKey } from '../../shared/io/report-marks.ts';
import { run as runBounce } from '../../workers/bounce/main.ts';
import { cleanUp } from '../support/cleanup.ts';
import { startEndpoint, until } from '../support/endpoint.ts';
import { startRebound, testConfig, type Relay, type RelayOptions } from '../support/relay.ts';

const home = 'ann@home.test';
const nobody = 'nobody@dest.test';
const refusing = { rules: { rcpt: { [nobody]: '550 5.1.1 no such user' } } };
const strangers: ConfigInput = { ingress: { trusted: [], greetingDelay: 0, domains: ['dest.test'] } };

interface ReplayedRelay extends Relay {
  pipeline: Pipeline;
  /** Replays all records of a type and waits; resolves with the counts by outcome. */
  replay(to: string, options?: { force?: boolean; type?: DispositionRecord['type'] }): Promise<Record<string, number>>;
  /** Messages that are reports. */
  reports(): Promise<number>;
  /** A bounce process with other settings. */
  startBounceWith(config: ConfigInput): Promise<{ close(): Promise<void> }>;
}

async function startReplayed(t: TestContext, options: RelayOptions = {}): Promise<ReplayedRelay> {
  const relay = await startRebound(t, { sink: refusing, ...options });
  const pipeline = openPipeline(relay.observer);
  cleanUp(t, () => pipeline.close());
  const { redis, subscriptions } = relay.observer;
  return {
    ...relay,
    pipeline,
    replay: async (to, { force = false, type = 'Bounce' } = {}) => {
      const target = parseReplayTarget(to);
      assert.ok(target);
      const plan = { filter: { until: Date.now() + 60_000, types: [type] }, target, rate: 10_000, force };
      const id = await createReplay(redis, plan, { who: 'tester', why: '' });
      assert.equal(await runReplay({ redis, queues: pipeline.queues, subscriptions }, id), 'queued');
      await until(async () => (await readReplay(redis, id))?.pending === 0, `the replay to ${to} to be done`);
      return (await readReplay(redis, id))?.outcomes ?? {};
    },
    reports: async () => (await relay.records('Reception')).filter((record) => record.reception_protocol === 'Report').length,
    startBounceWith: async (config) => {
      const context = await openContext(testConfig(relay.redis.dir, relay.sink.port, config), relay.redis.url, 'bounce-other');
      cleanUp(t, () => context.close());
      const worker = await runBounce(context);
      let closing: Promise<void> | undefined;
      const close = (): Promise<void> => (closing ??= worker.close());
      cleanUp(t, close);
      return { close };
    },
  };
}

const isKept = async ({ observer: { redis } }: Relay, message: string): Promise<boolean> =>
  (await redis.client.exists(redis.key(`spool:${message}`))) === 1;

async function untilMarked({ observer: { redis } }: Relay, event: string, want: string): Promise<void> {
  await until(async () => {
    const mark = (await readReportMarks(redis, [event])).get(event);
    return (mark?.kind === 'suppressed' ? mark.reason : mark?.kind) === want;
  }, `the report of ${event} to be ${want}`);
}

test('a bounce of a stranger that was not told is told once after the setting has changed, however often it is replayed', async (t) => {
  const relay = await startReplayed(t, { config: strangers, bounces: false });
  const strict = await relay.startBounceWith(strangers);
  await relay.send({ from: home, to: nobody });
  const [bounce] = await relay.until((r) => r.type === 'Bounce');
  await untilMarked(relay, bounce?.event_id ?? '', 'untrusted');
  assert.deepEqual(await relay.replay('bounces'), { 'suppressed:untrusted': 1 });
  await strict.close();
  await relay.startBounceWith({ ...strangers, bounce: { suppress: [] } });
  assert.deepEqual(await relay.replay('bounces'), { sent: 1 });
  const report = await relay.sink.next((mail) => mail.recipients.includes(home));
  assert.match(report.bytes.toString(), /^Final-Recipient: rfc822;\s*nobody@dest\.test\r\n/im);
  assert.deepEqual(await relay.replay('bounces'), { repeated: 1 });
  assert.equal(await relay.reports(), 1);
  assert.deepEqual(await relay.replay('bounces', { force: true }), { sent: 1 });
  assert.equal(await relay.reports(), 2);
  assert.deepEqual(await relay.replay('bounces'), { repeated: 1 });
});

test('replays at once make one report, also while its first job has not made it yet', async (t) => {
  const relay = await startReplayed(t, { bounces: false });
  for (let n = 0; n < 5; n++) await relay.send({ from: home, to: nobody });
  await relay.until((r) => r.type === 'Bounce', 5);
  const replaying = [relay.replay('bounces'), relay.replay('bounces'), relay.replay('bounces')];
  await relay.startBounce();
  await relay.startBounce();
  assert.deepEqual(await Promise.all(replaying), [{ repeated: 5 }, { repeated: 5 }, { repeated: 5 }]);
  assert.equal(await relay.reports(), 5);
});

test('replays at once of what was suppressed make one report', async (t) => {
  const relay = await startReplayed(t, { config: strangers, bounces: false });
  const strict = await relay.startBounceWith(strangers);
  for (let n = 0; n < 5; n++) await relay.send({ from: home, to: nobody });
  for (const { event_id } of await relay.until((r) => r.type === 'Bounce', 5)) await untilMarked(relay, event_id, 'untrusted');
  await strict.close();
  const replaying = [relay.replay('bounces'), relay.replay('bounces')];
  for (let n = 0; n < 2; n++) await relay.startBounceWith({ ...strangers, bounce: { suppress: [] } });
  const counts = await Promise.all(replaying);
  const total = (outcome: string): number => counts.reduce((sum, outcomes) => sum + (outcomes[outcome] ?? 0), 0);
  assert.deepEqual([total('sent'), total('repeated')], [5, 5]);
  assert.equal(await relay.reports(), 5);
});

test('what only the header told holds after the original is gone', async (t) => {
  const relay = await startReplayed(t);
  await relay.send({ from: home, to: nobody, raw: 'From: x@y.test\r\nList-Id: <l.home.test>\r\n\r\nhello\r\n' });
  const [bounce] = await relay.until((r) => r.type === 'Bounce');
  await untilMarked(relay, bounce?.event_id ?? '', 'list');
  await until(async () => !(await isKept(relay, bounce?.id ?? '')), 'the original to be gone');
  assert.deepEqual(await relay.replay('bounces'), { 'suppressed:list': 1 });
  assert.equal(await relay.reports(), 0);
});

test('of what is older than our memory of reports nothing is told unless forced', async (t) => {
  const relay = await startReplayed(t);
  await relay.send({ from: home, to: nobody });
  const [bounce] = await relay.until((r) => r.type === 'Bounce');
  assert.ok(bounce);
  await untilMarked(relay, bounce.event_id, 'sent');
  const { redis } = relay.observer;
  await redis.client.del(reportMarkKey(redis, bounce.event_id), redis.key('log'));
  const old = { ...bounce, timestamp: bounce.timestamp - 8 * 86_400 };
  await redis.client.xadd(redis.key('log'), '*', 'r', JSON.stringify(old));
  assert.deepEqual(await relay.replay('bounces'), { unknown: 1 });
  assert.deepEqual(await relay.replay('bounces', { force: true }), { sent: 1 });
});

test('a webhook gets the record again under its event id, told apart by the replay', async (t) => {
  const endpoint = await startEndpoint(t);
  const relay = await startReplayed(t, { config: { webhooks: { crm: { url: endpoint.url, batchWait: '10ms' } } } });
  await relay.send({ from: home, to: nobody });
  await until(() => endpoint.requests.length === 1, 'the record to be posted');
  assert.deepEqual(await relay.replay('webhook:crm'), { delivered: 1 });
  assert.deepEqual(await relay.replay('webhook:crm', { force: true }), { delivered: 1 });
  const [first, second, forced] = endpoint.requests;
  assert.ok(first && second && forced);
  const id = second.records[0]?.replay?.id;
  assert.match(String(id), /^[0-9a-f]{32}$/);
  assert.deepEqual(second.records, [{ ...first.records[0], replay: { id } }]);
  assert.equal(second.headers['rebound-replay'], id);
  assert.equal(first.headers['rebound-replay'], undefined);
  assert.equal(second.headers['idempotency-key'], first.headers['idempotency-key']);
  assert.notEqual(forced.headers['idempotency-key'], first.headers['idempotency-key']);
  assert.equal(forced.records[0]?.event_id, first.records[0]?.event_id);
});

test('a record that an endpoint does not want is counted as given up', async (t) => {
  let status = 204;
  const endpoint = await startEndpoint(t, () => status);
  const relay = await startReplayed(t, { config: { webhooks: { crm: { url: endpoint.url, batchWait: '10ms' } } } });
  await relay.send({ from: home, to: nobody });
  await until(() => endpoint.requests.length === 1, 'the record to be posted');
  status = 422;
  assert.deepEqual(await relay.replay('webhook:crm'), { dead: 1 });
});

test('a hook gets the record again, and what it does not hear is not queued for it', async (t) => {
  const got: DispositionRecord[] = [];
  const subscription = hookSubscription({ name: 'mine', types: ['Bounce'], needsOriginal: false });
  const relay = await startReplayed(t, { subscriptions: [subscription] });
  const hook = await startHook(
    { name: 'mine', types: ['Bounce'], needsOriginal: false, run: (_, record) => void got.push(record) },
    relay.observer,
    relay.pipeline,
  );
  cleanUp(t, () => hook.close());
  await relay.send({ from: home, to: nobody });
  await until(() => got.length === 1, 'the hook to run');
  assert.deepEqual(await relay.replay('hook:mine'), { delivered: 1 });
  assert.equal(got[1]?.event_id, got[0]?.event_id);
  assert.ok(got[1]?.replay && !got[0]?.replay);
  assert.deepEqual(await relay.replay('hook:mine', { type: 'Reception' }), {});
});

test('a message whose server was mended is delivered again, once, to those who did not get it', async (t) => {
  const relay = await startReplayed(t, { config: { bounce: { keepOriginals: '1h' } } });
  await relay.send({ from: home, to: [nobody, 'bob@dest.test'], text: 'words of the original' });
  const [bounce] = await relay.until((r) => r.type === 'Bounce');
  assert.ok(bounce);
  await relay.sink.next((mail) => mail.recipients.includes('bob@dest.test'));
  await relay.sink.next((mail) => mail.recipients.includes(home)); // the report is made: nobody but us needs the original
  relay.sink.rules = {};
  assert.deepEqual(await relay.replay('redeliver'), { redelivered: 1 });
  const mail = await relay.sink.next((one) => one.recipients.includes(nobody));
  assert.deepEqual([mail.sender, mail.recipients], [home, [nobody]]);
  assert.match(mail.bytes.toString(), /words of the original/);
  const [delivery] = await relay.until((r) => r.type === 'Delivery' && r.recipient === nobody);
  assert.equal(delivery?.meta['redelivered_from'], bounce.id);
  assert.equal(delivery?.meta['redelivered_event'], bounce.event_id);
  assert.equal(delivery?.meta['trusted'], true);
  assert.notEqual(delivery?.id, bounce.id);
  assert.equal(delivery?.reception_protocol, 'Redelivery');
  assert.deepEqual(await relay.replay('redeliver'), { repeated: 1 });
  assert.deepEqual(await relay.replay('redeliver', { force: true }), { redelivered: 1 });
});

test('without its original a message cannot be delivered again, which is said; a report never is', async (t) => {
  const relay = await startReplayed(t, { config: { bounce: { keepOriginals: '1h' } }, sink: { rules: { rcpt: '550 5.1.1 no' } } });
  await relay.send({ from: home, to: nobody });
  const [bounce, ofReport] = await relay.until((r) => r.type === 'Bounce', 2);
  assert.ok(bounce && ofReport?.sender === '');
  const { redis, log } = relay.observer;
  await until(async () => !(await isKept(relay, ofReport.id)), 'the report to be let go of');
  assert.ok(await isKept(relay, bounce.id));
  // Redis runs short of room.
  const context = { ...relay.observer, redis, log };
  await until(async () => (await releaseKept(context, relay.pipeline.spool, true)) === 1, 'it to give way');
  await until(async () => (await relay.leftovers()).length === 0, 'nothing to be left');
  assert.deepEqual(await relay.replay('redeliver'), { gone: 1, 'null-sender': 1 });
});

test('an original is kept as long as is set, and no longer', async (t) => {
  const relay = await startReplayed(t, { config: { bounce: { keepOriginals: '3s' } } });
  await relay.send({ from: home, to: nobody });
  const [bounce] = await relay.until((r) => r.type === 'Bounce');
  assert.ok(bounce);
  const { redis } = relay.observer;
  assert.equal(await redis.client.zcard(redis.key('kept')), 1);
  await until(async () => (await relay.leftovers()).length === 0, 'it to be let go of');
  assert.equal(await redis.client.zcard(redis.key('kept')), 0);
  assert.ok(Date.now() >= Date.parse(bounce.event_time) + 2900);
});
