import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import type { ConfigInput } from '../../shared/core/config.ts';
import { parseDate } from '../../shared/core/date.ts';
import type { DispositionRecord } from '../../shared/core/disposition.ts';
import { readFields, valuesOf } from '../../shared/core/dsn/field.ts';
import { parseRfc3464 } from '../../shared/core/dsn/parse.ts';
import { allExtensions, startSink, type Sink, type SinkMessage, type SinkRules } from '../../shared/io/sink-server.ts';
import { cleanUp } from '../support/cleanup.ts';
import { startRebound, type Relay } from '../support/relay.ts';
import { openDialogue } from '../support/smtp-dialogue.ts';

const home = 'ann@home.test';
const withoutDsn = allExtensions.filter((keyword) => keyword !== 'DSN');

interface World {
  relay: Relay;
  /** Next hops of plain.test (no DSN), dsn.test and mailbox.test (LMTP, no DSN); reports go to the relay's own sink. */
  plain: Sink;
  dsn: Sink;
  mailbox: Sink;
}

async function start(t: TestContext, config: ConfigInput = {}, rules: SinkRules = {}): Promise<World> {
  const open = async (extensions: readonly string[], lmtp = false): Promise<Sink> => {
    const sink = await startSink({ extensions, lmtp, rules });
    cleanUp(t, () => sink.close());
    return sink;
  };
  const [plain, dsn, mailbox] = [await open(withoutDsn), await open(allExtensions), await open(withoutDsn, true)];
  const routes = {
    'plain.test': `127.0.0.1:${plain.port}`,
    'dsn.test': `127.0.0.1:${dsn.port}`,
    'mailbox.test': { host: '127.0.0.1', port: mailbox.port, protocol: 'lmtp' as const },
  };
  return { relay: await startRebound(t, { config: { ...config, outbound: { routes } } }), plain, dsn, mailbox };
}

/** A message with parameters as they are written, one RCPT line for each recipient. */
async function say(relay: Relay, mail: string, rcpts: readonly string[], login?: string): Promise<void> {
  const client = await openDialogue({ port: relay.port });
  await client.expect([[undefined, '220'], ['EHLO client.test', '250'], ...(login ? [[`AUTH PLAIN ${login}`, '235'] as const] : [])]);
  await client.expect([[mail, '250'], ...rcpts.map((line) => [line, '250'] as const), ['DATA', '354']]);
  await client.expect([
    ['From: ann@home.test\r\nSubject: test\r\nMessage-ID: <m1@home.test>\r\n\r\nthe words\r\n.', '250'],
    ['QUIT', '221'],
  ]);
  client.destroy();
}

const reportTo = (relay: Relay): Promise<SinkMessage> => relay.sink.next((m) => m.sender === '' && m.recipients.includes(home), 30_000);
const reports = (relay: Relay): SinkMessage[] => relay.sink.messages.filter((m) => m.sender === '');
const actions = (report: SinkMessage) => parseRfc3464(report.bytes)?.recipients.map((r) => [r.finalRecipient?.value, r.action]);

/** The field of the machine-readable part. */
const field = (report: SinkMessage, name: string): string | undefined =>
  report.bytes
    .toString('latin1')
    .split('Content-Type: message/delivery-status\r\n\r\n')[1]
    ?.split('\r\n--')[0]
    ?.split('\r\n\r\n')
    .flatMap((group) => valuesOf(readFields(group), name))[0];

/** Has the bounce worker a job for this record, done or not? It is made together with the record. */
const isHeard = async ({ observer }: Relay, { event_id }: DispositionRecord): Promise<boolean> =>
  (await observer.redis.client.exists(`${observer.redis.prefix}:bounces:${event_id}`)) === 1;

async function untilNothingIsLeft({ relay }: World): Promise<void> {
  while ((await relay.leftovers()).length > 0) await new Promise((resolve) => setTimeout(resolve, 10));
}

