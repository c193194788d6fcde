import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DispositionRecord } from '../../shared/core/disposition.ts';
import { readFields, valuesOf } from '../../shared/core/dsn/field.ts';
import { generateRfc3464Message, type ReportParams } from '../../shared/core/dsn/generate.ts';
import { parseRfc3464 } from '../../shared/core/dsn/parse.ts';
import { bounce, characters, octets, original, params, reportOf, takeApart, world } from '../support/dsn-record.ts';

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
const japanese = '件名の\r\n'.repeat(100);
const message = utf8('From: jürgen@bücher.example\r\nSubject: Grüße\r\nMessage-ID: <1@x>\r\n\r\nbody: 件名\r\n');

/** An SMTPUTF8 message with a recipient that is not ASCII, and a reply that is not. */
function failure(changes: Partial<DispositionRecord> = {}): DispositionRecord {
  const address = 'δοκιμή+a@παράδειγμα.example';
  return bounce({
    recipient: address,
    response: { code: 550, enhanced_code: { class: 5, subject: 1, detail: 1 }, content: 'unbekannter Empfänger 件', command: 'RCPT' },
    dsn: { smtp_utf8: true, recipients: [{ address, orcpt: 'utf-8;\\x{3B4}\\x{2B}b@x.example' }] },
    ...changes,
  });
}
const toUtf8: Partial<DispositionRecord> = { sender: 'jürgen@bücher.example' };
const fieldOf = (content: Uint8Array, name: string) => valuesOf(readFields(new TextDecoder().decode(content)), name)[0];

test('a UTF-8 return path gets message/global-delivery-status in 8bit without charset, addresses and reply as they are (rules 102, 104, 111)', () => {
  const report = reportOf(failure(toUtf8), {}, message);
  const { header, parts } = takeApart(report);
  assert.equal(parts[1]?.header, 'Content-Type: message/global-delivery-status\r\nContent-Transfer-Encoding: 8bit\r\n');
  assert.match(header, /^Content-Type: multipart\/report; report-type=delivery-status;\r\n[^]*^Content-Transfer-Encoding: 8bit\r\n$/m);
  const status = octets(parts[1]?.body ?? '');
  assert.equal(fieldOf(status, 'Final-Recipient'), 'utf-8; δοκιμή+a@παράδειγμα.example');
  assert.equal(fieldOf(status, 'Original-Recipient'), 'utf-8; δ+b@x.example');
  assert.equal(fieldOf(status, 'Diagnostic-Code'), 'smtp; 550 5.1.1 unbekannter Empfänger 件');
  assert.match(parts[0]?.header ?? '', /charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n$/);
  assert.deepEqual([report.smtpUtf8, report.eightBit], [true, true]);
});

test('an ASCII return path gets the classic type, which all readers know, in ASCII (rules 42, 102, 105, 107, 111)', () => {
  const report = reportOf(failure(), {}, message);
  const { header, parts } = takeApart(report);
  assert.equal(parts[1]?.header, 'Content-Type: message/delivery-status\r\n');
  const status = octets(parts[1]?.body ?? '');
  assert.match(fieldOf(status, 'Final-Recipient') ?? '', /^utf-8; \\x\{3B4\}\\x\{3BF\}[^ ]*\\x\{2B\}a@\\x\{3C0\}[^ ]*\.example$/);
  assert.equal(fieldOf(status, 'Original-Recipient'), 'utf-8; \\x{3B4}\\x{2B}b@x.example');
  assert.equal(fieldOf(status, 'Diagnostic-Code'), 'smtp; 550 5.1.1 unbekannter Empf?nger ?');
  assert.doesNotMatch(characters(report.content), /[^\t\r\n -~]/);
  assert.doesNotMatch(header, /Content-Transfer-Encoding/);
  assert.deepEqual([report.smtpUtf8, report.eightBit], [false, false]);
  assert.match(parseRfc3464(report.content)?.text ?? '', /unbekannter Empfänger 件/);
});

test('with global_status an ASCII return path gets the global type in quoted-printable (rules 104, 107)', () => {
  const report = reportOf(failure(), { global_status: true }, message);
  const { parts } = takeApart(report);
  assert.equal(parts[1]?.header, 'Content-Type: message/global-delivery-status\r\nContent-Transfer-Encoding: quoted-printable\r\n');
  assert.doesNotMatch(characters(report.content), /[^\t\r\n -~]/);
  assert.deepEqual([report.smtpUtf8, report.eightBit], [false, false]);
});

test('every form of a report is read back as the same record (rule 103)', () => {
  const forms = [
    reportOf(failure(toUtf8), {}, message),
    reportOf(failure(), { global_status: true }, message),
    reportOf(failure(), {}, message),
  ];
  for (const { content } of forms) {
    const parsed = parseRfc3464(content);
    assert.deepEqual(parsed?.recipients[0]?.finalRecipient, { type: 'utf-8', value: 'δοκιμή+a@παράδειγμα.example' });
    assert.deepEqual(parsed.recipients[0].originalRecipient, { type: 'utf-8', value: 'δ+b@x.example' });
    assert.equal(characters(parsed.returned?.content ?? octets('')), characters(message));
    assert.equal(parsed.returned?.messageId, '<1@x>');
    assert.match(parsed.text ?? '', /addressed to δοκιμή\+a@παράδειγμα\.example\./);
  }
});

