import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { after, test } from 'node:test';
import type { ConfigInput } from '../../shared/core/config.ts';
import { hashPassword } from '../../shared/io/password.ts';
import { certificateFiles, startTestIngress, type TestIngress } from '../support/ingress.ts';
import { policyFolder, rewriting } from '../support/policy.ts';
import type { Dialogue } from '../support/smtp-dialogue.ts';

/** An ingress with this handler; it has all the time it wants, so that no slow machine changes a result. */
async function ingressWith(
  t: { after(work: () => Promise<void>): void },
  handler: string,
  ingress: ConfigInput['ingress'] = {},
): Promise<TestIngress> {
  const { file } = await policyFolder(t, rewriting(handler));
  return startTestIngress(t, ingress, { policy: { file, timeout: '50s' } });
}

/** Adds a line to every response that says what `command` was. */
const teller = '(status, response, command) => `${response}\\n<${command === undefined ? "nil" : JSON.stringify(command).slice(1, -1)}>`';
const tls = await certificateFiles({ after });
const users = [{ name: 'ann', password: await hashPassword('secret') }];
const base64 = (text: string): string => Buffer.from(text).toString('base64');
const shared = await ingressWith({ after }, teller, { tls, users, allowPlainAuth: true, maxRecipients: 2, maxSize: '100KB' });

/** What is sent, the status that comes back, and the command that the policy was told. */
type Row = readonly [line: string, status: number, command: string];
const mail: Row = ['MAIL FROM:<a@b.test>', 250, 'nil'];
const rcpt: Row = ['RCPT TO:<c@d.test>', 250, 'nil'];

async function converse(dialogue: Dialogue, rows: readonly Row[]): Promise<void> {
  for (const [line, status, command] of rows) {
    dialogue.send(`${line}\r\n`);
    assertTold(await dialogue.reply(), status, command, line);
  }
}

function assertTold(reply: string, status: number, command: string, line = 'nothing'): void {
  assert.equal(reply.split('\n').at(-1), `${status} <${command}>`, `after ${JSON.stringify(line.slice(0, 50))}: ${reply}`);
}

