import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { test } from 'node:test';
import fc from 'fast-check';
import { endpoints } from '../../shared/core/api/endpoints.ts';
import type { Endpoint } from '../../shared/core/api/endpoint.ts';
import { announceWorker } from '../../shared/io/worker-registry.ts';
import { until } from '../support/archive.ts';
import { bounceRecord, startTestAdmin, type Answer, type Ask } from '../support/admin.ts';

const isProblem = ({ status, headers, json }: Answer): void => {
  assert.match(String(headers['content-type']), /^application\/problem\+json/);
  assert.partialDeepStrictEqual(json, { type: 'about:blank', status });
  assert.equal(typeof json['title'], 'string');
  assert.equal(typeof json['detail'], 'string');
};

const fieldsOf = ({ json }: Answer): string[] => ((json['errors'] ?? []) as { field: string }[]).map(({ field }) => field);

test('the OpenAPI document describes every operation, and the page for people asks nothing of other hosts', async (t) => {
  const admin = await startTestAdmin(t);
  const { json, status } = await admin.ask('/docs/openapi.json');
  assert.equal(status, 200);
  const paths = json['paths'] as Record<string, Record<string, { operationId: string; 'x-role': string; parameters: { name: string }[] }>>;
  const described = Object.values(paths).flatMap((methods) => Object.values(methods).map(({ operationId }) => operationId));
  assert.deepEqual(described.sort(), Object.keys(endpoints).sort(), 'no two operations share method and path');
  assert.deepEqual(
    paths['/api/lanes']?.['get']?.parameters.map(({ name }) => name),
    ['sort', 'site', 'source', 'limit', 'cursor'],
  );
  assert.ok(paths['/api/messages']?.['post']?.parameters.some(({ name }) => name === 'Idempotency-Key'));
  const page = await admin.ask('/docs');
  for (const { path } of Object.values<Endpoint>(endpoints)) assert.ok(page.text.includes(path), path);
  assert.ok(!/https?:\/\//.test(page.text.replaceAll(/<pre>[^]*?<\/pre>/g, '')), 'no address of another host');
  assert.ok(!/ style=|<script(?! src="\/ui\/[^"]+"><\/script>)/.test(page.text));
  assert.match(String(page.headers['content-security-policy']), /default-src 'none'/);
});

test('what is wrong with a request is told by the name of the field', async (t) => {
  const admin = await startTestAdmin(t);
  const good = { from: 'ann@home.test', to: ['bob@dest.test'], text: 'hello' };
  const post = (body: unknown): Ask => ({ method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });
  const injected: [change: object, field: string][] = [
    [{ from: undefined }, 'from'],
    [{ from: 'nobody' }, 'from.address'],
    [{ from: 'ann@home.test\r\nBcc: eve@evil.test' }, 'from.address'],
    [{ from: { address: 'ann@home.test', name: 'a\nb' } }, 'from.name'],
    [{ from: 7 }, 'from'],
    [{ to: [] }, 'to'],
    [{ to: 'bob@dest.test' }, 'to'],
    [{ to: ['bob@dest.test', 'x y@dest.test'] }, 'to.1.address'],
    [{ to: ['postmaster'] }, 'to.0.address'],
    [{ to: [{ address: `${'x'.repeat(65_536)}@dest.test` }] }, 'to.0.address'],
    [{ to: [`${'x'.repeat(65_536)}@dest.test`] }, 'to.0'],
    [{ to: [{ address: 'bob@dest.test\u202e' }] }, 'to.0.address'],
    [{ to: [{ address: 'bob@dest.test', notify: ['NEVER', 'DELAY'] }] }, 'to.0.notify'],
    [{ to: [{ address: 'bob@dest.test', nickname: 'b' }] }, 'to.0.nickname'],
    [{ to: Array.from({ length: 1001 }, (_, n) => `b${n}@dest.test`) }, 'to'],
    [{ text: undefined }, 'text'],
    [{ subject: 'a\r\nBcc: eve@evil.test' }, 'subject'],
    [{ subject: 'a\u2028b' }, 'subject'],
    [{ headers: { 'X-A': 'a\r\n\r\nbody' } }, 'headers.X-A'],
    [{ headers: { 'X A': 'a' } }, 'headers.X A'],
    [{ headers: { Bcc: 'eve@evil.test' } }, 'headers.Bcc'],
    [{ headers: { 'content-type': 'text/html' } }, 'headers.content-type'],
    [{ attachments: [{ filename: 'a', content: '***' }] }, 'attachments.0.content'],
    [{ attachments: [{ filename: 'a', content: '', content_type: 'text/plain\r\nX: y' }] }, 'attachments.0.content_type'],
    [{ attachments: [{ filename: 'a', path: '/etc/passwd' }] }, 'attachments.0.content'],
    [{ attachments: [{ filename: 'a', content: '', href: 'http://127.0.0.1/' }] }, 'attachments.0.href'],
    [{ substitutions: {}, text: 'Dear {{name}}' }, 'to.0.substitutions.name'],
    [{ envid: 'a b' }, 'envid'],
    [{ ret: 'BODY' }, 'ret'],
    [{ tenant: 'a!b' }, 'tenant'],
    [{ sneder: 'x' }, 'sneder'],
    [{ ['\u202e'.repeat(500)]: 1 }, `${'\u202e'.repeat(100)}...`],
  ];
  const cases: [path: string, ask: Ask, status: number, field: string | undefined][] = [
    ...injected.map(([change, field]) => ['/api/messages', post({ ...good, ...change }), 400, field] as [string, Ask, number, string]),
    ['/api/messages', { ...post({}), body: '{' }, 400, 'body'],
    ['/api/messages', { ...post({}), body: '{"__proto__": {"role": "admin"}}' }, 400, 'body'],
    ['/api/messages', { ...post({}), body: '' }, 400, 'body'],
    ['/api/messages', post([]), 400, 'body'],
    ['/api/messages', { method: 'POST' }, 400, 'body'],
    ['/api/messages/raw?to=bob@dest.test', { method: 'POST', headers: { 'content-type': 'message/rfc822' }, body: 'x' }, 400, 'sender'],
    ['/api/messages/raw?sender=&to=x', { method: 'POST', headers: { 'content-type': 'message/rfc822' }, body: 'x' }, 400, 'to.0'],
    ['/api/messages/raw?sender=&to=b@d.test', { method: 'POST', headers: { 'content-type': 'message/rfc822' } }, 400, 'body'],
    ['/api/messages/raw?sender=&to=b@d.test', { method: 'POST', headers: { 'content-type': 'message/rfc822' }, body: 'a\0b' }, 400, 'body'],
    [
      '/api/messages/raw?sender=&to=b@d.test',
      { method: 'POST', headers: { 'content-type': 'message/rfc822' }, body: 'x'.repeat(999) },
      400,
      'body',
    ],
    ['/api/messages/raw?sender=&to=b@d.test', post({}), 415, undefined],
    ['/api/lanes?sort=size', {}, 400, 'sort'],
    ['/api/lanes?cursor=AAAA', {}, 400, 'cursor'],
    ['/api/lanes?limit=1&limit=2', {}, 400, 'limit'],
    ['/api/lanes?limit=1e999', {}, 400, 'limit'],
    ['/api/dispositions?cursor=99999999999999999999', {}, 400, 'cursor'],
    ['/api/dispositions?type=Bounce,Nonsense', {}, 400, 'type'],
    ['/api/events?type=x', {}, 400, 'type'],
    ['/api/events', { headers: { 'last-event-id': 'x' } }, 400, 'Last-Event-ID'],
    ['/api/status?verbose=1', {}, 400, 'verbose'],
    ['/api/status?__proto__=1', {}, 400, '__proto__'],
    ['/api/audit?cursor=1', {}, 400, 'cursor'],
    ['/api/audit?cursor=0-0', {}, 400, 'cursor'],
    ['/api/reports/preview', post({}), 400, 'event_id'],
    ['/api/reports/preview', post({ record: { type: 'Bounce' } }), 400, 'record.sender'],
    [
      '/api/reports/preview',
      { ...post({}), body: `{"record": {"type": "Bounce", "meta": {"a": ${'['.repeat(7000)}${']'.repeat(7000)}}}}` },
      400,
      'record',
    ],
    ['/api/reports/preview', post({ event_id: 'unknown' }), 404, 'event_id'],
    [`/api/lanes/${encodeURIComponent('x'.repeat(401))}`, {}, 404, 'lane'],
    ['/api/lanes/%00', {}, 404, undefined],
    ['/api/messages/%zz', {}, 400, 'path'],
    ['/api/nothing', {}, 404, undefined],
  ];
  for (const [path, ask, status, field] of cases) {
    const answer = await admin.ask(path, ask);
    const name = `${path} ${String(ask.body).slice(0, 100)}: ${answer.text.slice(0, 300)}`;
    assert.equal(answer.status, status, name);
    isProblem(answer);
    assert.equal(fieldsOf(answer)[0], field, name);
    assert.ok(answer.text.length < 5000, 'no more is said than needed');
    assert.ok(!/[\u007f-\u009f\u200e\u200f\u202a-\u202e]/.test(answer.text), 'nothing turns text around');
  }
  assert.deepEqual(await admin.context.redis.client.keys('*spool:*'), [], 'nothing was queued');
});

test('requests that are too large, or none, are refused as problems too', async (t) => {
  const admin = await startTestAdmin(t, { ingress: { maxSize: 50_000 } });
  const small = await admin.post(`/api/messages/${'0'.repeat(32)}/bounce`, { reason: 'x'.repeat(20_000) });
  assert.deepEqual([small.status, fieldsOf(small)], [413, ['body']]);
  const large = { from: 'a@b.test', to: ['b@c.test'], text: 'x'.repeat(60_000) };
  const inject = await admin.post('/api/messages', large);
  assert.deepEqual([inject.status, fieldsOf(inject)], [400, ['body']], 'a message larger than ingress.maxSize');
  assert.equal((await admin.post('/api/messages', { ...large, text: 'x'.repeat(200_000) })).status, 413);
  isProblem(await admin.ask('/api/status', { headers: { 'x-large': 'x'.repeat(70_000) } }));
  const answer = await new Promise<string>((resolve, reject) => {
    const socket = connect(admin.port, '127.0.0.1', () => socket.end('GARBAGE\r\n\r\n'));
    socket.on('error', reject).on('data', (data: Buffer) => resolve(data.toString()));
  });
  assert.match(answer, /^HTTP\/1\.1 400 [^]*application\/problem\+json/);
});

test('any query is answered, never with a fault of ours', async (t) => {
  const admin = await startTestAdmin(t);
  await admin.publish(bounceRecord(), bounceRecord());
  const gets = Object.values<Endpoint>(endpoints).filter(({ method, answer }) => method === 'GET' && answer);
  const path = fc.constantFrom(...gets.map((endpoint) => endpoint.path.replace(/\{\w+\}/, 'x')));
  const name = fc.oneof(
    fc.constantFrom('type', 'recipient', 'limit', 'cursor', 'sort', 'site', 'lane', '__proto__', 'constructor'),
    fc.string({ unit: 'grapheme' }),
  );
  const value = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.constantFrom('', '0', '-1', 'NaN', '1e9', '@', '%', '*', 'Bounce', '9'.repeat(400)),
    fc.integer().map(String),
  );
  const query = fc.array(fc.tuple(name, value), { maxLength: 5 });
  await fc.assert(
    fc.asyncProperty(path, query, async (where, parameters) => {
      const text = parameters
        .map(([key, of]) => `${encodeURIComponent(key.toWellFormed())}=${encodeURIComponent(of.toWellFormed())}`)
        .join('&');
      const answer = await admin.ask(`${where}?${text}`);
      assert.ok([200, 400, 404].includes(answer.status), `${where}?${text}: ${answer.text}`);
      if (answer.status !== 200) isProblem(answer);
      if (answer.status === 400) assert.ok(fieldsOf(answer).length > 0, answer.text);
    }),
    { numRuns: 300 },
  );
});

test('what strangers wrote comes back as it was, and can steer nothing', async (t) => {
  const admin = await startTestAdmin(t);
  const hostile = `<script>\u0000\u001b[31m\u007f\u009b\u202egnp.exe\u2066\u2028"\\`;
  const record = bounceRecord({
    sender: hostile,
    recipient: `${hostile}${'x'.repeat(65_536)}`,
    site: hostile,
    bounce_classification: hostile,
  });
  await admin.publish(record);
  for (const path of ['/api/dispositions', `/api/messages/${record.id}`]) {
    const { json, text } = await admin.ask(path);
    const { log_id: _, ...told } = (json['records'] as Record<string, unknown>[])[0] ?? {};
    assert.deepEqual(told, JSON.parse(JSON.stringify(record)));
    assert.ok(!/[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/.test(text), path);
  }
});

test('a write with an Idempotency-Key is done once', async (t) => {
  const admin = await startTestAdmin(t);
  const mail = { from: 'ann@home.test', to: ['bob@dest.test'], text: 'hello' };
  const messages = async (): Promise<number> => (await admin.context.redis.client.keys('*spool:*')).length;
  const key = { 'idempotency-key': 'one' };
  const first = await admin.post('/api/messages', mail, key);
  const again = await admin.post('/api/messages', mail, key);
  assert.deepEqual([again.status, again.text], [first.status, first.text]);
  assert.deepEqual([first.headers['idempotency-replayed'], again.headers['idempotency-replayed']], [undefined, 'true']);
  assert.equal(await messages(), 1);
  const other = await admin.post('/api/messages', { ...mail, text: 'bye' }, key);
  assert.deepEqual([other.status, fieldsOf(other)], [422, ['Idempotency-Key']]);
  // Those at the same time: one does it, the others are told so or get its answer.
  const many = await Promise.all(Array.from({ length: 10 }, () => admin.post('/api/messages', mail, { 'idempotency-key': 'two' })));
  assert.ok(
    many.every(({ status }) => status === 202 || status === 409),
    'nothing else',
  );
  assert.equal(new Set(many.filter(({ status }) => status === 202).map(({ text }) => text)).size, 1);
  assert.equal(await messages(), 2);
  // One that failed may be tried again.
  const [id = ''] = await admin.queue('late@dest.test');
  const unknown = `/api/messages/${'0'.repeat(32)}/bounce`;
  assert.equal((await admin.post(unknown, { reason: 'x' }, { 'idempotency-key': 'three' })).status, 404);
  assert.equal((await admin.post(`/api/messages/${id}/bounce`, { reason: 'x' }, { 'idempotency-key': 'three' })).status, 202);
  for (const bad of ['', 'a b', 'x'.repeat(201)])
    assert.deepEqual(fieldsOf(await admin.post('/api/messages', mail, { 'idempotency-key': bad })), ['Idempotency-Key']);
  const kept = await admin.context.redis.client.keys('*idempotency:*');
  for (const name of kept) assert.ok((await admin.context.redis.client.ttl(name)) > 86_000, 'for a day');
});

test('a request that waited for a Redis that was restarted is answered', async (t) => {
  const admin = await startTestAdmin(t);
  const { client } = admin.context.redis as unknown as { client: { commandQueue: { length: number } } };
  for (const path of ['/api/audit', '/api/dispositions', '/api/replays', '/api/status']) {
    await until(async () => (await admin.ask('/api/audit')).status === 200, 'Redis to be there');
    process.kill(admin.redis.pid, 'SIGSTOP');
    const answer = admin.ask(path);
    await until(() => Promise.resolve(client.commandQueue.length > 0), 'a command to be under way');
    await admin.redis.kill();
    await admin.redis.restart();
    assert.equal((await answer).status, 503, path);
  }
});

test('a write that failed because Redis went away may be sent again as soon as it is back', async (t) => {
  const admin = await startTestAdmin(t);
  const mail = { from: 'ann@home.test', to: ['bob@dest.test'], text: 'hello' };
  const key = { 'idempotency-key': 'blip' };
  // The key is taken, and then every connection is lost: neither the work nor its end reaches Redis.
  const { client } = admin.context.redis;
  const evaluate = client.eval.bind(client) as (...args: unknown[]) => Promise<unknown>;
  t.mock.method(client, 'eval', async (...args: unknown[]) => {
    const answer = await evaluate(...args);
    if (Array.isArray(answer) && answer[0] === 'begun') client.disconnect(true);
    return answer;
  });
  assert.equal((await admin.post('/api/messages', mail, key)).status, 503);
  t.mock.restoreAll();
  await until(async () => (await admin.post('/api/messages', mail, key)).status === 202, 'the message to be taken');
  assert.equal((await client.keys('*spool:*')).length, 1);
});

test('a write whose process died half way is finished by its repetition, and nothing is sent twice', async (t) => {
  const admin = await startTestAdmin(t);
  const mail = { from: 'ann@home.test', to: ['a@dest.test', 'b@dest.test', 'c@dest.test'], substitutions: { x: '1' }, text: '{{x}}' };
  const key = { 'idempotency-key': 'crash' };
  const { client } = admin.context.redis;
  const first = await admin.post('/api/messages', mail, key);
  // As a process leaves it that died before its second message was queued.
  const [queued = ''] = (await client.keys('*idempotency:*:queued')) as string[];
  await client.hdel(queued, '1');
  await client.del(queued.replace(/:queued$/, ''));
  const second = await admin.post('/api/messages', mail, key);
  const ids = ({ json }: Answer): string[] => (json['results'] as { id: string }[]).map(({ id }) => id);
  assert.equal(second.status, 202);
  assert.deepEqual([ids(second)[0], ids(second)[2]], [ids(first)[0], ids(first)[2]]);
  assert.notEqual(ids(second)[1], ids(first)[1]);
  assert.equal((await client.keys('*spool:*')).length, 4);
});

test('lanes come in pages, by depth or age, and each can be looked at', async (t) => {
  const admin = await startTestAdmin(t, {
    outbound: { routes: Object.fromEntries([1, 2, 3, 4, 5].map((n) => [`d${n}.test`, `mx${n}.test:25`])) },
    delivery: { sites: { 'mx2.test:25': { connections: 3, concurrency: 2, rate: '5/s' } } },
  });
  for (const n of [3, 1, 5, 2, 4]) await admin.queue(...Array.from({ length: n }, (_, i) => `r${i}@d${n}.test`));
  const pages = async (query: string): Promise<string[]> => {
    const sites: string[] = [];
    for (let cursor = ''; ;) {
      const { json } = await admin.ask(`/api/lanes?${query}${cursor}`);
      sites.push(...(json['lanes'] as { site: string }[]).map(({ site }) => site.slice(0, 3)));
      if (json['next'] === null) return sites;
      cursor = `&cursor=${json['next'] as string}`;
    }
  };
  assert.deepEqual(await pages('limit=2'), ['mx5', 'mx4', 'mx3', 'mx2', 'mx1']);
  assert.deepEqual(await pages('limit=2&sort=age'), ['mx3', 'mx1', 'mx5', 'mx2', 'mx4']);
  assert.deepEqual(await pages('site=MX4'), ['mx4']);
  assert.deepEqual(await pages('source=other'), []);
  await admin.publish(bounceRecord({ site: 'default->mx2.test:25', event_id: 'said' }), bounceRecord());
  // Said by no site.
  await admin.publish(bounceRecord({ site: 'default->mx2.test:25', event_id: 'ended', type: 'AdminBounce' }));
  const { json } = await admin.ask(`/api/lanes/${encodeURIComponent('default->mx2.test;25')}`);
  assert.partialDeepStrictEqual(json, {
    site: 'mx2.test:25',
    waiting: 2,
    limits: { connections: 3, concurrency: 2, rate: { messages: 5, ms: 1000 } },
    sessions: [],
    next_retry: null,
  });
  assert.deepEqual(
    (json['last_replies'] as { event_id: string }[]).map(({ event_id }) => event_id),
    ['said'],
  );
  const unlimited = await admin.ask(`/api/lanes/${encodeURIComponent('default->mx1.test;25')}`);
  assert.partialDeepStrictEqual(unlimited.json, { limits: { concurrency: null, rate: null } });
  assert.equal((await admin.ask('/api/lanes/default-%3Enobody')).status, 404);
});

test('a report can be seen before it is sent, of the log or of any record', async (t) => {
  const admin = await startTestAdmin(t);
  const [id = ''] = await admin.queue('bob@dest.test');
  const record = bounceRecord({ id });
  await admin.publish(record);
  const kept = (await admin.post('/api/reports/preview', { event_id: record.event_id })).json['report'] as {
    recipient: string;
    content: string;
  };
  assert.equal(kept.recipient, 'ann@home.test');
  assert.match(kept.content, /Status: 5\.1\.1 \(permanent failure\)\r\n/);
  assert.match(kept.content, /\r\nSubject: x\r\n\r\nx\r\n/, 'with the original, which is still there');
  const german = (await admin.post('/api/reports/preview', { record, language: 'de', original: 'Subject: y\n\ny\n' })).json['report'] as {
    content: string;
  };
  assert.match(german.content, /Content-Language: de/i);
  assert.match(german.content, /\r\nSubject: y\r\n/);
  const none = await admin.post('/api/reports/preview', { record: bounceRecord({ sender: '' }) });
  assert.deepEqual([none.status, none.json['report']], [200, null]);
  assert.equal(typeof none.json['reason'], 'string');
});

test('processes at work are listed with what they have loaded, until they end', async (t) => {
  const admin = await startTestAdmin(t);
  const { redis } = admin.context;
  const worker = await announceWorker({ ...admin.context, instance: 'delivery-host-1' }, 'delivery', '1.2.3', () => ({
    rules: [{ file: 'a', rules: 2 }],
  }));
  t.after(() => worker.close());
  const list = async (): Promise<unknown> => (await admin.ask('/api/workers')).json['workers'];
  const entry = {
    instance: 'delivery-host-1',
    role: 'delivery',
    pid: process.pid,
    version: '1.2.3',
    loaded: { rules: [{ file: 'a', rules: 2 }] },
  };
  assert.partialDeepStrictEqual(await list(), [{ ...entry, alive: true }]);
  // One that was killed is seen as such, and forgotten later.
  const late = (instance: string, ms: number): string =>
    JSON.stringify({ ...entry, instance, heartbeat: new Date(Date.now() - ms).toISOString() });
  await redis.client.hset(
    redis.key('workers'),
    'delivery-host-2',
    late('delivery-host-2', 60_000),
    'delivery-host-3',
    late('delivery-host-3', 7_200_000),
  );
  assert.partialDeepStrictEqual(await list(), [{ alive: true }, { alive: false }]);
  assert.equal(await redis.client.hlen(redis.key('workers')), 2);
  await worker.close();
  assert.equal(((await list()) as unknown[]).length, 1);
});

test('while Redis is away the API says so, and works again without a restart', async (t) => {
  const admin = await startTestAdmin(t, { redis: { timeout: '300ms' } });
  const asks: [path: string, ask?: Ask][] = [
    ['/api/status'],
    ['/api/lanes'],
    ['/api/dispositions'],
    [`/api/dispositions/${'0'.repeat(32)}.r`],
    ['/api/dispositions/counts'],
    ['/api/replays'],
    [`/api/replays/${'0'.repeat(32)}`],
    ['/api/queues/bounces/dead-letters'],
    ['/api/rules'],
    ['/api/policy'],
    ['/api/replays/preview', { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"to":"bounces","since":"1h"}' }],
    [
      '/api/replays',
      { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"to":"bounces","since":"1h","reason":"x"}' },
    ],
    [
      '/api/queues/bounces/dead-letters/retry',
      { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"all":true,"reason":"x"}' },
    ],
    ['/api/events'],
    ['/api/audit'],
    [`/api/messages/${'0'.repeat(32)}`],
    [
      '/api/messages',
      { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"from":"a@b.test","to":["b@c.test"],"text":"x"}' },
    ],
    [
      '/api/reports/preview',
      { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ record: bounceRecord() }) },
    ],
  ];
  const allAway = async (): Promise<void> => {
    for (const [path, ask] of asks) {
      const answer = await admin.ask(path, ask);
      assert.equal(answer.status, 503, `${path}: ${answer.text}`);
      assert.equal(answer.headers['retry-after'], '5');
      isProblem(answer);
    }
    assert.equal((await admin.ask('/docs')).status, 200, 'what needs no Redis is there');
  };
  const back = async (): Promise<void> => {
    for (let tries = 0; (await admin.ask('/api/status')).status !== 200; tries++) {
      assert.ok(tries < 1000, 'it comes back');
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  process.kill(admin.redis.pid, 'SIGSTOP'); // it hangs: nothing is answered, and no connection is lost
  try {
    await allAway();
  } finally {
    process.kill(admin.redis.pid, 'SIGCONT');
  }
  await back();
  await admin.redis.kill();
  await allAway();
  await admin.redis.restart();
  await back();
  assert.equal((await admin.post('/api/messages', { from: 'a@b.test', to: ['b@c.test'], text: 'x' })).status, 202);
});

test('a Redis that hangs is noticed by whoever asks first: the probe, or the board', async (t) => {
  for (const path of ['/readyz', '/queues/api/queues']) {
    const admin = await startTestAdmin(t, { redis: { timeout: '200ms' } });
    assert.equal((await admin.ask(path)).status, 200);
    process.kill(admin.redis.pid, 'SIGSTOP');
    try {
      const { status, text } = await admin.ask(path);
      assert.deepEqual([status, /Redis is away/.test(text)], [503, true], `${path}: ${text}`);
    } finally {
      process.kill(admin.redis.pid, 'SIGCONT');
    }
    for (let tries = 0; (await admin.ask(path)).status !== 200; tries++) {
      assert.ok(tries < 1000, 'it comes back');
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
});
