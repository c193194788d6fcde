import assert from 'node:assert/strict';
import { test } from 'node:test';
import { simpleParser } from 'mailparser';
import { parseRfc3464 } from '../../shared/core/dsn/parse.ts';
import type { RecordType } from '../../shared/core/disposition.ts';
import { startSink, type SinkRules } from '../../shared/io/sink-server.ts';
import { cleanUp } from '../support/cleanup.ts';
import { startRebound } from '../support/relay.ts';

const home = 'ann@home.test';

test('a message is delivered as it came, with our trace line in front, and nothing is left of it', async (t) => {
  const relay = await startRebound(t);
  const { response } = await relay.send({ from: home, to: 'bob@dest.test', text: 'one\r\n.two\r\n..three' });
  const id = /queued as ([0-9a-f]{32})/.exec(response)?.[1];
  assert.ok(id, response);
  const message = await relay.sink.next();
  assert.equal(message.sender, home);
  assert.deepEqual(message.recipients, ['bob@dest.test']);
  const text = message.bytes.toString();
  assert.match(text, new RegExp(`^Received: from client\\.test [^]*?\\tby relay\\.test [^]*?id ${id}`));
  assert.match(text, /\r\n\r\none\r\n\.two\r\n\.\.three\r\n$/);
  const [delivery] = await relay.until((r) => r.type === 'Delivery');
  assert.equal(delivery?.id, id);
  assert.equal(delivery.recipient, 'bob@dest.test');
  assert.equal(delivery.response.code, 250);
  assert.equal(delivery.num_attempts, 1);
  assert.deepEqual(
    (await relay.records()).map((r) => r.type),
    ['Reception', 'Delivery'],
  );
  assert.deepEqual(await relay.leftovers(), []);
});

const refusals: [step: string, rules: object, wantStatus: string, wantText: RegExp][] = [
  ['at RCPT', { rcpt: '550 5.1.1 no such user' }, '5.1.1', /^smtp; 550 5\.1\.1 no such user$/],
  [
    'at MAIL',
    { mail: (m: { line: string }) => (m.line.includes('<>') ? undefined : '550 5.7.1 sender refused') },
    '5.7.1',
    /sender refused$/,
  ],
  ['at DATA', { data: (m: { sender: string }) => (m.sender ? '554 5.5.0 no data here' : undefined) }, '5.5.0', /no data here$/],
  [
    'after the final dot',
    { message: (m: { sender: string }) => (m.sender ? '554-5.7.1 looks like\r\n554 5.7.1 spam' : undefined) },
    '5.7.1',
    /^smtp; 554-5\.7\.1 looks like\s+554 5\.7\.1 spam$/,
  ],
];
for (const [step, rules, wantStatus, wantText] of refusals) {
  test(`a message refused ${step} comes back to its sender as one report (rules 1, 6, 60)`, async (t) => {
    const onlyDest = 'rcpt' in rules ? { rcpt: { 'bob@dest.test': String(rules.rcpt) } } : rules;
    const relay = await startRebound(t, { sink: { rules: onlyDest } });
    await relay.send({ from: home, to: 'bob@dest.test', text: 'the original words' });
    const report = await relay.sink.next((m) => m.recipients.includes(home));
    assert.equal(report.sender, '');
    const parsed = parseRfc3464(report.bytes);
    assert.equal(parsed?.recipients.length, 1);
    const [block] = parsed.recipients;
    assert.equal(block?.action, 'failed');
    assert.equal(block.status, wantStatus);
    // A reader that is not ours finds the same parts.
    const mail = await simpleParser(report.bytes);
    assert.match(mail.text ?? '', /bob@dest\.test/);
    assert.equal(mail.headers.get('auto-submitted'), 'auto-replied');
    const diagnostic = /^Diagnostic-Code: ((?:.*\r\n[ \t])*.*)\r\n/m.exec(report.bytes.toString())?.[1];
    assert.match(diagnostic ?? '', wantText);
    assert.match(report.bytes.toString(), /the original words/);
    await relay.until((r) => r.type === 'Delivery' && r.sender === '');
    assert.deepEqual(await relay.leftovers(), []);
    assert.equal(relay.sink.messages.filter((m) => m.sender === '').length, 1);
  });
}