test('requests go on unchanged to a server that offers DSN, and what becomes of the message is its business (rules 87, 90)', async (t) => {
  const world = await start(t);
  await say(world.relay, 'MAIL FROM:<ann@home.test> RET=HDRS ENVID=QQ+2B31', [
    'RCPT TO:<bob@dsn.test> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;Bob+2Bx@old.test',
    'RCPT TO:<eve@dsn.test>',
  ]);
  const message = await world.dsn.next();
  assert.match(message.mailLine, / RET=HDRS ENVID=QQ\+2B31$/);
  assert.deepEqual(message.rcptLines, [
    'RCPT TO:<bob@dsn.test> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;Bob+2Bx@old.test',
    'RCPT TO:<eve@dsn.test>',
  ]);
  const [delivery] = await world.relay.until((r) => r.type === 'Delivery');
  assert.equal(delivery?.dsn?.relayed, true);
  assert.equal(await isHeard(world.relay, delivery), false);
  await untilNothingIsLeft(world);
});

test('a server without DSN gets no requests, and its 250 is told as relayed, once, to whom asked (rules 88, 89)', async (t) => {
  const world = await start(t);
  await say(world.relay, 'MAIL FROM:<ann@home.test> RET=FULL ENVID=QQ+2B31', [
    'RCPT TO:<bob@plain.test> NOTIFY=SUCCESS ORCPT=rfc822;Bob+2Bx@old.test',
    'RCPT TO:<eve@plain.test> NOTIFY=FAILURE,DELAY',
    'RCPT TO:<carol@plain.test>',
    'RCPT TO:<dan@plain.test> NOTIFY=NEVER',
  ]);
  const message = await world.plain.next();
  assert.doesNotMatch([message.mailLine, ...message.rcptLines].join(), /RET=|ENVID=|NOTIFY=|ORCPT=/);
  const report = await reportTo(world.relay);
  assert.deepEqual(actions(report), [['bob@plain.test', 'relayed']]);
  assert.equal(field(report, 'Status'), '2.0.0');
  assert.equal(field(report, 'Original-Envelope-Id'), 'QQ+31');
  assert.equal(field(report, 'Original-Recipient'), 'rfc822; Bob+x@old.test');
  assert.equal(field(report, 'Diagnostic-Code'), 'smtp; 250 2.0.0 taken');
  assert.match(report.bytes.toString(), /Content-Type: text\/rfc822-headers[^]*Message-ID: <m1@home\.test>/);
  assert.doesNotMatch(report.bytes.toString(), /the words|eve@|carol@|dan@/);
  // RFC 3461 §6.1: nobody is told of the report itself.
  assert.match(report.rcptLines[0] ?? '', /NOTIFY=NEVER/);
  await world.relay.until((r) => r.type === 'Delivery' && r.sender === '');
  await untilNothingIsLeft(world);
  assert.equal(reports(world.relay).length, 1);
});

test('a report asks for nothing but to be the last, and a null sender stays one on its way (rules 6, 7, 8)', async (t) => {
  const world = await start(t, {}, { rcpt: ({ recipient }) => (recipient === 'eve@dsn.test' ? '550 5.1.1 no such user' : undefined) });
  await say(world.relay, 'MAIL FROM:<ann@home.test> RET=FULL ENVID=E1', ['RCPT TO:<eve@dsn.test> NOTIFY=FAILURE ORCPT=rfc822;e@old.test']);
  const report = await reportTo(world.relay);
  assert.match(report.mailLine, /^MAIL FROM:<>(?: SIZE=\d+)?(?: BODY=8BITMIME)?$/);
  assert.deepEqual(report.rcptLines, [`RCPT TO:<${home}> NOTIFY=NEVER`]);
  // What others send with a null sender is theirs, requests and all.
  await say(world.relay, 'MAIL FROM:<>', ['RCPT TO:<bob@dsn.test>', 'RCPT TO:<bob@plain.test>']);
  for (const sink of [world.dsn, world.plain])
    assert.match((await sink.next((m) => m.recipients[0]?.startsWith('bob') === true)).mailLine, /^MAIL FROM:<>(?: |$)/);
});

