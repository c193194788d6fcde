import assert from 'node:assert/strict';
import { test } from 'node:test';
import { everyState, promoteJobs, takeJobs, walkLane, type LanePage } from '../../shared/io/lane-walk.ts';
import { mostInForce } from '../../shared/io/order-store.ts';
import { startTestAdmin } from '../support/admin.ts';

test('an order that makes no sense is refused, and the answer names the field', async (t) => {
  const admin = await startTestAdmin(t, { outbound: { sources: [{ name: 'one' }] } });
  const ok = { kind: 'suspend', criteria: { tenant: 'acme' }, reason: 'x' };
  const limits = { kind: 'limits', criteria: { site: 'a' }, limits: { connections: 1 }, reason: 'x' };
  const cases: [body: unknown, field: string][] = [
    [{ ...ok, kind: 'stop' }, 'kind'],
    [{ ...ok, criteria: {} }, 'criteria'],
    [{ ...ok, criteria: { everything: false } }, 'criteria.everything'],
    [{ ...ok, criteria: { tenant: '' } }, 'criteria.tenant'],
    [{ ...ok, criteria: { tenant: 'a\u0007b' } }, 'criteria.tenant'],
    [{ ...ok, criteria: { domain: 'x'.repeat(256) } }, 'criteria.domain'],
    [{ ...ok, criteria: { sender: 'a\nb' } }, 'criteria.sender'],
    [{ ...ok, criteria: { sender: 'x'.repeat(64 * 1024) } }, ''],
    [{ ...ok, criteria: { message: 'abc' } }, 'criteria.message'],
    [{ ...ok, criteria: { color: 'red' } }, 'criteria.color'],
    [{ ...ok, reason: '' }, 'reason'],
    [{ ...ok, reason: 'two\nlines' }, 'reason'],
    [{ ...ok, reason: undefined }, 'reason'],
    [{ ...ok, duration: 'soon' }, 'duration'],
    [{ ...ok, duration: '0s' }, 'duration'],
    [{ ...ok, duration: '-5m' }, 'duration'],
    [{ ...ok, duration: '99999d' }, 'duration'],
    [{ ...ok, expires: '2001-01-01T00:00:00Z' }, 'expires'],
    [{ ...ok, expires: '9999-01-01T00:00:00Z' }, 'expires'],
    [{ ...ok, expires: 'tomorrow' }, 'expires'],
    [{ ...ok, duration: '1h', expires: '2999-01-01T00:00:00Z' }, 'expires'],
    [{ ...ok, kind: 'rebind' }, 'to'],
    [{ ...ok, kind: 'rebind', to: {} }, 'to'],
    [{ ...ok, kind: 'rebind', to: { source: 'three' } }, 'to.source'],
    [{ ...ok, kind: 'rebind', to: { tenant: 'a@b' } }, 'to.tenant'],
    [{ ...ok, kind: 'rebind', to: { routing_domain: 'no host' } }, 'to.routing_domain'],
    [{ ...ok, kind: 'retry', duration: '1h' }, 'duration'],
    [{ ...ok, report: false }, 'report'],
    [{ ...limits, criteria: { domain: 'a' } }, 'criteria'],
    [{ ...limits, criteria: { lane: 'a->b', site: 'b' } }, 'criteria'],
    [{ ...limits, criteria: { everything: true } }, 'criteria'],
    [{ ...limits, limits: {} }, 'limits'],
    [{ ...limits, limits: { connections: 0 } }, 'limits.connections'],
    [{ ...limits, limits: { rate: 'fast' } }, 'limits.rate'],
    [{ ...limits, limits: { rate: '0/s' } }, 'limits.rate'],
  ];
  for (const [body, field] of cases) {
    const { status, json } = await admin.post('/api/orders', body);
    const errors = (json['errors'] ?? []) as { field: string }[];
    assert.ok(status === 400 || status === 413, `${JSON.stringify(body).slice(0, 200)}: ${status} ${JSON.stringify(json)}`);
    if (field !== '')
      assert.ok(
        errors.some((error) => error.field === field),
        `${JSON.stringify(body)}: ${JSON.stringify(errors)}`,
      );
  }
  assert.deepEqual((await admin.ask('/api/orders?state=all')).json['orders'], []);
  assert.equal((await admin.ask(`/api/orders/${'0'.repeat(32)}`)).status, 404);
  assert.equal((await admin.ask('/api/orders/nonsense')).status, 404);
  assert.equal((await admin.ask('/api/orders?cursor=bm9uc2Vuc2U')).status, 400);
});

