import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { startTestIngress } from '../support/ingress.ts';
import type { Step } from '../support/smtp-dialogue.ts';

const ingress = await startTestIngress({ after }, { maxRecipients: 3, maxSize: '100KB', domains: ['own.test'] });

const mail: Step = ['MAIL FROM:<a@b.test>', '250 2.1.0'];
const rcpt: Step = ['RCPT TO:<c@d.test>', '250 2.1.5'];
const longest = `MAIL FROM:<${'a'.repeat(64)}@${'b'.repeat(60)}.test> SIZE=99999 BODY=8BITMIME RET=FULL ENVID=${'x'.repeat(100)} SMTPUTF8 AUTH=${'y'.repeat(500)}`;
const longestRcpt = `RCPT TO:<${'a'.repeat(64)}@${'b'.repeat(60)}.test> NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=rfc822;${'z'.repeat(493)}`;

/** Dialogues of a trusted client after EHLO. */
const dialogues: [name: string, steps: Step[]][] = [
  [
    'a whole transaction',
    [mail, rcpt, ['DATA', '354 '], ['A: b\r\n\r\nhello\r\n.', '250 2.0.0 Ok: queued as '], ['QUIT', '221 2.0.0'], [undefined, 'closed']],
  ],
  [
    'HELO and lower case',
    [
      ['helo client.test', '250 relay.test'],
      ['mail from:<a@b.test>', '250 2.1.0'],
      ['rcpt to:<c@d.test>', '250 2.1.5'],
      ['data', '354 '],
      ['.', '250 2.0.0'],
    ],
  ],
  ['HELO without a name', [['HELO', '501 5.5.4'], ['EHLO two words', '501 5.5.4'], [`EHLO ${'x'.repeat(256)}`, '501 5.5.4'], mail]],
  ['RCPT before MAIL', [['RCPT TO:<c@d.test>', '503 5.5.1']]],
  ['DATA before MAIL', [['DATA', '503 5.5.1']]],
  ['DATA before RCPT', [mail, ['DATA', '554 5.5.1'], rcpt, ['DATA now', '501 5.5.4'], ['DATA', '354 '], ['.', '250 ']]],
  ['MAIL in a transaction', [mail, ['MAIL FROM:<x@b.test>', '503 5.5.1'], rcpt]],
  ['RSET', [mail, rcpt, ['RSET', '250 2.0.0'], ['RCPT TO:<c@d.test>', '503 5.5.1'], ['RSET x', '501 5.5.4'], mail]],
  ['EHLO in a transaction resets it', [mail, ['EHLO again.test', '250-'], ['RCPT TO:<c@d.test>', '503 5.5.1']]],
  ['a transaction after another', [mail, rcpt, ['DATA', '354 '], ['.', '250 '], ['RCPT TO:<c@d.test>', '503 5.5.1'], mail]],
  [
    'NOOP, HELP, VRFY and EXPN',
    [
      ['NOOP', '250 2.0.0'],
      ['NOOP x y', '250 2.0.0'],
      ['HELP', '214 2.0.0'],
      ['VRFY bob', '252 2.1.5'],
      ['VRFY', '501 5.5.4'],
      ['EXPN list', '502 5.5.1'],
    ],
  ],
  [
    'commands of others',
    [
      ['ETRN x', '502 5.5.1'],
      ['BDAT 5 LAST', '502 5.5.1'],
      ['XCLIENT ADDR=1.2.3.4', '502 5.5.1'],
      ['WIZ', '500 5.5.2'],
      ['SHELL', '500 5.5.2'],
      ['KILL', '500 5.5.2'],
      ['FOO', '500 5.5.2'],
      ['', '500 5.5.2'],
    ],
  ],
  [
    'STARTTLS and AUTH when not offered',
    [
      ['STARTTLS', '502 5.5.1'],
      ['AUTH PLAIN AAAA', '502 5.5.1'],
    ],
  ],
  [
    'QUIT with an argument',
    [
      ['QUIT now', '501 5.5.4'],
      ['QUIT', '221 2.0.0'],
      [undefined, 'closed'],
    ],
  ],
  [
    'a SIZE that is too large',
    [
      ['MAIL FROM:<a@b.test> SIZE=102401', '552 5.3.4'],
      ['MAIL FROM:<a@b.test> SIZE=102400', '250 '],
    ],
  ],
  ['unknown parameters', [['MAIL FROM:<a@b.test> FOO=bar', '555 5.5.4'], mail, ['RCPT TO:<c@d.test> FOO', '555 5.5.4'], rcpt]],
  [
    'BODY',
    [
      ['MAIL FROM:<a@b.test> BODY=BINARYMIME', '555 5.5.4'],
      ['MAIL FROM:<a@b.test> BODY=7BIT', '250 '],
    ],
  ],
  [
    'UTF-8 without SMTPUTF8',
    [
      ['MAIL FROM:<\xc3\xa9@b.test>', '553 5.6.7'],
      mail,
      ['RCPT TO:<\xc3\xa9@d.test>', '553 5.6.7'],
      ['RCPT TO:<a@\xc3\xa9.test>', '553 5.6.7'],
    ],
  ],
  [
    'UTF-8 with SMTPUTF8',
    [
      ['MAIL FROM:<\xc3\xa9@b.test> SMTPUTF8', '250 2.1.0'],
      ['RCPT TO:<\xc3\xa9@\xc3\xa9.test>', '250 2.1.5'],
    ],
  ],
  ['the null sender', [['MAIL FROM:<>', '250 2.1.0'], ['RCPT TO:<>', '501 5.1.3'], rcpt]],
  [
    'bad addresses',
    [['MAIL FROM:<a b@c.test>', '501 5.1.7'], mail, ['RCPT TO:<a@b@c.test>', '501 5.1.3'], ['RCPT TO:c@d.test', '501 5.1.3'], rcpt],
  ],
  [
    'bad DSN parameters (rules 80, 81)',
    [
      ['MAIL FROM:<a@b.test> RET=BOTH', '501 5.5.4'],
      ['MAIL FROM:<a@b.test> ENVID=+0D', '501 5.5.4'],
      mail,
      ['RCPT TO:<c@d.test> NOTIFY=NEVER,DELAY', '501 5.5.4'],
      ['RCPT TO:<c@d.test> ORCPT=x', '501 5.5.4'],
      rcpt,
    ],
  ],
  [
    'DSN parameters do not change the answer (rule 79)',
    [
      ['MAIL FROM:<a@b.test> RET=HDRS ENVID=abc', '250 2.1.0 Ok'],
      ['RCPT TO:<c@d.test> NOTIFY=SUCCESS ORCPT=rfc822;x@y.test', '250 2.1.5 Ok'],
    ],
  ],
  [
    'too many recipients',
    [
      mail,
      rcpt,
      ['RCPT TO:<d@d.test>', '250 '],
      ['RCPT TO:<e@d.test>', '250 '],
      ['RCPT TO:<f@d.test>', '452 4.5.3'],
      ['RCPT TO:<d@d.test>', '250 '],
      ['DATA', '354 '],
      ['.', '250 '],
    ],
  ],
  [
    'command lines of the greatest length (rule 83)',
    [
      [longest, '250 2.1.0'],
      [longestRcpt, '250 2.1.5'],
    ],
  ],
  ['a line that is too long', [[`MAIL FROM:<a@b.test> ${'x'.repeat(5000)}`, '500 5.5.2'], mail]],
  ['a line far too long', [['x'.repeat(100_000), '500 5.5.2'], mail]],
  ['NUL in a command', [['MAIL FROM:<a\0@b.test>', '501 5.5.2'], ['\0', '501 5.5.2'], mail]],
  ['controls in a command', [['MAIL FROM:<a@b.test>\x1b[2J', '501 5.5.2'], ['MAIL FROM:<a@b.test>\rQUIT', '501 5.5.2'], mail]],
  ['invalid UTF-8 in a command', [['MAIL FROM:<\xe9@b.test> SMTPUTF8', '501 5.5.2'], ['\xff\xfe\x80', '501 5.5.2'], mail]],
  [
    'HTTP',
    [
      ['POST / HTTP/1.1', '421 4.7.0'],
      [undefined, 'closed'],
    ],
  ],
  [
    'many bad commands',
    [...Array.from({ length: 20 }, (): Step => ['JUNK', '500 5.5.2']), [undefined, '421 4.7.0'], [undefined, 'closed']],
  ],
  ['many bad recipients of a trusted client', [mail, ...Array.from({ length: 30 }, (): Step => ['RCPT TO:<nonsense>', '501 5.1.3']), rcpt]],
];
for (const [name, steps] of dialogues) {
  test(`a dialogue is answered right: ${name}`, async () => {
    const client = await ingress.greeted();
    await client.expect(steps);
  });
}

