import { test } from 'node:test';
import assert from 'node:assert/strict';
import type { DispositionRecord } from '../../shared/core/disposition.ts';
import { generateRfc3464Message } from '../../shared/core/dsn/generate.ts';
import { readFields, valuesOf } from '../../shared/core/dsn/field.ts';
import { bounce, expiration, octets, original, params, takeApart, world } from '../support/dsn-record.ts';

// The header of a report (part B of the rules); what it takes from the envelope is in dsn-generate.test.ts.

const wish = { recipients: [{ address: 'recip@target.example.com', notify: ['SUCCESS'] }] };
const kinds: [name: string, record: DispositionRecord][] = [
  ['a failure', bounce()],
  ['an expiration', expiration()],
  ['a warning', bounce({ type: 'TransientFailure', delay_warning: true, expires: world.now + 1000 })],
  ['a success', bounce({ type: 'Delivery', meta: { trusted: true }, dsn: wish })],
  ['a delivery to a mailbox', bounce({ type: 'Delivery', delivery_protocol: 'LMTP', meta: { trusted: true }, dsn: wish })],
];

/** The header of the report of a record, as it is written. */
function headerOf(record: DispositionRecord, message = original, changes: Partial<typeof world> = {}): string {
  const report = generateRfc3464Message({ ...params, enable_delay: true, enable_success: true }, message, record, { ...world, ...changes });
  return takeApart(report ?? assert.fail('there is no report')).header;
}
const field = (header: string, name: string): string | undefined => valuesOf(readFields(header), name)[0];

for (const [name, record] of kinds) {
  test(`${name} has each required field once, and a Message-ID at its own domain (rule 24)`, () => {
    const header = headerOf(record);
    for (const required of ['Date', 'From', 'To', 'Message-ID', 'MIME-Version', 'Content-Type'])
      assert.equal(valuesOf(readFields(header), required).length, 1, required);
    assert.equal(field(header, 'Message-ID'), '<0198@mta1.example.com>');
    assert.equal(field(header, 'MIME-Version'), '1.0');
  });

  test(`${name} is answered by nobody, being an answer itself (rule 28)`, () => {
    assert.deepEqual(valuesOf(readFields(headerOf(record)), 'Auto-Submitted'), ['auto-replied']);
  });

  test(`${name} is named by its Subject and nothing else is (rule 30)`, () => {
    const hostile = octets(`From: a@x\r\nSubject: =?utf-8?Q?=0D=0AX-Injected:_y?= \u0007\u00fc ${'long '.repeat(400)}\r\n\r\n`);
    const subject = field(headerOf(record, hostile), 'Subject');
    assert.match(subject ?? '', /^(?:Returned mail|Warning: mail is delayed|Mail was (?:delivered|passed on))$/);
    assert.equal(subject, field(headerOf(record), 'Subject'));
  });
}

const dates: [now: number, want: string][] = [
  [Date.UTC(2024, 1, 29, 23, 59, 59), 'Thu, 29 Feb 2024 23:59:59 +0000'],
  [Date.UTC(2026, 0, 1), 'Thu, 1 Jan 2026 00:00:00 +0000'],
  [Date.UTC(2026, 11, 31, 9, 5, 7, 999), 'Thu, 31 Dec 2026 09:05:07 +0000'],
];
for (const [now, want] of dates) {
  test(`Date is ${want}, the time at which the report is made (rule 25)`, () =>
    assert.equal(field(headerOf(bounce(), original, { now }), 'Date'), want));
}

const threads: [name: string, fields: string, want: string | undefined][] = [
  ['the first message of a thread', '', '<m@x>'],
  ['an answer', 'References: <a@x> <b@x>\r\nIn-Reply-To: <b@x>\r\n', '<a@x> <b@x> <m@x>'],
  ['an answer that names only what it answers', 'In-Reply-To: <b@x>\r\n', '<b@x> <m@x>'],
  ['an answer to several', 'In-Reply-To: <a@x> <b@x>\r\n', '<m@x>'],
  ['folded, with a comment', 'References: <a@x>\r\n\t(words) <b@x>\r\n', '<a@x> <b@x> <m@x>'],
  ['some that are no ids', 'References: <a@x> b@x <c d@x> <e> <@x> <\u00fc@x> <f\u0007@x> <g@x>\r\n', '<a@x> <g@x> <m@x>'],
  ['one that is far too long', `References: <${'a'.repeat(900)}@x> <b@x>\r\n`, '<b@x> <m@x>'],
  [
    'a thread of a thousand',
    `References: ${Array.from({ length: 1000 }, (_, i) => `<${i}@x>`).join('\r\n ')}\r\n`,
    `<0@x> ${Array.from({ length: 20 }, (_, i) => `<${980 + i}@x>`).join(' ')} <m@x>`,
  ],
  [
    'ids at the limit of length',
    `References: ${Array.from({ length: 20 }, (_, i) => `<${i}${'a'.repeat(700)}@x>`).join('\r\n ')}\r\n`,
    [0, 15, 16, 17, 18, 19]
      .map((i) => `<${i}${'a'.repeat(700)}@x>`)
      .join(' ')
      .concat(' <m@x>'),
  ],
];
for (const [name, fields, want] of threads) {
  test(`References of ${name} (rule 29)`, () => {
    const header = headerOf(bounce(), octets(`From: a@x\r\nMessage-ID: <m@x>\r\n${fields}\r\nbody`));
    assert.equal(field(header, 'References'), want);
    assert.equal(field(header, 'In-Reply-To'), '<m@x>');
    for (const line of header.split('\r\n')) assert.ok(line.length <= 998);
  });
}

test('without a Message-ID nothing is referred to, whatever it referred to itself (rule 29)', () => {
  const header = headerOf(bounce(), octets('From: a@x\r\nReferences: <a@x>\r\nIn-Reply-To: <a@x>\r\n\r\n'));
  assert.deepEqual([field(header, 'References'), field(header, 'In-Reply-To')], [undefined, undefined]);
});

test('the header is printable ASCII in lines of 78 whatever the message says (rules 31, 125)', () => {
  const message = octets('From: \u00fc@x\r\nSubject: \u00e9\u0000\r\nMessage-ID: <m@x>\r\nReferences: <\u00fc@x> <a@x>\r\n\r\n\u00ff');
  for (const [, record] of kinds) {
    for (const line of headerOf(record, message).split('\r\n')) assert.match(line, /^[\t -~]{0,78}$/);
  }
});

test('nothing of the fields that steer mail is taken over (rules 17, 22, 32)', () => {
  const names = [
    'Received',
    'Cc',
    'Bcc',
    'Return-Path',
    'List-Id',
    'List-Unsubscribe',
    'Disposition-Notification-To',
    'Return-Receipt-To',
    'Reply-To',
  ];
  const message = octets(`From: a@x\r\n${names.map((name) => `${name}: <b@x>\r\n`).join('')}\r\n`);
  for (const [, record] of kinds) {
    const fields = readFields(headerOf(record, message));
    for (const name of names) assert.deepEqual(valuesOf(fields, name), []);
  }
});
