import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { startTestIngress } from '../support/ingress.ts';

const ingress = await startTestIngress({ after }, { maxSize: '300KB', maxHops: 3 });
const fixing = await startTestIngress({ after }, { bareNewlines: 'fix' });

const end = '\r\n.\r\n';
/** Content as sent, with its end, and the start of the reply. */
const answers: [name: string, content: string, reply: string][] = [
  ['an ordinary message', `A: b\r\n\r\nhello${end}`, '250 2.0.0 Ok: queued as '],
  ['an empty message', '.\r\n', '250 '],
  ['an LF by itself (rule 126)', `A: b\r\n\r\nhel\nlo${end}`, '554 5.6.0'],
  ['a CR by itself (rule 126)', `A: b\r\n\r\nhel\rlo${end}`, '554 5.6.0'],
  ['a NUL (rule 126)', `A: b\r\n\r\nhel\0lo${end}`, '554 5.6.0'],
  ['a line of 998', `A: b\r\n\r\n${'x'.repeat(998)}${end}`, '250 '],
  ['a line of 999', `A: b\r\n\r\n${'x'.repeat(999)}${end}`, '554 5.6.0'],
  ['a line of 100,000', `A: b\r\n\r\n${'x'.repeat(100_000)}${end}`, '554 5.6.0'],
  ['two hops', `Received: a\r\nReceived: b\r\n\r\n${end}`, '250 '],
  ['three hops (rule 17)', `Received: a\r\nReceived: b\r\nreceived: c\r\n\r\n${end}`, '554 5.4.6'],
  ['the greatest size', `A: b\r\n\r\n${`${'x'.repeat(98)}\r\n`.repeat(3071)}${'y'.repeat(90)}${end}`, '250 '],
  ['one octet more', `A: b\r\n\r\n${`${'x'.repeat(98)}\r\n`.repeat(3071)}${'y'.repeat(91)}${end}`, '552 5.3.4'],
];
for (const [name, content, reply] of answers) {
  test(`the answer is ${reply} to content with ${name}`, async () => {
    const before = (await ingress.queued()).length;
    const got = await ingress.submit(content);
    assert.ok(got.startsWith(reply), got);
    assert.equal((await ingress.queued()).length, before + (reply.startsWith('250') ? 1 : 0));
  });
}

test('a refused message is recorded with all its recipients', async () => {
  await ingress.submit(`A: b\r\n\r\nx\ny${end}`);
  const record = (await ingress.records('Rejection')).at(-1);
  assert.deepEqual(
    [record?.sender, record?.recipient, record?.response.code, record?.response.command],
    ['ann@home.test', 'bob@dest.test', 554, '.'],
  );
});

/** What other servers take for the end of content; ours must see none of it, whether it fixes or refuses. */
const notTheEnd = ['\n.\n', '\n.\r\n', '\r\n.\n', '\r.\r', '\r\n.\r', '\r.\r\n', '\r\n\0.\r\n', '\r\n.\r\r\n', '\n.\r', '\r\n.\0\r\n'];
for (const sequence of notTheEnd) {
  test(`${JSON.stringify(sequence)} does not end content (rules 14, 126)`, async () => {
    const smuggled = `A: b\r\n\r\nfirst${sequence}MAIL FROM:<evil@home.test>\r\nRCPT TO:<victim@dest.test>\r\nDATA\r\nsecond${end}`;
    for (const relay of [ingress, fixing]) {
      const before = (await relay.queued()).length;
      const client = await relay.greeted();
      await client.expect([
        ['MAIL FROM:<a@b.test>', '250'],
        ['RCPT TO:<c@d.test>', '250'],
        ['DATA', '354'],
      ]);
      client.send(smuggled);
      const reply = await client.reply();
      const isKept = relay === fixing && !sequence.includes('\0');
      assert.equal(reply.slice(0, 3), isKept ? '250' : '554');
      await client.expect([
        ['NOOP', '250 2.0.0'],
        ['QUIT', '221'],
      ]);
      const queued = (await relay.queued()).slice(before);
      assert.equal(queued.length, isKept ? 1 : 0);
      assert.ok(
        queued.every(({ job, content }) => job.envelope.recipients[0]?.address === 'c@d.test' && content.includes('victim@dest.test')),
      );
    }
  });
}

test('bare newlines are made CRLF when that is asked for (rule 126)', async () => {
  const reply = await fixing.submit(`A: b\n\nline\rline\r\n.\nline${end}`);
  const id = reply.split(' ').at(-1);
  const message = (await fixing.queued()).find(({ job }) => job.message === id);
  assert.equal(message?.content.split('\r\nA: b')[1], '\r\n\r\nline\r\nline\r\n\r\nline\r\n');
});

const body = (content: string | undefined): string | undefined => content?.slice(content.indexOf('+0000\r\n') + 7);