test('orders are listed page by page, the newest first; as many as may be are in force at most', async (t) => {
  const admin = await startTestAdmin(t);
  const hostile = ['\u202eevil', '<script>', '{{x}}', 'a\'b"c', '__proto__', 'x->y;z'];
  for (const tenant of hostile)
    assert.equal((await admin.post('/api/orders', { kind: 'hold', criteria: { tenant }, reason: tenant })).status, 201);
  for (let n = hostile.length; n < mostInForce; n += 50)
    await Promise.all(
      Array.from({ length: Math.min(50, mostInForce - n) }, (_, i) =>
        admin.post('/api/orders', { kind: 'suspend', criteria: { tenant: `t${n + i}` }, reason: 'x' }),
      ),
    );
  const full = await admin.post('/api/orders', { kind: 'suspend', criteria: { tenant: 'more' }, reason: 'x' });
  assert.equal(full.status, 409);
  const seen: { id: string; created: string; criteria: { tenant: string } }[] = [];
  for (let cursor = ''; ;) {
    const { json } = await admin.ask(`/api/orders?limit=90${cursor}`);
    seen.push(...(json['orders'] as typeof seen));
    if (json['next'] === null) break;
    cursor = `&cursor=${json['next'] as string}`;
  }
  assert.equal(new Set(seen.map(({ id }) => id)).size, mostInForce);
  assert.deepEqual(
    seen.map(({ created }) => created),
    seen
      .map(({ created }) => created)
      .toSorted()
      .toReversed(),
  );
  assert.deepEqual(new Set(seen.slice(-hostile.length).map(({ criteria }) => criteria.tenant)), new Set(hostile));
  const [newest] = seen;
  const end = { method: 'DELETE', headers: { 'content-type': 'application/json' }, body: '{"reason":"enough"}' };
  assert.partialDeepStrictEqual((await admin.ask(`/api/orders/${newest?.id}`, end)).json, { state: 'ended', ended: { reason: 'enough' } });
  assert.equal((await admin.post('/api/orders', { kind: 'suspend', criteria: { tenant: 'more' }, reason: 'x' })).status, 201);
});

test('a request repeated under its key gives one order', async (t) => {
  const admin = await startTestAdmin(t);
  const body = { kind: 'suspend', criteria: { everything: true }, reason: 'x' };
  const first = await admin.post('/api/orders', body, { 'idempotency-key': 'k1' });
  const again = await admin.post('/api/orders', body, { 'idempotency-key': 'k1' });
  assert.equal(first.json['id'], again.json['id']);
  assert.equal(((await admin.ask('/api/orders')).json['orders'] as unknown[]).length, 1);
});

test('a preview says what an order would concern, and changes nothing', async (t) => {
  const admin = await startTestAdmin(t);
  const [first] = await admin.queue('a@one.test', 'b@one.test', 'c@two.test');
  const preview = async (criteria: unknown) => (await admin.post('/api/orders/preview', { criteria })).json;
  assert.partialDeepStrictEqual(await preview({ domain: 'one.test' }), { messages: 2, recipients: 2, is_complete: true });
  assert.partialDeepStrictEqual(await preview({ message: first }), {
    messages: 1,
    sample: [{ message: first, recipients: ['a@one.test'], attempts: 0 }],
  });
  assert.partialDeepStrictEqual(await preview({ everything: true }), { messages: 3, lanes: [{ messages: 3 }] });
  assert.partialDeepStrictEqual(await preview({ sender: '@nobody.test' }), { messages: 0, lanes: [], sample: [] });
});

test('a preview of one message finds it among any number of others', async (t) => {
  const admin = await startTestAdmin(t);
  const [id = ''] = await admin.queue('a@one.test');
  const [lane = ''] = await admin.pipeline.lanes.names();
  const wait = admin.pipeline.queues.backend(lane).keys['wait'] ?? '';
  await admin.context.redis.client.lpush(wait, ...Array.from({ length: 25_000 }, (_, n) => `other.${n}`));
  const { json } = await admin.post('/api/orders/preview', { criteria: { message: id } });
  assert.partialDeepStrictEqual(json, { messages: 1, recipients: 1, is_complete: true });
});

test('a walk through a lane sees what comes due while it is under way', async (t) => {
  const { pipeline, context, queue } = await startTestAdmin(t);
  const ids = await queue('a@one.test', 'b@one.test');
  const [lane = ''] = await pipeline.lanes.names();
  const { keys } = pipeline.queues.backend(lane);
  const { client } = context.redis;
  const [due = ''] = await client.lrange(keys['wait'] ?? '', 0, 0);
  await client
    .multi()
    .lrem(keys['wait'] ?? '', 1, due)
    .zadd(keys['delayed'] ?? '', Date.now(), due)
    .exec();
  const seen = new Set<string>();
  for await (const { jobs } of walkLane(lane, everyState, { redis: context.redis, queues: pipeline.queues })) {
    for (const { data } of jobs) seen.add(data.message);
    await promoteJobs(lane, [due], context.redis, pipeline.queues);
  }
  assert.deepEqual(seen, new Set(ids));
});

test('jobs are taken out of a list wherever they lie in it, and the others stay as they are', async (t) => {
  const { pipeline, context, queue } = await startTestAdmin(t);
  await queue(...Array.from({ length: 60 }, (_, n) => `r${n}@one.test`));
  const [lane = ''] = await pipeline.lanes.names();
  const io = { redis: context.redis, queues: pipeline.queues };
  const wait = pipeline.queues.backend(lane).keys['wait'] ?? '';
  let expected = await context.redis.client.lrange(wait, '0', '-1');
  for (const start of [0, 10, 25, 40]) {
    const ids = expected.slice(start, start + 10).filter((_, n) => n % 3 === 0);
    const page: LanePage = { lane, state: 'wait', examined: 10, jobs: [], start };
    const taken = await takeJobs(page, ids, 'token', 30_000, io);
    assert.deepEqual(new Set(taken.map(({ held }) => held.id)), new Set(ids));
    expected = expected.filter((id) => !ids.includes(id));
    assert.deepEqual(await context.redis.client.lrange(wait, '0', '-1'), expected);
  }
});
