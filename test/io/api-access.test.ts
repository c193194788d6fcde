import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test, type TestContext } from 'node:test';
import { isWrite, roles, type Endpoint, type Role } from '../../shared/core/api/endpoint.ts';
import { endpoints, type EndpointName } from '../../shared/core/api/endpoints.ts';
import type { ConfigInput } from '../../shared/core/config.ts';
import type { Order } from '../../shared/core/order.ts';
import { giveOrder } from '../../shared/io/order-store.ts';
import type { ReplayPlan } from '../../shared/core/replay.ts';
import { hashPassword } from '../../shared/io/password.ts';
import { createReplay } from '../../shared/io/replay-state.ts';
import { basic, bearer, bounceRecord, startTestAdmin, type Answer, type Ask, type TestAdmin } from '../support/admin.ts';

const tokenOf = (role: Role): string => `token-of-the-${role}-0123456789`;

const logins: ConfigInput['admin'] = {
  users: roles.map((role) => ({ name: `${role}-user`, password: `secret of ${role}`, role })),
  tokens: roles.map((role) => ({ name: `${role}-program`, token: tokenOf(role), role })),
};

/** What each operation is asked, and what it answers to those who may. A new operation needs a row. */
const requests: Record<EndpointName, { path: string; ask?: Ask; status: number }> = {
  me: { path: '/api/me', status: 200 },
  login: { path: '/api/login', ask: json({ user: 'nobody', password: 'wrong' }), status: 401 }, // by itself a login, whoever sends it
  logout: { path: '/api/logout', ask: { method: 'POST' }, status: 200 },
  status: { path: '/api/status', status: 200 },
  queues: { path: '/api/queues', status: 200 },
  subscribers: { path: '/api/subscribers', status: 200 },
  lanes: { path: '/api/lanes?sort=age&limit=1', status: 200 },
  lane: { path: `/api/lanes/${encodeURIComponent('default->127.0.0.1;1')}`, status: 200 },
  sessions: { path: '/api/sessions', status: 200 },
  message: { path: '/api/messages/MESSAGE', status: 200 },
  findMessages: { path: '/api/messages?address=waits@dest.test', status: 200 },
  bounceMessage: { path: '/api/messages/MESSAGE/bounce', ask: json({ reason: 'not wanted' }), status: 202 },
  inject: { path: '/api/messages', ask: json({ from: 'ann@home.test', to: ['bob@dest.test'], text: 'hello' }), status: 202 },
  injectRaw: {
    path: '/api/messages/raw?sender=ann@home.test&to=bob@dest.test',
    ask: { method: 'POST', headers: { 'content-type': 'message/rfc822' }, body: 'Subject: x\n\nhello\n' },
    status: 202,
  },
  giveOrder: { path: '/api/orders', ask: json({ kind: 'suspend', criteria: { tenant: 'acme' }, reason: 'a test' }), status: 201 },
  previewOrder: { path: '/api/orders/preview', ask: json({ criteria: { everything: true } }), status: 200 },
  orders: { path: '/api/orders?state=all&kind=suspend', status: 200 },
  order: { path: '/api/orders/ORDER', status: 200 },
  endOrder: { path: '/api/orders/ORDER', ask: { ...json({ reason: 'enough' }), method: 'DELETE' }, status: 200 },
  dispositions: { path: '/api/dispositions?type=Bounce', status: 200 },
  disposition: { path: '/api/dispositions/RECORD', status: 200 },
  dispositionCounts: { path: '/api/dispositions/counts?since=1h&step=5m', status: 200 },
  conversation: { path: '/api/dispositions/none/conversation', status: 404 }, // its own tests have one
  smtpTrace: { path: '/api/trace/smtp?client=nobody', status: 400 }, // as with events
  events: { path: '/api/events?after=now', status: 400 }, // a stream has no end; its own tests follow it
  previewReplay: { path: '/api/replays/preview', ask: json({ to: 'bounces', since: '1h' }), status: 200 },
  createReplay: { path: '/api/replays', ask: json({ to: 'bounces', since: '1h', reason: 'again' }), status: 202 },
  replays: { path: '/api/replays', status: 200 },
  replay: { path: '/api/replays/REPLAY', status: 200 },
  replayRecords: { path: '/api/replays/REPLAY/records', status: 200 },
  resumeReplay: { path: '/api/replays/REPLAY/resume', ask: json({ reason: 'go on' }), status: 202 },
  cancelReplay: { path: '/api/replays/REPLAY', ask: { ...json({ reason: 'enough' }), method: 'DELETE' }, status: 200 },
  deadLetters: { path: '/api/queues/inbound/dead-letters', status: 200 },
  retryDeadLetters: { path: '/api/queues/bounces/dead-letters/retry', ask: json({ all: true, reason: 'mended' }), status: 200 },
  dropDeadLetters: { path: '/api/queues/bounces/dead-letters/drop', ask: json({ jobs: ['x'], reason: 'too old' }), status: 200 },
  rules: { path: '/api/rules', status: 200 },
  backtestRule: { path: '/api/rules/backtest', ask: json({ rules: '{"no such user": 452}' }), status: 200 },
  policy: { path: '/api/policy', status: 200 },
  workers: { path: '/api/workers', status: 200 },
  config: { path: '/api/config', status: 200 },
  audit: { path: '/api/audit', status: 200 },
  reportPreview: { path: '/api/reports/preview', ask: json({ record: bounceRecord() }), status: 200 },
};

