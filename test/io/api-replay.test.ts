import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { Worker } from 'bullmq';
import type { SubscriberJob } from '../../shared/io/dispositions.ts';
import { openReplayed } from '../../shared/io/replayed.ts';
import { createReplay, listReplays, readReplay } from '../../shared/io/replay-state.ts';
import { bounceRecord, startTestAdmin, type Answer, type TestAdmin } from '../support/admin.ts';
import { until } from '../support/archive.ts';
import { cleanUp } from '../support/cleanup.ts';
import { connectRedis, startRedis } from '../support/redis.ts';

const settings = { webhooks: { crm: { url: 'http://127.0.0.1:1/' } } };
const queue = 'webhook-crm';

async function started(t: TestContext, records: number): Promise<TestAdmin> {
  // Nothing hears the records but the replay: a webhook's first jobs would stand in the way of counting.
  const admin = await startTestAdmin(t, settings);
  const tx = admin.context.redis.client.pipeline();
  for (let n = 0; n < records; n++)
    tx.xadd(admin.context.redis.key('log'), '*', 'r', JSON.stringify(bounceRecord({ event_id: `e${n}`, recipient: `r${n}@dest.test` })));
  await tx.exec();
  return admin;
}

/** A consumer as the webhook's; resolves with the event ids that it got. */
function consume(t: TestContext, { context }: TestAdmin): string[] {
  const got: string[] = [];
  const replayed = openReplayed(queue, context);
  const worker = new Worker<SubscriberJob>(
    queue,
    async (job) => {
      if (await replayed.isCancelled(job)) return;
      got.push(job.data.record.event_id);
      await replayed.count(job, 'delivered');
    },
    { connection: context.redis.duplicate() as never, prefix: context.redis.prefix, concurrency: 20, removeOnComplete: { count: 1000 } },
  );
  worker.on('error', () => undefined);
  cleanUp(t, () => worker.close());
  return got;
}

const ask = { to: 'webhook:crm', since: '1h', reason: 'the endpoint had lost them' };
const idOf = ({ json }: Answer): string => String(json['id']);
const ids = (count: number): string[] => Array.from({ length: count }, (_, n) => `e${n}`);
const byNumber = (a: string, b: string): number => Number(a.slice(1)) - Number(b.slice(1));

const untilStatus = (admin: Pick<TestAdmin, 'ask'>, id: string, ...wanted: string[]): Promise<void> =>
  until(async () => wanted.includes(String((await admin.ask(`/api/replays/${id}`)).json['status'])), `replay ${id} to be ${wanted.join()}`);

test('a preview counts and writes nothing; a replay does it, tells how far it is, and what became of each record', async (t) => {
  const admin = await started(t, 30);
  const preview = await admin.post('/api/replays/preview', { to: 'webhook:crm', since: '1h', code: '5xx' });
  assert.equal(preview.status, 200, preview.text);
  assert.partialDeepStrictEqual(preview.json, {
    records: 30,
    skipped: 0,
    is_complete: true,
    next: null,
    sites: [{ name: 'default->dest.test', count: 30 }],
    codes: [{ name: '550 5.1.1', count: 30 }],
    damage: [],
  });
  assert.equal((preview.json['sample'] as unknown[]).length, 10);
  assert.deepEqual((await admin.ask('/api/replays')).json['replays'], []);

  const got = consume(t, admin);
  const begun = await admin.post('/api/replays', ask);
  assert.equal(begun.status, 202, begun.text);
  const id = idOf(begun);
  await untilStatus(admin, id, 'done');
  assert.deepEqual(got.toSorted(byNumber), ids(30));
  const { json: told } = await admin.ask(`/api/replays/${id}`);
  assert.partialDeepStrictEqual(told, { to: 'webhook:crm', queued: 30, pending: 0, outcomes: { delivered: 30 }, reason: ask.reason });
  const seen: Record<string, unknown>[] = [];
  for (let cursor = ''; ;) {
    const page = (await admin.ask(`/api/replays/${id}/records?limit=7${cursor}`)).json;
    seen.push(...(page['records'] as Record<string, unknown>[]));
    if (page['next'] === null) break;
    cursor = `&cursor=${page['next'] as string}`;
  }
  assert.deepEqual(
    seen.map((record) => [record['event_id'], record['outcome']]),
    ids(30).map((event) => [event, 'delivered']),
  );
  const [first] = (await admin.ask('/api/dispositions?order=oldest&limit=1')).json['records'] as Record<string, unknown>[];
  assert.equal(first?.['event_id'], 'e0');
  const again = await admin.post(`/api/replays/${id}/resume`, { reason: 'more' });
  assert.deepEqual([again.status, again.json['detail']], [409, 'it is done: there is nothing to go on with']);
  assert.equal((await admin.ask(`/api/replays/${id}`, { method: 'DELETE', ...body({ reason: 'x' }) })).status, 409);
});

