import assert from 'node:assert/strict';
import { request, type IncomingHttpHeaders } from 'node:http';
import { test, type TestContext } from 'node:test';
import { configSchema, type ConfigInput } from '../../shared/core/config.ts';
import type { DeliveryJob } from '../../shared/core/delivery-job.ts';
import { timeFields, type DispositionRecord } from '../../shared/core/disposition.ts';
import { recordBase } from '../../shared/core/reception.ts';
import { openContext, type Context } from '../../shared/io/context.ts';
import { openDispositions } from '../../shared/io/dispositions.ts';
import { newMessageId } from '../../shared/io/ids.ts';
import { openLanes } from '../../shared/io/lanes.ts';
import { hashPassword } from '../../shared/io/password.ts';
import { openOrders } from '../../shared/io/orders.ts';
import { openQueues, type Queues } from '../../shared/io/queues.ts';
import { openSpool } from '../../shared/io/spool-store.ts';
import { run } from '../../workers/admin/main.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';

interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  body: string;
}

interface Ask {
  method?: string;
  headers?: Record<string, string>;
  body?: string;
}

interface Admin {
  redis: TestRedis;
  context: Context;
  queues: Queues;
  ask: (path: string, options?: Ask) => Promise<Answer>;
  json: (path: string, options?: Ask) => Promise<unknown>;
  publish: (...records: DispositionRecord[]) => Promise<void>;
  /** A message with one job in a lane; resolves with its id. */
  queue: (lane: string, recipients: string[], delay?: number) => Promise<string>;
}

const lane = 'default->mx.dest.test';

async function startAdmin(t: TestContext, admin: ConfigInput['admin'] = {}, webhooks: ConfigInput['webhooks'] = {}): Promise<Admin> {
  const redis = await startRedis(t);
  const config = configSchema.parse({
    dataDir: redis.dir,
    hostname: 'relay.test',
    admin: { port: 0, ...admin },
    webhooks,
    log: { level: 'silent' },
    spool: { minFreeDisk: 0 },
  });
  const context = await openContext(config, redis.url, 'admin-test');
  t.after(() => context.close());
  const worker = await run(context);
  t.after(() => worker.close());
  const queues = openQueues(context.redis);
  const spool = openSpool(context.redis, config, context.log);
  t.after(() => spool.close());
  const dispositions = openDispositions(context, spool);
  const orders = openOrders(context.redis, context.log, context.metrics);
  t.after(() => orders.close());
  const lanes = openLanes(context.redis, queues, config.delivery, orders);
  const ask = (path: string, options: Ask = {}): Promise<Answer> => send(worker.port, path, options);
  return {
    redis,
    context,
    queues,
    ask,
    json: async (path, options) => JSON.parse((await ask(path, options)).body) as unknown,
    publish: async (...records) => {
      const tx = queues.begin();
      for (const record of records) dispositions.publish(tx, record);
      await tx.exec();
    },
    queue: async (name, recipients, delay = 0) => {
      const message = newMessageId();
      const draft = spool.draft(message);
      await draft.write(Buffer.from('Subject: x\r\n\r\nx\r\n'));
      const tx = queues.begin();
      spool.commit(tx, draft, [`${message}.0`]);
      tx.add(name, { id: `${message}.0`, name: 'message', data: job(message, recipients), delay });
      lanes.wake(tx, name);
      await tx.exec();
      return message;
    },
  };
}

const job = (message: string, recipients: string[]): DeliveryJob => ({
  message,
  envelope: { sender: 'ann@home.test', recipients: recipients.map((address) => ({ address })), smtpUtf8: false, eightBit: false },
  size: 17,
  created: Date.now(),
  queue: 'dest.test',
  domain: 'dest.test',
  source: 'default',
  attempts: 0,
  reception: { reception_protocol: 'ESMTP', meta: {} },
});

let events = 0;