test('requests of each recipient outlive a division by domain, a deferral and the next worker (rule 85)', async (t) => {
  let isOpen = false;
  const rules: SinkRules = { rcpt: ({ recipient }) => (isOpen || recipient.startsWith('now') ? undefined : '451 4.7.1 later') };
  const [one, two] = [await startSink({ rules }), await startSink({ rules })];
  cleanUp(t, () => one.close());
  cleanUp(t, () => two.close());
  const outbound = { routes: { 'one.test': `127.0.0.1:${one.port}`, 'two.test': `127.0.0.1:${two.port}` } };
  const relay = await startRebound(t, { deliveries: 0, config: { retry: soon.retry, outbound } });
  const worker = await relay.startDelivery();
  const [now, first, second, third] = [
    'RCPT TO:<now@one.test> NOTIFY=NEVER',
    'RCPT TO:<a@one.test> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;A+2Bx@old.test',
    'RCPT TO:<b@one.test>',
    'RCPT TO:<c@two.test> NOTIFY=FAILURE ORCPT=x-foo;a+20b',
  ] as const;
  await say(relay, 'MAIL FROM:<ann@home.test> RET=HDRS ENVID=QQ+2B31', [now, first, second, third]);
  await relay.until((r) => r.type === 'TransientFailure' && r.queue === 'one.test');
  await relay.until((r) => r.type === 'TransientFailure' && r.queue === 'two.test');
  await worker.close();
  isOpen = true;
  await relay.startDelivery();
  const late = (m: SinkMessage): boolean => !m.recipients.some((recipient) => recipient.startsWith('now'));
  const [early, ofOne, ofTwo] = [await one.next((m) => !late(m)), await one.next(late), await two.next()];
  assert.deepEqual(
    [early.rcptLines.filter((line) => line.includes('now@')), ofOne.rcptLines, ofTwo.rcptLines],
    [[now], [first, second], [third]],
  );
  for (const message of [early, ofOne, ofTwo]) assert.match(message.mailLine, / RET=HDRS ENVID=QQ\+2B31$/);
});

test('what a mailbox server takes over LMTP is told as delivered, to whom asked (rule 95)', async (t) => {
  const world = await start(t, {}, { message: ({ recipient }) => (recipient === 'full@mailbox.test' ? '552 5.2.2 full' : undefined) });
  await say(world.relay, 'MAIL FROM:<ann@home.test>', [
    'RCPT TO:<bob@mailbox.test> NOTIFY=SUCCESS',
    'RCPT TO:<eve@mailbox.test> NOTIFY=FAILURE',
    'RCPT TO:<full@mailbox.test> NOTIFY=SUCCESS,FAILURE',
  ]);
  assert.deepEqual(actions(await reportTo(world.relay)), [
    ['full@mailbox.test', 'failed'],
    ['bob@mailbox.test', 'delivered'],
  ]);
  const [delivery] = await world.relay.until((r) => r.type === 'Delivery' && r.sender !== '');
  assert.equal(delivery?.delivery_protocol, 'LMTP');
  await untilNothingIsLeft(world);
  assert.equal(reports(world.relay).length, 1);
});

test('of refused recipients those are reported whose sender wants to hear of failure (rules 12, 91, 92)', async (t) => {
  const world = await start(t, {}, { rcpt: ({ recipient }) => (recipient.startsWith('bob') ? undefined : '550 5.1.1 no such user') });
  await say(world.relay, 'MAIL FROM:<ann@home.test>', [
    'RCPT TO:<bob@plain.test>',
    'RCPT TO:<a@plain.test>',
    'RCPT TO:<b@plain.test> NOTIFY=NEVER',
    'RCPT TO:<c@plain.test> NOTIFY=SUCCESS,DELAY',
    'RCPT TO:<d@plain.test> NOTIFY=FAILURE',
  ]);
  assert.deepEqual(actions(await reportTo(world.relay)), [
    ['a@plain.test', 'failed'],
    ['d@plain.test', 'failed'],
  ]);
  await untilNothingIsLeft(world);
  assert.equal(reports(world.relay).length, 1);
});

