import assert from 'node:assert/strict';
import test from 'node:test';
import { replyOnOneLine } from '../../shared/core/reply.ts';
import { parseMail, parseRcpt, type MailCommand, type RcptCommand } from '../../shared/core/smtp-params.ts';

const mail: [line: string, command: MailCommand][] = [
  ['MAIL FROM:<a@b.test>', { sender: 'a@b.test', smtpUtf8: false }],
  ['mail from: <a@b.test>  ', { sender: 'a@b.test', smtpUtf8: false }],
  ['MAIL FROM:<>', { sender: '', smtpUtf8: false }],
  ['MAIL FROM:<@r.test:a@b.test> size=10', { sender: 'a@b.test', smtpUtf8: false, size: 10 }],
  ['MAIL FROM:<a@b.test> AUTH=<> BODY=7BIT', { sender: 'a@b.test', smtpUtf8: false }],
  ['MAIL FROM:<a@b.test> AUTH=e+3Dmc2@example.com', { sender: 'a@b.test', smtpUtf8: false }],
  ['MAIL FROM:<é@b.test> SMTPUTF8', { sender: 'é@b.test', smtpUtf8: true }],
];
for (const [line, command] of mail) {
  test(`${line.slice(0, 80)} is understood`, () => assert.deepEqual(parseMail(line), { ok: true, value: command }));
}

const badMail: [line: string, reply: string][] = [
  ['MAIL', '501 5.1.7'],
  ['MAIL TO:<a@b.test>', '501 5.1.7'],
  ['MAIL FROM:a@b.test', '501 5.1.7'],
  ['MAIL FROM:<postmaster>', '501 5.1.7'],
  ['MAIL FROM:<a@b.test>SIZE=1', '501 5.5.4'],
  ['MAIL FROM:<a@b.test> FOO=bar', '555 5.5.4'],
  ['MAIL FROM:<a@b.test> NOTIFY=NEVER', '555 5.5.4'],
  ['MAIL FROM:<a@b.test> BODY=BINARYMIME', '555 5.5.4'],
  ['MAIL FROM:<a@b.test> BODY=9BIT', '501 5.5.4'],
  ['MAIL FROM:<a@b.test> BODY', '501 5.5.4'],
  ['MAIL FROM:<a@b.test> SIZE=', '501 5.5.4'],
  ['MAIL FROM:<a@b.test> SIZE=1x', '501 5.5.4'],
  ['MAIL FROM:<a@b.test> SIZE=-1', '501 5.5.4'],
  ['MAIL FROM:<a@b.test> SIZE=123456789012345678901', '501 5.5.4'],
  ['MAIL FROM:<a@b.test> SIZE=1 size=2', '501 5.5.4'],
  ['MAIL FROM:<a@b.test> SMTPUTF8=yes', '501 5.5.4'],
  ['MAIL FROM:<a@b.test> AUTH=a+', '501 5.5.4'],
  ['MAIL FROM:<a@b.test> =x', '501 5.5.4'],
  ['MAIL FROM:<a@b.test> -X', '501 5.5.4'],
  ['MAIL FROM:<é@b.test>', '553 5.6.7'],
];
for (const [line, reply] of badMail) {
  test(`${line.slice(0, 80)} is refused with ${reply}`, () => {
    const parsed = parseMail(line);
    assert.ok(!parsed.ok && replyOnOneLine(parsed.reply).startsWith(reply), JSON.stringify(parsed));
  });
}

const box = (address: string): RcptCommand['mailbox'] => {
  const at = address.lastIndexOf('@');
  return { address, localPart: address.slice(0, at), domain: address.slice(at + 1) };
};
test('RCPT TO:<A@b.test> is understood', () => {
  assert.deepEqual(parseRcpt('RCPT TO:<A@b.test>', false), { ok: true, value: { mailbox: box('A@b.test') } });
});

const badRcpt: [line: string, reply: string][] = [
  ['RCPT TO:<>', '501 5.1.3'],
  ['RCPT TO:<a>', '501 5.1.3'],
  ['RCPT FROM:<a@b.test>', '501 5.1.3'],
  ['RCPT TO:<a@b.test> SIZE=1', '555 5.5.4'],
  ['RCPT TO:<é@b.test>', '553 5.6.7'],
];
for (const [line, reply] of badRcpt) {
  test(`${line.slice(0, 80)} is refused with ${reply}`, () => {
    const parsed = parseRcpt(line, false);
    assert.ok(!parsed.ok && replyOnOneLine(parsed.reply).startsWith(reply), JSON.stringify(parsed));
  });
}

// ---- What a sender asks for (RFC 3461 §4)