test('one report of several outcomes is global as soon as one recipient is not ASCII, and our own words keep their letters (rules 104, 105)', () => {
  const own = { code: 550, enhanced_code: null, content: 'Grund: Müll', command: null, local: true };
  const records = [bounce(), failure({ type: 'AdminBounce', response: own })];
  const changes = { ...params, global_status: true };
  for (const sender of ['jürgen@bücher.example', 'ann@x.example']) {
    const report = generateRfc3464Message(
      changes,
      message,
      records.map((record) => ({ ...record, sender, dsn: { smtp_utf8: true, recipients: [] } })),
      world,
    );
    assert.ok(report);
    assert.match(takeApart(report).parts[1]?.header ?? '', /^Content-Type: message\/global-delivery-status\r\n/);
    const recipients = parseRfc3464(report.content)?.recipients.map((r) => [r.finalRecipient?.type, r.diagnostic?.value]);
    assert.deepEqual(recipients, [
      ['rfc822', '550 5.7.1 no thanks'],
      ['utf-8', 'Grund: Müll'],
    ]);
  }
});

const ascii = { response: { code: 550, enhanced_code: null, content: 'no', command: 'RCPT' } } as const;
const classic: [name: string, record: DispositionRecord, changes: Partial<ReportParams>][] = [
  ['an ordinary failure', bounce(ascii), { global_status: true }],
  ['an ordinary failure with a UTF-8 reply', bounce({ response: { ...ascii.response, content: 'é' } }), { global_status: true }],
  ['ASCII recipients of a UTF-8 return path', bounce({ ...ascii, ...toUtf8 }), {}],
  ['an ASCII message that came with SMTPUTF8', bounce({ ...ascii, dsn: { smtp_utf8: true, recipients: [] } }), { global_status: true }],
];
for (const [name, record, changes] of classic) {
  test(`what is all ASCII is of the classic types: ${name} (rule 105)`, () => {
    const { parts } = takeApart(reportOf(record, changes));
    assert.deepEqual(
      [parts[1]?.header, parts[2]?.header],
      ['Content-Type: message/delivery-status\r\n', 'Content-Type: message/rfc822\r\n'],
    );
  });
}

const headers = { include_original_message: 'HeadersOnly' } as const;
const returns: [name: string, sender: string, content: Uint8Array, changes: Partial<ReportParams>, want: string][] = [
  ['whole, UTF-8 return path', 'ü@x', message, {}, 'message/global 8bit'],
  ['header, UTF-8 return path', 'ü@x', message, headers, 'message/global-headers 8bit'],
  ['whole, ASCII return path', 'a@x', message, {}, 'message/global quoted-printable'],
  ['header, ASCII return path', 'a@x', message, headers, 'message/global-headers quoted-printable'],
  ['mostly not ASCII', 'a@x', utf8(`Subject: 件名\r\n\r\n${japanese}`), {}, 'message/global base64'],
  ['a UTF-8 body alone', 'a@x', utf8('Subject: s\r\n\r\nbody é\r\n'), {}, 'message/global quoted-printable'],
  ['a UTF-8 body alone, its header', 'a@x', utf8('Subject: s\r\n\r\nbody é\r\n'), headers, 'text/rfc822-headers'],
  ['all ASCII', 'ü@x', original, {}, 'message/rfc822'],
  [
    'lines that mail has not (76)',
    'ü@x',
    utf8(`Subject: é\r\nX: ${'x'.repeat(2000)}\r\n\r\n`),
    {},
    'message/global-headers quoted-printable',
  ],
  ['octets that are no UTF-8', 'a@x', octets('Subject: \xe9\r\n\r\n\xff\x00\r\n'), headers, 'message/global-headers quoted-printable'],
];
for (const [name, sender, content, changes, want] of returns) {
  test(`an SMTPUTF8 message is returned as ${want}: ${name} (rules 69, 70, 106, 107)`, () => {
    const record = failure({ sender });
    const report = reportOf(record, changes, content);
    const [type, encoding] = want.split(' ');
    const label = encoding ? `Content-Transfer-Encoding: ${encoding}\r\n` : '';
    assert.equal(takeApart(report).parts[2]?.header, `Content-Type: ${type}\r\n${label}`);
    const returned = parseRfc3464(report.content)?.returned;
    const whole = characters(content);
    const wanted = returned?.kind === 'message' ? whole : whole.slice(0, whole.indexOf('\r\n\r\n') + 2);
    assert.equal(characters(returned?.content ?? octets('')), wanted);
    if (sender === 'a@x') assert.doesNotMatch(characters(report.content), /[^\t\r\n -~]/);
    for (const line of characters(report.content).split('\r\n')) assert.ok(line.length <= 998);
  });
}

test('8-bit content that did not come with SMTPUTF8 keeps the classic types (rules 74, 75)', () => {
  const record = bounce({ dsn: { recipients: [] } });
  assert.match(takeApart(reportOf(record, {}, message)).parts[2]?.header ?? '', /^Content-Type: message\/rfc822\r\n.*: 8bit\r\n$/);
  assert.match(
    takeApart(reportOf(record, headers, message)).parts[2]?.header ?? '',
    /^Content-Type: text\/rfc822-headers\r\n.*: 8bit\r\n$/,
  );
});

test('hostile text in a global report becomes no field, no delimiter and no control (rules 64, 104, 120)', () => {
  const content = 'é\r\nX-Injected: y\r\n\r\n--a-candidate--\u0000\u001b\u0085\u2028\ud800';
  const report = reportOf(failure({ ...toUtf8, recipient: content, response: { ...ascii.response, content } }), {}, message);
  const { parts } = takeApart(report);
  assert.equal(parts.length, 3);
  const status = octets(parts[1]?.body ?? '');
  assert.equal(fieldOf(status, 'Diagnostic-Code'), 'smtp; 550 é?X-Injected: y?--a-candidate--?????');
  assert.equal(fieldOf(status, 'X-Injected'), undefined);
  assert.doesNotMatch(fieldOf(status, 'Final-Recipient') ?? '', /[\p{C}]/u);
  assert.equal(parseRfc3464(report.content)?.recipients[0]?.finalRecipient?.value, content.toWellFormed());
});