/** A bounce, with anything of it replaced. */
const bounce = (changes: Partial<DispositionRecord> = {}): DispositionRecord => ({
  type: 'Bounce',
  event_id: `event${++events}`,
  ...recordBase({ ...job('', []), id: newMessageId() }, 'node'),
  recipient: 'recipient@dest.test',
  queue: 'dest.test',
  site: lane,
  response: { code: 550, enhanced_code: { class: 5, subject: 1, detail: 1 }, content: 'no such user', command: 'RCPT' },
  peer_address: { name: 'mx.dest.test', addr: '192.0.2.1' },
  ...timeFields(Date.now()),
  num_attempts: 1,
  delivery_protocol: 'ESMTP',
  ...changes,
});

/** `fetch` does not let a test choose the Host field. */
function send(port: number, path: string, { method = 'GET', headers = {}, body }: Ask): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const call = request({ host: '127.0.0.1', port, path, method, headers, agent: false }, (response) => {
      const parts: Buffer[] = [];
      response.on('data', (part: Buffer) => parts.push(part));
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(parts).toString() }),
      );
    });
    call.on('error', reject);
    call.end(body);
  });
}

const basic = (login: string): Record<string, string> => ({ authorization: `Basic ${Buffer.from(login).toString('base64')}` });
const json = (body: unknown): Ask => ({ method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });

test('without a password only names of this machine are answered', async (t) => {
  const { ask } = await startAdmin(t);
  const cases: [host: string, status: number][] = [
    ['127.0.0.1:8080', 200],
    ['localhost', 200],
    ['LOCALHOST:1', 200],
    ['[::1]:8080', 200],
    ['127.9.9.9', 200],
    ['evil.example', 403],
    ['evil.example:8080', 403],
    ['127.0.0.1.evil.example', 403],
    ['localhost.evil.example', 403],
    ['192.0.2.1', 403],
  ];
  for (const [host, status] of cases) {
    for (const path of ['/', '/api/status', '/queues', '/metrics', '/ui/x/main.ts', '/nothing']) {
      const answer = await ask(path, { headers: { host } });
      assert.equal(answer.status, status === 200 && /^\/(?:nothing|ui)/.test(path) ? 404 : status, `${host} ${path}`);
    }
  }
  assert.equal((await ask('/healthz', { headers: { host: 'evil.example' } })).body, 'ok\n');
});

for (const form of ['plain', 'hashed'] as const) {
  test(`with a ${form} password only the login comes in, by any name`, async (t) => {
    const password = form === 'plain' ? 'open:sesame' : await hashPassword('open:sesame');
    const { ask } = await startAdmin(t, { host: '0.0.0.0', user: 'root', password });
    const cases: [headers: Record<string, string>, status: number][] = [
      [{}, 401],
      [basic('root:open:sesame'), 200],
      [basic('root:open:sesame'), 200],
      [{ ...basic('root:open:sesame'), host: 'relay.example' }, 200],
      [basic('root:open:sesam'), 401],
      [basic('root:'), 401],
      [basic('root'), 401],
      [basic('admin:open:sesame'), 401],
      [basic(`root:${password}x`), 401],
      [{ authorization: 'Basic !!!' }, 401],
      [{ authorization: `Bearer ${Buffer.from('root:open:sesame').toString('base64')}` }, 401],
    ];
    for (const [headers, status] of cases) {
      for (const path of ['/api/status', '/docs', '/queues', '/queues/api/queues', '/metrics']) {
        const answer = await ask(path, { headers });
        assert.equal(answer.status, status, `${JSON.stringify(headers)} ${path}`);
        if (status === 401) assert.match(answer.headers['www-authenticate'] ?? '', /^Basic realm=/);
      }
    }
    if (form === 'hashed')
      assert.equal((await ask('/api/me', { headers: basic(`root:${password}`) })).status, 401, 'the hash is no password');
    assert.equal((await ask('/healthz')).status, 200);
  });
}

test('it does not start beyond this machine without a password', async (t) => {
  for (const host of ['0.0.0.0', '::', '192.0.2.7', 'relay.example'])
    await assert.rejects(startAdmin(t, { host }), /admin\.password is needed/, host);
});