test('a deferred message is tried again, once each time, until it is taken', async (t) => {
  let tries = 0;
  const relay = await startRebound(t, { sink: { rules: { rcpt: () => (++tries < 3 ? '451 4.7.1 greylisted' : undefined) } } });
  await relay.send({ from: home, to: 'bob@dest.test' });
  const [delivery] = await relay.until((r) => r.type === 'Delivery');
  assert.equal(delivery?.num_attempts, 3);
  const failures = await relay.records('TransientFailure');
  assert.deepEqual(
    failures.map((r) => [r.num_attempts, r.response.content]),
    [
      [1, 'greylisted'],
      [2, 'greylisted'],
    ],
  );
  assert.equal(relay.sink.messages.length, 1);
  assert.equal(tries, 3);
});

test('a message that never gets through expires at its maximum age, and the report tells the last remote reply (rules 1, 18, 58)', async (t) => {
  const relay = await startRebound(t, {
    sink: { rules: { rcpt: { 'bob@full.test': '452 4.2.2 mailbox full' } } },
    config: { queues: { 'full.test': { interval: '300ms', maxAge: '1s' } } },
  });
  await relay.send({ from: home, to: 'bob@full.test' });
  const [expiration] = await relay.until((r) => r.type === 'Expiration');
  assert.ok(expiration);
  const age = Date.parse(expiration.event_time) - Date.parse(expiration.created_time);
  assert.ok(age >= 1000, `expired after ${age} ms`);
  assert.equal(expiration.response.content, 'mailbox full');
  const report = await relay.sink.next((m) => m.recipients.includes(home));
  const [block] = parseRfc3464(report.bytes)?.recipients ?? [];
  assert.equal(block?.action, 'failed');
  assert.equal(block.status, '4.2.2');
  assert.match(report.bytes.toString(), /^Diagnostic-Code: smtp; 452 4\.2\.2 mailbox full\r\n/m);
});

test('each recipient of a message has its own fate (rule 99)', async (t) => {
  let greylisted = true;
  const relay = await startRebound(t, {
    sink: {
      rules: {
        rcpt: ({ recipient }) => {
          if (recipient === 'nobody@dest.test') return '550 5.1.1 no such user';
          if (recipient === 'later@dest.test' && greylisted) {
            greylisted = false;
            return '451 4.7.1 later';
          }
          return undefined;
        },
      },
    },
  });
  await relay.send({ from: home, to: ['bob@dest.test', 'nobody@dest.test', 'later@dest.test', 'eve@other.test'] });
  await relay.until((r) => r.type === 'Delivery' && r.sender !== '', 3);
  const delivered = relay.sink.messages.filter((m) => m.sender === home).flatMap((m) => m.recipients);
  assert.deepEqual(delivered.sort(), ['bob@dest.test', 'eve@other.test', 'later@dest.test']);
  const report = await relay.sink.next((m) => m.recipients.includes(home));
  assert.deepEqual(
    parseRfc3464(report.bytes)?.recipients.map((r) => r.finalRecipient?.value),
    ['nobody@dest.test'],
  );
  await relay.until((r) => r.type === 'Delivery' && r.sender === '');
  assert.deepEqual(await relay.leftovers(), []);
});

test('another address that a server names is told, and nobody follows it (rule 98)', async (t) => {
  const words = 'User not local; please try <elsewhere@other.test>';
  const relay = await startRebound(t, {
    sink: { rules: { rcpt: { 'moved@dest.test': `551 5.1.6 ${words}`, 'bob@dest.test': `251 2.1.5 ${words}` } } },
  });
  await relay.send({ from: home, to: ['moved@dest.test', 'bob@dest.test'] });
  const report = await relay.sink.next((m) => m.recipients.includes(home));
  const [block, none] = parseRfc3464(report.bytes)?.recipients ?? [];
  assert.deepEqual([block?.finalRecipient?.value, block?.action, block?.status, none], ['moved@dest.test', 'failed', '5.1.6', undefined]);
  assert.equal(block?.diagnostic?.value, `551 5.1.6 ${words}`);
  await relay.until((r) => r.type === 'Delivery', 2);
  assert.deepEqual(await relay.leftovers(), []);
  assert.deepEqual(relay.sink.messages.flatMap((m) => m.recipients).toSorted(), [home, 'bob@dest.test']);
});