/** Row by row what the policy is told of the replies to commands, on a connection after the banner. */
const conversations: [name: string, rows: readonly Row[]][] = [
  [
    'EHLO and HELO',
    [
      ['EHLO client.test', 250, 'nil'],
      ['HELO client.test', 250, 'nil'],
      ['ehlo a b', 501, 'ehlo a b'],
    ],
  ],
  [
    'a line that is not UTF-8',
    [
      ['EHLO client.test', 250, 'nil'],
      ['MAIL FROM:<\xff@b.test>', 501, 'nil'],
    ],
  ],
  [
    'a line that is too long',
    [
      [`NOOP ${'x'.repeat(5000)}`, 500, 'nil'],
      [`NOOP ${'x'.repeat(13_000)}`, 500, 'nil'],
      ['NOOP', 250, 'nil'],
    ],
  ],
  ['a line with control characters', [['NOOP \x01', 501, 'NOOP \\u0001']]],
  [
    'bad addresses',
    [['EHLO client.test', 250, 'nil'], ['MAIL from:<a b@c.test>', 501, 'MAIL from:<a b@c.test>'], mail, ['RCPT TO:x', 501, 'RCPT TO:x']],
  ],
  [
    'VRFY, EXPN, HELP, LHLO and unknown commands',
    [
      ['VRFY', 501, 'VRFY'],
      ['EXPN list', 502, 'EXPN list'],
      ['HELP x', 214, 'nil'],
      ['LHLO client.test', 502, 'LHLO client.test'],
      ['XCLIENT ADDR=1.2.3.4', 502, 'XCLIENT ADDR=1.2.3.4'],
      ['fooBar 1 2', 500, 'fooBar 1 2'],
    ],
  ],
  [
    'MAIL',
    [
      ['MAIL FROM:<a@b.test>', 503, 'MAIL FROM:<a@b.test>'],
      ['EHLO client.test', 250, 'nil'],
      ['MAIL FROM:<a@b.test> SIZE=200000', 552, 'MAIL FROM:<a@b.test> SIZE=200000'],
      mail,
      ['MAIL FROM:<x@b.test>', 503, 'MAIL FROM:<x@b.test>'],
    ],
  ],
  [
    'RCPT',
    [
      ['EHLO client.test', 250, 'nil'],
      ['RCPT TO:<c@d.test>', 503, 'RCPT TO:<c@d.test>'],
      mail,
      rcpt,
      ['RCPT TO:<e@d.test>', 250, 'nil'],
      ['RCPT TO:<f@d.test>', 452, 'RCPT TO:<f@d.test>'],
    ],
  ],
  ['DATA that is refused', [['data', 503, 'data'], ['EHLO client.test', 250, 'nil'], mail, ['Data', 554, 'Data']]],
  ['a message', [['EHLO client.test', 250, 'nil'], mail, rcpt, ['data', 354, 'nil'], ['A: b\r\n\r\nhello\r\n.', 250, 'DATA'], mail]],
  [
    'a message that is refused',
    [['EHLO client.test', 250, 'nil'], mail, rcpt, ['data', 354, 'nil'], [`${'x\r\n'.repeat(40_000)}.`, 552, 'DATA'], mail],
  ],
  [
    'RSET, NOOP and QUIT',
    [
      ['RSET', 250, 'nil'],
      ['NOOP', 250, 'nil'],
      ['RSET x', 501, 'RSET x'],
      ['QUIT', 221, 'nil'],
    ],
  ],
  [
    'AUTH step by step',
    [
      ['EHLO client.test', 250, 'nil'],
      ['AUTH LOGIN', 334, 'nil'],
      [base64('ann'), 334, 'nil'],
      [base64('secret'), 235, 'nil'],
      ['AUTH LOGIN', 503, 'AUTH LOGIN'],
    ],
  ],
  [
    'AUTH that fails',
    [
      ['AUTH PLAIN AGFubgB4', 503, 'AUTH PLAIN ***'],
      ['EHLO client.test', 250, 'nil'],
      [`AUTH PLAIN ${base64('\0ann\0wrong')}`, 535, 'AUTH PLAIN ***'],
      ['AUTH LOGIN', 334, 'nil'],
      ['*', 501, 'AUTH LOGIN'],
      ['AUTH PLAIN', 334, 'nil'],
      [base64('nonsense'), 501, 'AUTH PLAIN'],
      [`AUTH ${base64('secret')}`, 504, 'AUTH ***'],
      [base64('secret'), 500, '***'],
      ['NOOP', 250, 'nil'],
      ['AUTH LOGIN', 334, 'nil'],
      [`${'x'.repeat(13_000)}`, 500, 'AUTH LOGIN'],
      mail,
      ['AUTH PLAIN AGFubgB4', 503, 'AUTH PLAIN ***'],
    ],
  ],
];

for (const [name, rows] of conversations) {
  test(`a policy hears of every reply: ${name}`, async () => {
    const dialogue = await shared.connect();
    assertTold(await dialogue.reply(), 220, 'nil');
    await converse(dialogue, rows);
    dialogue.destroy();
  });
}

test('a policy hears of every reply: EHLO has its extension lines', async (t) => {
  const ingress = await ingressWith(
    t,
    '(s, response) => response.startsWith("relay.test at") ? `${response.replace("\\nDSN", "")}\\nXCOOL` : undefined',
  );
  const dialogue = await ingress.connect();
  await dialogue.reply();
  dialogue.send('EHLO client.test\r\n');
  assert.match(await dialogue.reply(), /^250-relay\.test at .*\n250-PIPELINING\n(?:250-.*\n)+250-ENHANCEDSTATUSCODES\n250 XCOOL$/);
});

test('a policy hears of every reply: STARTTLS, and what follows it', async () => {
  const dialogue = await shared.connect();
  await dialogue.reply();
  await converse(dialogue, [
    ['EHLO client.test', 250, 'nil'],
    ['STARTTLS x', 501, 'STARTTLS x'],
    ['STARTTLS', 220, 'nil'],
  ]);
  await dialogue.startTls();
  await converse(dialogue, [['EHLO client.test', 250, 'nil'], ['STARTTLS', 503, 'STARTTLS'], mail]);
});

