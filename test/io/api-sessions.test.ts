import assert from 'node:assert/strict';
import { request, type IncomingMessage } from 'node:http';
import { test, type TestContext } from 'node:test';
import { openSessions } from '../../workers/admin/sessions.ts';
import { basic, startTestAdmin, type Answer, type TestAdmin } from '../support/admin.ts';
import { connectRedis, startRedis } from '../support/redis.ts';

const users = [
  { name: 'ann', password: 'sesame', role: 'operator' as const },
  { name: 'bob', password: 'seasam', role: 'viewer' as const },
];

interface LoggedIn {
  cookie: string;
  csrf: string;
  answer: Answer;
}

async function logIn(admin: TestAdmin, user: string, password: string, headers: Record<string, string> = {}): Promise<LoggedIn> {
  const answer = await admin.post('/api/login', { user, password }, headers);
  const cookie = String(answer.headers['set-cookie'] ?? '').split(';')[0] ?? '';
  const me = answer.status === 200 ? await admin.ask('/api/me', { headers: { cookie } }) : undefined;
  return { cookie, csrf: (me?.json['csrf'] as string | undefined) ?? '', answer };
}

const started = (t: TestContext): Promise<TestAdmin> => startTestAdmin(t, { admin: { users } });

test('a login gives a cookie that no script reads and no other site sends, and with it the same may be done as with the password', async (t) => {
  const admin = await started(t);
  const { cookie, answer } = await logIn(admin, 'ann', 'sesame');
  assert.deepEqual(answer.json, { name: 'ann', role: 'operator' });
  assert.match(String(answer.headers['set-cookie']), /^rebound_session=[\w-]{43}; Path=\/; Max-Age=43200; HttpOnly; SameSite=Strict$/);
  assert.partialDeepStrictEqual((await admin.ask('/api/me', { headers: { cookie } })).json, {
    name: 'ann',
    role: 'operator',
    login: 'session',
  });
  assert.partialDeepStrictEqual((await admin.ask('/api/me', { headers: basic('ann:sesame') })).json, {
    name: 'ann',
    login: 'credentials',
    csrf: null,
  });
  assert.equal((await admin.ask('/api/audit', { headers: { cookie } })).status, 403, 'an operator is no admin');
  const behindTls = await logIn(admin, 'ann', 'sesame', { 'x-forwarded-proto': 'https' });
  assert.match(String(behindTls.answer.headers['set-cookie']), /; Secure$/);
});

test('a change in a session needs its token besides the cookie', async (t) => {
  const admin = await started(t);
  const { cookie, csrf } = await logIn(admin, 'ann', 'sesame');
  const other = await logIn(admin, 'ann', 'sesame');
  const body = { from: 'ann@home.test', to: ['bob@dest.test'], text: 'hello' };
  const cases: [what: string, headers: Record<string, string>, status: number][] = [
    ['none', {}, 403],
    ['empty', { 'x-csrf-token': '' }, 403],
    ['that of another session', { 'x-csrf-token': other.csrf }, 403],
    ['its own', { 'x-csrf-token': csrf }, 202],
    ['its own, as the board sends it', { 'x-xsrf-token': csrf }, 202],
    ['its own, from a page of another site', { 'x-csrf-token': csrf, 'sec-fetch-site': 'cross-site' }, 403],
  ];
  for (const [what, headers, status] of cases)
    assert.equal((await admin.post('/api/messages', body, { cookie, ...headers })).status, status, what);
  assert.equal((await admin.post('/api/logout', undefined, { cookie })).status, 403, 'nobody else logs him out');
});