const stages: [stage: string, rules: SinkRules, want: RecordType][] = [
  ['its greeting', { connect: '554 5.7.1 go away' }, 'TransientFailure'],
  ['EHLO', { ehlo: '550 5.7.1 go away', helo: '550 5.7.1 go away' }, 'TransientFailure'],
  ['MAIL', { mail: '550 5.7.1 go away' }, 'Bounce'],
  ['DATA', { data: '550 5.7.1 go away' }, 'Bounce'],
  ['the final dot', { message: '550 5.7.1 go away' }, 'Bounce'],
];
for (const [stage, rules, want] of stages) {
  test(`what a server refuses at ${stage} is refused for every recipient (rule 100)`, async (t) => {
    const strict = await startSink({ rules });
    cleanUp(t, () => strict.close());
    const relay = await startRebound(t, { config: { outbound: { routes: { 'strict.test': `127.0.0.1:${strict.port}` } } } });
    await relay.send({ from: home, to: ['a@strict.test', 'b@strict.test'] });
    const [record] = await relay.until((r) => r.type === 'Bounce' || r.type === 'TransientFailure');
    assert.deepEqual(
      [record?.type, record?.recipient, record?.response.code],
      [want, ['a@strict.test', 'b@strict.test'], rules.connect ? 554 : 550],
    );
    if (want !== 'Bounce') return;
    const report = await relay.sink.next((m) => m.recipients.includes(home));
    assert.deepEqual(
      parseRfc3464(report.bytes)?.recipients.map((r) => r.finalRecipient?.value),
      ['a@strict.test', 'b@strict.test'],
    );
  });
}

test('a report that is refused itself makes no further report (rules 2, 3)', async (t) => {
  const relay = await startRebound(t, { sink: { rules: { rcpt: '550 5.1.1 no such user' } } });
  await relay.send({ from: home, to: 'bob@dest.test' });
  const bounces = await relay.until((r) => r.type === 'Bounce', 2);
  assert.deepEqual(
    bounces.map((r) => r.sender),
    [home, ''],
  );
  await relay.send({ from: '', to: 'carol@dest.test' });
  await relay.until((r) => r.type === 'Bounce' && r.sender === '', 2);
  // The queue of the bounce worker runs dry without a further message.
  const bounceQueue = `${relay.observer.redis.prefix}:bounces`;
  while (
    (await relay.observer.redis.client.llen(`${bounceQueue}:wait`)) + (await relay.observer.redis.client.llen(`${bounceQueue}:active`)) >
    0
  ) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assert.equal((await relay.records('Reception')).filter((r) => r.reception_protocol === 'Report').length, 1);
  assert.deepEqual(await relay.leftovers(), []);
});

test('an original is kept until its report is made, however long there is no bounce worker', async (t) => {
  const relay = await startRebound(t, { bounces: false, sink: { rules: { rcpt: { 'bob@dest.test': '550 5.1.1 no' } } } });
  await relay.send({ from: home, to: 'bob@dest.test', text: 'kept words' });
  const [bounce] = await relay.until((r) => r.type === 'Bounce');
  const entry = relay.observer.redis.key(`spool:${bounce?.id}`);
  assert.deepEqual(
    (await relay.observer.redis.client.hkeys(entry)).filter((field) => field.startsWith('h:')),
    [`h:bounces/${bounce?.event_id}`],
  );
  await relay.startBounce();
  const report = await relay.sink.next((m) => m.sender === '');
  assert.match(report.bytes.toString(), /kept words/);
  await relay.until((r) => r.type === 'Delivery' && r.sender === '');
  assert.deepEqual(await relay.leftovers(), []);
});

test('a disposition that is published again makes no second report (rule 11)', async (t) => {
  const relay = await startRebound(t, { sink: { rules: { rcpt: { 'bob@dest.test': '550 5.1.1 no' } } } });
  await relay.send({ from: home, to: 'bob@dest.test' });
  await relay.sink.next((m) => m.sender === '');
  const [record] = await relay.records('Bounce');
  const { Queue } = await import('bullmq');
  const queue = new Queue('bounces', { connection: relay.observer.redis.client as never, prefix: relay.observer.redis.prefix });
  const job = await queue.add('Bounce', { record }, { jobId: 'again' });
  while (!(await job.isCompleted())) await new Promise((resolve) => setTimeout(resolve, 10));
  assert.equal((await queue.getJob('again'))?.returnvalue, 'repeated');
  assert.equal(relay.sink.messages.filter((m) => m.sender === '').length, 1);
  await queue.close();
});

test('a large message passes through the second tier', async (t) => {
  for (const driver of ['redis', 'disk'] as const) {
    const relay = await startRebound(t, { config: { spool: { driver, threshold: '64KB' } } });
    const body = `${'x'.repeat(76)}\r\n`.repeat(20_000);
    await relay.send({ from: home, to: ['bob@dest.test', 'eve@other.test'], text: body });
    const [one, two] = [await relay.sink.next(), await relay.sink.next()];
    assert.ok(one.bytes.toString().endsWith(`${body}\r\n`));
    assert.ok(one.bytes.equals(two.bytes));
    await relay.until((r) => r.type === 'Delivery', 2);
    assert.deepEqual(await relay.leftovers(), []);
  }
});
