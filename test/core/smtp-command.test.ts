import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Envelope, Recipient } from '../../shared/core/envelope.ts';
import { parseReply, replyOnOneLine } from '../../shared/core/reply.ts';
import { isTooManyRecipients, mailCommand, rcptCommand, refuseMessage, refuseRecipient } from '../../shared/core/smtp-command.ts';
import { noExtensions, parseExtensions, type Extensions } from '../../shared/core/smtp-extensions.ts';

const everything: Extensions = { pipelining: true, dsn: true, eightBitMime: true, smtpUtf8: true, startTls: true, size: 0, auth: [] };
const envelope = (more: Partial<Envelope> = {}): Envelope => ({
  sender: 'a@x.test',
  recipients: [{ address: 'b@y.test' }],
  smtpUtf8: false,
  eightBit: false,
  ...more,
});

describe('parseExtensions', () => {
  const parse = (...lines: string[]) => parseExtensions({ code: 250, lines: ['mx.test greets you', ...lines] });
  const cases: [name: string, lines: string[], want: Partial<Extensions>][] = [
    ['nothing', [], {}],
    [
      'all we know',
      ['PIPELINING', '8BITMIME', 'SMTPUTF8', 'DSN', 'STARTTLS', 'SIZE 1000'],
      { pipelining: true, eightBitMime: true, smtpUtf8: true, dsn: true, startTls: true, size: 1000 },
    ],
    ['any case', ['pipelining', 'Size 5', 'auth plain Login'], { pipelining: true, size: 5, auth: ['PLAIN', 'LOGIN'] }],
    ['SIZE without a limit', ['SIZE'], { size: 0 }],
    ['SIZE with nonsense', ['SIZE lots'], { size: 0 }],
    ['the old spelling of AUTH beside the new one', ['AUTH PLAIN', 'AUTH=LOGIN'], { auth: ['PLAIN', 'LOGIN'] }],
    ['words that only begin like a keyword', ['DSNX', 'XDSN', 'PIPELINING2'], {}],
  ];
  for (const [name, lines, want] of cases) test(name, () => assert.deepEqual(parse(...lines), { ...noExtensions, ...want }));
  test('the greeting line is no keyword', () => assert.deepEqual(parseExtensions({ code: 250, lines: ['DSN'] }), noExtensions));
});

describe('mailCommand', () => {
  const full = envelope({ ret: 'HDRS', envid: 'QQ+2B1', eightBit: true, smtpUtf8: true });
  const cases: [name: string, of: Envelope, offered: Extensions, want: string][] = [
    ['all parameters (rule 87)', full, everything, 'MAIL FROM:<a@x.test> SIZE=9 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=QQ+2B1'],
    ['no DSN offered (rule 88)', full, { ...everything, dsn: false }, 'MAIL FROM:<a@x.test> SIZE=9 BODY=8BITMIME SMTPUTF8'],
    ['no SIZE offered', envelope(), { ...everything, size: undefined }, 'MAIL FROM:<a@x.test>'],
    ['the null sender', envelope({ sender: '' }), noExtensions, 'MAIL FROM:<>'],
    ['SMTPUTF8 for an address', envelope({ sender: 'ä@x.test' }), { ...noExtensions, smtpUtf8: true }, 'MAIL FROM:<ä@x.test> SMTPUTF8'],
    ['an ENVID with a space', envelope({ envid: 'a b' }), { ...noExtensions, dsn: true }, 'MAIL FROM:<a@x.test>'],
    ['an ENVID with a line break (rule 124)', envelope({ envid: 'a\r\nRSET' }), { ...noExtensions, dsn: true }, 'MAIL FROM:<a@x.test>'],
  ];
  for (const [name, of, offered, want] of cases) test(name, () => assert.equal(mailCommand(of, 9, offered), want));
});

