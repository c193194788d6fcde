import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { pino } from 'pino';
import type { ConfigInput } from '../../shared/core/config.ts';
import { openMetrics } from '../../shared/io/metrics.ts';
import { hashPassword } from '../../shared/io/password.ts';
import { openPolicy } from '../../shared/io/policy.ts';
import { startTestIngress, type TestIngress } from '../support/ingress.ts';
import { policyFolder, type PolicyFolder } from '../support/policy.ts';
import type { Step } from '../support/smtp-dialogue.ts';

interface Scope {
  after(work: () => Promise<void>): void;
}

/** An ingress whose policy has these lines; time enough for every slow machine, unless a test is about time. */
async function ingressWith(
  t: Scope,
  lines: string,
  { ingress = {}, timeout = '50s' }: { ingress?: ConfigInput['ingress']; timeout?: string } = {},
): Promise<{ ingress: TestIngress; folder: PolicyFolder }> {
  const folder = await policyFolder(t, policyOf(lines));
  return { folder, ingress: await startTestIngress(t, ingress, { policy: { file: folder.file, timeout } }) };
}

const policyOf = (lines: string): string =>
  `import { definePolicy, reject } from 'rebound';\nexport default definePolicy((policy) => {\n${lines}\n});\n`;

/** Each name asks for one behaviour, in whatever place it stands. */
const behave = `
  const behave = (word: string): unknown => {
    if (word.startsWith('refuse')) reject(550, '5.7.25 not you');
    if (word.startsWith('later')) return reject(450, 'come back\\nlater');
    if (word.startsWith('data')) return { reject: { code: 554, text: '5.6.6 as data' } };
    if (word.startsWith('close')) reject(421, '4.3.2 closing');
    if (word.startsWith('inject')) reject(550, '5.7.1 a\\r\\n250 ok\\u0000');
    if (word.startsWith('long')) reject(550, 'x'.repeat(5000));
    if (word.startsWith('two')) reject(250, 'fine');
    if (word.startsWith('throw')) throw new Error('oops');
    if (word.startsWith('text')) return 'no thanks';
    if (word.startsWith('object')) return { refuse: true };
    return undefined;
  };`;

const shared = await ingressWith(
  { after },
  `${behave}
  policy.on('smtp_server_connection_accepted', ({ clientAddress }) => {
    if (clientAddress === '127.0.0.66') reject(554, '5.7.1 go away');
    if (clientAddress === '127.0.0.67') throw new Error('oops');
  });
  policy.on('smtp_server_ehlo', (domain) => behave(domain) as never);
  policy.on('smtp_server_mail_from_accepted', (sender) => behave(sender) as never);
  policy.on('smtp_server_rcpt_to_accepted', (recipient, { isTrusted }) => {
    if (recipient === 'guest@else.test' && !isTrusted) return { relay: true };
    if (recipient === 'almost@else.test') return { relay: 'yes' } as never;
    return behave(recipient) as never;
  });`,
  { ingress: { domains: ['own.test'] } },
);

/** What each word is answered with; 250: as if there were no handler. */
const answers: [word: string, reply: string][] = [
  ['fine', '250'],
  ['refuse', '550 5.7.25 not you'],
  ['later', '450-4.7.1 come back\n450 4.7.1 later'],
  ['data', '554 5.6.6 as data'],
  ['inject', '550 5.7.1 Refused by the policy of this system'],
  ['long', '550 5.7.1 Refused by the policy of this system'],
  ['two', '250'],
  ['throw', '250'],
  ['text', '250'],
  ['object', '250'],
];
const places: [name: string, before: Step[], line: (word: string) => string][] = [
  ['EHLO', [], (word) => `EHLO ${word}.test`],
  ['HELO', [], (word) => `HELO ${word}.test`],
  ['MAIL', [['EHLO client.test', '250-']], (word) => `MAIL FROM:<${word}@home.test>`],
  [
    'RCPT',
    [
      ['EHLO client.test', '250-'],
      ['MAIL FROM:<ann@home.test>', '250 '],
    ],
    (word) => `RCPT TO:<${word}@dest.test>`,
  ],
];
for (const [place, before, line] of places) {
  test(`a policy refuses ${place} in its own words, and what it does not say clearly changes nothing`, async () => {
    for (const [word, want] of answers) {
      const dialogue = await shared.ingress.connect();
      await dialogue.expect([[undefined, '220 '], ...before]);
      dialogue.send(`${line(word)}\r\n`);
      const reply = await dialogue.reply();
      assert.ok(want === '250' ? reply.startsWith(want) : reply === want, `${word}: ${reply}`);
      await dialogue.expect([['NOOP', '250 2.0.0']]);
      dialogue.destroy();
    }
  });

  test(`a 421 for ${place} closes the connection`, async () => {
    const dialogue = await shared.ingress.connect();
    await dialogue.expect([[undefined, '220 '], ...before, [line('close'), '421 4.3.2 closing']]);
    assert.equal(await dialogue.reply(), 'closed');
  });
}