test('pages allow nothing but their own files, and cannot be framed', async (t) => {
  const { ask } = await startAdmin(t);
  for (const path of ['/', '/api/status', '/nothing']) {
    const { headers } = await ask(path);
    const policy = String(headers['content-security-policy']);
    for (const rule of ["default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'"])
      assert.ok(policy.includes(rule), path);
    assert.ok(!policy.includes('unsafe'), path);
    assert.equal(headers['x-content-type-options'], 'nosniff');
    assert.equal(headers['cache-control'], 'no-store');
  }
  const board = String((await ask('/queues')).headers['content-security-policy']);
  assert.ok(board.includes("script-src 'self';") && !board.includes('http'), 'the board may load nothing from elsewhere');
  const { body } = await ask('/');
  assert.ok(
    !/<script(?! (?:type="module" )?src="\/ui\/[^"]+"><\/script>)|<style| style=/i.test(body),
    'nothing is written into the page itself',
  );
  for (const [, path] of body.matchAll(/(?:src|href)="([^"]+)"/g)) {
    const file = await ask(path ?? '');
    assert.equal(file.status, 200, `${path} is there`);
    if (path?.startsWith('/ui/')) assert.match(file.headers['cache-control'] ?? '', /immutable/, path);
    if (!/\.[jt]s$/.test(path ?? '')) continue;
    // Modules find what they import, and nothing elsewhere.
    for (const [, name] of file.body.matchAll(/(?:^|[;}\n])\s*(?:import|export)\b[^;'"`]*?\bfrom\s*["']([^"']+)["']/g)) {
      const imported = new URL(name ?? '', `http://here${path}`);
      assert.equal(imported.host, 'here', `${path} imports ${name}`);
      assert.equal((await ask(imported.pathname)).status, 200, `${path} imports ${name}`);
    }
  }
  const [, old = ''] = /src="([^"]+main\.ts)"/.exec(body) ?? [];
  assert.equal((await ask(old.replace(/[0-9a-f]{16}/, '0'.repeat(16)))).status, 404, 'a file of another version is none of this one');
});

test('the overview counts recipients by type', async (t) => {
  const { json: get, publish } = await startAdmin(t);
  const id = newMessageId();
  await publish(
    bounce({ id, type: 'Reception', recipient: ['a@dest.test', 'b@dest.test'] }),
    bounce({ id, type: 'Delivery', recipient: 'a@dest.test' }),
  );
  await publish(
    bounce({
      id,
      recipient: 'b@dest.test',
      response: { code: 550, enhanced_code: { class: 5, subject: 1, detail: 1 }, content: 'first', command: 'RCPT' },
    }),
  );
  const status = (): Promise<unknown> => get('/api/status').then((value) => (value as { records: unknown }).records);
  const zero = { AdminBounce: 0, Delayed: 0, Expiration: 0, Rejection: 0, TransientFailure: 0 };
  assert.partialDeepStrictEqual(await status(), { counted: 3, counts: { ...zero, Reception: 2, Delivery: 1, Bounce: 1 } });
  // What comes later is added to what was counted.
  await publish(
    bounce({
      id,
      type: 'Expiration',
      recipient: 'c@dest.test',
      response: { code: 452, enhanced_code: null, content: 'second', command: 'RCPT' },
    }),
  );
  assert.partialDeepStrictEqual(await status(), { counted: 4, counts: { ...zero, Reception: 2, Delivery: 1, Bounce: 1, Expiration: 1 } });
});