test('a policy hears of every reply: an early talker, HTTP and too many errors', async (t) => {
  const ingress = await ingressWith(t, teller, { greetingDelay: '30s' });
  const early = await ingress.connect({ from: '127.0.0.2' });
  early.send('EHLO client.test\r\n');
  assertTold(await early.reply(), 554, 'nil');
  assert.equal(await early.reply(), 'closed');

  const web = await shared.connect();
  await web.reply();
  await converse(web, [['GET / HTTP/1.1', 421, 'nil']]);
  assert.equal(await web.reply(), 'closed');

  const robot = await shared.connect();
  await robot.reply();
  await converse(
    robot,
    Array.from({ length: 20 }, () => ['FOO', 500, 'FOO'] as const),
  );
  assertTold(await robot.reply(), 421, 'nil');
  assert.equal(await robot.reply(), 'closed');
});

test('a policy hears of every reply: too many connections', async (t) => {
  const ingress = await ingressWith(t, teller, { maxConnectionsPerAddress: 1, maxConnections: 2 });
  assertTold(await (await ingress.connect({ from: '127.0.0.2' })).reply(), 220, 'nil');
  for (const from of ['127.0.0.2', '127.0.0.3', '127.0.0.4']) {
    const dialogue = await ingress.connect({ from });
    const isWelcome = from === '127.0.0.3';
    assertTold(await dialogue.reply(), isWelcome ? 220 : 421, 'nil');
    if (!isWelcome) assert.equal(await dialogue.reply(), 'closed');
  }
});

test('a policy hears of every reply: silence between commands, in AUTH and in the content', async (t) => {
  const ingress = await ingressWith(t, teller, { idleTimeout: '3s', users, allowPlainAuth: true });
  const talks: [rows: Row[], command: string][] = [
    [[], 'nil'],
    [
      [
        ['EHLO client.test', 250, 'nil'],
        ['AUTH LOGIN', 334, 'nil'],
      ],
      'AUTH LOGIN',
    ],
    [[['EHLO client.test', 250, 'nil'], mail, rcpt, ['data', 354, 'nil']], 'data'],
  ];
  const talk = async ([rows, command]: (typeof talks)[number]): Promise<void> => {
    const dialogue = await ingress.connect();
    assertTold(await dialogue.reply(), 220, 'nil');
    await converse(dialogue, rows);
    assertTold(await dialogue.reply(), 421, command);
    assert.equal(await dialogue.reply(), 'closed');
  };
  await Promise.all(talks.map(talk));
});

test('a policy hears of every reply: content that takes too long is not queued while its 421 waits for the policy', async (t) => {
  const folder = await policyFolder(
    t,
    rewriting(
      `async (status, response, command) => {
        const file = (name) => new URL(name, import.meta.url);
        if (status !== 421) return undefined;
        writeFileSync(file('asked'), '');
        while (!existsSync(file('go'))) await new Promise((done) => setTimeout(done, 10));
        return (${teller})(status, response, command);
      }`,
      "import { existsSync, writeFileSync } from 'node:fs';",
    ),
  );
  const ingress = await startTestIngress(t, { dataDeadline: '3s' }, { policy: { file: folder.file, timeout: '50s' } });
  const dialogue = await ingress.greeted();
  await dialogue.expect([
    [mail[0], '250 '],
    [rcpt[0], '250 '],
    ['data', '354 '],
  ]);
  while (!existsSync(folder.path('asked'))) await new Promise((resolve) => setTimeout(resolve, 5));
  dialogue.send('x\r\n.\r\n');
  assert.match(await ingress.submit('A: b\r\n\r\nhello\r\n.\r\n'), /^250 /);
  await folder.put('go', '');
  assertTold(await dialogue.reply(), 421, 'data');
  assert.equal(await dialogue.reply(), 'closed');
  assert.equal((await ingress.queued()).length, 1);
});

