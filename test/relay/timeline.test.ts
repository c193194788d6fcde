import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { DispositionRecord } from '../../shared/core/disposition.ts';
import { ReboundClient, type Answer } from '../../shared/io/client.ts';
import { newMessageId } from '../../shared/io/ids.ts';
import { openPipeline } from '../../shared/io/pipeline.ts';
import { createReplay } from '../../shared/io/replay-state.ts';
import { runReplay } from '../../shared/io/replay.ts';
import { findHistories, historyOf } from '../../workers/admin/message-history.ts';
import { openRecordLog } from '../../workers/admin/record-log.ts';
import { bounceRecord } from '../support/admin.ts';
import { startLog } from '../support/archive.ts';
import { cleanUp } from '../support/cleanup.ts';
import { startCommandLine } from '../support/command-line.ts';

const home = 'ann@home.test';
const patience = 30_000;

/** Asks until the answer fits. */
async function until<T>(ask: () => Promise<T>, fits: (answer: T) => boolean): Promise<T> {
  const deadline = Date.now() + patience;
  for (;;) {
    const answer = await ask();
    if (fits(answer)) return answer;
    assert.ok(Date.now() < deadline, `in vain: ${JSON.stringify(answer).slice(0, 3000)}`);
    await sleep(50);
  }
}

test('a message is told from its reception through retry, bounce and report to its second delivery', async (t) => {
  let late = 0;
  const relay = await startCommandLine(t, {
    config: { bounce: { keepOriginals: '1h' } },
    sink: {
      rules: {
        rcpt: ({ recipient }) =>
          recipient.startsWith('no@')
            ? '550-5.1.1 no such user here\r\n550 5.1.1 \u001b[31mreally\u202e not'
            : recipient.startsWith('late@') && late++ === 0
              ? '451 4.7.1 come back later'
              : undefined,
      },
    },
  });
  const api = new ReboundClient({ url: relay.url });
  const { response } = await relay.send({ from: home, to: ['no@dest.test', 'late@dest.test', 'ok@other.test'] });
  const id = /queued as ([0-9a-f]{32})/.exec(response)?.[1] ?? '';
  const look = (): Promise<Answer<'message'>> => api.message({ params: { id } });
  const settled = await until(look, ({ jobs, held_by }) => jobs.length === 0 && !held_by.includes('bounces'));

  assert.partialDeepStrictEqual(settled.envelope, {
    sender: home,
    recipients: ['no@dest.test', 'late@dest.test', 'ok@other.test'],
    protocol: 'ESMTP',
    message_id: '<m1@client.test>',
  });
  const typeOf = new Map(settled.records.map((record) => [record.event_id, record.type]));
  // At least once: an event may stand there twice.
  const told = settled.timeline.map(({ recipient, state, events }) => [
    recipient,
    state,
    ...new Set(events.map((event) => typeOf.get(event))),
  ]);
  assert.deepEqual(told, [
    ['no@dest.test', 'bounced', 'Reception', 'Bounce'],
    ['late@dest.test', 'delivered', 'Reception', 'TransientFailure', 'Delivery'],
    ['ok@other.test', 'delivered', 'Reception', 'Delivery'],
  ]);
  const bounce = settled.records.find(({ type }) => type === 'Bounce');
  const transient = settled.records.find(({ type }) => type === 'TransientFailure');
  assert.deepEqual(new Set(settled.conversations), new Set([bounce?.event_id, transient?.event_id]));
  const [report] = settled.reports;
  assert.partialDeepStrictEqual(report, { event_id: bounce?.event_id ?? '', outcome: 'sent' });
  const told2 = await api.message({ params: { id: report?.message ?? '' } });
  assert.partialDeepStrictEqual(told2, { report_on: id, envelope: { sender: '', recipients: [home], protocol: 'Report' } });

  // Delivered again by a replay, which the new message says too.
  relay.sink.rules = {};
  const pipeline = openPipeline(relay.observer);
  cleanUp(t, () => pipeline.close());
  const { redis, subscriptions } = relay.observer;
  const plan = {
    filter: { until: Date.now() + 60_000, types: ['Bounce' as const] },
    target: { kind: 'redeliver' as const },
    rate: 10_000,
    force: false,
  };
  const replay = await createReplay(redis, plan, { who: 'tester', why: '' });
  await runReplay({ redis, queues: pipeline.queues, subscriptions }, replay);
  const [again] = (await until(look, ({ redelivered }) => redelivered.length > 0)).redelivered;
  const second = await until(
    () => api.message({ params: { id: again?.message ?? '' } }),
    ({ timeline }) => timeline[0]?.state === 'delivered',
  );
  assert.deepEqual(second.redelivered_from, { message: id, event_id: bounce?.event_id, replay });

  // What people see.
  const { code, stdout } = await relay.rebound('trace', id, '--conversation');
  assert.equal(code, 0);
  assert.match(stdout, /no@dest\.test {2}bounced\n[^]*Bounce[^]*550-5\.1\.1 no such user here\n +550 5\.1\.1 .*really. not \(to RCPT\)/);
  assert.match(stdout, /late@dest\.test {2}delivered\n[^]*TransientFailure[^]*451 4\.7\.1 come back later[^]*next attempt [^]*Delivery/);
  assert.match(
    stdout,
    new RegExp(`its sender was told: message ${report?.message ?? ''}[^]*delivered again as message ${again?.message ?? ''}`),
  );
  assert.match(stdout, /\d\d:\d\d:\d\d\.\d{3} > RCPT TO:<no@dest\.test>/);
  assert.ok(
    !/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e]/.test(stdout),
    'nothing steers a terminal, and without one there is no colour',
  );
  const json = await relay.json<Answer<'message'> & { conversation: Record<string, Answer<'conversation'>> }>(
    'trace',
    id,
    '--conversation',
  );
  assert.deepEqual([json.id, Object.keys(json.conversation).length], [id, 2]);

  // Found by what people know of it.
  for (const name of ['<m1@client.test>', 'm1@client.test', 'ok@other.test', id.toUpperCase()]) {
    const found = await relay.rebound('trace', name);
    assert.ok(found.code === 0 && found.stdout.startsWith(`message ${id}\n`), `${name}: ${found.stdout}${found.stderr}`);
  }
  const list = await relay.rebound('trace', home);
  assert.match(list.stdout, new RegExp(`MESSAGE +RECEIVED[^]*${report?.message ?? ''}[^]*${id}`));
  const unknown = await relay.rebound('trace', 'nobody@nowhere.test');
  assert.deepEqual([unknown.code, unknown.stderr], [1, 'rebound: there is no message nobody@nowhere.test\n']);
});

