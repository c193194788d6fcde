import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { startTestIngress } from '../support/ingress.ts';
import { policyFolder } from '../support/policy.ts';

/** What the handler answers for each subject; everything else it tells in a field. */
const answers = `
  const answers: Record<string, unknown> = {
    prepend: { headers: [{ op: 'prepend', name: 'X-First', value: 'one' }, { op: 'append', name: 'X-Last', value: 'two' }] },
    replace: { headers: [{ op: 'replace', name: 'Subject', value: 'Grüße' }, { op: 'remove', name: 'X-Secret' }] },
    parts: { tenant: 'acme', campaign: 'spring', routingDomain: 'MX.Route.test', meta: { score: 7, list: 'a', isTest: true } },
    nothing: {},
    refuse: { reject: { code: 550, text: '5.7.1 not this one' } },
    close: { reject: { code: 421, text: '4.3.2 bye' } },
    'inject value': { headers: [{ op: 'prepend', name: 'X', value: 'a\\r\\nBcc: all@home.test' }], tenant: 'acme' },
    'inject name': { headers: [{ op: 'prepend', name: 'X: a\\r\\nBcc', value: 'all@home.test' }] },
    received: { headers: [{ op: 'remove', name: 'Received' }] },
    tenant: { tenant: 'a@b', campaign: 'spring' },
    routing: { routingDomain: 'no domain!' },
    'meta of ours': { meta: { trusted: true } },
    'meta too large': { meta: { text: 'x'.repeat(1001) } },
    'meta of meta': { meta: { deep: { deeper: 1 } } },
    'too many': { headers: Array.from({ length: 101 }, () => ({ op: 'remove', name: 'X' })) },
    typo: { tennant: 'acme' },
    text: 'yes',
    list: [],
  };`;
const folder = await policyFolder(
  { after },
  `import { definePolicy } from 'rebound';
${answers}
export default definePolicy((policy) => {
  policy.on('smtp_server_message_received', (message, conn) => {
    const subject = message.headers.find(({ name }) => name.toLowerCase() === 'subject')?.value ?? '';
    if (subject === 'throw') throw new Error('oops');
    if (subject === 'tell' || message.isHeaderCut) {
      const told = JSON.stringify({ ...message, id: message.id.length, headers: message.headers.slice(0, 3), conn: conn.ehloDomain });
      return { headers: [{ op: message.isHeaderCut ? 'prepend' : 'append', name: 'X-Told', value: Buffer.from(told).toString('hex').replace(/.{60}/g, '$& ') }] };
    }
    return (subject === '' ? { headers: [{ op: 'append', name: 'X-Added', value: 'yes' }] } : answers[subject]) as never;
  });
});`,
);
const ingress = await startTestIngress({ after }, { maxSize: '2MB' }, { policy: { file: folder.file, timeout: '50s' } });

/** Sends a message; the reply, and what is queued without our Received field. */
async function submit(content: string): Promise<{ reply: string; content: string; queue: string; meta: Record<string, unknown> }> {
  const reply = await ingress.submit(`${content}.\r\n`);
  const id = /queued as (\w+)/.exec(reply)?.[1];
  const queued = (await ingress.queued()).find(({ job }) => job.message === id);
  return {
    reply,
    content: (queued?.content ?? '').replace(/^Received:.*\r\n(?:[ \t].*\r\n)*/, ''),
    queue: queued?.job.queue ?? '',
    meta: queued?.job.reception.meta ?? {},
  };
}

const edits: [name: string, sent: string, queued: string][] = [
  ['fields in front and behind', 'Subject: prepend\r\n\r\nbody\r\n', 'X-First: one\r\nSubject: prepend\r\nX-Last: two\r\n\r\nbody\r\n'],
  [
    'fields replaced and removed',
    'Subject: replace\r\nX-Secret: a\r\n b\r\nTo: x\r\n\r\nSubject: body\r\n',
    'Subject: =?utf-8?B?R3LDvMOfZQ==?=\r\nTo: x\r\n\r\nSubject: body\r\n',
  ],
  ['a message without a body', 'Subject: prepend\r\n', 'X-First: one\r\nSubject: prepend\r\nX-Last: two\r\n'],
  ['a message without a header', '\r\nbody\r\n', 'X-Added: yes\r\n\r\nbody\r\n'],
  ['a message that begins with no field', 'just text\r\nmore\r\n', 'X-Added: yes\r\n\r\njust text\r\nmore\r\n'],
  ['an empty message', '', 'X-Added: yes\r\n'],
];
for (const [name, sent, queued] of edits) {
  test(`a policy changes the header: ${name}`, async () => assert.equal((await submit(sent)).content, queued));
}

for (const subject of [
  'nothing',
  'unknown',
  'throw',
  'inject value',
  'inject name',
  'received',
  'tenant',
  'routing',
  'meta of ours',
  'meta too large',
  'meta of meta',
  'too many',
  'typo',
  'text',
  'list',
]) {
  test(`a message goes on unchanged, all of it, when the handler's answer is "${subject}"`, async () => {
    const sent = `Subject: ${subject}\r\nX-Secret: a\r\n\r\nbody\r\n`;
    const { reply, content, queue, meta } = await submit(sent);
    assert.match(reply, /^250 /);
    assert.equal(content, sent);
    assert.equal(queue, 'dest.test');
    assert.deepEqual(Object.keys(meta).sort(), ['ehlo_domain', 'received_from', 'trusted']);
  });
}