test('a refused EHLO is none: MAIL wants another', async () => {
  const dialogue = await shared.ingress.connect();
  await dialogue.expect([
    [undefined, '220 '],
    ['EHLO refuse.test', '550 5.7.25'],
    ['MAIL FROM:<ann@home.test>', '503 5.5.1'],
    ['EHLO fine.test', '250-'],
    ['MAIL FROM:<ann@home.test>', '250 '],
  ]);
});

test('a refused client hears why instead of a greeting; one whose handler fails is greeted', async () => {
  const refused = await shared.ingress.connect({ from: '127.0.0.66' });
  await refused.expect([[undefined, '554 5.7.1 go away']]);
  assert.equal(await refused.reply(), 'closed');
  const greeted = await shared.ingress.connect({ from: '127.0.0.67' });
  await greeted.expect([[undefined, '220 ']]);
});

test('refused senders and recipients are in records like others', async () => {
  const dialogue = await shared.ingress.greeted();
  await dialogue.expect([
    ['MAIL FROM:<refuse.record@home.test>', '550 5.7.25'],
    ['MAIL FROM:<kept@home.test>', '250 '],
    ['RCPT TO:<later.record@dest.test>', '450-4.7.1'],
  ]);
  dialogue.destroy();
  const told = async (): Promise<string[]> =>
    (await shared.ingress.records('Rejection')).map(
      ({ sender, recipient, response }) => `${sender} ${String(recipient)} ${response.code} ${response.content}`,
    );
  const wanted = ['refuse.record@home.test  550 not you', 'kept@home.test later.record@dest.test 450 come back later'];
  for (let found = await told(); !wanted.every((text) => found.includes(text)); found = await told()) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
});

test('a policy opens the relay for a recipient, and only by saying so', async () => {
  const dialogue = await shared.ingress.greeted({ from: '127.0.0.9' });
  await dialogue.expect([
    ['MAIL FROM:<ann@home.test>', '250 '],
    ['RCPT TO:<guest@else.test>', '250 2.1.5'],
    ['RCPT TO:<almost@else.test>', '550 5.7.1 Relaying denied'],
    ['RCPT TO:<stranger@else.test>', '550 5.7.1 Relaying denied'],
    ['RCPT TO:<throw@else.test>', '550 5.7.1 Relaying denied'],
    ['RCPT TO:<bob@own.test>', '250 2.1.5'],
    ['RCPT TO:<refuse@own.test>', '550 5.7.25 not you'],
  ]);
});

test('replies keep their order under pipelining', async () => {
  const dialogue = await shared.ingress.greeted();
  dialogue.send('MAIL FROM:<ann@home.test>\r\nRCPT TO:<refuse@a.test>\r\nRCPT TO:<ok@a.test>\r\nRCPT TO:<data@a.test>\r\nDATA\r\n');
  await dialogue.expect([
    [undefined, '250 2.1.0'],
    [undefined, '550 5.7.25'],
    [undefined, '250 2.1.5'],
    [undefined, '554 5.6.6'],
    [undefined, '354 '],
  ]);
  dialogue.send('Subject: x\r\n\r\nhello\r\n.\r\n');
  await dialogue.expect([[undefined, '250 2.0.0']]);
});

test('a handler that takes too long is as if it were not there', async (t) => {
  const { ingress } = await ingressWith(
    t,
    `for (const event of ['smtp_server_connection_accepted', 'smtp_server_ehlo', 'smtp_server_mail_from_accepted', 'smtp_server_rcpt_to_accepted'] as const)
      policy.on(event, () => new Promise<never>(() => undefined));`,
    { timeout: '20ms' },
  );
  const dialogue = await ingress.greeted();
  await dialogue.expect([
    ['MAIL FROM:<ann@home.test>', '250 '],
    ['RCPT TO:<bob@dest.test>', '250 '],
  ]);
});