test('a policy hears of every reply: shutdown, between commands and in the content', async (t) => {
  const ingress = await ingressWith(t, teller);
  const idle = await ingress.connect();
  await idle.reply();
  const busy = await ingress.connect();
  await busy.reply();
  await converse(busy, [['EHLO client.test', 250, 'nil'], mail, rcpt, ['Data', 354, 'nil']]);
  const closing = ingress.close();
  assertTold(await idle.reply(), 421, 'nil');
  assertTold(await busy.reply(), 421, 'Data');
  await closing;
});

test('the documentation shows the example as it is', async () => {
  const root = new URL('../../', import.meta.url);
  const [example, page] = await Promise.all(
    ['infra/examples/smtp-server-rewrite-response.ts', 'docs/policy.md'].map((path) => readFile(new URL(path, root), 'utf8')),
  );
  const indented = example?.replace(/^(?=.)/gm, '    ');
  assert.ok(indented && page?.includes(indented), 'docs/policy.md differs from infra/examples');
});

test('the example puts its line in front of the answer to a message, and changes nothing else', async (t) => {
  const file = new URL('../../infra/examples/smtp-server-rewrite-response.ts', import.meta.url).pathname;
  const ingress = await startTestIngress(t, {}, { policy: { file, timeout: '50s' } });
  assert.match(await ingress.submit('A: b\r\n\r\nhello\r\n.\r\n'), /^250-super fantastic!\n250 2\.0\.0 Ok: queued as [0-9a-f]{32}$/);
  assert.equal((await ingress.queued()).length, 1);
});

test('421 of a policy closes the connection, and no command behind it is obeyed', async (t) => {
  const ingress = await ingressWith(
    t,
    "(status, r, command) => command === 'DATA' ? [421, '4.3.2 enough'] : status === 500 ? 421 : undefined",
  );
  const dialogue = await ingress.greeted();
  dialogue.send('MAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nFOO\r\nDATA\r\nx\r\n.\r\n');
  assert.match(await dialogue.reply(), /^250 /);
  assert.match(await dialogue.reply(), /^250 /);
  assert.match(await dialogue.reply(), /^421 5\.5\.2 /);
  assert.equal(await dialogue.reply(), 'closed');
  assert.deepEqual(await ingress.queued(), []);
  assert.equal(await ingress.submit('A: b\r\n\r\nhello\r\n.\r\n'), '421 4.3.2 enough');
  assert.equal((await ingress.queued()).length, 1, 'what was queued stays queued');
});

test('a 421 that is rewritten ends the connection all the same', async (t) => {
  const ingress = await ingressWith(t, '(status) => status === 421 ? [450, "later"] : undefined', { idleTimeout: '3s' });
  const dialogue = await ingress.greeted();
  await dialogue.expect([
    [undefined, '450 later'],
    [undefined, 'closed'],
  ]);
});

test('replies keep their order, however long the policy takes for each', async (t) => {
  const ingress = await ingressWith(
    t,
    'async (s, response, command) => { await new Promise((done) => setTimeout(done, command?.length > 6 ? 200 : 1)); return `${response} ${command ?? ""}`; }',
  );
  const dialogue = await ingress.greeted();
  dialogue.send(`${Array.from({ length: 8 }, (_, n) => (n % 2 ? `FOO ${n}` : `FOO ${n} slowly`)).join('\r\n')}\r\nQUIT\r\n`);
  for (let n = 0; n < 8; n++) assert.match(await dialogue.reply(), new RegExp(`^500 .* FOO ${n}`));
  assert.match(await dialogue.reply(), /^221 /);
  assert.equal(await dialogue.reply(), 'closed');
});

const useless: [name: string, handler: string][] = [
  ['throws', "() => { throw new Error('no'); }"],
  ['returns nonsense', '() => ({ status: 200 })'],
  ['returns a code of nobody', '() => 99'],
  ['makes 250 of a refusal and a refusal of 354', '(status) => (status >= 400 ? 250 : status === 354 ? 550 : undefined)'],
  ['is unclear', "() => 'two\\rlines'"],
];
for (const [name, handler] of useless) {
  test(`a handler that ${name} changes no reply and loses no mail`, async (t) => {
    const ingress = await ingressWith(t, handler);
    assert.match(await ingress.submit('A: b\r\n\r\nhello\r\n.\r\n'), /^250 2\.0\.0 Ok: queued as /);
    const dialogue = await ingress.greeted();
    await dialogue.expect([['FOO', '500 5.5.2 Command not recognized']]);
    assert.equal((await ingress.queued()).length, 1);
  });
}

