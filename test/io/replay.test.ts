import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Worker } from 'bullmq';
import type { DispositionRecord } from '../../shared/core/disposition.ts';
import type { ReplayPlan } from '../../shared/core/replay.ts';
import { bounceSubscription, type Subscription } from '../../shared/core/subscriptions.ts';
import type { AuditEntry } from '../../shared/io/audit.ts';
import type { SubscriberJob } from '../../shared/io/dispositions.ts';
import { openQueues } from '../../shared/io/queues.ts';
import { openReplayed } from '../../shared/io/replayed.ts';
import { cancelReplay, createReplay, listReplays, readReplay, readReplaySample } from '../../shared/io/replay-state.ts';
import { runReplay, surveyReplay, type ReplayWorld, type RunOptions } from '../../shared/io/replay.ts';
import { startLog, until, type LogUnderTest } from '../support/archive.ts';
import { cleanUp } from '../support/cleanup.ts';
import { logRecord } from '../support/log-records.ts';

const queue = 'webhook-crm';

interface ReplayUnderTest extends LogUnderTest {
  world: ReplayWorld;
  fill(count: number, changes?: Partial<DispositionRecord>): Promise<void>;
  begin(plan?: Partial<ReplayPlan>): Promise<string>;
  run(id: string, options?: RunOptions): Promise<string>;
  /** A consumer that counts `delivered`, as a webhook's does; resolves with the event ids that it got. */
  consume(): { got: string[]; close(): Promise<void> };
}

async function startReplay(t: TestContext, subscriptions: readonly Subscription[] = [bounceSubscription]): Promise<ReplayUnderTest> {
  const log = await startLog(t);
  const { redis } = log.context;
  const world: ReplayWorld = { redis, archive: log.store, queues: openQueues(redis), subscriptions };
  let filled = 0;
  return {
    ...log,
    world,
    fill: async (count, changes) => {
      for (let left = count; left > 0; left -= 1000) {
        await log.publish(
          ...Array.from({ length: Math.min(left, 1000) }, () => {
            const n = filled++;
            return logRecord(n, { event_id: `e${n}`, ...changes });
          }),
        );
      }
    },
    begin: (plan = {}) =>
      createReplay(
        redis,
        { filter: { until: Date.now() + 60_000 }, target: { kind: 'webhook', name: 'crm' }, rate: 999_999, force: false, ...plan },
        { who: 'tester@here', why: 'to see' },
      ),
    run: (id, options) => runReplay(world, id, { depth: 100_000, ...options }),
    consume: () => {
      const got: string[] = [];
      const replayed = openReplayed(queue, log.context);
      const worker = new Worker<SubscriberJob>(
        queue,
        async (job) => {
          if (await replayed.isCancelled(job)) return;
          got.push(job.data.record.event_id);
          await replayed.count(job, 'delivered');
        },
        { connection: redis.duplicate() as never, prefix: redis.prefix, concurrency: 50, removeOnComplete: { count: 0 } },
      );
      worker.on('error', () => undefined);
      cleanUp(t, () => worker.close());
      return { got, close: () => worker.close() };
    },
  };
}

const script = fileURLToPath(new URL('../support/replayer-process.ts', import.meta.url));