test('tenant, campaign and routing domain are in the queue name, and further values in the records', async () => {
  const { queue, meta } = await submit('Subject: parts\r\n\r\nbody\r\n');
  assert.equal(queue, 'spring:acme@dest.test!mx.route.test');
  assert.deepEqual(meta, { score: 7, list: 'a', isTest: true, received_from: '127.0.0.1', ehlo_domain: 'client.test', trusted: true });
  const reception = (await ingress.records('Reception')).find((record) => record.queue === queue);
  assert.equal(reception?.meta['score'], 7);
});

test('a handler is told of the message what there is to tell', async () => {
  const sent = 'Subject: tell\r\nFrom: =?utf-8?Q?J=C3=B6rg?=\r\n <j@home.test>\r\nX-Raw: \xc3\xa4\r\n\r\nbody\r\n';
  const { content } = await submit(sent);
  assert.deepEqual(toldOf(content), {
    id: 32,
    sender: 'ann@home.test',
    recipients: ['bob@dest.test'],
    size: sent.length,
    headers: [
      { name: 'Subject', value: 'tell' },
      { name: 'From', value: 'Jörg <j@home.test>' },
      { name: 'X-Raw', value: 'ä' },
    ],
    isHeaderCut: false,
    meta: { received_from: '127.0.0.1', ehlo_domain: 'client.test', trusted: true },
    conn: 'client.test',
  });
});

const toldOf = (content: string): Record<string, unknown> => {
  const hex = /^X-Told:((?:[ \r\n]+[0-9a-f]+)+)/m.exec(content)?.[1] ?? '';
  return JSON.parse(Buffer.from(hex.replace(/\s/g, ''), 'hex').toString()) as Record<string, unknown>;
};

test('a header of more than 64 KB goes its way whole; its beginning is told, and fields are put in front of it', async () => {
  const large = `Subject: refuse\r\n${`X-Filler: ${'x'.repeat(900)}\r\n`.repeat(100)}X-End: here\r\n\r\nbody\r\n`;
  const { reply, content } = await submit(large);
  assert.match(reply, /^250 /);
  assert.equal(content.slice(content.indexOf('Subject: refuse')), large);
  assert.equal(toldOf(content)['isHeaderCut'], true);
});

test('a message that comes octet by octet, and a large one, are changed like others', async () => {
  const large = `Subject: prepend\r\n\r\n${`${'x'.repeat(76)}\r\n`.repeat(10_000)}`;
  assert.equal((await submit(large)).content, `X-First: one\r\n${large.replace('\r\n\r\n', '\r\nX-Last: two\r\n\r\n')}`);
  const dialogue = await ingress.greeted();
  await dialogue.expect([
    ['MAIL FROM:<ann@home.test>', '250 '],
    ['RCPT TO:<bob@drip.test>', '250 '],
    ['DATA', '354 '],
  ]);
  for (const octet of 'no field\r\nSubject: prepend\r\n\r\nb\r\n.\r\n') {
    dialogue.send(octet);
    await new Promise(setImmediate);
  }
  assert.match(await dialogue.reply(), /^250 /);
  const dripped = (await ingress.queued()).find(({ job }) => job.domain === 'drip.test');
  assert.match(dripped?.content ?? '', /\r\nX-Added: yes\r\n\r\nno field\r\nSubject: prepend\r\n\r\nb\r\n$/);
});

test('a refused message is a record and nothing else', async () => {
  const before = (await ingress.queued()).length;
  assert.equal((await submit('Subject: refuse\r\n\r\nbody\r\n')).reply, '550 5.7.1 not this one');
  assert.equal((await ingress.queued()).length, before);
  const isThere = async (): Promise<boolean> =>
    (await ingress.records('Rejection')).some(
      ({ response, recipient }) => response.content === 'not this one' && recipient === 'bob@dest.test',
    );
  while (!(await isThere())) await new Promise((resolve) => setTimeout(resolve, 10));
  const dialogue = await ingress.greeted();
  await dialogue.expect([
    ['MAIL FROM:<ann@home.test>', '250 '],
    ['RCPT TO:<bob@dest.test>', '250 '],
    ['DATA', '354 '],
    ['Subject: close\r\n\r\nbody\r\n.', '421 4.3.2 bye'],
  ]);
  assert.equal(await dialogue.reply(), 'closed');
});

test('without an answer in time the message goes on', async (t) => {
  const slow = await policyFolder(
    t,
    "import { definePolicy } from 'rebound';\nexport default definePolicy((policy) => policy.on('smtp_server_message_received', () => new Promise<never>(() => undefined)));",
  );
  const other = await startTestIngress(t, {}, { policy: { file: slow.file, timeout: '20ms' } });
  assert.match(await other.submit('Subject: x\r\n\r\nbody\r\n.\r\n'), /^250 /);
  assert.match((await other.queued())[0]?.content ?? '', /\r\nSubject: x\r\n\r\nbody\r\n$/);
});