test('dispositions come newest first, by type and recipient, in pages', async (t) => {
  const { ask, json: get, publish } = await startAdmin(t);
  const types = ['Delivery', 'Bounce', 'Expiration'] as const;
  await publish(
    ...Array.from({ length: 30 }, (_, n) =>
      bounce({ event_id: `e${n}`, type: types[n % 3] ?? 'Bounce', recipient: [`R${n}@Dest.test`, `x@d${n % 2}.test`] }),
    ),
  );
  const ids = async (query: string): Promise<{ ids: string[]; next: string | null }> => {
    const { records, next } = (await get(`/api/dispositions?${query}`)) as { records: DispositionRecord[]; next: string | null };
    return { ids: records.map((r) => r.event_id), next };
  };
  assert.equal((await ids('')).ids.length, 30);
  assert.deepEqual((await ids('limit=3')).ids, ['e29', 'e28', 'e27']);
  assert.deepEqual((await ids('type=Bounce&limit=2')).ids, ['e28', 'e25']);
  assert.deepEqual((await ids('type=Bounce,Delivery&limit=3')).ids, ['e28', 'e27', 'e25']);
  assert.deepEqual((await ids('type=Bounce&type=Delivery&limit=2')).ids, ['e28', 'e27']);
  assert.deepEqual((await ids('recipient=r7@dest.test')).ids, ['e7']);
  assert.equal((await ids('recipient=@D1.test')).ids.length, 15);
  const seen: string[] = [];
  for (let cursor = ''; ;) {
    const page = await ids(`limit=7${cursor}`);
    seen.push(...page.ids);
    if (page.next === null) break;
    cursor = `&cursor=${page.next}`;
  }
  assert.deepEqual(
    seen,
    Array.from({ length: 30 }, (_, n) => `e${29 - n}`),
    'pages neither repeat nor skip',
  );
  for (const query of ['type=bounced', 'limit=0', 'limit=x', 'cursor=now', 'recipeint=a', 'limit=1001']) {
    const answer = await ask(`/api/dispositions?${query}`);
    assert.equal(answer.status, 400, query);
    assert.match(String(answer.headers['content-type']), /^application\/problem\+json/);
    assert.partialDeepStrictEqual(JSON.parse(answer.body), { status: 400, title: 'Bad Request', type: 'about:blank' });
  }
});

test('a message is told with its records and what is still to do', async (t) => {
  const { ask, json: get, publish, queue } = await startAdmin(t);
  const id = await queue(lane, ['late@dest.test'], 60_000);
  await publish(
    bounce({ id, event_id: 'one', type: 'Reception' }),
    bounce({ id: newMessageId(), event_id: 'other' }),
    bounce({ id, event_id: 'two' }),
  );
  const told = (await get(`/api/messages/${id}`)) as { records: DispositionRecord[]; jobs: { next_attempt: string }[] };
  assert.deepEqual(
    told.records.map((r) => r.event_id),
    ['one', 'two'],
  );
  assert.partialDeepStrictEqual(told, {
    id,
    complete: true,
    jobs: [{ lane, state: 'delayed', recipients: ['late@dest.test'], attempts: 0 }],
    held_by: ['bounces'],
  });
  const inMs = Date.parse(told.jobs[0]?.next_attempt ?? '') - Date.now();
  assert.ok(inMs > 30_000 && inMs <= 60_000, `next attempt in ${inMs} ms`);
  for (const unknown of [newMessageId(), 'x', `${id}0`, '%00', '..%2f..']) {
    assert.equal((await ask(`/api/messages/${unknown}`)).status, 404, unknown);
  }
});

test('of each failure it is told whether its sender has a report, or why not', async (t) => {
  const { json: get, publish, context } = await startAdmin(t);
  const id = newMessageId();
  const report = newMessageId();
  const marks = {
    sent: `sent:${report}`,
    old: report,
    none: 'suppressed:untrusted',
    newer: 'suppressed:<b>moon</b>',
    later: undefined,
  };
  for (const [event, mark] of Object.entries(marks)) {
    await publish(bounce({ id, event_id: event }));
    if (mark !== undefined) await context.redis.client.set(context.redis.key(`report:${event}`), mark);
  }
  const { reports } = (await get(`/api/messages/${id}`)) as { reports: unknown };
  assert.deepEqual(reports, [
    { event_id: 'sent', outcome: 'sent', message: report },
    { event_id: 'old', outcome: 'sent', message: report },
    { event_id: 'none', outcome: 'suppressed', reason: 'untrusted' },
    { event_id: 'newer', outcome: 'suppressed', reason: '<b>moon</b>' },
  ]);
});

