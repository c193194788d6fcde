import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { hashPassword } from '../../shared/io/password.ts';
import { certificateFiles, startTestIngress } from '../support/ingress.ts';
import { freePort } from '../support/ports.ts';
import type { Step } from '../support/smtp-dialogue.ts';

const tls = await certificateFiles({ after });
const users = [
  { name: 'ann', password: await hashPassword('secret'), tenant: 'acme' },
  { name: 'bob', password: 'plain' },
];
const ingress = await startTestIngress({ after }, { tls, tlsPort: await freePort(), users, domains: ['Own.Test.', 'bücher.test'] });
const clear = await startTestIngress({ after }, { users, allowPlainAuth: true });
const stranger = { from: '127.0.0.7' };
const mail: Step = ['MAIL FROM:<a@b.test>', '250 2.1.0'];
const ok = '250 2.1.5';
const denied = '550 5.7.1';

const relaying: [recipient: string, reply: string, mail?: string][] = [
  ['<x@own.test>', ok],
  ['<x@OWN.test>', ok],
  ['<@evil.test:x@own.test>', ok],
  ['<"a b"@own.test>', ok],
  ['<postmaster>', ok],
  ['<x@own.test.>', '501 5.1.3'],
  ['<x@evil.test>', denied],
  ['<x@sub.own.test>', denied],
  ['<x@own.test.evil.test>', denied],
  ['<@own.test:x@evil.test>', denied],
  ['<x%evil.test@own.test>', denied],
  ['<evil.test!x@own.test>', denied],
  ['<"x@evil.test"@own.test>', denied],
  ['<"x%evil.test"@own.test>', denied],
  ['<x@evil.test@own.test>', '501 5.1.3'],
  ['<x@[127.0.0.1]>', denied],
  ['<x@[IPv6:::1]>', denied],
  ['<x@127.0.0.1>', '501 5.1.3'],
  ['<x@localhost>', denied],
  ['<x@relay.test>', denied],
  ['<x>', '501 5.1.3'],
  ['<own.test>', '501 5.1.3'],
  ['<x@own.test,y@evil.test>', '501 5.1.3'],
  ['<x@evil.test> <y@own.test>', '501 5.5.4'],
];
for (const [recipient, reply, from] of relaying) {
  test(`a stranger who sends to ${recipient} is told ${reply}`, async () => {
    const client = await ingress.greeted(stranger);
    await client.expect([from ? [from, '250'] : mail, [`RCPT TO:${recipient}`, reply]]);
  });
}

test('an own domain is ours in A-labels and in U-labels (rule 110)', async () => {
  const client = await ingress.greeted(stranger);
  await client.expect([
    ['MAIL FROM:<a@b.test> SMTPUTF8', '250'],
    ['RCPT TO:<x@XN--bcher-kva.test>', ok],
    ['RCPT TO:<x@b\xc3\xbccher.test>', ok],
    ['RCPT TO:<x@b\xc3\xbccher.evil.test>', denied],
  ]);
});

test('a trusted client may send anywhere', async () => {
  const client = await ingress.greeted();
  await client.expect([mail, ['RCPT TO:<x@evil.test>', ok], ['RCPT TO:<"a@b"@evil.test>', ok], ['RCPT TO:<x@[192.0.2.1]>', ok]]);
});

test('a stranger is cut off after many refusals', async () => {
  const client = await ingress.greeted(stranger);
  await client.expect([
    mail,
    ...Array.from({ length: 20 }, (): Step => ['RCPT TO:<x@evil.test>', denied]),
    [undefined, '421 4.7.0'],
    [undefined, 'closed'],
  ]);
});

const base64 = (text: string): string => Buffer.from(text).toString('base64');
const plain = (name: string, password: string, other = ''): string => base64(`${other}\0${name}\0${password}`);

const logins: [name: string, steps: Step[]][] = [
  ['PLAIN at once', [[`AUTH PLAIN ${plain('ann', 'secret')}`, '235 2.7.0']]],
  [
    'PLAIN after a prompt',
    [
      ['AUTH PLAIN', '334'],
      [plain('bob', 'plain'), '235 2.7.0'],
    ],
  ],
  [
    'LOGIN',
    [
      ['AUTH LOGIN', '334 VXNlcm5hbWU6'],
      [base64('ann'), '334 UGFzc3dvcmQ6'],
      [base64('secret'), '235 2.7.0'],
    ],
  ],
  [
    'a wrong password',
    [
      [`AUTH PLAIN ${plain('ann', 'wrong')}`, '535 5.7.8'],
      [`AUTH PLAIN ${plain('ann', 'secret')}`, '235'],
    ],
  ],
  ['an unknown name', [[`AUTH PLAIN ${plain('eve', 'secret')}`, '535 5.7.8']]],
  ['an empty name and password', [[`AUTH PLAIN ${plain('', '')}`, '535 5.7.8']]],
  ['somebody else in mind', [[`AUTH PLAIN ${plain('ann', 'secret', 'bob')}`, '535 5.7.8']]],
  ['a hash for a password', [[`AUTH PLAIN ${plain('ann', users[0]?.password ?? '')}`, '535 5.7.8']]],
  [
    'three failures',
    [
      [`AUTH PLAIN ${plain('ann', '1')}`, '535'],
      [`AUTH PLAIN ${plain('ann', '2')}`, '535'],
      [`AUTH PLAIN ${plain('ann', '3')}`, '421 4.7.0'],
      [undefined, 'closed'],
    ],
  ],
  ['a change of mind', [['AUTH LOGIN', '334'], ['*', '501'], mail]],
  ['no base64', [['AUTH PLAIN %%%%', '501']]],
  [
    'an unknown mechanism',
    [
      ['AUTH CRAM-MD5', '504 5.5.4'],
      ['AUTH', '504 5.5.4'],
    ],
  ],
  ['a login in a transaction', [mail, [`AUTH PLAIN ${plain('ann', 'secret')}`, '503 5.5.1']]],
  [
    'a second login',
    [
      [`AUTH PLAIN ${plain('ann', 'secret')}`, '235'],
      [`AUTH PLAIN ${plain('bob', 'plain')}`, '503 5.5.1'],
    ],
  ],
];
for (const [name, steps] of logins) {
  test(`a login with ${name} is answered right`, async () => {
    const client = await clear.greeted(stranger);
    await client.expect(steps);
  });
}