const mailRequests: [line: string, command: MailCommand][] = [
  ['MAIL FROM:<a@b.test> RET=full ENVID=Abc+2B BODY=8bitmime', { sender: 'a@b.test', smtpUtf8: false, ret: 'FULL', envid: 'Abc+2B' }],
  ['MAIL FROM:<a@b.test> RET=HDRS', { sender: 'a@b.test', smtpUtf8: false, ret: 'HDRS' }],
  [`MAIL FROM:<a@b.test> ENVID=${'x'.repeat(100)}`, { sender: 'a@b.test', smtpUtf8: false, envid: 'x'.repeat(100) }],
];
for (const [line, command] of mailRequests) {
  test(`understood of a message: ${line.slice(0, 80)} (rules 81, 82, 83)`, () =>
    assert.deepEqual(parseMail(line), { ok: true, value: command }));
}

const rcptRequests: [line: string, command: RcptCommand, smtpUtf8?: boolean][] = [
  ['rcpt to:<"a b"@c.test> notify=success,Failure', { mailbox: box('"a b"@c.test'), notify: ['SUCCESS', 'FAILURE'] }],
  ['RCPT TO:<a@b.test> NOTIFY=never', { mailbox: box('a@b.test'), notify: ['NEVER'] }],
  ['RCPT TO:<a@b.test> NOTIFY=DELAY,DELAY', { mailbox: box('a@b.test'), notify: ['DELAY'] }],
  ['RCPT TO:<a@b.test> ORCPT=rfc822;Ann+2Bx@b.test', { mailbox: box('a@b.test'), orcpt: 'rfc822;Ann+2Bx@b.test' }],
  ['RCPT TO:<a@b.test> ORCPT=x-foo;a+20b', { mailbox: box('a@b.test'), orcpt: 'x-foo;a+20b' }],
  ['RCPT TO:<a@b.test> ORCPT=utf-8;\\x{E9}@b.test', { mailbox: box('a@b.test'), orcpt: 'utf-8;\\x{E9}@b.test' }],
  ['RCPT TO:<a@b.test> ORCPT=UTF-8;é@b.test', { mailbox: box('a@b.test'), orcpt: 'UTF-8;é@b.test' }, true],
  [`RCPT TO:<a@b.test> ORCPT=rfc822;${'x'.repeat(493)}`, { mailbox: box('a@b.test'), orcpt: `rfc822;${'x'.repeat(493)}` }],
];
for (const [line, command, smtpUtf8 = false] of rcptRequests) {
  test(`understood of a recipient: ${line.slice(0, 80)} (rules 82, 83, 84, 101)`, () =>
    assert.deepEqual(parseRcpt(line, smtpUtf8), { ok: true, value: command }));
}

const badRequests: string[] = [
  'MAIL FROM:<a@b.test> RET=BOTH',
  'MAIL FROM:<a@b.test> RET',
  'MAIL FROM:<a@b.test> RET=FULL RET=FULL',
  'MAIL FROM:<a@b.test> ENVID=+G1',
  'MAIL FROM:<a@b.test> ENVID=+0D+0A',
  'MAIL FROM:<a@b.test> ENVID=+2b',
  'MAIL FROM:<a@b.test> ENVID=+00',
  'MAIL FROM:<a@b.test> ENVID=a ENVID=a',
  'MAIL FROM:<a@b.test> ENVID=a=b',
  `MAIL FROM:<a@b.test> ENVID=${'x'.repeat(101)}`,
  'RCPT TO:<a@b.test> NOTIFY',
  'RCPT TO:<a@b.test> NOTIFY=',
  'RCPT TO:<a@b.test> NOTIFY=ALWAYS',
  'RCPT TO:<a@b.test> NOTIFY=NEVER,FAILURE',
  'RCPT TO:<a@b.test> NOTIFY=SUCCESS,',
  'RCPT TO:<a@b.test> NOTIFY=NEVER NOTIFY=NEVER',
  'RCPT TO:<a@b.test> ORCPT',
  'RCPT TO:<a@b.test> ORCPT=rfc822',
  'RCPT TO:<a@b.test> ORCPT=rfc822;',
  'RCPT TO:<a@b.test> ORCPT=;a@b.test',
  'RCPT TO:<a@b.test> ORCPT=rfc822;a+2b',
  'RCPT TO:<a@b.test> ORCPT=rfc822;a+E9',
  'RCPT TO:<a@b.test> ORCPT=utf-8;é@b.test',
  'RCPT TO:<a@b.test> ORCPT=rfc822;a ORCPT=rfc822;a',
  `RCPT TO:<a@b.test> ORCPT=rfc822;${'x'.repeat(494)}`,
];
for (const line of badRequests) {
  test(`refused with 501 5.5.4: ${line.slice(0, 80)} (rules 80, 81)`, () => {
    const parsed = line.startsWith('MAIL') ? parseMail(line) : parseRcpt(line, false);
    assert.ok(!parsed.ok && replyOnOneLine(parsed.reply).startsWith('501 5.5.4'), JSON.stringify(parsed));
  });
}