const password = 'pass word/Sesame';
const base64 = (text: string): string => Buffer.from(text).toString('base64');
const plain = (authz: string, authc: string, word = password): string => `AUTH PLAIN ${base64(`${authz}\0${authc}\0${word}`)}`;
const logins = await ingressWith(
  { after },
  `policy.on('smtp_server_auth_plain', async (authz, authc, word, conn) => {
    if (word !== '${password}') return false;
    if (authc === 'yes') return true;
    if (authc === 'tenant') return { tenant: 'acme' };
    if (authc === 'boss') return authz === 'office' && conn.ehloDomain === 'client.test';
    if (authc === 'rejected') reject(535, '5.7.8 your account is closed');
    if (authc === 'later') reject(454, '4.7.0 the directory is away');
    if (authc === 'closed') reject(421, '4.7.0 bye');
    if (authc === 'throws') throw new Error('could not look up ' + word);
    if (authc === 'number') return 1 as never;
    if (authc === 'words') return 'true' as never;
    if (authc === 'list') return [true] as never;
    if (authc === 'nonsense') return { tenant: 'a@b' };
    if (authc === 'more') return { [word]: true } as never;
    return undefined as never;
  });`,
  { ingress: { allowPlainAuth: true, users: [{ name: 'ann', password: await hashPassword(password) }] } },
);

const attempts: [name: string, lines: Step[], user?: { name: string; tenant?: string }][] = [
  ['the right password', [[plain('', 'yes'), '235 2.7.0']], { name: 'yes' }],
  ['a tenant', [[plain('', 'tenant'), '235 2.7.0']], { name: 'tenant' }],
  [
    'AUTH LOGIN',
    [
      ['AUTH LOGIN', '334 '],
      [base64('yes'), '334 '],
      [base64(password), '235 2.7.0'],
    ],
    { name: 'yes' },
  ],
  ['somebody who may act for another', [[plain('office', 'boss'), '235 2.7.0']], { name: 'boss' }],
  ['somebody who may not', [[plain('', 'boss'), '535 5.7.8']]],
  ['a user of the settings', [[plain('', 'ann'), '235 2.7.0']], { name: 'ann' }],
  ['a user of the settings who acts for another', [[plain('yes', 'ann'), '454 4.7.0']]],
  ['a wrong password', [[plain('', 'yes', 'wrong'), '535 5.7.8']]],
  ['words of its own', [[plain('', 'rejected'), '535 5.7.8 your account is closed']]],
  ['a temporary refusal', [[plain('', 'later'), '454 4.7.0 the directory is away']]],
  ['a handler that throws', [[plain('', 'throws'), '454 4.7.0 Temporary']]],
  ['a number', [[plain('', 'number'), '454 4.7.0 Temporary']]],
  ['the word true', [[plain('', 'words'), '454 4.7.0 Temporary']]],
  ['a list', [[plain('', 'list'), '454 4.7.0 Temporary']]],
  ['nothing', [[plain('', 'nobody'), '454 4.7.0 Temporary']]],
  ['a tenant that is no name', [[plain('', 'nonsense'), '454 4.7.0 Temporary']]],
  ['an object with more in it', [[plain('', 'more'), '454 4.7.0 Temporary']]],
  ['a name of 5,000 characters', [[plain('', 'yes'.repeat(1700)), '535 5.7.8']]],
];
for (const [name, lines, user] of attempts) {
  test(`a login answered with ${name} lets in whom the policy names and nobody else`, async () => {
    const dialogue = await logins.ingress.greeted({ from: '127.0.0.9' });
    await dialogue.expect([...lines, ['MAIL FROM:<ann@home.test>', '250 '], ['RCPT TO:<bob@else.test>', user ? '250 2.1.5' : '550 5.7.1']]);
    dialogue.destroy();
  });
}

test('a message of a login that the policy knows tells its name and belongs to its tenant', async () => {
  const dialogue = await logins.ingress.greeted({ from: '127.0.0.9' });
  await dialogue.expect([
    [plain('', 'tenant'), '235 '],
    ['MAIL FROM:<ann@home.test>', '250 '],
    ['RCPT TO:<bob@tenant.test>', '250 '],
    ['DATA', '354 '],
    ['Subject: x\r\n\r\nhello\r\n.', '250 '],
  ]);
  const queued = (await logins.ingress.queued()).find(({ job }) => job.domain === 'tenant.test');
  assert.equal(queued?.job.queue, 'acme@tenant.test');
  assert.equal(queued.job.reception.meta['authn_id'], 'tenant');
});

test('three refusals of the policy end the connection; failures of its handler do not', async () => {
  const failing = await logins.ingress.greeted();
  for (let n = 0; n < 5; n++) await failing.expect([[plain('', 'throws'), '454 ']]);
  await failing.expect([
    [plain('', 'rejected'), '535 '],
    [plain('', 'yes', 'wrong'), '535 '],
    [plain('', 'rejected'), '421 4.7.0'],
  ]);
  assert.equal(await failing.reply(), 'closed');
  const closed = await logins.ingress.greeted();
  await closed.expect([[plain('', 'closed'), '421 4.7.0 bye']]);
  assert.equal(await closed.reply(), 'closed');
});