test('a session ends by logging out, and with the password that began it', async (t) => {
  const admin = await started(t);
  const { cookie, csrf } = await logIn(admin, 'ann', 'sesame');
  const { cookie: bobs } = await logIn(admin, 'bob', 'seasam');
  const out = await admin.ask('/api/logout', { method: 'POST', headers: { cookie, 'x-csrf-token': csrf } });
  assert.match(String(out.headers['set-cookie']), /^rebound_session=; Path=\/; Max-Age=0;/);
  assert.equal((await admin.ask('/api/me', { headers: { cookie } })).status, 401);
  assert.equal((await admin.ask('/api/me', { headers: { cookie: bobs } })).status, 200, 'that of others goes on');
  const kept = await admin.context.redis.client.keys('*admin-session*');
  const values = await Promise.all(kept.filter((key) => /session:/.test(key)).map((key) => admin.context.redis.client.get(key)));
  assert.ok(values.length === 1 && ![...kept, ...values].join().includes(bobs.split('=')[1] ?? '!'), 'Redis has no token');
  const sessions = openSessions(admin.context.redis);
  const token = bobs.split('=')[1] ?? '';
  assert.equal((await sessions.find(token, () => 'seasam'))?.name, 'bob');
  assert.equal(await sessions.find(token, () => 'changed'), undefined);
  assert.equal(await sessions.find(token, () => undefined), undefined);
  for (const forged of ['', 'x', '*', `${token}x`, 'A'.repeat(43), `${token}; x`])
    assert.equal(
      (await admin.ask('/api/me', { headers: { cookie: `rebound_session=${forged}` } })).status,
      forged.startsWith(`${token};`) ? 200 : 401,
      forged,
    );
});

test('an event stream ends with the session that it was opened in', async (t) => {
  const admin = await startTestAdmin(t, { admin: { users } }, { heartbeat: 50, patience: 5000 });
  const [leaving, staying] = [await logIn(admin, 'ann', 'sesame'), await logIn(admin, 'bob', 'seasam')];
  const open = (cookie: string): Promise<IncomingMessage> =>
    new Promise((resolve, reject) => {
      const call = request({ host: '127.0.0.1', port: admin.port, path: '/api/events', headers: { cookie }, agent: false }, (stream) => {
        stream.on('error', () => undefined).resume();
        resolve(stream);
      });
      call.on('error', reject).end();
    });
  const [ending, going] = [await open(leaving.cookie), await open(staying.cookie)];
  const ended = new Promise((resolve) => ending.on('close', resolve)); // as an abort, which is no error here
  await admin.ask('/api/logout', { method: 'POST', headers: { cookie: leaving.cookie, 'x-csrf-token': leaving.csrf } });
  await ended;
  assert.equal(going.destroyed, false, 'that of another goes on');
});

test('guesses at the login page are limited as all others are', async (t) => {
  const admin = await started(t);
  const answers = await Promise.all(Array.from({ length: 15 }, (_, n) => logIn(admin, 'ann', `guess ${n}`)));
  const statuses = answers.map(({ answer }) => answer.status);
  assert.equal(statuses.filter((status) => status === 401).length, 10);
  assert.equal(statuses.filter((status) => status === 429).length, 5);
  assert.equal(
    answers.some(({ cookie }) => cookie !== ''),
    false,
  );
  assert.equal((await admin.ask('/api/me', { headers: basic('ann:another') })).status, 429, 'they are counted together');
});

test('a thousand sessions are kept; of more, the oldest ends', async (t) => {
  const redis = await connectRedis(t, (await startRedis(t)).url);
  const sessions = openSessions(redis);
  const first = await sessions.open('ann', 'x');
  const second = await sessions.open('ann', 'x');
  for (let n = 0; n < 999; n++) await sessions.open('bob', 'x');
  assert.equal(await sessions.find(first, () => 'x'), undefined);
  assert.equal((await sessions.find(second, () => 'x'))?.name, 'ann');
  assert.equal((await redis.client.keys('*admin-session:*')).length, 1000);
});

test('without logins in the settings there is none', async (t) => {
  const admin = await startTestAdmin(t);
  assert.partialDeepStrictEqual((await admin.ask('/api/me')).json, { name: 'local', role: 'admin', login: 'none', csrf: null });
  assert.equal((await logIn(admin, 'ann', 'sesame')).answer.status, 409);
});
