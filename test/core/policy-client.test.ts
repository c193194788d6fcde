import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readClass } from '../../shared/core/policy/bounce-classification.ts';
import { describeReport, rewordReport } from '../../shared/core/policy/report-created.ts';
import { readStatusRewrite } from '../../shared/core/policy/smtp-client-rewrite-delivery-status.ts';
import { parseRfc3464 } from '../../shared/core/dsn/parse.ts';
import { bounce, characters, original, reportOf } from '../support/dsn-record.ts';

const codes: [name: string, result: unknown, want: unknown][] = [
  ['nothing', undefined, undefined],
  ['null', null, undefined],
  ['an empty list', [], undefined],
  ['a list of nothing', [null, undefined], undefined],
  ['a code', 550, { code: 550 }],
  ['the least code', 400, { code: 400 }],
  ['the greatest code', 599, { code: 599 }],
  ['a code in a list', [451], { code: 451 }],
  ['a code and null', [451, null], { code: 451 }],
  ['a code and an enhanced code', [552, '5.2.2'], { code: 552, enhanced: '5.2.2' }],
  ['a success', 250, { problem: 'code 250 is not one from 400 to 599' }],
  ['a code that is none', 600, { problem: 'code 600 is not one from 400 to 599' }],
  ['no whole number', 500.5, { problem: 'code 500.5 is not one from 400 to 599' }],
  ['not a number', Number.NaN, { problem: 'code NaN is not one from 400 to 599' }],
  ['a code as text', '550', { problem: 'expected a number as code, found text' }],
  ['an object', { code: 550 }, { problem: 'expected a number as code, found an object' }],
  ['an enhanced code alone', [null, '5.2.2'], { problem: 'expected a number as code, found null' }],
  ['an enhanced code of another class', [552, '4.2.2'], { problem: 'the enhanced code that goes with 552 must be such as 5.2.2' }],
  ['no enhanced code', [552, 'full'], { problem: 'the enhanced code that goes with 552 must be such as 5.2.2' }],
  ['three values', [552, '5.2.2', 'x'], { problem: 'expected a code and an enhanced code, found more' }],
];
for (const [name, result, want] of codes) {
  test(`of a handler of smtp_client_rewrite_delivery_status: ${name}`, () => assert.deepEqual(readStatusRewrite(result), want));
}

const label = 'a class is a label of letters, digits, "_", "." and "-", at most 64';
const classes: [name: string, result: unknown, want: unknown][] = [
  ['nothing', undefined, undefined],
  ['null', null, undefined],
  ['a class of ours', 'QuotaIssues', { name: 'QuotaIssues' }],
  ['a label of the author', 'Partner.full-2', { name: 'Partner.full-2' }],
  ['the longest label', 'x'.repeat(64), { name: 'x'.repeat(64) }],
  ['too long a label', 'x'.repeat(65), { problem: label }],
  ['an empty text', '', { problem: label }],
  ['words', 'over quota', { problem: label }],
  ['a number', 5, { problem: 'expected a class as text, found a number' }],
];
for (const [name, result, want] of classes) {
  test(`of a handler of bounce_classification: ${name}`, () => assert.deepEqual(readClass(result), want));
}

const problems: [name: string, result: unknown, want: string][] = [
  ['a number', 5, 'expected a text, or an object with "text" and "subject", found a number'],
  ['a list', ['text'], 'expected a text, or an object with "text" and "subject", found an array'],
  ['a name that there is not', { body: 'x' }, 'expected "text" and "subject", found "body"'],
  ['a text of another kind', { text: 5 }, 'expected text as "text", found a number'],
  ['a subject of another kind', { subject: ['x'] }, 'expected text as "subject", found an array'],
  ['an empty text', ' \r\n', '"text" is empty'],
  ['an empty subject', { subject: '', text: 'x' }, '"subject" is empty'],
  ['too long a text', 'x'.repeat(100_001), '"text" has more than 100000 characters'],
  ['too long a subject', { subject: 'x'.repeat(301) }, '"subject" has more than 300 characters'],
  ['a NUL in the text', 'a\0b', '"text" holds control characters'],
  ['half a character in the text', 'a\ud800b', '"text" holds control characters'],
  ['a second line in the subject', { subject: 'x\r\nBcc: eve@evil.test' }, '"subject" holds control characters'],
  ['a line separator in the subject', { subject: 'x\u2028y' }, '"subject" holds control characters'],
];
for (const [name, result, want] of problems) {
  test(`of a handler of report_created, ${name} is refused`, () =>
    assert.deepEqual(rewordReport(reportOf(bounce()), result), { problem: want }));
}

