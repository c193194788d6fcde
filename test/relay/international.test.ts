import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import type { ConfigInput } from '../../shared/core/config.ts';
import type { DispositionRecord } from '../../shared/core/disposition.ts';
import { parseRfc3464, type ParsedReport } from '../../shared/core/dsn/parse.ts';
import { readReportMarks } from '../../shared/io/report-marks.ts';
import { allExtensions, startSink, type Sink, type SinkMessage } from '../../shared/io/sink-server.ts';
import { cleanUp } from '../support/cleanup.ts';
import { startRebound, type Relay } from '../support/relay.ts';
import { openDialogue } from '../support/smtp-dialogue.ts';

// RFC 6533 and RFC 6152 over real SMTP: a destination that refuses, and return paths on servers that offer more or less.

const refusal = '550 5.1.1 unbekannter Empfänger';
const plain = ['PIPELINING', 'DSN', 'SIZE'];

interface World {
  relay: Relay;
  /** Takes the reports to home.test. */
  home: Sink;
}

/** Mail to home.test goes to a sink with these extensions, that to old.test to one with `plain`; all else is refused. */
async function start(t: TestContext, extensions: readonly string[], config: ConfigInput = {}): Promise<World> {
  const home = await startSink({ extensions });
  cleanUp(t, () => home.close());
  const old = await startSink({ extensions: plain });
  cleanUp(t, () => old.close());
  const routes = { 'home.test': `127.0.0.1:${home.port}`, 'old.test': `127.0.0.1:${old.port}` };
  const relay = await startRebound(t, { config: { ...config, outbound: { routes } }, sink: { rules: { rcpt: refusal } } });
  return { relay, home };
}

/** What travels as octets: `text` in UTF-8, one character for each. */
const wire = (text: string): string => Buffer.from(text).toString('latin1');

interface Parameters {
  mail?: string;
  rcpt?: string;
}

async function submit({ relay }: World, sender: string, recipient: string, content: string, parameters: Parameters = {}): Promise<void> {
  const { mail = ' SMTPUTF8', rcpt = '' } = parameters;
  const client = await openDialogue({ port: relay.port });
  await client.expect([
    [undefined, '220'],
    ['EHLO client.test', '250'],
    [wire(`MAIL FROM:<${sender}>${mail}`), '250'],
    [wire(`RCPT TO:<${recipient}>${rcpt}`), '250'],
    ['DATA', '354'],
    [`${content}\r\n.`, '250'],
    ['QUIT', '221'],
  ]);
  client.destroy();
}

const utf8Message = wire('From: Jürgen <ann@home.test>\r\nSubject: Grüße\r\nMessage-ID: <m1@home.test>\r\n\r\nWörter');

async function reportAt({ home }: World): Promise<{ message: SinkMessage; parsed: ParsedReport }> {
  const message = await home.next((m) => m.sender === '', 30_000);
  const parsed = parseRfc3464(message.bytes);
  assert.ok(parsed);
  return { message, parsed };
}