test('ending a message gives an order for its waiting jobs, whatever they wait for', async (t) => {
  const { ask, queue, queues, json: get } = await startAdmin(t);
  for (const delay of [0, 3_600_000]) {
    const id = await queue(lane, ['a@dest.test', 'b@dest.test'], delay);
    const answer = await ask(`/api/messages/${id}/bounce`, json({ reason: 'not wanted' }));
    assert.equal(answer.status, 202, answer.body);
    assert.deepEqual(JSON.parse(answer.body), { id, bounced: ['a@dest.test', 'b@dest.test'] });
    const { orders } = (await get('/api/orders?limit=1')) as { orders: unknown[] };
    assert.partialDeepStrictEqual(orders[0], { kind: 'bounce', criteria: { message: id }, reason: 'not wanted', state: 'working' });
  }
  const id = await queue(lane, ['c@dest.test']);
  let taken = await queues.take(lane, 'token');
  while (taken.kind === 'job' && taken.id !== `${id}.0`) taken = await queues.take(lane, 'token');
  assert.equal(taken.kind, 'job');
  const busy = await ask(`/api/messages/${id}/bounce`, json({ reason: 'twice' }));
  assert.equal(busy.status, 409);
  assert.partialDeepStrictEqual(JSON.parse(busy.body), { status: 409, busy: ['c@dest.test'], bounced: [] });
  assert.equal(((await get('/api/orders')) as { orders: unknown[] }).orders.length, 2, 'and nothing is done about it');
});

test('ending a message wants a reason, a message that waits, and a page of our own', async (t) => {
  const { ask, queue, json: get } = await startAdmin(t);
  const id = await queue(lane, ['a@dest.test']);
  const path = `/api/messages/${id}/bounce`;
  const body = JSON.stringify({ reason: 'x' });
  const type = { 'content-type': 'application/json' };
  const cases: [name: string, path: string, ask: Ask, status: number][] = [
    ['no body', path, { method: 'POST' }, 400],
    ['no reason', path, json({}), 400],
    ['a blank reason', path, json({ reason: '  ' }), 400],
    ['a reason of two lines', path, json({ reason: 'a\r\n250 ok' }), 400],
    ['an endless reason', path, json({ reason: 'x'.repeat(501) }), 400],
    ['something else besides', path, json({ reason: 'x', all: true }), 400],
    ['no JSON', path, { method: 'POST', headers: type, body: '{' }, 400],
    ['a large body', path, json({ reason: 'x'.repeat(100_000) }), 413],
    ['a form', path, { method: 'POST', headers: { 'content-type': 'application/x-www-form-urlencoded' }, body: 'reason=x' }, 415],
    ['plain text', path, { method: 'POST', headers: { 'content-type': 'text/plain' }, body }, 415],
    ['a page of another site', path, { method: 'POST', headers: { ...type, origin: 'http://evil.example' }, body }, 403],
    ['a page of nowhere', path, { method: 'POST', headers: { ...type, origin: 'null' }, body }, 403],
    ['an unknown message', `/api/messages/${newMessageId()}/bounce`, json({ reason: 'x' }), 404],
    ['no message at all', '/api/messages/x/bounce', json({ reason: 'x' }), 404],
    ['GET', path, {}, 404],
  ];
  for (const [name, where, question, status] of cases) {
    const answer = await ask(where, question);
    assert.equal(answer.status, status, `${name}: ${answer.body}`);
    assert.equal((JSON.parse(answer.body) as { status: number }).status, status, `${name} is told as a problem`);
  }
  assert.deepEqual(((await get('/api/orders')) as { orders: unknown[] }).orders, [], 'nothing was done');
});

test('the board shows the fixed queues and the busiest lanes, and changes nothing', async (t) => {
  const { ask, queue, context, queues } = await startAdmin(t);
  for (let n = 0; n < 52; n++) await queue(`default->mx${String(n).padStart(2, '0')}.test`, ['a@dest.test']);
  for (let n = 0; n < 2; n++) await queue('default->mx51.test', ['b@dest.test']);
  const meta = await context.redis.client.hgetall(queues.backend('default->mx51.test').keys['meta'] ?? '');
  assert.match((await ask('/queues')).body, /<div id="root">/);
  const { queues: listed } = JSON.parse((await ask('/queues/api/queues')).body) as {
    queues: { name: string; readOnlyMode: boolean; counts: { waiting: number } }[];
  };
  const names = listed.map(({ name }) => name);
  assert.equal(names.length, 55);
  assert.ok(
    names.includes('sessions') &&
      names.includes('steering') &&
      names.includes('bounces') &&
      names.includes('inbound') &&
      names.includes('redeliver') &&
      names.includes('default->mx51.test') &&
      !names.includes('default->mx50.test'),
  );
  assert.ok(listed.every(({ readOnlyMode }) => readOnlyMode));
  assert.equal(listed.find(({ name }) => name === 'default->mx51.test')?.counts.waiting, 3);
  const lanePath = `/queues/api/queues/${encodeURIComponent('default->mx51.test')}`;
  for (const action of ['pause', 'empty', 'obliterate', 'promote']) {
    assert.ok((await ask(`${lanePath}/${action}`, { method: 'PUT' })).status >= 400, action);
  }
  assert.deepEqual(await context.redis.client.hgetall(queues.backend('default->mx51.test').keys['meta'] ?? ''), meta);
});

