import assert from 'node:assert/strict';
import { test } from 'node:test';
import { simpleParser } from 'mailparser';
import { run as runAdmin } from '../../workers/admin/main.ts';
import { cleanUp } from '../support/cleanup.ts';
import { startRebound, type Relay, type RelayOptions } from '../support/relay.ts';
import type { TestContext } from 'node:test';

interface Injected {
  results: { recipient: string; id: string | null }[];
  queued: number;
}

interface Api {
  relay: Relay;
  post(path: string, body: string, type: string): Promise<{ status: number; body: Injected }>;
  inject(mail: unknown): Promise<Injected>;
  get(path: string): Promise<Record<string, unknown>>;
}

async function startApi(t: TestContext, options: RelayOptions = {}): Promise<Api> {
  const relay = await startRebound(t, { ...options, config: { ...options.config, admin: { port: 0 } } });
  const admin = await runAdmin(relay.observer);
  cleanUp(t, () => admin.close());
  const post: Api['post'] = async (path, body, type) => {
    const answer = await fetch(`${admin.describe}${path}`, { method: 'POST', headers: { 'content-type': type }, body });
    return { status: answer.status, body: (await answer.json()) as Injected };
  };
  return {
    relay,
    post,
    inject: async (mail) => {
      const { status, body } = await post('/api/messages', JSON.stringify(mail), 'application/json');
      assert.equal(status, 202, JSON.stringify(body));
      return body;
    },
    get: async (path) => (await (await fetch(`${admin.describe}${path}`)).json()) as Record<string, unknown>,
  };
}

test('a message written by the API arrives as it was meant', async (t) => {
  const { relay, inject } = await startApi(t);
  const { results, queued } = await inject({
    from: 'Änne "the" Example <anne@home.test>',
    to: ['bob@dest.test', { address: 'eve@dest.test', name: 'Eve, "the other"' }],
    subject: 'Grüße {{name}}',
    text: 'hello {{name}}\n.\n..two dots\n',
    html: '<p>hello</p>',
    headers: { 'Reply-To': 'desk@home.test', 'X-Note': 'ünïcode', 'List-Unsubscribe': '<mailto:off@home.test>' },
    attachments: [{ filename: 'grüße.txt', content: Buffer.from('attached').toString('base64'), content_type: 'text/plain' }],
    envid: 'a+b=c',
    ret: 'HDRS',
    notify: ['FAILURE', 'DELAY'],
    campaign: 'spring',
  });
  assert.equal(queued, 2);
  assert.equal(results[0]?.id, results[1]?.id, 'one message for all');
  const sent = await relay.sink.next(() => true);
  const mail = await simpleParser(sent.bytes);
  assert.deepEqual(mail.from?.value[0], { name: 'Änne "the" Example', address: 'anne@home.test' });
  assert.deepEqual([mail.to].flat()[0]?.value, [
    { name: '', address: 'bob@dest.test' },
    { name: 'Eve, "the other"', address: 'eve@dest.test' },
  ]);
  assert.equal(mail.subject, 'Grüße {{name}}', 'nothing is replaced where nobody asked for it');
  assert.equal(mail.text?.trim(), 'hello {{name}}\n.\n..two dots');
  assert.equal(mail.replyTo?.text, 'desk@home.test');
  assert.equal(mail.headers.get('x-note'), '=?UTF-8?Q?=C3=BCn=C3=AFcode?=');
  assert.deepEqual([mail.attachments[0]?.filename, String(mail.attachments[0]?.content)], ['grüße.txt', 'attached']);
  const text = sent.bytes.toString('latin1');
  assert.match(text, /^Received: from \[127\.0\.0\.1\] \(\[127\.0\.0\.1\]\)\r\n\tby relay\.test with HTTP id [0-9a-f]{32};\r\n/);
  assert.ok(!/[\u0080-\u00ff]/.test(text), 'it needs no 8BITMIME');
  const [received] = await relay.until(({ type }) => type === 'Reception');
  assert.partialDeepStrictEqual(received, { id: results[0]?.id, reception_protocol: 'HTTP', meta: { authn_id: 'local', trusted: true } });
  const [delivered] = await relay.until(({ type }) => type === 'Delivery');
  assert.equal(delivered?.queue, 'spring:@dest.test');
});

