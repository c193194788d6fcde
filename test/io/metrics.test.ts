import assert from 'node:assert/strict';
import { test } from 'node:test';
import { laneName } from '../../shared/core/lane.ts';
import { openMetrics } from '../../shared/io/metrics.ts';
import { noteRedisHealth } from '../../shared/io/redis-health.ts';
import { openSiteOutcomes } from '../../shared/io/site-outcomes.ts';
import { bounceRecord, startTestAdmin, type TestAdmin } from '../support/admin.ts';
import { connectRedis, startRedis } from '../support/redis.ts';

/** The samples of a metric, `{labels} value`, without its name. */
const samples = (text: string, name: string): string[] =>
  text.split('\n').flatMap((line) => (line.startsWith(`${name}{`) || line.startsWith(`${name} `) ? [line.slice(name.length).trim()] : []));

async function add({ pipeline }: TestAdmin, lane: string, n: number, delay = 0): Promise<void> {
  const tx = pipeline.queues.begin();
  for (let i = 0; i < n; i++)
    tx.add(lane, { id: `${Date.now().toString(16).padStart(32, '0')}.${i}-${delay}`, name: 'message', data: {}, delay });
  pipeline.lanes.wake(tx, lane);
  await tx.exec();
}

async function scraped(admin: TestAdmin): Promise<string> {
  // Several scrapes within a second share one look at the lanes.
  await new Promise((resolve) => setTimeout(resolve, 1100));
  return (await admin.ask('/metrics')).text;
}

test('the depth for autoscalers counts what can be done now, and what is being done', async (t) => {
  const admin = await startTestAdmin(t);
  const { queues } = admin.pipeline;
  await add(admin, 'default->waiting.test', 3);
  await add(admin, 'default->later.test', 4, 3_600_000);
  await add(admin, 'default->due.test', 2, 1);
  await add(admin, 'default->suspended.test', 5);
  await add(admin, 'default->held.test', 6);
  await queues.backend('default->suspended.test').pause(true);
  await queues.backend('default->held.test').setRateLimit(60_000);
  const before = await scraped(admin);
  assert.deepEqual(samples(before, 'rebound_queue_depth'), ['5']);
  assert.deepEqual(samples(before, 'rebound_queue_messages'), ['{state="waiting"} 14', '{state="delayed"} 6', '{state="active"} 0']);
  assert.deepEqual(samples(before, 'rebound_lanes'), ['{state="open"} 3', '{state="held"} 1', '{state="suspended"} 1']);
  assert.equal((await queues.take('default->waiting.test', 'token')).kind, 'job');
  assert.deepEqual(samples(await scraped(admin), 'rebound_queue_depth'), ['5'], 'what is in hand is still there');
});

test('there are series for the deepest lanes, and one for the sum of the others, however lanes are named', async (t) => {
  const admin = await startTestAdmin(t);
  const evil = laneName('default', 'evil"} 1\nrebound_redis_up 7\n\\\u202e\u0000');
  await add(admin, evil, 9);
  for (let n = 0; n < 34; n++) await add(admin, `default->d${n}.test`, n < 29 ? 3 : 2);
  const text = await scraped(admin);
  const waiting = samples(text, 'rebound_lane_messages').filter((line) => line.includes('state="waiting"'));
  assert.equal(waiting.length, 31);
  assert.equal(waiting[0], '{lane="default->evil\\"} 1�rebound_redis_up 7�\\\\��",state="waiting"} 9');
  assert.equal(waiting.at(-1), '{lane="other",state="waiting"} 10');
  assert.deepEqual(samples(text, 'rebound_redis_up'), ['1']);
  assert.equal(samples(text, 'rebound_lane_age_seconds').length, 31);
});