test('an ordinary delivery costs the bounce worker no job, and a success report asked for by a stranger is none', async (t) => {
  const world = await start(t, { ingress: { trusted: [], domains: ['plain.test', 'dsn.test'], greetingDelay: 0 } });
  await say(world.relay, 'MAIL FROM:<ann@home.test>', ['RCPT TO:<bob@plain.test>']);
  await say(world.relay, 'MAIL FROM:<ann@home.test>', ['RCPT TO:<eve@plain.test> NOTIFY=SUCCESS', 'RCPT TO:<eve@dsn.test> NOTIFY=SUCCESS']);
  const deliveries = await world.relay.until((r) => r.type === 'Delivery', 3);
  for (const delivery of deliveries) assert.equal(await isHeard(world.relay, delivery), false);
  // The next server is asked in the sender's words all the same (RFC 3461 §5.2.1).
  assert.match((await world.dsn.next()).rcptLines[0] ?? '', /NOTIFY=SUCCESS/);
  await untilNothingIsLeft(world);
});

test('a success report asked for by a user who logged in is sent', async (t) => {
  const users = [{ name: 'ann', password: 'secret' }];
  const world = await start(t, { ingress: { trusted: [], users, allowPlainAuth: true, greetingDelay: 0 } });
  const login = Buffer.from('\0ann\0secret').toString('base64');
  await say(world.relay, 'MAIL FROM:<ann@home.test>', ['RCPT TO:<bob@plain.test> NOTIFY=SUCCESS'], login);
  assert.deepEqual(actions(await reportTo(world.relay)), [['bob@plain.test', 'relayed']]);
});

// ---- Delay

/** Defers everything until `open`. */
function gate(): { rules: SinkRules; open(): void } {
  let isOpen = false;
  return {
    rules: { rcpt: () => (isOpen ? undefined : '452 4.2.2 mailbox full') },
    open: () => {
      isOpen = true;
    },
  };
}
const soon = { retry: { interval: '100ms', maxInterval: '100ms' }, bounce: { delayWarning: '250ms' } } as const;
const isWarning = (r: DispositionRecord): boolean => r.delay_warning === true;

test('a message that is late is warned of once, and its delivery afterwards is not told (rules 117, 118)', async (t) => {
  const { rules, open } = gate();
  const world = await start(t, soon, rules);
  await say(world.relay, 'MAIL FROM:<ann@home.test> RET=FULL ENVID=E1', ['RCPT TO:<bob@plain.test>']);
  const report = await reportTo(world.relay);
  assert.deepEqual(actions(report), [['bob@plain.test', 'delayed']]);
  const [warning] = await world.relay.until(isWarning);
  assert.ok(warning);
  assert.ok(warning.num_attempts > 1 && Date.parse(warning.event_time) - Date.parse(warning.created_time) >= 250);
  assert.equal(field(report, 'Status'), '4.2.2');
  assert.equal(field(report, 'Diagnostic-Code'), 'smtp; 452 4.2.2 mailbox full');
  assert.equal(field(report, 'Original-Envelope-Id'), 'E1');
  assert.equal(
    parseDate(field(report, 'Will-Retry-Until') ?? ''),
    Math.floor((Date.parse(warning.created_time) + 3_600_000) / 1000) * 1000,
  );
  assert.match(report.bytes.toString(), /Message-ID: <m1@home\.test>/);
  assert.doesNotMatch(report.bytes.toString(), /the words/);
  await world.relay.until((r) => r.type === 'TransientFailure', warning.num_attempts + 4);
  open();
  const [delivery] = await world.relay.until((r) => r.type === 'Delivery' && r.sender !== '');
  assert.ok(delivery);
  assert.equal(await isHeard(world.relay, delivery), false);
  await untilNothingIsLeft(world);
  assert.equal((await world.relay.records()).filter(isWarning).length, 1);
  assert.equal(reports(world.relay).length, 1);
});

