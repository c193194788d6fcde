import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test, type TestContext } from 'node:test';
import { dkimVerify } from 'mailauth/lib/dkim/verify.js';
import type { ConfigInput } from '../../shared/core/config.ts';
import { decodeWords } from '../../shared/core/dsn/encoded-word.ts';
import { readFields, valuesOf } from '../../shared/core/dsn/field.ts';
import { parseMime } from '../../shared/core/dsn/mime.ts';
import { parseRfc3464 } from '../../shared/core/dsn/parse.ts';
import { dkimRecord, loadDkimKeys } from '../../shared/io/dkim.ts';
import type { SinkMessage } from '../../shared/io/sink-server.ts';
import { dkimSettings, readRecord } from '../support/dkim-keys.ts';
import { handling, policyFolder } from '../support/policy.ts';
import { startRebound, type Relay } from '../support/relay.ts';
import { openDialogue } from '../support/smtp-dialogue.ts';

const home = 'ann@home.test';
const refusing = { rules: { rcpt: { 'bob@dest.test': '550 5.1.1 no such user', 'eve@dest.test': '550 5.7.1 no thanks' } } };

async function startWith(t: TestContext, handler: string, config: ConfigInput = {}): Promise<Relay> {
  const { file } = await policyFolder(t, handling({ report_created: handler }));
  return startRebound(t, { config: { policy: { file, timeout: '50s' }, ...config }, sink: refusing });
}

const reportTo = (relay: Relay, recipient: string): Promise<SinkMessage> =>
  relay.sink.next((message) => message.sender === '' && message.recipients.includes(recipient), 20_000);
const textOf = ({ bytes }: SinkMessage): string => parseMime(bytes).simpleStructure().textPart.body;
const subjectOf = ({ bytes }: SinkMessage): string =>
  decodeWords(valuesOf(readFields(bytes.toString('latin1').split('\r\n\r\n')[0] ?? ''), 'Subject')[0] ?? '');

test('a policy words a report, which is signed as it goes out and says to programs what it said before', async (t) => {
  const settings = await dkimSettings(t, 'relay.test');
  const { keys } = await loadDkimKeys(settings);
  const records = new Map(keys.map((key) => readRecord(dkimRecord(key))));
  const relay = await startWith(t, '({ text, subject }) => ({ text: `MODIFIED!\\r\\n${text}Viele Grüße`, subject: `Grüße: ${subject}` })', {
    hostname: 'relay.test',
    bounce: { dkim: settings },
  });
  await relay.send({ from: home, to: 'bob@dest.test' });
  const report = await reportTo(relay, home);
  assert.match(textOf(report), /^MODIFIED!\r\nThis is an automatic message[^]*\r\nViele Grüße\r\n$/);
  assert.match(subjectOf(report), /^Grüße: Your message /);
  assert.deepEqual(
    parseRfc3464(report.bytes)?.recipients.map(({ action, status }) => [action, status]),
    [['failed', '5.1.1']],
  );
  assert.match(Buffer.from(parseRfc3464(report.bytes)?.returned?.content ?? []).toString(), /^[^]*Message-ID: <m1@client\.test>\r\n/);
  const { results } = await dkimVerify(report.bytes, {
    resolver: ((name: string) => Promise.resolve([[records.get(name) ?? '']])) as never,
  });
  assert.deepEqual(
    results.map(({ status }) => status.result),
    ['pass', 'pass'],
  );
});

test('a policy is given what the report tells: its words and language, and the records of all its recipients', async (t) => {
  const handler =
    '(report, records) => JSON.stringify({ ...report, told: records.map((r) => `${r.type} ${r.recipient} ${r.response.code}`).sort() })';
  const relay = await startWith(t, handler, { bounce: { language: 'de', hold: '20s' } });
  await relay.send({ from: home, to: ['bob@dest.test', 'eve@dest.test'] });
  const { text, ...rest } = JSON.parse(textOf(await reportTo(relay, home))) as Record<string, unknown>;
  assert.match(String(text), /^Dies ist eine automatische Nachricht/);
  assert.deepEqual(rest, {
    subject: 'Ihre Nachricht konnte nicht zugestellt werden',
    language: 'de',
    recipient: home,
    told: ['Bounce bob@dest.test 550', 'Bounce eve@dest.test 550'],
  });
});

const useless: [name: string, handler: string][] = [
  ['nothing', '() => undefined'],
  ['nonsense', "() => ({ subject: 'a\\r\\nBcc: eve@dest.test' })"],
  ['an exception', "() => { throw new Error('no'); }"],
];
for (const [name, handler] of useless) {
  test(`a policy that answers ${name} leaves the report as it is`, async (t) => {
    const relay = await startWith(t, handler);
    await relay.send({ from: home, to: 'bob@dest.test' });
    const report = await reportTo(relay, home);
    assert.match(textOf(report), /^This is an automatic message/);
    assert.doesNotMatch(report.bytes.toString('latin1'), /^Bcc:/m);
    await relay.until((r) => r.type === 'Delivery' && r.sender === '');
    assert.deepEqual(await relay.leftovers(), []);
  });
}

const examples = new URL('../../infra/examples/', import.meta.url);

test('the documentation shows the example of a report as it is', async () => {
  const example = await readFile(new URL('report-created.ts', examples), 'utf8');
  const page = await readFile(new URL('../../docs/policy.md', import.meta.url), 'utf8');
  assert.ok(page.includes(example.replace(/^(?=.)/gm, '    ')), 'docs/policy.md differs from infra/examples');
});

test('the example words the reports of one tenant, and leaves those of others as they are', async (t) => {
  const users = [{ name: 'desk', password: 'secret', tenant: 'acme' }];
  const config: ConfigInput = {
    policy: { file: new URL('report-created.ts', examples).pathname, timeout: '50s' },
    ingress: { users, allowPlainAuth: true },
  };
  const relay = await startRebound(t, { config, sink: refusing });
  const client = await openDialogue({ port: relay.port });
  await client.expect([
    [undefined, '220'],
    ['EHLO client.test', '250'],
    [`AUTH PLAIN ${Buffer.from('\0desk\0secret').toString('base64')}`, '235'],
    ['MAIL FROM:<jo@acme.test>', '250'],
    ['RCPT TO:<bob@dest.test>', '250'],
    ['DATA', '354'],
    ['Subject: x\r\n\r\nhello\r\n.', '250'],
    ['QUIT', '221'],
  ]);
  client.destroy();
  const ours = await reportTo(relay, 'jo@acme.test');
  assert.match(subjectOf(ours), /^\[acme 550\] Your message /);
  assert.match(textOf(ours), /^Your help desk: help@acme\.example\r\n\r\nThis is an automatic message/);
  await relay.send({ from: home, to: 'bob@dest.test' });
  const theirs = await reportTo(relay, home);
  assert.match(subjectOf(theirs), /^Your message /);
  assert.match(textOf(theirs), /^This is an automatic message/);
});