test('the password of a login is in no record and no metric, and in no log though the handler throws it', async (t) => {
  const folder = await policyFolder(
    t,
    policyOf("policy.on('smtp_server_auth_plain', (authz, authc, word) => { throw new Error('wrong: ' + word); });"),
  );
  const ingress = await startTestIngress(t, { allowPlainAuth: true }, { policy: { file: folder.file, timeout: '50s' } });
  const dialogue = await ingress.greeted();
  await dialogue.expect([
    [plain('', 'throws'), '454 4.7.0'],
    ['MAIL FROM:<ann@home.test> X', '555 5.5.4'],
  ]);
  while ((await ingress.records('Rejection')).length === 0) await new Promise((resolve) => setTimeout(resolve, 10));
  const lines: string[] = [];
  const log = pino({ level: 'debug' }, { write: (line: string) => void lines.push(line) });
  const policy = await openPolicy({ file: folder.file, timeout: 50_000 }, log, openMetrics());
  t.after(() => policy.close());
  await policy.handlerOf('smtp_server_auth_plain')?.('', 'ann', password, {} as never);
  assert.ok(
    lines.some((line) => line.includes('"policy_failed"') && line.includes('policy.ts:3')),
    lines.join(''),
  );
  const told = [...lines, JSON.stringify(await ingress.records()), await ingress.context.metrics.registry.metrics()].join('\n');
  assert.match(told, /rebound_policy_failures_total\{event="smtp_server_auth_plain",kind="error"[^}]*\} 1/);
  assert.ok(!told.includes(password) && !told.includes(base64(password)), told.slice(0, 2000));
});

test('logins are offered for as long as there is a handler of them', async (t) => {
  const { ingress, folder } = await ingressWith(t, "policy.on('smtp_server_auth_plain', () => true);", {
    ingress: { allowPlainAuth: true },
  });
  const dialogue = await ingress.connect();
  await dialogue.expect([[undefined, '220 ']]);
  dialogue.send('EHLO client.test\r\n');
  assert.match(await dialogue.reply(), /AUTH PLAIN LOGIN/);
  await folder.put('policy.ts', policyOf(''));
  await ingress.context.policy.reload();
  dialogue.send('EHLO client.test\r\n');
  assert.doesNotMatch(await dialogue.reply(), /AUTH/);
  await dialogue.expect([[plain('', 'yes'), '502 5.5.1']]);
});

test('a login while its handler hangs, and until it is called again, is to be tried later', async (t) => {
  const { ingress } = await ingressWith(t, "policy.on('smtp_server_auth_plain', () => { for (;;); });", {
    ingress: { allowPlainAuth: true },
    timeout: '50ms',
  });
  const dialogue = await ingress.greeted();
  await dialogue.expect([[plain('', 'yes'), '454 4.7.0']]);
  while (ingress.context.policy.callOf('smtp_server_auth_plain')) await new Promise((resolve) => setTimeout(resolve, 20));
  await dialogue.expect([
    [plain('', 'yes'), '454 4.7.0'],
    ['NOOP', '250 '],
  ]);
});

test('the example of the documentation does what it says', async (t) => {
  process.env['NEWS_PASSWORD'] = password;
  t.after(() => delete process.env['NEWS_PASSWORD']);
  const file = fileURLToPath(new URL('../../infra/examples/relay-events.ts', import.meta.url));
  const ingress = await startTestIngress(t, { allowPlainAuth: true }, { policy: { file, timeout: '50s' } });
  const dialogue = await ingress.greeted({ from: '127.0.0.9' });
  await dialogue.expect([
    [plain('', 'shop', ''), '535 5.7.8'],
    [plain('', 'news', 'wrong'), '535 5.7.8'],
    [plain('', 'news'), '235 2.7.0'],
    ['MAIL FROM:<ann@home.test>', '550 5.7.1 Send from news.example.org'],
    ['MAIL FROM:<ann@news.example.org>', '250 '],
    ['RCPT TO:<bob@dest.test>', '250 '],
    ['DATA', '354 '],
    ['X-Campaign: spring\r\nSubject: x\r\n\r\nhello\r\n.', '250 '],
  ]);
  const [queued] = await ingress.queued();
  assert.equal(queued?.job.queue, 'spring:news@dest.test');
  assert.match(queued.content, /\r\nX-Sent-For: news\r\nSubject: x\r\n\r\nhello\r\n$/);
});