const body = (value: unknown) => ({ headers: { 'content-type': 'application/json' }, body: JSON.stringify(value) });

test('a replay goes on by itself after the admin role was stopped in the middle, and nothing is queued twice', async (t) => {
  const admin = await started(t, 300);
  const begun = await admin.post('/api/replays', { ...ask, rate: 100 });
  const id = idOf(begun);
  await until(async () => Number((await admin.ask(`/api/replays/${id}`)).json['queued']) > 0, 'the first records');
  await admin.close();
  const { redis } = admin.context;
  const stopped = await readReplay(redis, id);
  assert.deepEqual([stopped?.status, stopped?.isRun], ['interrupted', true], 'its right was given back');
  assert.ok((stopped?.queued ?? 0) < 300, 'in the middle');
  const got = consume(t, admin);
  const next = await admin.another();
  await untilStatus(next, id, 'done');
  assert.deepEqual(got.toSorted(byNumber), ids(300));
  assert.partialDeepStrictEqual((await next.ask(`/api/replays/${id}`)).json, { queued: 300, outcomes: { delivered: 300 } });
});

test('a replay that is under way is not forgotten over later ones, one that has ended is', async (t) => {
  const admin = await started(t, 30);
  const { redis } = admin.context;
  const slow = idOf(await admin.post('/api/replays', { ...ask, rate: 10 }));
  await until(async () => ((await readReplay(redis, slow))?.queued ?? 0) > 0, 'the first records');
  const other = { filter: { until: 1 }, target: { kind: 'bounces' }, rate: 1, force: false } as const;
  const create = (): Promise<string> => createReplay(redis, other, { who: 'cli', why: '' });
  const old = await create();
  for (let n = 0; n < 210; n++) await create();
  assert.equal(await readReplay(redis, old), undefined);
  const got = consume(t, admin);
  await untilStatus(admin, slow, 'done');
  assert.deepEqual(got.toSorted(byNumber), ids(30));
  assert.partialDeepStrictEqual((await admin.ask(`/api/replays/${slow}`)).json, { queued: 30, outcomes: { delivered: 30 } });
});

test('two operators at once: resumes add nothing twice, one cancels and the other learns that it has ended', async (t) => {
  const admin = await started(t, 200);
  const other = await admin.another();
  const got = consume(t, admin);
  // Begun elsewhere, as on a command line that was killed: nobody runs it until somebody asks.
  const plan = { filter: { until: Date.now() + 60_000 }, target: { kind: 'webhook', name: 'crm' }, rate: 999_999, force: false } as const;
  const id = await createReplay(admin.context.redis, plan, { who: 'cli', why: '' });
  assert.equal((await admin.ask(`/api/replays/${id}`)).json['status'], 'interrupted');
  const resumed = await Promise.all([admin, other, admin, other].map((one) => one.post(`/api/replays/${id}/resume`, { reason: 'go on' })));
  assert.ok(
    resumed.every(({ status }) => status === 202 || status === 409),
    resumed.map(({ text }) => text).join(),
  );
  await untilStatus(admin, id, 'done');
  assert.deepEqual(got.toSorted(byNumber), ids(200));

  const slow = idOf(await admin.post('/api/replays', { ...ask, rate: 1 }));
  await untilStatus(other, slow, 'running');
  const cancelled = await Promise.all(
    [admin, other].map((one) => one.ask(`/api/replays/${slow}`, { method: 'DELETE', ...body({ reason: 'a mistake' }) })),
  );
  assert.deepEqual(
    cancelled.map(({ status }) => status).toSorted((a, b) => a - b),
    [200, 409],
  );
  assert.equal((await other.post(`/api/replays/${slow}/resume`, { reason: 'x' })).status, 409);
  await untilStatus(admin, slow, 'cancelled');
});

test('the same request with the same key begins one replay', async (t) => {
  const admin = await started(t, 1);
  const begin = (): Promise<Answer> => admin.post('/api/replays', ask, { 'idempotency-key': 'one' });
  const [first, second] = [await begin(), await begin()];
  assert.equal(idOf(first), idOf(second));
  assert.equal(((await admin.ask('/api/replays')).json['replays'] as unknown[]).length, 1);
});