const kept: [name: string, sent: string, stored: string][] = [
  ['dots at the start of lines', `A: b\r\n\r\n..\r\n...x\r\n.y\r\nz.\r\n..${end}`, 'A: b\r\n\r\n.\r\n..x\r\ny\r\nz.\r\n.\r\n'],
  ['a dot first', `..A: b${end}`, '.A: b\r\n'],
  ['nothing', '.\r\n', ''],
  ['one line end', `${end}`, '\r\n'],
  ['no header', `hello${end}`, '\r\nhello\r\n'],
  ['a continuation first', ` hello\r\nA: b${end}`, '\r\n hello\r\nA: b\r\n'],
  ['octets above 127', `A: \xe9\r\n\r\n\x80\xff${end}`, 'A: \xe9\r\n\r\n\x80\xff\r\n'],
];
for (const [name, sent, stored] of kept) {
  for (const size of [1, 2, 3, 5, 1000]) {
    test(`content with ${name} is kept octet for octet, sent ${size} at a time`, async () => {
      const client = await ingress.greeted();
      await client.expect([
        ['MAIL FROM:<a@b.test>', '250'],
        ['RCPT TO:<c@d.test>', '250'],
        ['DATA', '354'],
      ]);
      for (let at = 0; at < sent.length; at += size) {
        client.send(sent.slice(at, at + size));
        await new Promise(setImmediate);
      }
      const id = (await client.reply()).split(' ').at(-1);
      assert.equal(body((await ingress.queued()).find(({ job }) => job.message === id)?.content), stored);
    });
  }
}

test('a large body of dots is stored right, and in reasonable time', async () => {
  const started = performance.now();
  const reply = await ingress.submit(`A: b\r\n\r\n${'..\r\n'.repeat(70_000)}.\r\n`);
  assert.ok(performance.now() - started < 3000);
  const message = (await ingress.queued()).find(({ job }) => job.message === reply.split(' ').at(-1));
  assert.equal(body(message?.content), `A: b\r\n\r\n${'.\r\n'.repeat(70_000)}`);
});

const marks: [name: string, mail: string, content: string, smtpUtf8: boolean, eightBit: boolean][] = [
  ['plain text', 'MAIL FROM:<a@b.test> BODY=8BITMIME SMTPUTF8', 'A: b\r\n\r\nx', false, false],
  ['undeclared 8-bit', 'MAIL FROM:<a@b.test>', 'A: b\r\n\r\n\xc3\xa9', false, true],
  ['declared 8-bit', 'MAIL FROM:<a@b.test> BODY=8BITMIME', 'A: b\r\n\r\n\xc3\xa9', false, true],
  ['a UTF-8 header', 'MAIL FROM:<a@b.test> SMTPUTF8', 'A: \xc3\xa9\r\n\r\nx', true, true],
  // Its address tells for itself.
  ['a UTF-8 sender', 'MAIL FROM:<\xc3\xa9@b.test> SMTPUTF8', 'A: b\r\n\r\nx', false, false],
];
for (const [name, mail, content, smtpUtf8, eightBit] of marks) {
  test(`a message with ${name} needs ${smtpUtf8 ? '' : 'no '}SMTPUTF8 and ${eightBit ? '' : 'no '}8BITMIME`, async () => {
    const reply = await ingress.submit(`${content}${end}`, mail);
    const message = (await ingress.queued()).find(({ job }) => job.message === reply.split(' ').at(-1));
    assert.deepEqual([message?.job.envelope.smtpUtf8, message?.job.envelope.eightBit], [smtpUtf8, eightBit]);
    assert.match(message?.content ?? '', mail.includes('SMTPUTF8') ? / with UTF8SMTP id / : / with ESMTP id /);
  });
}

test('the Received field names client, protocol, id and the only recipient', async () => {
  const reply = await ingress.submit(`A: b\r\n\r\nx${end}`);
  const id = reply.split(' ').at(-1) ?? '';
  const message = (await ingress.queued()).find(({ job }) => job.message === id);
  assert.match(
    message?.content ?? '',
    new RegExp(
      `^Received: from client\\.test \\(\\[127\\.0\\.0\\.1\\]\\)\\r\\n\\tby relay\\.test with ESMTP id ${id}\\r\\n\\tfor <bob@dest\\.test>;\\r\\n\\t\\w{3}, .* \\+0000\\r\\nA: b\\r\\n`,
    ),
  );
});

test('the Received field names nobody when there are more recipients', async () => {
  const client = await ingress.greeted();
  await client.expect([
    ['MAIL FROM:<a@b.test>', '250'],
    ['RCPT TO:<c@d.test>', '250'],
    ['RCPT TO:<e@d.test>', '250'],
    ['DATA', '354'],
  ]);
  client.send(`A: b${end}`);
  const id = (await client.reply()).split(' ').at(-1);
  const message = (await ingress.queued()).find(({ job }) => job.message === id);
  assert.doesNotMatch(message?.content ?? '', /\tfor /);
});

test('a client that vanishes in its content leaves nothing behind', async () => {
  const keys = async (): Promise<string[]> => (await ingress.context.redis.client.keys('*')).sort();
  const before = await keys();
  const open = await ingress.open();
  for (const content of ['A: b\r\n\r\nhalf', `A: b\r\n\r\n${`${'x'.repeat(90)}\r\n`.repeat(3200)}`, 'A: b\r\n.\r']) {
    const client = await ingress.greeted();
    await client.expect([
      ['MAIL FROM:<a@b.test>', '250'],
      ['RCPT TO:<c@d.test>', '250'],
      ['DATA', '354'],
    ]);
    client.send(content);
    client.end();
    assert.equal(await client.reply(), 'closed');
  }
  await ingress.idle(open);
  assert.deepEqual(await keys(), before);
});