test('what waits for webhooks is in the metrics, the status and the board', async (t) => {
  const { ask, json: get, publish } = await startAdmin(t, {}, { crm: { url: 'http://127.0.0.1:1/' } });
  await publish(bounce(), bounce({ type: 'Delivery' }));
  const { body } = await ask('/metrics');
  assert.match(body, /rebound_hook_depth\{hook="webhook-crm",state="waiting"[^}]*\} 1\n/);
  assert.match(body, /rebound_hook_depth\{hook="bounces",state="dead"[^}]*\} 0\n/);
  const { hooks } = (await get('/api/status')) as { hooks: unknown };
  assert.deepEqual(hooks, [{ name: 'webhook-crm', waiting: 1, delayed: 0, active: 0, dead: 0 }]);
  const { queues } = JSON.parse((await ask('/queues/api/queues')).body) as { queues: { name: string }[] };
  assert.ok(queues.some(({ name }) => name === 'webhook-crm'));
});

test('metrics tell how much waits, and the lanes where', async (t) => {
  const { ask, json: get, queue, queues } = await startAdmin(t);
  await queue(lane, ['a@dest.test']);
  await queue(lane, ['b@dest.test']);
  await queue('default->other.test', ['c@dest.test'], 60_000);
  assert.equal((await queues.take(lane, 'token')).kind, 'job');
  await queues.backend(lane).setRateLimit(5000);
  const { body } = await ask('/metrics');
  for (const [state, value] of [
    ['waiting', 1],
    ['delayed', 1],
    ['active', 1],
  ] as const) {
    assert.match(body, new RegExp(`^rebound_queue_messages\\{state="${state}"\\} ${value}$`, 'm'));
  }
  assert.match(body, /^rebound_queue_depth 1$/m, 'one is in hand; its lane is on hold, the other is not due');
  const { lanes } = (await get('/api/lanes')) as { lanes: { lane: string; held_ms: number }[] };
  assert.partialDeepStrictEqual(lanes, [
    { lane, source: 'default', site: 'mx.dest.test', waiting: 1, delayed: 0, active: 1, paused: false },
    { lane: 'default->other.test', waiting: 0, delayed: 1, active: 0, paused: false, held_ms: 0 },
  ]);
  const held = lanes[0]?.held_ms ?? 0;
  assert.ok(held > 0 && held <= 5000, `held ${held} ms`);
});

test('without Redis it lives on and says that it is not ready', async (t) => {
  const { ask, redis } = await startAdmin(t);
  assert.equal((await ask('/readyz')).status, 200);
  await redis.kill();
  let answer = await ask('/readyz');
  for (const end = Date.now() + 20_000; answer.status === 200 && Date.now() < end; answer = await ask('/readyz'));
  assert.deepEqual([answer.status, answer.body], [503, 'Redis is away\n']);
  assert.equal((await ask('/healthz')).status, 200);
  assert.deepEqual(
    [(await ask('/')).status, (await ask('/api/status')).status, (await ask('/queues/api/queues')).status],
    [200, 503, 503],
    'nobody is kept waiting; the page says what is the matter',
  );
  const metrics = await ask('/metrics');
  assert.ok(
    metrics.status === 200 && !/^rebound_queue_(?:depth|messages)[ {]/m.test(metrics.body),
    'a depth that is not known is not told',
  );
  await redis.restart();
  for (const end = Date.now() + 20_000; answer.status === 503 && Date.now() < end; answer = await ask('/api/status'));
  assert.equal(answer.status, 200, 'it goes on when Redis is back');
});