test('a handler of report_created that returns nothing leaves the report as it is', () => {
  assert.deepEqual(
    [undefined, null].map((result) => rewordReport(reportOf(bounce()), result)),
    [undefined, undefined],
  );
  const report = reportOf(bounce());
  assert.deepEqual(rewordReport(report, {}), { report });
});

test('a report is described by its words, its language, whom it goes to and whose message it was', () => {
  const plain = reportOf(bounce(), { template: 'plain', language: 'de' });
  const { text, ...rest } = describeReport(plain, 'acme');
  assert.match(text, /^Dies ist eine automatische Nachricht[^]*\r\n$/);
  const subject = 'Ihre Nachricht konnte nicht zugestellt werden';
  assert.deepEqual(rest, { subject, language: 'de', recipient: 'sender@sender.example.com', tenant: 'acme' });
  assert.equal(describeReport(reportOf(bounce()), undefined).language, 'en');
});

const subjects: [name: string, subject: string][] = [
  ['of ASCII', 'Not delivered'],
  ['of other characters', 'Unzustellbar: Grüße aus 東京 🙂'],
  ['that looks encoded', '=?utf-8?Q?x?='],
  ['of 300 characters', 'ü'.repeat(299) + '.'],
  ['of one word of 300 characters', 'x'.repeat(300)],
];
for (const [name, subject] of subjects) {
  for (const [form, changes] of [
    ['classic', {}],
    ['plain, in French', { template: 'plain', language: 'fr' }],
  ] as const) {
    test(`a report (${form}) gets a subject ${name}, and all else stays as it was`, () => {
      const report = reportOf(bounce(), changes);
      const changed = rewordReport(report, { subject });
      assert.ok(changed && 'report' in changed);
      assert.equal(describeReport(changed.report, undefined).subject, subject);
      const header = characters(changed.report.content).split('\r\n\r\n')[0] ?? '';
      for (const line of header.split('\r\n')) assert.ok(line.length <= 998 && /^[ -~\t]*$/.test(line), line);
      const without = (text: string): string => text.replace(/^Subject:.*\r\n(?:[ \t].*\r\n)*/m, '');
      assert.equal(without(characters(changed.report.content)), without(characters(report.content)));
    });
  }
}

test('a text that is changed is read as it was written, and programs read what they read before', () => {
  const report = reportOf(bounce());
  const before = describeReport(report, undefined).text;
  const changed = rewordReport(report, `MODIFIED!\r\n${before}Grüße: 東京`);
  assert.ok(changed && 'report' in changed);
  assert.equal(describeReport(changed.report, undefined).text, `MODIFIED!\r\n${before}Grüße: 東京\r\n`);
  const [was, is] = [parseRfc3464(report.content), parseRfc3464(changed.report.content)];
  assert.deepEqual(is?.recipients, was?.recipients);
  assert.deepEqual(Buffer.from(is?.returned?.content ?? []), Buffer.from(original));
});

test('the header of a report to an address that is not ASCII stays as it is but for its subject', () => {
  const report = reportOf(bounce({ sender: 'jürgen@bücher.example' }));
  const changed = rewordReport(report, { subject: 'Grüße' });
  assert.ok(changed && 'report' in changed);
  const [header = ''] = Buffer.from(changed.report.content).toString().split('\r\n\r\n');
  assert.deepEqual(
    header.split('\r\n').filter((line) => /^(?:To|Subject|Message-ID):/.test(line)),
    ['To: jürgen@bücher.example', 'Subject: =?utf-8?B?R3LDvMOfZQ==?=', 'Message-ID: <0198@mta1.example.com>'],
  );
});