async function untilNothingIsLeft({ relay }: World): Promise<void> {
  const deadline = Date.now() + 30_000;
  while ((await relay.leftovers()).length > 0) {
    assert.ok(Date.now() < deadline, (await relay.leftovers()).join());
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

for (const client of ['rebound', 'nodemailer'] as const) {
  test(`an ASCII return path gets the report of an SMTPUTF8 message on a server without SMTPUTF8 and 8BITMIME, with ${client} (rules 106, 107)`, async (t) => {
    const world = await start(t, plain, { delivery: { client } });
    await submit(world, 'ann@home.test', 'jörg@dest.test', utf8Message);
    const { message, parsed } = await reportAt(world);
    assert.deepEqual(message.recipients, ['ann@home.test']);
    assert.doesNotMatch(message.bytes.toString('latin1'), /[^\t\r\n -~]/);
    assert.doesNotMatch(message.mailLine, /8BITMIME|SMTPUTF8/);
    const types = [...message.bytes.toString('latin1').matchAll(/^Content-Type: ([^;\r]*)/gm)].map(([, type]) => type);
    assert.deepEqual(types, ['multipart/report', 'text/plain', 'message/delivery-status', 'message/global']);
    const [recipient] = parsed.recipients;
    assert.deepEqual(recipient?.finalRecipient, { type: 'utf-8', value: 'jörg@dest.test' });
    assert.deepEqual([recipient?.action, recipient?.status], ['failed', '5.1.1']);
    const returned = Buffer.from(parsed.returned?.content ?? []).toString('latin1');
    assert.ok(returned.endsWith(`${utf8Message}\r\n`), returned);
    await untilNothingIsLeft(world);
  });
}

test('a UTF-8 return path gets a report in UTF-8 (rules 102, 104, 108, 111)', async (t) => {
  const world = await start(t, allExtensions);
  await submit(world, 'jürgen@home.test', 'jörg@dest.test', utf8Message);
  const { message, parsed } = await reportAt(world);
  assert.match(message.mailLine, / BODY=8BITMIME SMTPUTF8$/);
  assert.deepEqual(message.recipients, ['jürgen@home.test']);
  const text = message.bytes.toString();
  assert.match(text, /^To: jürgen@home\.test\r$/m);
  assert.match(text, /^Content-Type: message\/global-delivery-status\r\nContent-Transfer-Encoding: 8bit\r\n\r\n/m);
  assert.match(text, /^Final-Recipient: utf-8; jörg@dest\.test\r$/m);
  assert.match(text, /^Diagnostic-Code: smtp; 550 5\.1\.1 unbekannter Empfänger\r$/m);
  assert.match(text, /^Content-Type: message\/global\r\nContent-Transfer-Encoding: 8bit\r\n\r\n/m);
  assert.ok(
    Buffer.from(parsed.returned?.content ?? [])
      .toString('latin1')
      .endsWith(`${utf8Message}\r\n`),
  );
  await untilNothingIsLeft(world);
});

test('a report for a UTF-8 return path without SMTPUTF8 is recorded as undeliverable, and ends there (rules 3, 108)', async (t) => {
  const world = await start(t, ['PIPELINING', '8BITMIME', 'DSN']);
  await submit(world, 'jürgen@home.test', 'jörg@dest.test', utf8Message);
  const [bounced] = await world.relay.until((r) => r.type === 'Bounce' && r.reception_protocol === 'Report');
  assert.ok(bounced);
  assert.deepEqual([bounced.sender, bounced.recipient], ['', 'jürgen@home.test']);
  assert.deepEqual([bounced.response.code, bounced.response.enhanced_code], [553, { class: 5, subject: 6, detail: 7 }]);
  assert.equal(bounced.response.local, true);
  await untilNothingIsLeft(world);
  const { redis } = world.relay.observer;
  const mark = (await readReportMarks(redis, [bounced.event_id])).get(bounced.event_id);
  assert.deepEqual(mark, { kind: 'suppressed', reason: 'own-report' });
  assert.deepEqual(world.home.messages, []);
  assert.equal(new Set((await world.relay.records('Reception')).map((r) => r.id)).size, 2);
});

const statusOf = (record: DispositionRecord | undefined) => Object.values(record?.response.enhanced_code ?? {}).join('.');
const refusals: [name: string, recipient: string, content: string, status: string][] = [
  ['its address', 'jörg@old.test', 'From: ann@home.test\r\nSubject: s\r\n\r\nx', '5.6.7'],
  ['its header', 'bob@old.test', utf8Message, '5.6.9'],
];
for (const [name, recipient, content, status] of refusals) {
  test(`a message that needs SMTPUTF8 for ${name} is not sent without it; the report tells our own reason, and no server's (rule 109)`, async (t) => {
    const world = await start(t, plain);
    await submit(world, 'ann@home.test', recipient, content);
    const { parsed } = await reportAt(world);
    const [block] = parsed.recipients;
    assert.deepEqual([block?.action, block?.status], ['failed', status]);
    assert.equal(block?.remoteMta, undefined);
    assert.equal(block?.diagnostic?.type, 'x-rebound');
    const [bounced] = await world.relay.until((r) => r.type === 'Bounce');
    assert.equal(statusOf(bounced), status);
  });
}

test('an ASCII message that came with SMTPUTF8 goes to a server without it, and its ORCPT in ASCII (rule 101)', async (t) => {
  const world = await start(t, plain);
  const rcpt = ' ORCPT=utf-8;jörg+tag@home.test NOTIFY=FAILURE';
  await submit(world, 'bob@home.test', 'ann@home.test', 'From: bob@home.test\r\n\r\nx', { rcpt });
  const { rcptLines, mailLine } = await world.home.next();
  assert.doesNotMatch(mailLine, /SMTPUTF8/);
  assert.deepEqual(rcptLines, ['RCPT TO:<ann@home.test> NOTIFY=FAILURE ORCPT=utf-8;j\\x{F6}rg\\x{2B}tag@home.test']);
});

for (const threshold of ['128KB', '10B']) {
  test(`the report of an 8-bit message goes in 7 bits to a server without 8BITMIME, and as it is to one with it when it ${threshold === '10B' ? 'is a stream' : 'lies in Redis'} (rule 74)`, async (t) => {
    const content = 'From: ann@home.test\r\nSubject: s\r\nMessage-ID: <m1@home.test>\r\n\r\nf\xfcr';
    const world = await start(t, plain, { spool: { threshold } });
    await submit(world, 'ann@home.test', 'bob@dest.test', content, { mail: '' });
    const { message, parsed } = await reportAt(world);
    assert.doesNotMatch(message.bytes.toString('latin1'), /[^\t\r\n -~]/);
    assert.doesNotMatch(message.mailLine, /BODY/);
    assert.match(message.mailLine, new RegExp(` SIZE=${message.bytes.length}$`));
    assert.equal(parsed.returned?.kind, 'header');
    assert.equal(parsed.returned.messageId, '<m1@home.test>');
    assert.match(parsed.text ?? '', /the mail server of this address\s+takes no 8-bit content\./);
    assert.equal(parsed.recipients[0]?.finalRecipient?.value, 'bob@dest.test');
    await untilNothingIsLeft(world);

    const modern = await start(t, [...plain, '8BITMIME']);
    await submit(modern, 'ann@home.test', 'bob@dest.test', content, { mail: '' });
    const whole = await reportAt(modern);
    assert.match(whole.message.mailLine, / BODY=8BITMIME$/);
    assert.ok(
      Buffer.from(whole.parsed.returned?.content ?? [])
        .toString('latin1')
        .endsWith(`${content}\r\n`),
    );
  });
}