describe('rcptCommand', () => {
  const utf8 = { address: 'b@y.test', orcpt: 'utf-8;jörg@y.test' };
  const cases: [name: string, of: Recipient, offered: Extensions, want: string, isUtf8?: boolean][] = [
    [
      'NOTIFY and ORCPT as they came (rules 82, 87)',
      { address: 'B@y.test', notify: ['SUCCESS', 'FAILURE'], orcpt: 'rfc822;B+2B@z.test' },
      everything,
      'RCPT TO:<B@y.test> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;B+2B@z.test',
    ],
    ['no DSN offered (rule 88)', { address: 'b@y.test', notify: ['NEVER'], orcpt: 'rfc822;b@z.test' }, noExtensions, 'RCPT TO:<b@y.test>'],
    ['an empty NOTIFY is none', { address: 'b@y.test', notify: [] }, everything, 'RCPT TO:<b@y.test>'],
    ['a word that NOTIFY does not have', { address: 'b@y.test', notify: ['X\r\nRSET' as 'NEVER'] }, everything, 'RCPT TO:<b@y.test>'],
    ['a UTF-8 ORCPT with SMTPUTF8 (rule 101)', utf8, everything, 'RCPT TO:<b@y.test> ORCPT=utf-8;jörg@y.test', true],
    ['a UTF-8 ORCPT without SMTPUTF8 (rule 101)', utf8, everything, 'RCPT TO:<b@y.test> ORCPT=utf-8;j\\x{F6}rg@y.test'],
    [
      'a UTF-8 ORCPT that is too long in ASCII',
      { address: 'b@y.test', orcpt: `utf-8;${'ö'.repeat(90)}` },
      everything,
      'RCPT TO:<b@y.test>',
    ],
    ['an ORCPT with a line break (rule 124)', { address: 'b@y.test', orcpt: 'rfc822;b\r\nRSET' }, everything, 'RCPT TO:<b@y.test>'],
  ];
  for (const [name, of, offered, want, isUtf8 = false] of cases) test(name, () => assert.equal(rcptCommand(of, offered, isUtf8), want));
});

describe('refusals', () => {
  const cases: [name: string, of: Envelope, size: number, offered: Extensions, want: string | undefined][] = [
    ['nothing special', envelope(), 9, noExtensions, undefined],
    ['too large (rule 115)', envelope(), 1001, { ...noExtensions, size: 1000 }, '552 5.3.4'],
    ['just large enough', envelope(), 1000, { ...noExtensions, size: 1000 }, undefined],
    ['any size', envelope(), 1e9, { ...noExtensions, size: 0 }, undefined],
    ['8-bit content', envelope({ eightBit: true }), 9, noExtensions, '554 5.6.3'],
    ['a UTF-8 sender (rule 108)', envelope({ sender: 'ä@x.test' }), 9, noExtensions, '553 5.6.7'],
    ['a UTF-8 recipient (rule 109)', envelope({ recipients: [{ address: 'ä@y.test' }] }), 9, noExtensions, '553 5.6.7'],
    ['a UTF-8 header (rule 109)', envelope({ smtpUtf8: true }), 9, noExtensions, '554 5.6.9'],
    ['a UTF-8 header, labelled 8-bit too (rule 109)', envelope({ smtpUtf8: true, eightBit: true }), 9, noExtensions, '554 5.6.9'],
    ['an impossible sender', envelope({ sender: 'a@x.test>\r\nRSET' }), 9, everything, '553 5.1.7'],
  ];
  for (const [name, of, size, offered, want] of cases) {
    test(name, () => {
      const reply = refuseMessage(of, size, offered);
      assert.equal(reply && replyOnOneLine(reply).slice(0, 9), want);
      assert.ok(reply === undefined || reply.local);
    });
  }

  const addresses: [address: string, isFine: boolean][] = [
    ['b@y.test', true],
    ['"a b"@y.test', true],
    ['"a>b"@y.test', true],
    ['"a\\"b"@y.test', true],
    ['jörg@y.test', true],
    ['b@[IPv6:::1]', true],
    ['postmaster', true],
    ['', false],
    ['a b@y.test', false],
    ['a>b@y.test', false],
    ['a<b@y.test', false],
    ['b@y.test\r\n', false],
    ['b\n@y.test', false],
    ['b\0@y.test', false],
    ['b\x7f@y.test', false],
    ['"a\r\nb"@y.test', false],
    ['"a\\\r\nb"@y.test', false],
    ['"a"b"@y.test', false],
    ['"a@y.test', false],
    ['b\u0085@y.test', false],
    ['b\u2028@y.test', false],
    ['b\ud800@y.test', false],
    [`${'a'.repeat(2000)}@y.test`, false],
  ];
  for (const [address, isFine] of addresses) {
    test(`${JSON.stringify(address.slice(0, 30))} can${isFine ? '' : 'not'} be named`, () =>
      assert.equal(refuseRecipient({ address }) === undefined, isFine));
  }
});

describe('isTooManyRecipients', () => {
  const cases: [line: string, want: boolean][] = [
    ['452 too many recipients', true],
    ['452 4.5.3 too many', true],
    ['552 too many', true],
    ['552 5.5.3 too many', true],
    ['452 4.2.2 full', false],
    ['452 4.3.1 no room', false],
    ['552 5.2.2 full', false],
    ['451 4.5.3 later', false],
    ['550 5.5.3 no', false],
  ];
  for (const [line, want] of cases) test(line, () => assert.equal(isTooManyRecipients(parseReply([line]) ?? { code: 0, lines: [] }), want));
});