test('what is wrong with a replay is told by the name of the field', async (t) => {
  const admin = await started(t, 1);
  const cases: [change: object, field: string][] = [
    [{ to: 'webhook:other' }, 'to'],
    [{ to: 'hook:none' }, 'to'],
    [{ to: '../bounces' }, 'to'],
    [{ to: `webhook:${'x'.repeat(65)}` }, 'to'],
    [{ since: 'yesterday' }, 'since'],
    [{ since: '2999-01-01' }, 'since'],
    [{ since: '2026-02-30' }, 'since'],
    [{ since: '1h', until: '2h' }, 'until'],
    [{ since: undefined }, 'since'],
    [{ recipient: 'x'.repeat(9000) }, 'recipient'],
    [{ recipient: '' }, 'recipient'],
    [{ code: '999' }, 'code'],
    [{ type: 'Bounce\u202e' }, 'type'],
    [{ rate: 0 }, 'rate'],
    [{ rate: 1e9 }, 'rate'],
    [{ force: 'yes' }, 'force'],
    [{ reason: 'a\nb' }, 'reason'],
    [{ reason: undefined }, 'reason'],
    [{ recipeint: 'x' }, 'recipeint'],
  ];
  for (const [change, field] of cases) {
    const answer = await admin.post('/api/replays', { ...ask, ...change });
    const name = `${JSON.stringify(change).slice(0, 80)}: ${answer.text.slice(0, 300)}`;
    assert.equal(answer.status, 400, name);
    assert.equal((answer.json['errors'] as { field: string }[])[0]?.field, field, name);
    assert.ok(!/[\u202a-\u202e]/.test(answer.text));
  }
  for (const cursor of [
    'AAAA',
    Buffer.from('["n","1-0",null,null]').toString('base64url'),
    Buffer.from('["o","x",null,null]').toString('base64url'),
  ]) {
    const answer = await admin.post('/api/replays/preview', { to: 'bounces', since: '1h', cursor });
    assert.deepEqual([answer.status, (answer.json['errors'] as { field: string }[])[0]?.field], [400, 'cursor'], answer.text);
  }
  assert.equal((await admin.ask(`/api/replays/${'0'.repeat(32)}`)).status, 404);
  assert.deepEqual((await admin.ask('/api/replays')).json['replays'], [], 'nothing was begun');
});

test('of many replays at once no more are begun than may be under way', async (t) => {
  // Without an admin role, which would run some of them at once.
  const redis = await connectRedis(t, (await startRedis(t)).url);
  const plan = { filter: { since: 0, until: 1 }, target: { kind: 'webhook', name: 'crm' }, rate: 1, force: false } as const;
  const begun = await Promise.allSettled(
    Array.from({ length: 60 }, (_, n) =>
      createReplay(redis, plan, { who: 'cli', why: '', isAudited: true }, { isRun: true, once: redis.key(`once-${n}`) }),
    ),
  );
  const kept = begun.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  const refused = begun.flatMap((one) => (one.status === 'rejected' ? [String(one.reason)] : []));
  assert.deepEqual([kept.length, new Set(refused)], [50, new Set(['TooManyReplays: 50 replays are under way already'])]);
  const known = await listReplays(redis);
  assert.deepEqual(new Set(known.map(({ id }) => id)), new Set(kept), 'nothing is left of the others');
  assert.equal((await redis.client.keys(redis.key('once-*'))).length, 50);
});

test('replays that wait for their target keep no others from being run', async (t) => {
  const url = 'http://127.0.0.1:1/';
  const admin = await startTestAdmin(t, { webhooks: { down: { url, maxBacklog: 2 }, crm: { url } } });
  const { redis } = admin.context;
  for (let n = 0; n < 3; n++) await redis.client.xadd(redis.key('log'), '*', 'r', JSON.stringify(bounceRecord({ event_id: `e${n}` })));
  const begin = async (to: string): Promise<string> => idOf(await admin.post('/api/replays', { ...ask, to }));
  const waiting = await Promise.all(Array.from({ length: 4 }, () => begin('webhook:down')));
  const isFull = async (id: string): Promise<boolean> => (await admin.ask(`/api/replays/${id}`)).json['is_target_full'] === true;
  for (const id of waiting) await until(() => isFull(id), 'the target to be full');
  await untilStatus(admin, await begin('webhook:crm'), 'queued');
});