test('AUTH waits for TLS, and is offered with it', async () => {
  const client = await ingress.connect(stranger);
  await client.reply();
  client.send('EHLO client.test\r\n');
  const before = await client.reply();
  assert.ok(before.includes('STARTTLS') && !before.includes('AUTH'), before);
  await client.expect([
    [`AUTH PLAIN ${plain('ann', 'secret')}`, '538 5.7.11'],
    ['STARTTLS now', '501 5.5.4'],
    ['STARTTLS', '220 2.0.0'],
  ]);
  await client.startTls();
  await client.expect([
    ['MAIL FROM:<a@b.test>', '503 5.5.1'],
    ['STARTTLS', '503 5.5.1'],
  ]);
  client.send('EHLO client.test\r\n');
  const inside = await client.reply();
  assert.ok(inside.includes('AUTH PLAIN LOGIN') && !inside.includes('STARTTLS'), inside);
});

test('a user may send anywhere; the message tells of TLS and login, and belongs to the tenant', async () => {
  const client = await ingress.greeted(stranger);
  await client.expect([['STARTTLS', '220']]);
  await client.startTls();
  await client.expect([
    ['EHLO client.test', '250-'],
    [`AUTH PLAIN ${plain('ann', 'secret')}`, '235'],
    mail,
    ['RCPT TO:<x@elsewhere.test>', ok],
    ['DATA', '354'],
    ['A: b\r\n\r\nx\r\n.', '250 2.0.0'],
  ]);
  const message = (await ingress.queued()).find(({ job }) => job.domain === 'elsewhere.test');
  assert.equal(message?.job.queue, 'acme@elsewhere.test');
  assert.match(message?.content ?? '', / with ESMTPSA\r\n\t\(TLSv1\.3 TLS_\w+\) id /);
  const record = (await ingress.records('Reception')).at(-1);
  assert.deepEqual([record?.meta['authn_id'], record?.tls_protocol_version, record?.peer_address?.is_secure], ['ann', 'TLSv1.3', true]);
});

test('implicit TLS speaks TLS from the first octet', async () => {
  const client = await ingress.connect({ ...stranger, port: ingress.tlsPort ?? 0, tls: true });
  await client.expect([
    [undefined, '220 relay.test'],
    ['EHLO client.test', '250-'],
    ['STARTTLS', '503'],
    [`AUTH PLAIN ${plain('bob', 'plain')}`, '235'],
  ]);
});

test('what was said in the clear is forgotten with STARTTLS, and what was pipelined behind it is never done', async () => {
  const client = await ingress.greeted();
  await client.expect([['MAIL FROM:<clear@b.test>', '250']]);
  client.send('STARTTLS\r\nRCPT TO:<injected@b.test>\r\nDATA\r\n');
  assert.match(await client.reply(), /^220/);
  await client.startTls();
  await client.expect([
    ['EHLO client.test', '250-'],
    ['RCPT TO:<x@b.test>', '503 5.5.1'],
    ['NOOP', '250'],
  ]);
});

test('rubbish instead of a TLS handshake closes the connection and harms nobody', async () => {
  const client = await ingress.greeted();
  await client.expect([['STARTTLS', '220']]);
  client.send('EHLO not-tls.test\r\n');
  while ((await client.reply()) !== 'closed');
  const other = await ingress.connect({ port: ingress.tlsPort ?? 0 });
  other.send('EHLO not-tls.test\r\n');
  while ((await other.reply()) !== 'closed');
  await ingress.greeted();
});

test('credentials are in no record', async () => {
  const client = await clear.greeted(stranger);
  await client.expect([
    ['AUTH LOGIN', '334'],
    [base64('ann'), '334'],
    [base64('not-the-secret'), '535'],
    mail,
    ['RCPT TO:<x@y.test>', '550'],
  ]);
  const records = JSON.stringify(await clear.records());
  assert.ok(!records.includes('not-the-secret') && !records.includes(base64('not-the-secret')));
});

test('without settings for logins AUTH is not there, even inside TLS', async () => {
  const bare = await startTestIngress({ after }, { tls });
  const client = await bare.greeted();
  await client.expect([['AUTH PLAIN AAAA', '502 5.5.1']]);
});

test('a key without a certificate is an error at the start', async () => {
  await assert.rejects(startTestIngress({ after }, { tls: { key: tls.key } }), /both needed/);
});
