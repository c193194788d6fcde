import assert from 'node:assert/strict';
import { describe, test, type TestContext } from 'node:test';
import type { DispositionRecord } from '../../shared/core/disposition.ts';
import { ReboundClient, type ApiError } from '../../shared/io/client.ts';
import { trimConversations } from '../../shared/io/conversations.ts';
import { startSink, type SinkRules } from '../../shared/io/sink-server.ts';
import { selfSigned } from '../support/certificate.ts';
import { cleanUp } from '../support/cleanup.ts';
import { startCommandLine, type CommandLine } from '../support/command-line.ts';
import { freePort } from '../support/ports.ts';

const isOf =
  (address: string, ...types: string[]) =>
  ({ type, recipient }: DispositionRecord): boolean =>
    types.includes(type) && recipient === address;

/** The conversation of an event as text: `>` the client, `<` the server, `*` neither. */
async function conversationOf({ url }: CommandLine, event: string): Promise<string> {
  const { lines } = await new ReboundClient({ url }).conversation({ params: { event } });
  return lines.map(({ direction, text }) => `${{ client: '>', server: '<', note: '*' }[direction]} ${text}`).join('\n');
}

const failures = ['Bounce', 'TransientFailure', 'Expiration'];
const steps: [name: string, rules: SinkRules, want: RegExp][] = [
  ['refused greeting', { connect: '554 5.7.1 go away' }, /^\* connecting to 127\.0\.0\.1:\d+\n< 554 5\.7\.1 go away/],
  ['dropped greeting', { connect: 'drop' }, /^\* connecting to [^]*\* /],
  ['refused MAIL', { mail: '550 5.7.1 not you' }, /> EHLO relay\.test\n[^]*> MAIL FROM:<ann@home\.test>[^]*< 550 5\.7\.1 not you/],
  [
    'refused RCPT of several lines',
    { rcpt: '550-5.1.1 no\r\n550 5.1.1 such user' },
    /> RCPT TO:<[^]*< 550-5\.1\.1 no\n< 550 5\.1\.1 such user/,
  ],
  ['refused DATA', { data: '554 5.6.0 no' }, /> DATA[^]*< 554 5\.6\.0 no/],
  ['refused content', { message: '554 5.7.1 spam' }, /< 354 [^]*> \[\d+ octets\]\n< 554 5\.7\.1 spam/],
  ['a connection lost in the content', { message: 'drop' }, /> \[\d+ octets\]\n\* /],
  ['hostile octets', { rcpt: '550 5.1.1 \u001b[2J\u202e\u0007no' }, /< 550 5\.1\.1 \u001b\[2J/],
];

for (const client of ['rebound', 'nodemailer'] as const) {
  describe(`the conversation of a failure is kept, client ${client}`, () => {
    for (const [n, [name, rules, want]] of steps.entries()) {
      test(name, async (t) => {
        const relay = await startCommandLine(t, { config: { delivery: { client } }, sink: { rules }, bounces: false });
        const to = `bob${n}@dest.test`;
        await relay.send({ from: 'ann@home.test', to, text: 'hidden words' });
        const [record] = await relay.until(isOf(to, ...failures));
        assert.ok(record);
        const text = await conversationOf(relay, record.event_id);
        assert.match(text, want);
        assert.ok(!text.includes('hidden words'), 'content is no part of it');
      });
    }

    test('a server that repeats the password', async (t) => {
      const login = { user: 'relay-user', password: 'pass word 4711' };
      const secrets = [login.password, `\0${login.user}\0${login.password}`].flatMap((text) => [
        text,
        Buffer.from(text).toString('base64'),
      ]);
      const strict = await startSink({
        login,
        rules: { auth: secrets.map((text, n) => `535${n === 3 ? ' ' : '-'}5.7.8 no ${text}`).join('\r\n') },
      });
      const lax = await startSink({ login, rules: { rcpt: `550 5.7.1 not with ${login.password}` } });
      cleanUp(t, () => Promise.all([strict.close(), lax.close()]));
      const to = ({ host, port }: typeof lax) => ({ host, port, ...login });
      const relay = await startCommandLine(t, {
        config: { delivery: { client }, outbound: { routes: { 'strict.test': to(strict), 'lax.test': to(lax) } } },
        bounces: false,
      });
      await relay.send({ from: 'ann@home.test', to: ['a@strict.test', 'b@lax.test'] });
      for (const address of ['a@strict.test', 'b@lax.test']) {
        const [record] = await relay.until(isOf(address, ...failures));
        const text = JSON.stringify(record);
        assert.match(text, /\*\*\*/, text);
        for (const secret of secrets) assert.ok(!text.includes(JSON.stringify(secret).slice(1, -1)), text);
      }
    });

    test('nobody listens, and a certificate that is not trusted', async (t) => {
      const secure = await startSink({ tls: selfSigned('other.test') });
      cleanUp(t, () => secure.close());
      const routes = {
        'closed.test': `127.0.0.1:${await freePort()}`,
        'tls.test': { host: '127.0.0.1', port: secure.port, tls: 'required' as const },
      };
      const relay = await startCommandLine(t, { config: { delivery: { client }, outbound: { routes } }, bounces: false });
      await relay.send({ from: 'ann@home.test', to: ['a@closed.test', 'b@tls.test'] });
      const [closed] = await relay.until(isOf('a@closed.test', ...failures));
      const [tls] = await relay.until(isOf('b@tls.test', ...failures));
      assert.ok(closed && tls);
      assert.match(await conversationOf(relay, closed.event_id), /^\* connecting to 127\.0\.0\.1:\d+\n\* cannot connect: ECONNREFUSED/);
      assert.match(await conversationOf(relay, tls.event_id), /> STARTTLS\n< 220 [^]*\n\* .*certificate/i);
    });
  });
}

const notFound = (error: unknown): boolean => (error as ApiError).status === 404;

test('what was delivered has none, nor has a setting of 0, and words say so', async (t) => {
  const relay = await startCommandLine(t, {
    config: { delivery: { keepConversations: 0 } },
    sink: { rules: { rcpt: { 'no@dest.test': '550 5.1.1 no' } } },
    bounces: false,
  });
  await relay.send({ from: 'ann@home.test', to: ['no@dest.test', 'yes@dest.test'] });
  const [bounced] = await relay.until(isOf('no@dest.test', 'Bounce'));
  const [delivered] = await relay.until(isOf('yes@dest.test', 'Delivery'));
  for (const record of [bounced, delivered]) await assert.rejects(conversationOf(relay, record?.event_id ?? ''), notFound);
  for (const event of ['x', '../x', '0'.repeat(32)]) await assert.rejects(conversationOf(relay, event), notFound);
  assert.deepEqual(await relay.observer.redis.client.keys('*conversations:*'), []);
});

async function refusedBy(t: TestContext): Promise<{ relay: CommandLine; events: string[] }> {
  const relay = await startCommandLine(t, {
    sink: { rules: { connect: '421 4.3.2 busy' } },
    config: { retry: { interval: '1h', maxInterval: '1h' } },
    bounces: false,
  });
  const to = Array.from({ length: 5 }, (_, n) => `a${n}@dest.test`);
  for (const address of to) await relay.send({ from: 'ann@home.test', to: address });
  const records = await Promise.all(to.map((address) => relay.until(isOf(address, 'TransientFailure'))));
  return { relay, events: records.map(([record]) => record?.event_id ?? '') };
}

test('messages that share the failure of a connection share its conversation, and it is there once', async (t) => {
  const { relay, events } = await refusedBy(t);
  const texts = await Promise.all(events.map((event) => conversationOf(relay, event)));
  for (const text of texts) assert.match(text, /< 421 4\.3\.2 busy/);
  const { client } = relay.observer.redis;
  const values = (await Promise.all((await client.keys('*conversations:*')).map((key) => client.hgetall(key)))).flatMap((hash) =>
    Object.values(hash),
  );
  const whole = values.filter((value) => value.startsWith('{')).length;
  assert.ok(whole <= relay.sink.counts.connections.total, `${whole} of ${relay.sink.counts.connections.total} connections`);
});

test('conversations give way when Redis runs short of memory, and records stay', async (t) => {
  const { relay, events } = await refusedBy(t);
  await trimConversations(relay.observer, false);
  assert.match(await conversationOf(relay, events[0] ?? ''), /busy/, 'with room they stay');
  await trimConversations(relay.observer, true);
  for (const event of events) await assert.rejects(conversationOf(relay, event), notFound);
  assert.equal((await relay.records('TransientFailure')).length >= events.length, true);
});