test('commands before EHLO are out of order', async () => {
  const client = await ingress.connect();
  await client.expect([
    [undefined, '220 relay.test ESMTP Rebound'],
    ['MAIL FROM:<a@b.test>', '503 5.5.1'],
    ['RCPT TO:<a@b.test>', '503 5.5.1'],
    ['DATA', '503 5.5.1'],
    ['NOOP', '250 '],
    ['RSET', '250 '],
  ]);
});

test('EHLO tells what is offered, without TLS or logins to offer (rule 78)', async () => {
  const client = await ingress.connect();
  await client.reply();
  client.send('EHLO client.test\r\n');
  const lines = (await client.reply()).split('\n').map((line) => line.slice(4));
  assert.deepEqual(lines, [
    'relay.test at your service, [127.0.0.1]',
    'PIPELINING',
    'SIZE 102400',
    '8BITMIME',
    'SMTPUTF8',
    'ENHANCEDSTATUSCODES',
    'DSN',
  ]);
});

test('pipelined commands are answered each, in their order', async () => {
  const client = await ingress.connect();
  await client.reply();
  client.send(
    'EHLO client.test\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<bad>\r\nRCPT TO:<pipe@d.test>\r\nDATA\r\nA: b\r\n\r\npiped\r\n.\r\nMAIL FROM:<>\r\nNOOP\r\nQUIT\r\nNOOP\r\n',
  );
  const replies = [];
  for (let reply = await client.reply(); reply !== 'closed'; reply = await client.reply()) replies.push(reply.slice(0, 9));
  assert.deepEqual(replies, [
    '250-relay',
    '250 2.1.0',
    '501 5.1.3',
    '250 2.1.5',
    '354 End d',
    '250 2.0.0',
    '250 2.1.0',
    '250 2.0.0',
    '221 2.0.0',
  ]);
});