test('a handler without end costs its time limit and no mail', async (t) => {
  const { file } = await policyFolder(t, rewriting("(s, r, command) => { while (command === 'DATA'); }"));
  const ingress = await startTestIngress(t, {}, { policy: { file, timeout: '2s' } });
  for (let n = 1; n <= 2; n++) {
    assert.match(await ingress.submit('A: b\r\n\r\nhello\r\n.\r\n'), /^250 2\.0\.0 Ok: queued as /);
    assert.equal((await ingress.queued()).length, n);
  }
});

test('the record of a rejection shows the reply as it was sent', async (t) => {
  const ingress = await ingressWith(
    t,
    "(status, r, command) => command?.startsWith('RCPT') ? [450, '4.7.1 come\\n4.7.1 back'] : undefined",
  );
  const dialogue = await ingress.greeted({ from: '127.0.0.2' });
  await dialogue.expect([
    ['MAIL FROM:<a@b.test>', '250 '],
    ['RCPT TO:<c@d.test>', '450-4.7.1 come\n450 4.7.1 back'],
  ]);
  let records = await ingress.records('Rejection');
  while (records.length === 0) records = await ingress.records('Rejection');
  const [record] = records;
  assert.deepEqual(record?.response, {
    code: 450,
    enhanced_code: { class: 4, subject: 7, detail: 1 },
    content: 'come back',
    command: 'RCPT',
    lines: ['come', 'back'],
    local: true,
  });
  assert.deepEqual([record.sender, record.recipient], ['a@b.test', 'c@d.test']);
});

test('connMeta knows client, listener, EHLO name, TLS and login', async (t) => {
  const ingress = await ingressWith(t, '(s, r, command, meta) => command === "META" ? JSON.stringify(meta) : undefined', { tls, users });
  const ask = async (dialogue: Dialogue): Promise<Record<string, unknown>> => {
    dialogue.send('META\r\n');
    return JSON.parse((await dialogue.reply()).slice(4)) as Record<string, unknown>;
  };
  const dialogue = await ingress.connect({ from: '127.0.0.2' });
  await dialogue.reply();
  const { sessionId, clientPort, ...first } = await ask(dialogue);
  assert.equal(typeof sessionId, 'string');
  assert.equal(typeof clientPort, 'number');
  const listener = { hostname: 'relay.test', clientAddress: '127.0.0.2', listenerAddress: '127.0.0.1', listenerPort: ingress.port };
  assert.deepEqual(first, { ...listener, isTrusted: false });
  await dialogue.expect([['STARTTLS', '220 ']]);
  await dialogue.startTls();
  await dialogue.expect([
    ['EHLO client.test', '250-'],
    [`AUTH PLAIN ${base64('\0ann\0secret')}`, '235 '],
  ]);
  const { tls: encryption, ...later } = await ask(dialogue);
  assert.match(JSON.stringify(encryption), /^\{"protocol":"TLSv1\.3","cipher":"TLS_/);
  assert.deepEqual(later, { ...listener, sessionId, clientPort, isTrusted: false, ehloDomain: 'client.test', user: { name: 'ann' } });
});

test('a policy that is loaded again drops no connection', async (t) => {
  const folder = await policyFolder(t, rewriting("() => 'old'"));
  const ingress = await startTestIngress(t, {}, { policy: { file: folder.file, timeout: '50s' } });
  const dialogue = await ingress.connect();
  await dialogue.expect([[undefined, '220 old']]);
  await folder.put('policy.ts', rewriting("() => 'new'"));
  await ingress.context.policy.reload();
  await dialogue.expect([
    ['NOOP', '250 new'],
    ['QUIT', '221 new'],
  ]);
});