test('the sites with series of their own are few, and the busiest of the last minutes', (t) => {
  t.mock.timers.enable({ apis: ['Date'], now: 1_763_780_000_000 });
  const metrics = openMetrics();
  const sites = openSiteOutcomes(metrics);
  for (let n = 0; n < 3000; n++) sites.count(bounceRecord({ type: 'Bounce', site: `default->s${n}.test` }));
  for (let n = 0; n < 20; n++) sites.count(bounceRecord({ type: 'Delivery', site: 'default->busy.test' }));
  const shown = async (): Promise<Map<string, number>> =>
    new Map((await metrics.siteOutcomes.get()).values.map(({ labels, value }) => [`${labels.site} ${labels.outcome}`, value]));
  return shown()
    .then((early) => {
      assert.equal(early.size, 150);
      assert.equal(early.get('s0.test bounced'), 1);
      assert.equal(early.get('busy.test delivered'), undefined, 'all places were taken');
      t.mock.timers.tick(61_000);
      sites.count(bounceRecord({ type: 'TransientFailure', site: 'default->busy.test' }));
      return shown();
    })
    .then((later) => {
      assert.equal(later.size, 150);
      assert.deepEqual(
        ['delivered', 'deferred', 'bounced'].map((outcome) => later.get(`busy.test ${outcome}`)),
        [20, 1, 0],
      );
    });
});

test('what Redis says of itself is told, and nothing while it is away', async (t) => {
  const server = await startRedis(t, '--maxmemory', '5mb', '--maxmemory-policy', 'noeviction', '--appendonly', 'yes');
  const redis = await connectRedis(t, server.url, { failFast: true });
  const metrics = openMetrics();
  const value = async (name: keyof typeof metrics): Promise<unknown> => {
    await noteRedisHealth(redis, metrics);
    const metric = metrics[name];
    return 'get' in metric ? (await metric.get()).values[0]?.value : undefined;
  };
  assert.equal(await value('redisUp'), 1);
  assert.equal(await value('redisMemoryMax'), 5 * 1024 * 1024);
  assert.deepEqual(
    [await value('redisAof'), await value('redisAofOk'), await value('redisEvicts'), await value('redisEvicted')],
    [1, 1, 0, 0],
  );
  assert.ok(Number(await value('redisPing')) > 0);
  await assert.rejects(async () => {
    for (let n = 0; n < 20; n++) await redis.client.set(`k${n}`, 'x'.repeat(1_000_000));
  }, /OOM/);
  assert.ok(Number(await value('redisRefused')) > 0, 'OOM is the first');
  await redis.client.config('SET', 'maxmemory-policy', 'allkeys-lru');
  for (let n = 0; n < 20; n++) await redis.client.set(`k${n}`, 'x'.repeat(1_000_000));
  assert.equal(await value('redisEvicts'), 1);
  assert.ok(Number(await value('redisEvicted')) > 0);
  await server.kill();
  for (const end = Date.now() + 20_000; redis.isReady && Date.now() < end;) await new Promise((resolve) => setTimeout(resolve, 10));
  assert.equal(await value('redisUp'), 0);
  assert.equal(await value('redisMemory'), undefined, 'what is not known is no number');
});

test('two scrapes at once count what Redis refused and dropped once', async (t) => {
  const server = await startRedis(t, '--maxmemory', '5mb', '--maxmemory-policy', 'noeviction');
  const redis = await connectRedis(t, server.url);
  await assert.rejects(async () => {
    for (let n = 0; n < 20; n++) await redis.client.set(`k${n}`, 'x'.repeat(1_000_000));
  }, /OOM/);
  const metrics = openMetrics();
  await Promise.all(Array.from({ length: 3 }, () => noteRedisHealth(redis, metrics)));
  const refused = (await metrics.redisRefused.get()).values.find(({ labels }) => labels.error === 'OOM');
  assert.equal(refused?.value, 1);
});

test('a Redis that hangs is not told of with what it said before', async (t) => {
  const admin = await startTestAdmin(t);
  await add(admin, 'default->waiting.test', 3);
  assert.deepEqual(samples((await admin.ask('/metrics')).text, 'rebound_queue_depth'), ['3']);
  process.kill(admin.redis.pid, 'SIGSTOP');
  try {
    // The first one may still have what was read a moment ago.
    await admin.ask('/metrics');
    const { text } = await admin.ask('/metrics');
    assert.deepEqual(samples(text, 'rebound_redis_up'), ['0']);
    for (const name of ['rebound_queue_depth', 'rebound_lane_messages', 'rebound_workers']) assert.deepEqual(samples(text, name), [], name);
  } finally {
    process.kill(admin.redis.pid, 'SIGCONT');
  }
});