test('each recipient has his own message with his values, which are text whatever they hold', async (t) => {
  const { relay, inject } = await startApi(t);
  const hostile = '</p><script>alert(1)</script>{{secret}}\r\nBcc: eve@evil.test';
  const { results } = await inject({
    from: 'ann@home.test',
    sender: 'bounces@home.test',
    to: [
      { address: 'bob@dest.test', substitutions: { name: hostile } },
      { address: 'eve@dest.test', name: 'Eve', substitutions: { name: '$& $1 Eve' } },
      'all@dest.test',
    ],
    substitutions: { name: 'everybody', secret: 'the secret' },
    subject: 'Dear {{ name }}',
    text: 'Dear {{name}}{{name}} {{unknown-to-nobody',
    html: '<p title="{{name}}">{{name}}</p>',
    headers: { 'X-Name': '{{name}}' },
  });
  assert.equal(new Set(results.map(({ id }) => id)).size, 3);
  await relay.sink.until(() => relay.sink.messages.length === 3);
  const of = async (address: string) => {
    const message = relay.sink.messages.find(({ recipients }) => JSON.stringify(recipients).includes(address));
    assert.ok(message);
    return { mail: await simpleParser(message.bytes), message };
  };
  const bob = await of('bob@dest.test');
  assert.equal([bob.mail.to].flat()[0]?.text, 'bob@dest.test', 'he sees nobody else');
  assert.equal(bob.mail.subject, 'Dear </p><script>alert(1)</script>{{secret}} Bcc: eve@evil.test');
  assert.equal(bob.mail.headers.get('bcc'), undefined);
  assert.ok(!String(bob.mail.html).includes('<script>'));
  assert.ok(!JSON.stringify(bob.mail.text).includes('the secret'), 'values are not looked into');
  assert.match(JSON.stringify(bob.mail.headers.get('x-name')), /\{\{secret\}\} Bcc: eve@evil\.test"$/);
  const eve = await of('eve@dest.test');
  assert.equal(eve.mail.text?.trim(), 'Dear $& $1 Eve$& $1 Eve {{unknown-to-nobody');
  assert.equal((await of('all@dest.test')).mail.subject, 'Dear everybody');
  assert.equal(eve.message.sender, 'bounces@home.test');
});

test('a message that is written already goes as it is, to many recipients', async (t) => {
  const { relay, post } = await startApi(t);
  const to = Array.from({ length: 200 }, (_, n) => `to=r${n}%40dest${n % 3}.test`).join('&');
  const raw = 'From: ann@home.test\nSubject: raw\nX-Odd:   kept   \n\n.\nline\n';
  const { status, body } = await post(`/api/messages/raw?sender=&${to}&notify=SUCCESS,FAILURE`, raw, 'message/rfc822');
  assert.deepEqual([status, body.queued], [202, 200]);
  await relay.until(({ type }) => type === 'Delivery', 3);
  for (const { sender, bytes } of relay.sink.messages) {
    assert.equal(sender, '');
    assert.ok(bytes.toString().endsWith(raw.replaceAll('\n', '\r\n')));
  }
  // Without a header there is still one for the trace field.
  await post('/api/messages/raw?sender=ann%40home.test&to=last%40dest.test', 'just words', 'message/rfc822');
  const last = await relay.sink.next(({ recipients }) => JSON.stringify(recipients).includes('last@'));
  assert.match(last.bytes.toString(), /^Received: [^]*\r\n\r\njust words\r\n$/);
});

test('the report of an injected message comes back as its sender asked', async (t) => {
  const { relay, inject } = await startApi(t, {
    sink: { rules: { rcpt: { 'nobody@dest.test': '550 5.1.1 no such user' } } },
  });
  await inject({ from: 'ann@home.test', to: ['nobody@dest.test'], text: 'x', envid: 'a+b=c', notify: ['FAILURE'] });
  const report = await relay.sink.next(({ sender }) => sender === '');
  assert.match(report.bytes.toString(), /Original-Envelope-Id: a\+b=c\r\n/i);
});

test('open delivery sessions are told by lane and worker', async (t) => {
  const { relay, inject, get } = await startApi(t, { sink: { rules: { message: 'hang' } } });
  await inject({ from: 'ann@home.test', to: ['bob@dest.test'], text: 'x' });
  for (let tries = 0; ; tries++) {
    const { sessions } = (await get('/api/sessions')) as { sessions: { lane: string; index: number; worker: string }[] };
    if (sessions.length > 0) {
      assert.partialDeepStrictEqual(sessions[0], { index: 0, worker: 'delivery-test' });
      assert.match(sessions[0]?.lane ?? '', /^default->127\.0\.0\.1;/);
      break;
    }
    assert.ok(tries < 1000);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  relay.sink.dropConnections();
});
