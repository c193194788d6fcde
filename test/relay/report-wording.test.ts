import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { tmpdir } from 'node:os';
import { test } from 'node:test';
import { decodeWords } from '../../shared/core/dsn/encoded-word.ts';
import { readFields, valuesOf } from '../../shared/core/dsn/field.ts';
import { parseMime } from '../../shared/core/dsn/mime.ts';
import { parseRfc3464 } from '../../shared/core/dsn/parse.ts';
import type { SinkMessage } from '../../shared/io/sink-server.ts';
import { run as runBounce } from '../../workers/bounce/main.ts';
import { startRebound, type Relay } from '../support/relay.ts';
import { openDialogue } from '../support/smtp-dialogue.ts';

/** A message that the destination refuses, from a login or from a trusted client. */
async function send(relay: Relay, sender: string, login?: string, header: readonly string[] = []): Promise<void> {
  const client = await openDialogue({ port: relay.port });
  const auth = login && Buffer.from(`\0${login}\0secret`).toString('base64');
  await client.expect([[undefined, '220'], ['EHLO client.test', '250'], ...(auth ? [[`AUTH PLAIN ${auth}`, '235'] as const] : [])]);
  const content = [`From: ${sender}`, 'Subject: =?utf-8?Q?Gr=C3=BC=C3=9Fe?=', ...header, '', 'hello', '.'].join('\r\n');
  await client.expect([
    [`MAIL FROM:<${sender}>`, '250'],
    ['RCPT TO:<nobody@dest.test>', '250'],
    ['DATA', '354'],
    [content, '250'],
    ['QUIT', '221'],
  ]);
  client.destroy();
}

const reportTo = (relay: Relay, recipient: string): Promise<SinkMessage> =>
  relay.sink.next((message) => message.sender === '' && message.recipients.includes(recipient), 20_000);
const wordsOf = ({ bytes }: SinkMessage): string => parseMime(bytes).simpleStructure().textPart.body;
const field = ({ bytes }: SinkMessage, name: string): string =>
  decodeWords(valuesOf(readFields(bytes.toString('latin1').split('\r\n\r\n')[0] ?? ''), name)[0] ?? '');

test('each tenant gets its reports in its own words and language, or none (rule 36)', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'rebound-wording-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const own = join(folder, 'own.txt');
  await writeFile(own, 'Subject: About {{subject}}\n\nDear customer, {{id}}:\n{{#case}}\n{{recipients}}: {{response}}\n{{/case}}\n');
  const users = ['acme', 'own', 'quiet', 'other'].map((name) => ({ name, password: 'secret', tenant: name }));
  const relay = await startRebound(t, {
    config: {
      ingress: { users, allowPlainAuth: true },
      bounce: {
        language: 'auto',
        tenants: { acme: { language: 'de', from: 'hilfe@acme.test' }, own: { template: own }, quiet: { enabled: false } },
      },
    },
    sink: { rules: { rcpt: { 'nobody@dest.test': '550 5.1.1 no such user' } } },
  });

  await send(relay, 'ann@acme.test', 'acme', ['Accept-Language: fr']);
  const german = await reportTo(relay, 'ann@acme.test');
  assert.equal(field(german, 'Subject'), 'Ihre Nachricht konnte nicht zugestellt werden');
  assert.match(field(german, 'From'), /<hilfe@acme\.test>$/);
  assert.match(wordsOf(german), /Nachricht „Grüße“ vom [^]*\r\n {2}nobody@dest\.test\r\n[^]*Unter dieser Adresse gibt es kein Postfach\./);
  assert.match(wordsOf(german), /\r\n {2}550 5\.1\.1 no such user\r\n/);
  assert.equal(parseRfc3464(german.bytes)?.recipients[0]?.status, '5.1.1');

  await send(relay, 'ann@own.test', 'own');
  const ours = await reportTo(relay, 'ann@own.test');
  assert.equal(field(ours, 'Subject'), 'About Grüße');
  assert.match(wordsOf(ours), /^Dear customer, [0-9a-f]{32}:\r\n\r\nnobody@dest\.test: 550 5\.1\.1 no such user\r\n$/);

  await send(relay, 'ann@other.test', 'other', ['Accept-Language: it, fr;q=0.5']);
  assert.match(wordsOf(await reportTo(relay, 'ann@other.test')), /^Ceci est un message automatique/);

  await send(relay, 'ann@plain.test');
  assert.match(wordsOf(await reportTo(relay, 'ann@plain.test')), /^This is an automatic message/);

  await send(relay, 'ann@quiet.test', 'quiet');
  const [failure] = await relay.until((record) => record.type === 'Bounce' && record.sender === 'ann@quiet.test');
  const mark = relay.observer.redis.key(`report:${failure?.event_id}`);
  const deadline = Date.now() + 20_000;
  let outcome = null;
  while ((outcome = await relay.observer.redis.client.get(mark)) === null && Date.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assert.equal(outcome, 'suppressed:disabled');
});

test('a bounce worker does not start with a template that has mistakes', async (t) => {
  const relay = await startRebound(t, { bounces: false });
  const bounce = { ...relay.config.bounce, template: '/nowhere/templates' };
  const context = { ...relay.observer, config: { ...relay.config, bounce } };
  await assert.rejects(
    runBounce(context),
    /^ConfigError: bounce\.template = "\/nowhere\/templates": expected plain, classic, or a file or folder/,
  );
});