test('a thousand pipelined commands are answered', async () => {
  const client = await ingress.greeted();
  client.send('NOOP\r\n'.repeat(1000));
  for (let n = 0; n < 1000; n++) assert.equal(await client.reply(), '250 2.0.0 Ok');
});

test('a command that comes octet by octet is one command', async () => {
  const client = await ingress.greeted();
  for (const octet of 'MAIL FROM:<a@b.test>\r\n') {
    client.send(octet);
    await new Promise(setImmediate);
  }
  assert.equal(await client.reply(), '250 2.1.0 Ok');
});

test('a command without its line end is no command', async () => {
  const client = await ingress.greeted();
  client.send('MAIL FROM:<a@b.test>\r\nRCPT TO:<nobody-else@d.test>\r\nDATA');
  assert.equal(await client.reply(), '250 2.1.0 Ok');
  assert.equal(await client.reply(), '250 2.1.5 Ok');
  client.end();
  assert.equal(await client.reply(), 'closed');
});

test('the same recipient again is delivered once, as first asked for; another spelling is another', async () => {
  const client = await ingress.greeted();
  await client.expect([
    ['MAIL FROM:<a@b.test> ENVID=QQ+2B314 RET=HDRS', '250 '],
    ['RCPT TO:<A@twice.test> NOTIFY=NEVER', '250 2.1.5'],
    ['RCPT TO:<A@twice.test> NOTIFY=SUCCESS', '250 2.1.5'],
    ['RCPT TO:<a@twice.test> NOTIFY=DELAY,FAILURE ORCPT=rfc822;Ann+2Bx@Y.test', '250 2.1.5'],
    ['RCPT TO:<"a b@c"@twice.test>', '250 2.1.5'],
    ['DATA', '354 '],
    ['.', '250 2.0.0'],
  ]);
  const job = (await ingress.queued()).find(({ job: { domain } }) => domain === 'twice.test')?.job;
  assert.deepEqual(job?.envelope, {
    sender: 'a@b.test',
    ret: 'HDRS',
    envid: 'QQ+2B314',
    smtpUtf8: false,
    eightBit: false,
    recipients: [
      { address: 'A@twice.test', notify: ['NEVER'] },
      { address: 'a@twice.test', notify: ['DELAY', 'FAILURE'], orcpt: 'rfc822;Ann+2Bx@Y.test' },
      { address: '"a b@c"@twice.test' },
    ],
  });
});