/** A process that runs the replay, even if another was killed at it just now. */
function spawnReplayer(t: TestContext, { redis }: ReplayUnderTest, id: string, lease: number, ...flags: string[]) {
  const child = spawn(process.execPath, [...flags, script, redis.url, redis.dir, id, String(lease)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  cleanUp(t, () => child.kill('SIGKILL'));
  return { child, exited: once(child, 'exit') };
}

/** However slow the consumer is, as long as it gets on. */
async function untilDone({ world }: ReplayUnderTest, id: string): Promise<void> {
  const state = () => readReplay(world.redis, id);
  for (;;) {
    const now = await state();
    if (now?.status === 'queued' && now.pending === 0) return;
    const pending = now?.pending ?? 0;
    await until(async () => ((await state())?.pending ?? 0) !== pending, `replay ${id} to get on`);
  }
}

const sorted = (ids: readonly string[]): string[] => ids.toSorted((a, b) => Number(a.slice(1)) - Number(b.slice(1)));
const ids = (count: number): string[] => Array.from({ length: count }, (_, n) => `e${n}`);

test('archive and stream are replayed as one, each record once, and each outcome is counted', async (t) => {
  const replay = await startReplay(t);
  await replay.fill(60);
  const archiver = await replay.archiver();
  await replay.untilArchived();
  await archiver.close();
  await replay.world.redis.client.xtrim(replay.world.redis.key('log'), 'MAXLEN', 0);
  await replay.fill(60);
  const id = await replay.begin();
  const { got } = replay.consume();
  assert.equal(await replay.run(id), 'queued');
  await untilDone(replay, id);
  assert.deepEqual(sorted(got), ids(120));
  const state = await readReplay(replay.world.redis, id);
  assert.deepEqual([state?.queued, state?.outcomes, state?.who], [120, { delivered: 120 }, 'tester@here']);
  const sample = await readReplaySample(replay.world.redis, id);
  assert.equal(sample.length, 20);
  assert.ok(sample.every(({ outcome }) => outcome === 'delivered'));
  assert.equal(await replay.run(id), 'unknown', 'it has ended');
});

test('a replayer that is killed at any moment, again and again, loses and doubles nothing', async (t) => {
  const replay = await startReplay(t);
  const count = 20_000;
  await replay.fill(count);
  const id = await replay.begin();
  const { got } = replay.consume();
  let interrupted = 0;
  for (let isQueued = false, kills = 0; !isQueued; kills++) {
    assert.ok(kills < 60, 'it comes to its end');
    const { child, exited } = spawnReplayer(t, replay, id, 200);
    await Promise.race([once(child.stdout, 'data'), exited]);
    const before = (await readReplay(replay.world.redis, id))?.queued ?? 0;
    // From the fourth on it may finish.
    if (kills < 4) {
      await Promise.race([until(async () => ((await readReplay(replay.world.redis, id))?.queued ?? 0) > before, 'some progress'), exited]);
      await sleep(Math.random() * 60);
      child.kill('SIGKILL');
    }
    await exited;
    const state = await readReplay(replay.world.redis, id);
    isQueued = state?.status === 'queued';
    if (!isQueued) interrupted += 1;
  }
  assert.ok(interrupted > 0, 'it was killed before its end at least once');
  await untilDone(replay, id);
  assert.equal(got.length, count);
  assert.equal(new Set(got).size, count);
  const state = await readReplay(replay.world.redis, id);
  assert.deepEqual([state?.queued, state?.outcomes], [count, { delivered: count }]);
});

test('no more is queued than the target may have', async (t) => {
  const replay = await startReplay(t);
  await replay.fill(3000);
  const id = await replay.begin();
  const backend = replay.world.queues.backend(queue);
  let deepest = 0;
  const stop = new AbortController();
  const watching = (async () => {
    for (; !stop.signal.aborted; await sleep(2)) {
      const counts = await backend.getCounts(['wait', 'active', 'delayed', 'prioritized']);
      deepest = Math.max(
        deepest,
        counts.reduce((sum, n) => sum + n, 0),
      );
    }
  })();
  const running = replay.run(id, { depth: 300 });
  await until(async () => ((await readReplay(replay.world.redis, id))?.queued ?? 0) >= 200, 'the queue to be full');
  assert.ok(((await readReplay(replay.world.redis, id))?.queued ?? 0) <= 300, 'nobody takes the jobs, so no more are added');
  const { got } = replay.consume();
  assert.equal(await running, 'queued');
  await untilDone(replay, id);
  stop.abort();
  await watching;
  assert.equal(got.length, 3000);
  assert.ok(deepest > 0 && deepest <= 300, `${deepest} jobs at once`);
});

test('120 MB of records are replayed with a heap that could not hold them', async (t) => {
  const replay = await startReplay(t);
  const count = 12_000;
  await replay.fill(count, { headers: { subject: 'x'.repeat(10_000) } });
  const id = await replay.begin();
  const { child, exited } = spawnReplayer(t, replay, id, 10_000, '--max-old-space-size=128');
  await exited;
  assert.equal(child.exitCode, 0);
  assert.equal((await readReplay(replay.world.redis, id))?.queued, count);
});

test('jobs of the live flow go before those of a replay', async (t) => {
  const replay = await startReplay(t);
  await replay.fill(50);
  await replay.run(await replay.begin());
  const tx = replay.world.queues.begin();
  tx.add(queue, { id: 'live', name: 'Bounce', data: { record: logRecord(0, { event_id: 'live' }) } });
  await tx.exec();
  const taken = await replay.world.queues.take(queue, 'token');
  assert.equal(taken.kind === 'job' && taken.id, 'live');
});

test('the rate is kept', async (t) => {
  const replay = await startReplay(t);
  await replay.fill(100);
  const begun = performance.now();
  await replay.run(await replay.begin({ rate: 100 }));
  // Ten at a time, of which the first do not wait.
  assert.ok(performance.now() - begun >= 850, `${performance.now() - begun} ms`);
});

test('two replays at once are two, and each has all records once', async (t) => {
  const replay = await startReplay(t);
  await replay.fill(500);
  const both = [await replay.begin(), await replay.begin()];
  const { got } = replay.consume();
  assert.deepEqual(await Promise.all(both.map((id) => replay.run(id))), ['queued', 'queued']);
  for (const id of both) await untilDone(replay, id);
  assert.deepEqual(sorted(got), sorted([...ids(500), ...ids(500)]));
  const states = await listReplays(replay.world.redis);
  // Both may be of the same millisecond, which is their order.
  assert.deepEqual(
    Object.fromEntries(states.map(({ id, outcomes }) => [id, outcomes])),
    Object.fromEntries(both.map((id) => [id, { delivered: 500 }])),
  );
});

test('of two that run one replay the second is told that it is busy, until the first is gone', async (t) => {
  const replay = await startReplay(t);
  await replay.fill(100);
  const id = await replay.begin();
  const stop = new AbortController();
  const first = replay.run(id, { depth: 20, signal: stop.signal });
  await until(async () => ((await readReplay(replay.world.redis, id))?.queued ?? 0) > 0, 'the first to begin');
  assert.equal(await replay.run(id), 'busy');
  assert.equal((await readReplay(replay.world.redis, id))?.status, 'running');
  stop.abort();
  assert.equal(await first, 'interrupted');
  assert.equal((await readReplay(replay.world.redis, id))?.status, 'interrupted');
  assert.equal(await replay.run(id), 'queued');
  assert.equal((await readReplay(replay.world.redis, id))?.queued, 100);
});

test('a replay that is cancelled adds nothing more, and what waits does nothing', async (t) => {
  const replay = await startReplay(t);
  await replay.fill(1000);
  const id = await replay.begin();
  const running = replay.run(id, { depth: 200, lease: 200 });
  await until(async () => ((await readReplay(replay.world.redis, id))?.queued ?? 0) > 0, 'it to begin');
  assert.ok(await cancelReplay(replay.world.redis, id, { who: 'tester@here', why: 'a mistake' }));
  assert.equal(await running, 'cancelled');
  const { got } = replay.consume();
  await until(async () => (await readReplay(replay.world.redis, id))?.pending === 0, 'the jobs to be done');
  const state = await readReplay(replay.world.redis, id);
  assert.deepEqual(got, []);
  assert.deepEqual([state?.status, state?.outcomes], ['cancelled', { cancelled: state?.queued }]);
  assert.equal(await replay.run(id), 'unknown');
  assert.equal(await cancelReplay(replay.world.redis, id, { who: '', why: '' }), false);
  const entries = await replay.world.redis.client.xrange(replay.world.redis.key('audit'), '-', '+');
  const told = entries.map(([, fields]) => JSON.parse(fields[1] ?? '{}') as AuditEntry);
  assert.deepEqual(
    told.map((entry) => [entry.who, entry.action, entry.reason]),
    [
      ['tester@here', 'replay', 'to see'],
      ['tester@here', 'cancelReplay', 'a mistake'],
    ],
  );
  assert.match(told[0]?.target ?? '', new RegExp(`^${id} to webhook:crm: {"until":\\d+}$`));
});

test('a record that was logged twice is one job, and counted as repeated', async (t) => {
  const replay = await startReplay(t);
  await replay.fill(3, { event_id: 'same' });
  await replay.fill(1);
  const id = await replay.begin({ rate: 10 }); // one by one
  await replay.run(id);
  const state = await readReplay(replay.world.redis, id);
  assert.deepEqual([state?.queued, state?.outcomes, state?.pending], [4, { repeated: 2 }, 2]);
});

test('records that the target has no use for, or that are not ours, are passed over and counted', async (t) => {
  const replay = await startReplay(t);
  await replay.fill(10); // of five two are deliveries nobody asked to hear of, one a reception, one a deferral, one a bounce
  await replay.publishText('no record');
  await replay.publish(logRecord(0, { event_id: 'x'.repeat(301) }), { ...logRecord(0), event_id: 7 } as never);
  for (const [target, want] of [
    [{ kind: 'bounces' }, 2],
    [{ kind: 'redeliver' }, 2],
    [{ kind: 'webhook', name: 'crm' }, 10],
  ] as const) {
    const id = await replay.begin({ target });
    await replay.run(id);
    const state = await readReplay(replay.world.redis, id);
    assert.deepEqual([state?.queued, state?.skipped], [want, 12 - want], target.kind);
  }
});

test('a dry run counts by site, code and class, and writes nothing', async (t) => {
  const replay = await startReplay(t);
  await replay.fill(100);
  const { client } = replay.world.redis;
  const before = (await client.keys('*')).sort();
  const survey = await surveyReplay(replay.world, {
    filter: { until: Date.now() + 60_000, types: ['Bounce', 'TransientFailure'] },
    target: { kind: 'webhook', name: 'crm' },
    rate: 1,
    force: false,
  });
  assert.deepEqual((await client.keys('*')).sort(), before);
  assert.deepEqual(Object.fromEntries(survey.codes), { '451 4.7.1': 20, '550 5.1.1': 20 });
  assert.deepEqual(Object.fromEntries(survey.classes), { Uncategorized: 20, InvalidRecipient: 20 });
  assert.equal(
    [...survey.sites.values()].reduce((sum, n) => sum + n, 0),
    40,
  );
  assert.equal(survey.sample.length, 10);
});

test('only the latest replays are remembered', async (t) => {
  const replay = await startReplay(t);
  for (let n = 0; n < 205; n++) await replay.begin();
  const { client, key } = replay.world.redis;
  assert.equal(await client.zcard(key('replays')), 200);
  assert.equal((await client.keys(key('replay:*'))).length, 200);
});