const plan: ReplayPlan = { filter: { until: 1 }, target: { kind: 'bounces' }, rate: 1, force: false };

function json(body: unknown): Ask {
  return { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
}

/** An order in force. */
async function suspended({ context, pipeline }: TestAdmin): Promise<string> {
  const id = randomBytes(16).toString('hex');
  const order: Order = { id, kind: 'suspend', criteria: { tenant: 'a' }, reason: 'x', who: 'test', created: Date.now(), expires: null };
  await giveOrder(order, false, context.redis, pipeline.queues);
  return id;
}

async function started(
  t: TestContext,
): Promise<{ admin: TestAdmin; ask: (name: EndpointName, headers: Record<string, string>) => Promise<Answer> }> {
  const admin = await startTestAdmin(t, { admin: logins });
  const kept = bounceRecord();
  await admin.publish(kept);
  const ask = async (name: EndpointName, headers: Record<string, string>): Promise<Answer> => {
    const { path, ask: question = {} } = requests[name];
    const [message = ''] = path.includes('MESSAGE') ? await admin.queue('waits@dest.test') : [];
    const order = path.includes('ORDER') ? await suspended(admin) : '';
    const replay = path.includes('REPLAY')
      ? await createReplay(admin.context.redis, plan, { who: 'tester', why: '', isAudited: true })
      : '';
    const names = { MESSAGE: message, ORDER: order, RECORD: kept.event_id, REPLAY: replay };
    return admin.ask(
      path.replace(/MESSAGE|ORDER|RECORD|REPLAY/, (word) => names[word as keyof typeof names]),
      {
        ...question,
        headers: { ...question.headers, ...headers },
      },
    );
  };
  return { admin, ask };
}

test('every operation is for its role and those above it', async (t) => {
  const { admin, ask } = await started(t);
  await admin.queue('first@dest.test');
  for (const [name, endpoint] of Object.entries<Endpoint>(endpoints) as [EndpointName, Endpoint][]) {
    for (const role of roles) {
      const isAllowed = roles.indexOf(role) >= roles.indexOf(endpoint.role);
      for (const headers of [basic(`${role}-user:secret of ${role}`), bearer(tokenOf(role))]) {
        const answer = await ask(name, headers);
        assert.equal(answer.status, isAllowed ? requests[name].status : 403, `${name} as ${role}: ${answer.text}`);
        if (!isAllowed) assert.match(String(answer.json['detail']), new RegExp(`needs the role ${endpoint.role}`));
        if (answer.status < 300 && endpoint.answer)
          assert.deepEqual(endpoint.answer.safeParse(answer.json).error?.issues, undefined, `${name} answers as it is described`);
      }
    }
    assert.equal((await ask(name, {})).status, 401, `${name} without a login`);
  }
});

test('pages are for everybody who may look; the program of the page is no secret', async (t) => {
  const { admin } = await started(t);
  for (const path of ['/docs', '/docs/openapi.json', '/queues', '/metrics']) {
    assert.equal((await admin.ask(path)).status, 401, path);
    assert.equal((await admin.ask(path, { headers: bearer(tokenOf('viewer')) })).status, 200, path);
    const { status, headers, text } = await admin.ask(path, { headers: { 'sec-fetch-site': 'none', 'sec-fetch-mode': 'navigate' } });
    assert.equal(status, 401, 'a person in a browser is asked by our own page');
    assert.match(text, /<div id="app">/);
    assert.equal(headers['www-authenticate'], undefined);
  }
  const { status, text } = await admin.ask('/bounces');
  assert.equal(status, 200);
  assert.ok(!text.includes('relay.test'), 'it says nothing of this relay');
});

test('passwords and tokens may be kept as hashes, which are no logins themselves', async (t) => {
  const [password, token] = await Promise.all([hashPassword('sesame'), hashPassword('a token of thirty-two letters')]);
  const admin = await startTestAdmin(t, {
    admin: { host: '0.0.0.0', users: [{ name: 'ann', password, role: 'admin' }], tokens: [{ name: 'ci', token, role: 'operator' }] },
  });
  const cases: [headers: Record<string, string>, you: unknown][] = [
    [basic('ann:sesame'), { name: 'ann', role: 'admin' }],
    [bearer('a-token'), undefined],
    [basic(`ann:${password}`), undefined],
    [bearer(token), undefined],
    [basic('ci:a token of thirty-two letters'), undefined],
    [{ authorization: 'Bearer' }, undefined],
    [{ authorization: 'Digest username="ann"' }, undefined],
  ];
  for (const [headers, you] of cases) {
    const { status, json: told } = await admin.ask('/api/status', { headers });
    assert.deepEqual([status, told['you']], [you ? 200 : 401, you], JSON.stringify(headers));
  }
  const { text } = await admin.ask('/api/config', { headers: basic('ann:sesame') });
  assert.ok(text.includes('"users":[{"name":"ann","password":"[hidden]"') && !text.includes(password) && !text.includes(token));
});

test('whoever guesses too often from one address is not listened to, others are', async (t) => {
  const { admin } = await started(t);
  const right = bearer(tokenOf('viewer'));
  const guess = (n: number, from: string): Promise<Answer> => admin.ask('/api/status', { headers: basic(`viewer-user:${n}`), from });
  assert.equal((await admin.ask('/api/status', { headers: right, from: '127.0.0.3' })).status, 200);
  const guesses = await Promise.all(Array.from({ length: 30 }, (_, n) => guess(n, '127.0.0.3')));
  assert.equal(guesses.filter(({ status }) => status === 401).length, 10, 'also of those that come at once');
  const limited = guesses.find(({ status }) => status === 429);
  assert.equal(limited?.headers['retry-after'], '60');
  assert.equal((await admin.ask('/api/status', { headers: right, from: '127.0.0.3' })).status, 200, 'a login known to be right');
  assert.equal((await guess(1000, '127.0.0.4')).status, 401, 'another address');
  for (let n = 0; n < 20; n++) assert.equal((await guess(2000, '127.0.0.5')).status, 401, 'the same wrong one again is no guess');
  assert.equal((await guess(2001, '127.0.0.5')).status, 401);
});

test('no page of another site changes anything, whatever login the browser adds', async (t) => {
  const { admin, ask } = await started(t);
  const login = basic('admin-user:secret of admin');
  const cases: [headers: Record<string, string>, isAllowed: boolean][] = [
    [{}, true],
    [{ 'sec-fetch-site': 'same-origin', origin: `http://127.0.0.1:${admin.port}` }, true],
    [{ 'sec-fetch-site': 'none' }, true],
    [{ 'sec-fetch-site': 'cross-site' }, false],
    [{ 'sec-fetch-site': 'same-site' }, false],
    [{ origin: 'http://evil.example' }, false],
    [{ origin: 'null' }, false],
    [{ origin: `http://127.0.0.1:${admin.port + 1}` }, false],
  ];
  for (const [headers, isAllowed] of cases) {
    for (const name of Object.keys(endpoints) as EndpointName[]) {
      if (endpoints[name].method === 'GET') continue;
      const answer = await ask(name, { ...login, ...headers });
      assert.equal(answer.status, isAllowed ? requests[name].status : 403, `${name} ${JSON.stringify(headers)}: ${answer.text}`);
    }
  }
  for (const type of ['application/x-www-form-urlencoded', 'multipart/form-data; boundary=x', 'text/plain'])
    assert.equal((await ask('inject', { ...login, 'content-type': type })).status, 415, 'what a form can send');
});

test('who changed what, and why, is kept for admins; looking is not', async (t) => {
  const { admin, ask } = await started(t);
  const operator = bearer(tokenOf('operator'));
  for (const name of Object.keys(endpoints) as EndpointName[]) await ask(name, operator);
  const [id = ''] = await admin.queue('waits@dest.test');
  const gone = await admin.ask(`/api/messages/${id.replace(/.$/, 'x')}/bounce`, {
    ...json({ reason: 'x' }),
    headers: { 'content-type': 'application/json', ...operator },
  });
  assert.equal(gone.status, 404, 'what is no message id is not tried');
  const { json: told } = await admin.ask('/api/audit', { headers: bearer(tokenOf('admin')) });
  // That a replay has queued all its records is told by whoever runs it.
  const entries = (told['entries'] as Record<string, unknown>[]).filter(({ action }) => action !== 'replay');
  const writes = (Object.entries<Endpoint>(endpoints) as [string, Endpoint][]).filter(([, endpoint]) => isWrite(endpoint));
  assert.deepEqual(new Set(entries.map(({ action }) => action)), new Set(writes.map(([name]) => name)));
  assert.equal(entries.length, writes.length);
  const bounced = entries.find(({ action }) => action === 'bounceMessage');
  assert.partialDeepStrictEqual(bounced, {
    who: 'operator-program',
    role: 'operator',
    address: '127.0.0.1',
    reason: 'not wanted',
    status: 202,
    result: '1 recipients ended, 0 busy',
  });
  assert.match(String(bounced?.['target']), /^[0-9a-f]{32}$/);
  // A page at a time, and what failed too.
  const unknown = '0'.repeat(32);
  await admin.post(`/api/messages/${unknown}/bounce`, { reason: 'why not' }, operator);
  const seen: unknown[] = [];
  for (let cursor = ''; ;) {
    const page = (await admin.ask(`/api/audit?limit=2${cursor}`, { headers: bearer(tokenOf('admin')) })).json;
    seen.push(...(page['entries'] as { action: string }[]).filter(({ action }) => action !== 'replay'));
    if (page['next'] === null) break;
    cursor = `&cursor=${page['next'] as string}`;
  }
  assert.equal(seen.length, writes.length + 1);
  assert.partialDeepStrictEqual(seen[0], { action: 'bounceMessage', target: unknown, status: 404, reason: 'why not' });
});