test('postmaster without a domain is the postmaster of our first domain', async () => {
  const client = await ingress.greeted({ from: '127.0.0.9' });
  await client.expect([
    ['MAIL FROM:<a@b.test>', '250 '],
    ['RCPT TO:<Postmaster>', '250 2.1.5'],
    ['DATA', '354 '],
    ['.', '250 '],
  ]);
  const jobs = await ingress.queued();
  assert.deepEqual(
    jobs.filter(({ job }) => job.domain === 'own.test').map(({ job }) => job.envelope.recipients),
    [[{ address: 'Postmaster@own.test' }]],
  );
});

test('refused mail commands are recorded with their answer, and nothing else is', async () => {
  const before = (await ingress.records('Rejection')).length;
  const client = await ingress.greeted();
  await client.expect([
    ['JUNK', '500'],
    ['MAIL FROM:<a@b.test> SIZE=999999', '552'],
    ['MAIL FROM:<a@b.test>', '250'],
    ['RCPT TO:<x@y.test> NOTIFY=', '501'],
    ['QUIT', '221'],
  ]);
  const records = (await ingress.records('Rejection')).slice(before);
  assert.deepEqual(
    records.map((r) => [r.sender, r.recipient, r.response.code, r.response.enhanced_code, r.response.command, r.peer_address?.addr]),
    [
      ['a@b.test', [], 552, { class: 5, subject: 3, detail: 4 }, 'MAIL', '127.0.0.1'],
      ['a@b.test', 'x@y.test', 501, { class: 5, subject: 5, detail: 4 }, 'RCPT', '127.0.0.1'],
    ],
  );
  const counted = (await ingress.context.metrics.rejected.get()).values.find((value) => value.labels.code === '552');
  assert.ok((counted?.value ?? 0) >= 1);
});

test('rubbish of every kind harms nobody else', async () => {
  const before = (await ingress.queued()).length;
  const octets = (seed: number, length: number): Buffer =>
    Buffer.from(Array.from({ length }, (_, n) => (seed * 7919 + n * n * 31 + n) % 256));
  const clients = await Promise.all(Array.from({ length: 30 }, () => ingress.connect({ from: '127.0.0.8' })));
  await Promise.all(
    clients.map(async (client, n) => {
      await client.reply();
      client.send(octets(n, 2000));
      client.send(`\r\nEHLO x\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<c@own.test>\r\n${octets(n, 50).toString('latin1')}\r\nDATA`);
      client.end();
      while ((await client.reply()) !== 'closed');
    }),
  );
  assert.equal((await ingress.queued()).length, before);
  const client = await ingress.greeted();
  await client.expect([['NOOP', '250 2.0.0']]);
});