test('what still waits is told, and followed until it is settled', async (t) => {
  const relay = await startCommandLine(t, {
    sink: { rules: { rcpt: '451 4.7.1 come back later' } },
    config: { retry: { interval: '1s', maxInterval: '1s' } },
  });
  const { response } = await relay.send({ from: home, to: 'late@dest.test' });
  const id = /queued as ([0-9a-f]{32})/.exec(response)?.[1] ?? '';
  await relay.until(({ type }) => type === 'TransientFailure');
  const { timeline, jobs } = await until(
    () => new ReboundClient({ url: relay.url }).message({ params: { id } }),
    ({ jobs: [job] }) => job?.state === 'delayed',
  );
  assert.deepEqual([timeline[0]?.state, timeline[0]?.job], ['delayed', jobs[0]?.id]);
  const following = relay.rebound('trace', id, '--follow');
  relay.sink.rules = {};
  const { code, stdout } = await following;
  assert.equal(code, 0);
  assert.match(stdout, /late@dest\.test[^]*451 4\.7\.1 come back later[^]*Delivery +attempt \d+[^]*250 /);
});

const wrong: [args: string[], words: RegExp][] = [
  [[], /expected one message/],
  [['a', 'b'], /expected one message/],
  [['a@b.test', '--limit', '0'], /--limit/],
  [['a@b.test', '--lane', 'x'], /--lane goes with --smtp/],
  [['--smtp', 'a@b.test'], /does not go with --smtp/],
  [['--smtp', '--follow'], /--follow does not go with --smtp/],
  [['--smtp', '--direction', 'up'], /--direction must be in or out/],
  [['--smtp', '--client', 'nobody'], /client: expected an address or a network/],
  [['a@b.test', '--since', 'yesterday'], /since: expected how long ago/],
];
test('a command that cannot be is refused with the flag that is wrong', async (t) => {
  const relay = await startCommandLine(t, { bounces: false, deliveries: 0 });
  for (const [args, words] of wrong) {
    const { code, stderr } = await relay.rebound('trace', ...args);
    assert.equal(code, 2, `${args.join(' ')}: ${stderr}`);
    assert.match(stderr, words);
  }
});

test('a message long settled is told from the archive, each record once, wherever it lies', async (t) => {
  const { context, publish, archiver, untilArchived } = await startLog(t);
  const id = newMessageId();
  const of = (changes: Partial<DispositionRecord>): DispositionRecord => bounceRecord({ id, ...changes });
  await publish(
    of({ type: 'Reception', event_id: 'one', headers: { 'Message-ID': '<old@client.test>' }, sender: 'Old@home.test' }),
    bounceRecord(),
    of({ type: 'TransientFailure', event_id: 'two' }),
  );
  await archiver();
  await untilArchived();
  await context.redis.client.xtrim(context.redis.key('log'), 'MAXLEN', 1);
  await publish(of({ event_id: 'three' }), bounceRecord());
  const log = openRecordLog(context.redis);
  const { records, isComplete } = await historyOf(id, context, log);
  assert.deepEqual([records.map(({ event_id }) => event_id), isComplete], [['one', 'two', 'three'], true]);
  const byId = await findHistories(context, { messageId: '<old@client.test>', types: ['Reception'] }, 10);
  assert.deepEqual([byId.messages.map((message) => [message.id, message.message_id]), byId.complete], [[[id, '<old@client.test>']], true]);
  const byAddress = await findHistories(context, { party: 'old@home.test' }, 10);
  assert.deepEqual(
    byAddress.messages.map((message) => message.id),
    [id],
  );
  assert.deepEqual((await findHistories(context, { party: 'nobody@home.test' }, 10)).messages, []);
});