test('never more warnings than configured, apart by the same time, and a failure after them is told (rule 117)', async (t) => {
  const { rules } = gate();
  const world = await start(t, { retry: { ...soon.retry, maxAge: '2s' }, bounce: { delayWarning: '250ms', delayWarnings: 2 } }, rules);
  await say(world.relay, 'MAIL FROM:<ann@home.test>', ['RCPT TO:<bob@plain.test>']);
  await world.relay.until((r) => r.type === 'Expiration');
  const [first, second, none] = (await world.relay.records()).filter(isWarning);
  assert.ok(first && second && !none);
  assert.ok(Date.parse(second.event_time) - Date.parse(first.event_time) >= 240);
  const told = [await reportTo(world.relay), await reportTo(world.relay), await reportTo(world.relay)];
  const count = (action: string): number => told.filter((report) => actions(report)?.[0]?.[1] === action).length;
  assert.deepEqual([count('delayed'), count('failed')], [2, 1]);
  await untilNothingIsLeft(world);
});

test('of late recipients those are warned of whose sender did not say otherwise, and never a null sender (rule 94)', async (t) => {
  const { rules } = gate();
  const world = await start(t, soon, rules);
  await say(world.relay, 'MAIL FROM:<ann@home.test>', [
    'RCPT TO:<bob@plain.test> NOTIFY=DELAY',
    'RCPT TO:<eve@plain.test> NOTIFY=SUCCESS,FAILURE',
    'RCPT TO:<carol@plain.test> NOTIFY=NEVER',
    'RCPT TO:<dan@plain.test>',
  ]);
  await say(world.relay, 'MAIL FROM:<>', ['RCPT TO:<bob@plain.test>']);
  await say(world.relay, 'MAIL FROM:<ann@home.test>', ['RCPT TO:<eve@mailbox.test> NOTIFY=FAILURE']);
  const warnings = await world.relay.until(isWarning, 3);
  const heard = await Promise.all(warnings.map((record) => isHeard(world.relay, record)));
  assert.deepEqual(
    warnings.filter((_, i) => heard[i]).map((record) => [record.sender, record.queue]),
    [[home, 'plain.test']],
  );
  assert.deepEqual(actions(await reportTo(world.relay)), [
    ['bob@plain.test', 'delayed'],
    ['dan@plain.test', 'delayed'],
  ]);
});

test('with 0 nobody is warned (rule 117)', async (t) => {
  const { rules } = gate();
  const world = await start(t, { ...soon, bounce: { delayWarning: 0 } }, rules);
  await say(world.relay, 'MAIL FROM:<ann@home.test>', ['RCPT TO:<bob@plain.test> NOTIFY=DELAY']);
  const failures = await world.relay.until((r) => r.type === 'TransientFailure', 5);
  for (const failure of failures) assert.deepEqual([isWarning(failure), await isHeard(world.relay, failure)], [false, false]);
});

test('who was warned is remembered by the next worker (rule 11)', async (t) => {
  const { rules } = gate();
  const plain = await startSink({ rules });
  cleanUp(t, () => plain.close());
  const outbound = { routes: { 'plain.test': `127.0.0.1:${plain.port}` } };
  const relay = await startRebound(t, { deliveries: 0, bounces: false, config: { ...soon, outbound } });
  const worker = await relay.startDelivery();
  await say(relay, 'MAIL FROM:<ann@home.test>', ['RCPT TO:<bob@plain.test>']);
  const [warning] = await relay.until(isWarning);
  await worker.close();
  await relay.startDelivery();
  await relay.until((r) => r.type === 'TransientFailure', (warning?.num_attempts ?? 0) + 5);
  await relay.startBounce();
  assert.deepEqual(actions(await reportTo(relay)), [['bob@plain.test', 'delayed']]);
  assert.equal((await relay.records()).filter(isWarning).length, 1);
});
