import { test } from 'node:test';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import type { DispositionRecord } from '../../shared/core/disposition.ts';
import { generateRfc3464Message, type ReportParams } from '../../shared/core/dsn/generate.ts';
import { minimalReport } from '../../shared/core/dsn/minimal.ts';
import { parseRfc3464 } from '../../shared/core/dsn/parse.ts';
import { readFields, valuesOf } from '../../shared/core/dsn/field.ts';
import {
  bounce,
  characters,
  codeOf,
  expiration,
  failedAt,
  octets,
  original,
  params,
  reportOf,
  statusOf,
  takeApart,
  textOf,
  world,
} from '../support/dsn-record.ts';

const fixture = (name: string): string => readFileSync(new URL(`../fixtures/${name}.eml`, import.meta.url), 'latin1');
const sampleOriginal = octets('Content-Type: text/plain;\r\n\tcharset="us-ascii"\r\nSubject: Hello!\r\n\r\nhello there\r\n');
const compatible: Partial<ReportParams> = { compatibility: 'kumomta', stable_content: true };
const field = (text: string, name: string): string[] => valuesOf(readFields(text), name);
const only = (text: string, name: string): string | undefined => {
  const values = field(text, name);
  assert.ok(values.length <= 1, `${name} occurs ${values.length} times`);
  return values[0];
};

test('the sample bounce report of the reference comes out octet for octet', () => {
  assert.equal(characters(reportOf(bounce(), compatible, sampleOriginal).content), fixture('kumomta-bounce'));
});

test('the sample expiration report of the reference comes out octet for octet', () => {
  const report = reportOf(expiration(), { ...compatible, include_original_message: 'HeadersOnly' }, sampleOriginal);
  assert.equal(characters(report.content), fixture('kumomta-expiration'));
});

test('the compatible form holds hostile text, 8-bit originals and look-alike boundaries too', () => {
  const hostile = { code: 550, enhanced_code: null, content: 'x\r\n--report-boundary--\r\n\u0007é', command: null };
  const message = octets('Subject: a\r\n\r\n--report-boundary\r\nf\u00fcr\r\n--report-boundaryA');
  const report = reportOf(bounce({ response: hostile }), compatible, message);
  const parsed = parseRfc3464(report.content);
  assert.equal(report.eightBit, true);
  assert.equal(parsed?.recipients[0]?.diagnostic?.value, '550 x --report-boundary-- ??');
  assert.equal(characters(parsed?.returned?.content ?? octets('')), characters(message));
});

test('the default report, whole (rules 33, 34, 35)', () => {
  assert.equal(
    characters(reportOf(bounce({ id: '01f' })).content),
    [
      'Date: Tue, 1 Jul 2003 10:52:38 +0000',
      'From: "Mail Delivery Subsystem" <mailer-daemon@mta1.example.com>',
      'To: sender@sender.example.com',
      'Subject: Returned mail',
      'Message-ID: <0198@mta1.example.com>',
      'In-Reply-To: <one@sender.example.com>',
      'References: <one@sender.example.com>',
      'Auto-Submitted: auto-replied',
      'MIME-Version: 1.0',
      'Content-Type: multipart/report; report-type=delivery-status;',
      '\tboundary="a-candidate"',
      '',
      '--a-candidate',
      'Content-Type: text/plain; charset=us-ascii',
      '',
      'The message was received at Tue, 1 Jul 2003 08:52:37 +0000',
      'from sender@sender.example.com and addressed to recip@target.example.com.',
      'While communicating with target.example.com (42.42.42.42):',
      'Response: 550 5.7.1 no thanks',
      '',
      'The message will be deleted from the queue.',
      'No further attempts will be made to deliver it.',
      '',
      'For help, write to postmaster@mta1.example.com.',
      '',
      '--a-candidate',
      'Content-Type: message/delivery-status',
      '',
      'Reporting-MTA: dns; mta1.example.com',
      'Arrival-Date: Tue, 1 Jul 2003 08:52:37 +0000',
      'X-Rebound-Message-ID: 01f',
      '',
      'Final-Recipient: rfc822; recip@target.example.com',
      'Action: failed',
      'Status: 5.7.1 (permanent failure)',
      'Remote-MTA: dns; target.example.com',
      'Diagnostic-Code: smtp; 550 5.7.1 no thanks',
      'Last-Attempt-Date: Tue, 1 Jul 2003 10:52:37 +0000',
      '',
      '--a-candidate',
      'Content-Type: message/rfc822',
      '',
      'From: sender@sender.example.com',
      'Subject: Hello!',
      'Message-ID: <one@sender.example.com>',
      '',
      'hello there',
      '',
      '--a-candidate--',
      '',
    ].join('\r\n'),
  );
});

// ---- When there is a report, and to whom (A)

const due: [name: string, record: DispositionRecord, changes: Partial<ReportParams>, want: boolean][] = [
  ['a refused message (rule 1)', bounce(), {}, true],
  ['an expired message (rule 1)', expiration(), {}, true],
  ['a null MX, refused without a connection (rule 1)', bounce({ delivery_protocol: null, peer_address: null }), {}, true],
  ['an administrator gave it up (rule 1)', bounce({ type: 'AdminBounce', delivery_protocol: null }), {}, true],
  ['LMTP (rule 1)', bounce({ delivery_protocol: 'LMTP' }), {}, true],
  ['a web hook is not mail', bounce({ delivery_protocol: 'HTTP' }), {}, false],
  ['compatible: a refused message', bounce(), compatible, true],
  ['compatible: an expired message', expiration(), compatible, true],
  ['compatible: an administrator gave it up', bounce({ type: 'AdminBounce', delivery_protocol: null }), compatible, false],
  ['compatible: an administrator gave it up in a session', bounce({ type: 'AdminBounce' }), compatible, false],
  ['compatible: LMTP', bounce({ delivery_protocol: 'LMTP' }), compatible, false],
  ['compatible: without a connection', bounce({ delivery_protocol: null, peer_address: null }), compatible, false],
  ['bounces are not enabled', bounce(), { enable_bounce: false }, false],
  ['bounces of an administrator are bounces (rule 1)', bounce({ type: 'AdminBounce' }), { enable_bounce: false }, false],
  ['expirations are not enabled', expiration(), { enable_expiration: false }, false],
  ['the null sender (rule 2)', bounce({ sender: '' }), {}, false],
  ['a delivery', bounce({ type: 'Delivery' }), {}, false],
  ['a temporary failure', bounce({ type: 'TransientFailure' }), {}, false],
  ['a refusal at SMTP time (rule 14)', bounce({ type: 'Rejection' }), {}, false],
  ['NOTIFY=NEVER (rule 91)', bounce({ dsn: { recipients: [{ address: 'recip@target.example.com', notify: ['NEVER'] }] } }), {}, false],
  [
    'NOTIFY without FAILURE (rule 91)',
    bounce({ dsn: { recipients: [{ address: 'recip@target.example.com', notify: ['SUCCESS', 'DELAY'] }] } }),
    {},
    false,
  ],
  [
    'NOTIFY with FAILURE (rule 91)',
    bounce({ dsn: { recipients: [{ address: 'recip@target.example.com', notify: ['SUCCESS', 'FAILURE'] }] } }),
    {},
    true,
  ],
];
for (const [name, record, changes, want] of due) {
  test(`${want ? 'a report' : 'no report'}: ${name}`, () => {
    assert.equal(generateRfc3464Message({ ...params, ...changes }, original, record, world) !== undefined, want);
  });
}

test('a type that is not named is not enabled', () => {
  const { include_original_message, reporting_mta } = params;
  assert.equal(generateRfc3464Message({ include_original_message, reporting_mta }, original, bounce(), world), undefined);
});

test('it goes to the envelope return path only, from the null sender (rules 4, 6)', () => {
  const message = octets('From: a@x\r\nReply-To: b@x\r\nErrors-To: c@x\r\nReturn-Path: <d@x>\r\nSubject: s\r\n\r\n');
  const report = reportOf(bounce({ sender: 'e@x' }), {}, message);
  assert.deepEqual([report.sender, report.recipient, only(takeApart(report).header, 'To')], ['', 'e@x', 'e@x']);
});

test('a source route is stripped (rule 5)', () => {
  const report = reportOf(bounce({ sender: '@a,@b:u@d' }));
  assert.deepEqual([report.recipient, only(takeApart(report).header, 'To')], ['u@d', 'u@d']);
});

test('a recipient that wants no report is not named anywhere (rule 12)', () => {
  const record = bounce({
    recipient: ['a@t', 'b@t', 'c@t'],
    dsn: { recipients: [{ address: 'a@t' }, { address: 'b@t', notify: ['NEVER'] }, { address: 'c@t', notify: ['FAILURE'] }] },
  });
  const report = reportOf(record);
  assert.deepEqual(field(statusOf(report), 'Final-Recipient'), ['rfc822; a@t', 'rfc822; c@t']);
  assert.doesNotMatch(characters(report.content), /b@t/);
});

test('a request for a receipt is not taken over (rule 22)', () => {
  const message = octets('From: a@x\r\nDisposition-Notification-To: a@x\r\nReturn-Receipt-To: a@x\r\n\r\n');
  assert.doesNotMatch(takeApart(reportOf(bounce(), {}, message)).header, /receipt|notification/i);
});

test('an unknown, missing or wrong parameter is named', () => {
  const wrong: [given: object, want: RegExp][] = [
    [{ ...params, enable_delays: true }, /unknown parameter enable_delays/],
    [{ ...params, enable_delay: 1 }, /enable_delay/],
    [{ ...params, enable_success: 'yes' }, /enable_success/],
    [{ ...params, toString: true }, /unknown parameter toString/],
    [{ ...params, reporting_mta: { mta_type: 'dns', name: 'x', port: 1 } }, /unknown parameter reporting_mta\.port/],
    [{ ...params, reporting_mta: undefined }, /reporting_mta/],
    [{ ...params, reporting_mta: { mta_type: 'dns' } }, /reporting_mta\.name/],
    [{ ...params, include_original_message: 'fullcontent' }, /include_original_message/],
    [{ ...params, enable_bounce: 'yes' }, /enable_bounce/],
    [{ ...params, original_limit: -1 }, /original_limit/],
    [{ ...params, compatibility: 'other' }, /compatibility/],
    [{ ...params, from: 'a@b.example>' }, /from/],
    [{ ...params, from: 'a@b.example, c@d.example' }, /from/],
  ];
  for (const [given, want] of wrong) {
    assert.throws(
      () => generateRfc3464Message(given as ReportParams, original, bounce(), world),
      (error) => error instanceof TypeError && want.test(error.message),
    );
  }
});

// ---- The header (B)

test('each field of the header once, and no others (rules 24, 32)', () => {
  const names = readFields(takeApart(reportOf(bounce())).header).map((f) => f.name);
  const want = [
    'Date',
    'From',
    'To',
    'Subject',
    'Message-ID',
    'In-Reply-To',
    'References',
    'Auto-Submitted',
    'MIME-Version',
    'Content-Type',
  ];
  assert.deepEqual(names, want);
});

test('the author can be set; nothing and an empty one are mailer-daemon (rule 26)', () => {
  const from = (changes: Partial<ReportParams>) => only(takeApart(reportOf(bounce(), changes)).header, 'From');
  assert.equal(from({ from: 'help@x.test' }), '"Mail Delivery Subsystem" <help@x.test>');
  assert.equal(from({ from: 'Help <help@x.test>' }), 'Help <help@x.test>');
  assert.equal(from({ from: 'Dr. Help (me) <help@x.test>' }), '"Dr. Help (me)" <help@x.test>');
  assert.equal(from({ from: '' }), '"Mail Delivery Subsystem" <mailer-daemon@mta1.example.com>');
});

test('a host name with a dot at its end is written without it, but for the compatible form (rule 46)', () => {
  const reporting_mta = { mta_type: 'dns', name: 'mta1.example.com.' };
  const plain = reportOf(bounce(), { reporting_mta });
  assert.deepEqual(plain, reportOf(bounce()));
  assert.equal(
    characters(minimalReport({ ...params, reporting_mta }, [bounce()], world)?.content ?? octets('')),
    characters(minimalReport(params, [bounce()], world)?.content ?? octets('')),
  );
  const kumo = characters(reportOf(bounce(), { reporting_mta, compatibility: 'kumomta' }).content);
  assert.match(kumo, /^Message-ID: <0198@mta1\.example\.com\.>\r$/m);
});

test('return paths stand in To as they are (rule 27)', () => {
  for (const sender of ['"a b"@x', 'verp+u=d@x', 'User@X.Example', '"a  b(c)\\"d"@x', `${'l'.repeat(200)}@x`]) {
    const report = reportOf(bounce({ sender }));
    assert.equal(only(takeApart(report).header, 'To'), sender);
    assert.equal(report.smtpUtf8, false);
  }
});

test('a UTF-8 return path makes a report that needs SMTPUTF8 (rule 108)', () => {
  const report = reportOf(bounce({ sender: 'jürgen@bücher.example' }));
  assert.deepEqual([report.recipient, report.smtpUtf8, report.eightBit], ['jürgen@bücher.example', true, true]);
  assert.match(new TextDecoder().decode(report.content), /^To: jürgen@bücher\.example\r$/m);
});

const messageIds: [name: string, header: string, want: string | undefined][] = [
  ['a plain one', 'Message-ID: <a.b@c>\r\n', '<a.b@c>'],
  ['folded, in another case', 'message-id:\r\n <a.b@c>\r\n', '<a.b@c>'],
  ['doubled', 'Message-ID: <a@c>\r\nMessage-ID: <b@c>\r\n', undefined],
  ['two in one', 'Message-ID: <a@c> <b@c>\r\n', undefined],
  ['without brackets', 'Message-ID: a@c\r\n', undefined],
  ['with a blank', 'Message-ID: <a b@c>\r\n', undefined],
  ['8-bit', 'Message-ID: <\u00fc@c>\r\n', undefined],
  ['a control', 'Message-ID: <a\u0007@c>\r\n', undefined],
  ['780 long', `Message-ID: <${'a'.repeat(776)}@c>\r\n`, `<${'a'.repeat(776)}@c>`],
  ['900 long', `Message-ID: <${'a'.repeat(896)}@c>\r\n`, undefined],
  ['a dot too many', 'Message-ID: <a..b@c>\r\n', undefined],
  ['a dot at an end', 'Message-ID: <a.@c>\r\n', undefined],
  ['a parenthesis', 'Message-ID: <a(b)@c>\r\n', undefined],
  ['a semicolon', 'Message-ID: <a;b@c>\r\n', undefined],
  ['in quotes', 'Message-ID: <"a b"@c>\r\n', undefined],
  ['a literal', 'Message-ID: <a@[192.0.2.1]>\r\n', '<a@[192.0.2.1]>'],
  ['an open literal', 'Message-ID: <a@[192.0.2.1>\r\n', undefined],
  ['none', '', undefined],
];
for (const [name, header, want] of messageIds) {
  test(`Message-ID of the original, ${name} (rule 29)`, () => {
    const text = takeApart(reportOf(bounce(), {}, octets(`From: a@x\r\n${header}\r\nbody`))).header;
    assert.deepEqual([only(text, 'In-Reply-To'), only(text, 'References')], [want, want]);
  });
}

test('stable_content fixes boundary, Message-ID and Date, which is the time of the record, and nothing else', () => {
  const text = characters(reportOf(bounce(), { stable_content: true }).content);
  const unstable = generateRfc3464Message(params, original, bounce(), { ...world, now: failedAt });
  const want = characters(unstable?.content ?? octets(''));
  assert.equal(text, want.replaceAll('a-candidate', 'report-boundary').replace('<0198@', '<UUID@'));
});

test('stable content is the same at every time, also of a record without one', () => {
  for (const record of [bounce(), bounce({ timestamp: Number.NaN })]) {
    const at = (now: number, messageId: string) =>
      generateRfc3464Message({ ...params, stable_content: true }, original, record, { now, messageId, boundary: messageId });
    assert.deepEqual(at(world.now, 'a'), at(world.now + 90_000_000, 'b'));
  }
});

// ---- The machine-readable part (D)

test('message/delivery-status is 7bit without parameters, also for long, 8-bit and `=` text (rules 40, 42)', () => {
  const response = { code: 550, enhanced_code: null, content: `${'long text = '.repeat(30)}ü`, command: null };
  const { header, parts } = takeApart(reportOf(bounce({ response })));
  assert.equal(parts[1]?.header, 'Content-Type: message/delivery-status\r\n');
  assert.match(header, /report-type=delivery-status/);
  for (const line of parts[1]?.body.split('\r\n') ?? []) assert.ok(line.length <= 78, line);
});

test('one group for the message, one for each of a hundred recipients (rules 10, 43)', () => {
  const recipient = Array.from({ length: 100 }, (_, i) => `r${i}@t`);
  const report = reportOf(bounce({ recipient }));
  const groups = statusOf(report).split('\r\n\r\n');
  assert.equal(groups.length, 101);
  assert.deepEqual(
    groups.slice(1).map((group) => field(group, 'Final-Recipient')[0]),
    recipient.map((r) => `rfc822; ${r}`),
  );
});

test('the fields stand in the order of the grammar (rule 45)', () => {
  const dsn = { envid: 'E', recipients: [{ address: 'recip@target.example.com', orcpt: 'rfc822;o@x' }] };
  const groups = statusOf(reportOf(bounce({ dsn })))
    .split('\r\n\r\n')
    .map((group) => readFields(group).map((f) => f.name));
  assert.deepEqual(groups, [
    ['Original-Envelope-Id', 'Reporting-MTA', 'Arrival-Date'],
    ['Original-Recipient', 'Final-Recipient', 'Action', 'Status', 'Remote-MTA', 'Diagnostic-Code', 'Last-Attempt-Date'],
  ]);
});

test('a name that no DNS knows is not called dns (rule 46)', () => {
  const reportingMta = (name: string) => only(statusOf(reportOf(bounce(), { reporting_mta: { mta_type: 'dns', name } })), 'Reporting-MTA');
  assert.equal(reportingMta('localhost'), 'x-local-hostname; localhost');
  assert.equal(reportingMta('mail.'), 'x-local-hostname; mail');
  assert.equal(reportingMta('mta1.example.com.'), 'dns; mta1.example.com');
  assert.equal(reportingMta('mta1.example.com'), 'dns; mta1.example.com');
});

const envelopeIds: [envid: string | undefined, want: string | undefined][] = [
  ['QQ+2B31', 'QQ+31'],
  ['CaSe+20kept', 'CaSe kept'],
  [undefined, undefined],
  ['a+0D+0AX-Injected:+20y', 'a+0D+0AX-Injected:+20y'],
  ['+2b', '+2b'],
];
for (const [envid, want] of envelopeIds) {
  test(`ENVID ${envid} is ${want} (rules 47, 124)`, () => {
    const status = statusOf(reportOf(bounce({ dsn: { recipients: [], ...(envid && { envid }) } })));
    assert.equal(only(status, 'Original-Envelope-Id'), want);
  });
}

test('fields that other systems write are not there (rules 48, 66)', () => {
  assert.doesNotMatch(statusOf(reportOf(bounce())), /DSN-Gateway|Deliver-By|Will-Retry/);
});

test('a reception after the report (clocks differ) is not claimed (rule 50)', () => {
  assert.equal(only(statusOf(reportOf(bounce({ created: world.now / 1000 + 60 }))), 'Arrival-Date'), 'Tue, 1 Jul 2003 10:52:38 +0000');
  assert.equal(only(statusOf(reportOf(bounce({ created: Number.NaN }))), 'Arrival-Date'), undefined);
});

test('the recipient stands as it was accepted (rule 51)', () => {
  for (const recipient of ['"a b"@x', 'User@X', 'u%h@x', `${'l'.repeat(200)}@x`, 'u@[192.0.2.1]', 'a;b@x', '"a(b"@x']) {
    assert.equal(only(statusOf(reportOf(bounce({ recipient }))), 'Final-Recipient'), `rfc822; ${recipient}`);
  }
});

const originalRecipients: [name: string, orcpt: string | undefined, want: string | undefined][] = [
  ['decoded', 'rfc822;u+2Bt@x', 'rfc822; u+t@x'],
  ['case kept', 'RFC822;User@X', 'RFC822; User@X'],
  ['an unknown type (84)', 'x-foo;a+20b', 'x-foo; a b'],
  ['not given', undefined, undefined],
  ['no xtext: as it is (81)', 'rfc822;a+0D+0AX:b', 'rfc822; a+0D+0AX:b'],
  ['bare line ends: neutralised', 'rfc822;a\r\nX-Injected: b', 'rfc822; a?X-Injected: b'],
  ['without a type', 'a@x', undefined],
  ['utf-8 in its own escapes (103)', 'utf-8;\\x{3B4}\\x{2B}@x', 'utf-8; \\x{3B4}\\x{2B}@x'],
  ['utf-8 raw (101)', 'utf-8;δ@x', 'utf-8; \\x{3B4}@x'],
];
for (const [name, orcpt, want] of originalRecipients) {
  test(`ORCPT, ${name} (rule 52)`, () => {
    const dsn = { recipients: [{ address: 'recip@target.example.com', ...(orcpt && { orcpt }) }] };
    const status = statusOf(reportOf(bounce({ dsn })));
    assert.equal(only(status, 'Original-Recipient'), want);
    assert.doesNotMatch(status, /^X-Injected/m);
  });
}

test('a non-ASCII recipient is of type utf-8 in ASCII escapes, and readable in the text (rules 102, 103)', () => {
  const report = reportOf(bounce({ recipient: 'δ+ a\\=😀@bücher.example' }));
  assert.equal(only(statusOf(report), 'Final-Recipient'), 'utf-8; \\x{3B4}\\x{2B}\\x{20}a\\x{5C}\\x{3D}\\x{1F600}@b\\x{FC}cher.example');
  assert.match(parseRfc3464(report.content)?.text ?? '', /addressed to δ\+ a\\=😀@bücher\.example\./);
  assert.match(takeApart(report).parts[0]?.header ?? '', /charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable/);
  assert.deepEqual([report.eightBit, report.smtpUtf8], [false, false]);
});

const enhanced = (text: string) => {
  const [klass = 0, subject = 0, detail = 0] = text.split('.').map(Number);
  return { class: klass, subject, detail };
};
const statuses: [name: string, record: DispositionRecord, want: string][] = [
  ['none given (rule 55)', bounce({ response: { code: 550, enhanced_code: null, content: 'x', command: null } }), '5.0.0'],
  [
    'of another class (rule 56)',
    bounce({ response: { code: 550, enhanced_code: enhanced('4.2.1'), content: 'x', command: null } }),
    '5.0.0',
  ],
  ['a good one (rule 56)', bounce({ response: { code: 550, enhanced_code: enhanced('2.1.5'), content: 'x', command: null } }), '5.0.0'],
  [
    'too many digits (rule 56)',
    bounce({ response: { code: 550, enhanced_code: enhanced('5.1234.1'), content: 'x', command: null } }),
    '5.0.0',
  ],
  ['no number (rule 56)', bounce({ response: { code: 550, enhanced_code: enhanced('5.x.1'), content: 'x', command: null } }), '5.0.0'],
  [
    'a bounce after a 2yz (rule 57)',
    bounce({ response: { code: 252, enhanced_code: enhanced('2.1.5'), content: 'x', command: null } }),
    '5.0.0',
  ],
  [
    'a bounce with a temporary code (rule 57)',
    bounce({ response: { code: 450, enhanced_code: enhanced('4.2.1'), content: 'x', command: null } }),
    '4.2.1',
  ],
  [
    'expired, the last problem is told (rule 58)',
    expiration({ response: { code: 452, enhanced_code: enhanced('4.2.2'), content: 'full', command: 'RCPT' } }),
    '4.2.2',
  ],
  [
    'expired, the last problem was ours (rule 58)',
    expiration({ response: { code: 451, enhanced_code: enhanced('4.4.1'), content: 'refused', command: null, local: true } }),
    '4.4.1',
  ],
  [
    'expired, the server gave no code (rule 58)',
    expiration({ response: { code: 450, enhanced_code: null, content: 'later', command: 'RCPT' } }),
    '4.0.0',
  ],
  [
    'expired, nothing is known (rule 58)',
    expiration({ response: { code: 400, enhanced_code: null, content: 'x', command: null, local: true } }),
    '4.4.7',
  ],
  ['expired, in the words of the reference (rule 58)', expiration(), '4.4.7'],
  [
    'null MX (rule 115)',
    bounce({ peer_address: null, response: { code: 556, enhanced_code: enhanced('5.1.10'), content: 'x', command: null, local: true } }),
    '5.1.10',
  ],
];
for (const [name, record, want] of statuses) {
  test(name, () => {
    const status = statusOf(reportOf(record));
    assert.deepEqual([codeOf(only(status, 'Status')), only(status, 'Action')], [want, 'failed']);
  });
}

test('Status has words in a comment alone, the same whatever the server said (rule 54)', () => {
  for (const content of ['no thanks', 'a (b) ) (c', '\\\\) x\\', 'a\r\nAction: delivered', '']) {
    const response = { code: 550, enhanced_code: enhanced('5.7.1'), content, command: 'RCPT' };
    const report = reportOf(bounce({ response }));
    assert.ok(statusOf(report).includes('\r\nStatus: 5.7.1 (permanent failure)\r\n'), statusOf(report));
    assert.equal(parseRfc3464(report.content)?.recipients[0]?.status, '5.7.1');
  }
});

const peers: [name: string, peer: DispositionRecord['peer_address'], want: string | undefined][] = [
  ['a trailing dot goes', { name: 'mx.example.', addr: '192.0.2.1' }, 'dns; mx.example'],
  ['an address literal', { name: '192.0.2.1', addr: '192.0.2.1' }, 'dns; [192.0.2.1]'],
  ['an IPv6 literal', { name: '2001:db8::1', addr: '2001:db8::1' }, 'dns; [IPv6:2001:db8::1]'],
  ['no port', { name: '192.0.2.1:2525', addr: '192.0.2.1:2525' }, 'dns; [192.0.2.1]'],
  ['a name that is none', { name: 'mx\r\nX-Injected: y', addr: '192.0.2.1' }, 'dns; [192.0.2.1]'],
  ['a socket file', { name: '/run/lmtp', addr: '/run/lmtp' }, undefined],
];
for (const [name, peer_address, want] of peers) {
  test(`Remote-MTA, ${name} (rule 59)`, () => assert.equal(only(statusOf(reportOf(bounce({ peer_address }))), 'Remote-MTA'), want));
}

const local = { code: 451, enhanced_code: enhanced('4.4.1'), content: 'Connection refused', command: 'connect', local: true };
const unanswered: [name: string, record: DispositionRecord, diagnostic: string | undefined][] = [
  ['our own words', bounce({ response: local }), 'x-rebound; Connection refused'],
  ['no server at all', bounce({ peer_address: null, delivery_protocol: null }), 'x-rebound; no thanks'],
  [
    'our own words at the end of the time',
    expiration({ response: local, peer_address: { name: 'mx.x', addr: '192.0.2.1' } }),
    'x-rebound; Connection refused',
  ],
  ['the expiration of the reference', expiration({ response: { ...local, code: 551, local: false, content: 'Next' } }), 'x-rebound; Next'],
  ['no words', bounce({ response: { ...local, content: '' } }), undefined],
];
for (const [name, record, diagnostic] of unanswered) {
  test(`no Remote-MTA and no smtp diagnostic for ${name} (rules 59, 61)`, () => {
    const status = statusOf(reportOf(record));
    assert.deepEqual([only(status, 'Remote-MTA'), only(status, 'Diagnostic-Code')], [undefined, diagnostic]);
  });
}

test('after the time is up the words of a server that refused for good are its own (rules 58, 59, 60, 61)', () => {
  const response = { code: 554, enhanced_code: enhanced('5.7.1'), content: 'your address is listed', command: 'connect' };
  const report = reportOf(expiration({ response, peer_address: { name: 'mx.x', addr: '192.0.2.1' } }));
  const status = statusOf(report);
  assert.deepEqual(
    ['Action', 'Status', 'Remote-MTA', 'Diagnostic-Code'].map((name) => only(status, name)),
    ['failed', '4.4.7', 'dns; mx.x', 'smtp; 554 5.7.1 your address is listed'],
  );
  assert.match(textOf(report), /While communicating with mx\.x \(192\.0\.2\.1\):\r\nResponse: 554 5\.7\.1 your address is listed\r\n/);
});

test('after the time is up the diagnostic is the last reply of the server (rule 58)', () => {
  const response = { code: 452, enhanced_code: enhanced('4.2.2'), content: 'full', command: 'RCPT' };
  const report = reportOf(expiration({ response, peer_address: { name: 'mx.x', addr: '192.0.2.1' } }));
  assert.equal(only(statusOf(report), 'Diagnostic-Code'), 'smtp; 452 4.2.2 full');
  assert.equal(only(statusOf(report), 'Remote-MTA'), 'dns; mx.x');
  assert.match(textOf(report), /could not be delivered in the time/);
});

test('each line of a reply is a line of the field, codes and hyphens kept (rule 60)', () => {
  const lines = ['The email account does not exist.', '', 'Please  try again.'];
  const response = { code: 550, enhanced_code: enhanced('5.1.1'), content: lines.join(' '), command: 'RCPT', lines };
  const want = 'Diagnostic-Code: smtp; 550-5.1.1 The email account does not exist.\r\n 550-5.1.1\r\n 550 5.1.1 Please  try again.\r\n';
  assert.ok(statusOf(reportOf(bounce({ response }))).includes(want));
});

test('what was no attempt has no Last-Attempt-Date (rule 62)', () => {
  const date = (record: DispositionRecord) => only(statusOf(reportOf(record)), 'Last-Attempt-Date');
  assert.equal(date(bounce()), 'Tue, 1 Jul 2003 10:52:37 +0000');
  assert.equal(date(bounce({ num_attempts: 0 })), undefined);
  assert.equal(date(bounce({ type: 'AdminBounce' })), undefined);
});

// ---- The human-readable part (C)

test('the text names every recipient, the reason and what happens next (rule 36)', () => {
  const recipient = Array.from({ length: 20 }, (_, i) => `recipient-${i}@target.example.com`);
  const text = textOf(reportOf(bounce({ recipient })));
  for (const name of recipient) assert.ok(text.includes(name), name);
  for (const words of ['550 5.7.1 no thanks', 'will be deleted', 'No further attempts', 'postmaster@mta1.example.com'])
    assert.ok(text.includes(words));
  for (const line of text.split('\r\n')) assert.ok(line.length <= 78, line);
});

test('a refusal of our own is told without a server and without a made-up code (rule 61)', () => {
  const response = { code: 556, enhanced_code: enhanced('5.1.10'), content: 'The domain takes no mail', command: null, local: true };
  const text = textOf(reportOf(bounce({ response, peer_address: null })));
  assert.match(text, /^Status: 5\.1\.10 The domain takes no mail\r$/m);
  assert.doesNotMatch(text, /communicating|556/);
});

// ---- Framing (C)

test('a boundary that occurs in the content is made longer until it does not, not even as a prefix (rule 38)', () => {
  const letters = Array.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789');
  const lookalikes = ['', '--', ...letters, ...letters.map((letter) => `A${letter}`)].map((end) => `--a-candidate${end}\r\n`).join('');
  const message = octets(`Subject: x\r\n\r\n${lookalikes}`);
  const report = reportOf(bounce(), {}, message);
  const boundary = /boundary="([^"]+)"/.exec(characters(report.content))?.[1] ?? '';
  assert.ok(boundary.startsWith('a-candidate') && boundary.length <= 70);
  assert.ok(!characters(message).includes(`--${boundary}`));
  assert.equal(characters(parseRfc3464(report.content)?.returned?.content ?? octets('')), characters(message));
});

test('content that foresees the next letters is left behind within 70 characters (rule 38)', () => {
  const message = octets(`Subject: x\r\n\r\n${'ABCab01'.replaceAll(/./g, (letter) => `--a-candidate${letter.repeat(80)}\r\n`)}`);
  const boundary = /boundary="([^"]+)"/.exec(characters(reportOf(bounce(), {}, message).content))?.[1];
  assert.equal(boundary, 'a-candidateD');
});

test('a boundary that is none is not used (rule 38)', () => {
  for (const boundary of ['', 'a b', 'a"b', 'x'.repeat(71), 'a\r\nb']) {
    const report = generateRfc3464Message(params, original, bounce(), { ...world, boundary });
    assert.match(characters(report?.content ?? octets('')), /boundary="report-boundary"/);
  }
});

// ---- Returned content (E)

const mixed = octets('Subject: s\r\n\r\nb\u00e9\r\n');
const returns: [
  name: string,
  message: Uint8Array,
  changes: Partial<ReportParams>,
  ret: 'FULL' | 'HDRS' | undefined,
  want: string | undefined,
][] = [
  ['FullContent (rule 67)', original, {}, undefined, 'message/rfc822'],
  ['HeadersOnly', original, { include_original_message: 'HeadersOnly' }, undefined, 'text/rfc822-headers'],
  ['No', original, { include_original_message: 'No' }, undefined, undefined],
  ['RET=HDRS (rule 67)', original, {}, 'HDRS', 'text/rfc822-headers'],
  ['RET=FULL (rule 67)', original, { include_original_message: 'HeadersOnly' }, 'FULL', 'message/rfc822'],
  ['no From, Subject or Date (rule 72)', octets('To: a@x\r\n\r\nb'), {}, undefined, 'text/rfc822-headers'],
  ['no header at all (rule 72)', octets('\r\nbody'), {}, undefined, undefined],
  ['no header, but words (rule 72)', octets('hello there\r\n\r\nbody'), {}, undefined, undefined],
  ['nothing', octets(''), {}, undefined, undefined],
  ['as large as allowed (rule 73)', original, { original_limit: original.length }, undefined, 'message/rfc822'],
  ['too large (rule 73)', original, { original_limit: original.length - 1 }, undefined, 'text/rfc822-headers'],
  ['too large, though RET=FULL (rule 73)', original, { original_limit: 10 }, 'FULL', 'text/rfc822-headers'],
  ['8-bit body (rules 39, 71, 74)', mixed, {}, undefined, 'message/rfc822\r\nContent-Transfer-Encoding: 8bit'],
  ['8-bit body, its header only (rule 74)', mixed, {}, 'HDRS', 'text/rfc822-headers'],
  ['8-bit header (rule 75)', octets('Subject: \u00e9\r\n\r\n'), {}, 'HDRS', 'text/rfc822-headers\r\nContent-Transfer-Encoding: 8bit'],
  ['long line (rule 76)', octets(`Subject: s\r\n\r\n${'x'.repeat(999)}\r\n`), {}, undefined, 'text/rfc822-headers'],
  ['longest line (rule 76)', octets(`Subject: s\r\n\r\n${'x'.repeat(998)}\r\n`), {}, undefined, 'message/rfc822'],
  ['NUL (rule 76)', octets('Subject: s\r\n\r\n\u0000'), {}, undefined, 'text/rfc822-headers'],
  ['bare LF (rule 76)', octets('Subject: s\r\n\r\na\nb'), {}, undefined, 'text/rfc822-headers'],
  [
    'long line in the header (rule 76)',
    octets(`Subject: ${'x'.repeat(3000)}\r\n\r\n`),
    {},
    undefined,
    'text/rfc822-headers\r\nContent-Transfer-Encoding: quoted-printable',
  ],
];
for (const [name, message, changes, ret, want] of returns) {
  test(`returned content, ${name}`, () => {
    const report = reportOf(bounce({ dsn: { recipients: [], ...(ret && { ret }) } }), changes, message);
    const { header, parts } = takeApart(report);
    assert.equal(parts[2]?.header, want && `Content-Type: ${want}\r\n`);
    assert.equal(parts.length, want ? 3 : 2);
    const isEightBit = want?.endsWith('8bit') ?? false;
    assert.equal(report.eightBit, isEightBit);
    assert.equal(only(header, 'Content-Transfer-Encoding'), isEightBit ? '8bit' : undefined, 'the multipart is labelled too');
  });
}

test('the original may be missing, and the text says so where something of it was to be returned', () => {
  for (const include_original_message of ['FullContent', 'HeadersOnly', 'No'] as const) {
    const report = generateRfc3464Message({ ...params, include_original_message }, undefined, bounce(), world) ?? assert.fail();
    assert.equal(takeApart(report).parts.length, 2);
    assert.equal(/message itself is not there any more/.test(textOf(report)), include_original_message !== 'No');
  }
});

test('of a message that is not whole any more its header is returned, and never a part as the message (rule 73)', () => {
  const cases: [size: number, changes: Partial<ReportParams>, want: string][] = [
    [original.length, {}, 'message/rfc822'],
    [original.length - 1, {}, 'message/rfc822'],
    [original.length + 1, {}, 'text/rfc822-headers'],
    [original.length + 1, { original_limit: 1_000_000 }, 'text/rfc822-headers'],
  ];
  for (const [size, changes, want] of cases)
    assert.equal(takeApart(reportOf(bounce({ size }), changes)).parts[2]?.header, `Content-Type: ${want}\r\n`);
});

test('the header alone ends where it ends (rule 69)', () => {
  const report = reportOf(bounce(), { include_original_message: 'HeadersOnly' });
  assert.equal(
    takeApart(report).parts[2]?.body,
    'From: sender@sender.example.com\r\nSubject: Hello!\r\nMessage-ID: <one@sender.example.com>\r\n',
  );
});

test('the whole message comes back octet for octet (rules 70, 77, 128)', () => {
  const ends = ['', '\r\n', '\r\n\r\n', ' \t\r\n', '\r\n.\r\nFrom x\r\n', '--\r\n', '\r\nContent-Type: multipart/mixed; boundary=x\r\n'];
  for (const end of ends) {
    const message = octets(`From: a@x\r\nContent-Type: ${'multipart/mixed; '.repeat(50)}\r\n\r\nbody \u00ff${end}`);
    const report = reportOf(bounce(), {}, message);
    assert.equal(takeApart(report).parts[2]?.body, characters(message));
    assert.equal(characters(parseRfc3464(report.content)?.returned?.content ?? octets('')), characters(message));
  }
});

const notes: [name: string, record: DispositionRecord, message: Uint8Array, changes: Partial<ReportParams>, want: RegExp][] = [
  ['too large', bounce(), original, { original_limit: 20 }, /returned: it is larger than 20 octets/],
  [
    'too large, of which only the beginning was read',
    bounce({ size: 5000 }),
    original,
    { original_limit: 4000 },
    /larger than 4000 octets/,
  ],
  ['a long line', bounce(), octets(`Subject: s\r\n\r\n${'x'.repeat(3000)}`), {}, /returned: its lines are not those of mail/],
  ['neither From, Subject nor Date', bounce(), octets('To: a@x\r\n\r\nb'), {}, /returned: it has none of From, Subject and\s+Date/],
  ['no header', bounce(), octets('\r\nbody'), {}, /Nothing of the message is returned: it has no header/],
  ['not even a header', bounce(), octets('x'), { include_original_message: 'HeadersOnly' }, /Nothing of the message is returned/],
  ['cut, where there is no limit', bounce({ size: original.length + 1 }), original, {}, /returned: the rest is not whole/],
  ['cut, below the limit', bounce({ size: 5000 }), original, { original_limit: 5000 }, /returned: the rest is not whole/],
  [
    'a header beyond all measure',
    bounce(),
    octets(`Subject: s\r\n${'X: y\r\n'.repeat(50_000)}\r\n`),
    { original_limit: 50 },
    /header of the message is too large/,
  ],
];
for (const [name, record, message, changes, want] of notes) {
  test(`the text says that something is not returned: ${name} (rules 73, 76)`, () => {
    const report = reportOf(record, changes, message);
    assert.match(textOf(report), want);
    assert.ok(report.content.length < 10_000);
  });
}

test('10 MB with a limit of 50 KB are a small report (rules 73, 127)', () => {
  const message = octets(`From: a@x\r\n\r\n${`${'x'.repeat(70)}\r\n`.repeat(145_000)}`);
  assert.ok(reportOf(bounce(), { original_limit: 51_200 }, message).content.length < 3000);
});

// ---- Hostile replies (K)

const hostile: [name: string, lines: string[], want: string][] = [
  ['a line end inside a line (rule 120)', ['x\nX-Injected: y', 'z\r\n\r\nz'], '550-5.7.1 x?X-Injected: y 550 5.7.1 z?z'],
  ['controls, DEL and 8-bit (rule 64)', ['\u001b[31m\u0007\u007f\u0080é\u0000'], '550 5.7.1 ?[31m?????'],
  ['one character beyond 16 bits is one (rule 64)', ['a😀b\ud800'], '550 5.7.1 a?b?'],
  ['tabs are blanks (rule 64)', ['a\tb'], '550 5.7.1 a b'],
  ['only blanks (rule 44)', ['   '], '550 5.7.1'],
  ['what templates would expand (rule 123)', ['$& %s {{x}} $1 $`'], '550 5.7.1 $& %s {{x}} $1 $`'],
];
for (const [name, lines, want] of hostile) {
  test(name, () => {
    const report = reportOf(
      bounce({ response: { code: 550, enhanced_code: enhanced('5.7.1'), content: lines.join(' '), command: null, lines } }),
    );
    assert.equal(only(statusOf(report), 'Diagnostic-Code'), `smtp; ${want}`);
    assert.doesNotMatch(characters(report.content), /^X-Injected/m);
  });
}

for (const [name, many] of [
  ['each in words of its own', Array.from({ length: 300 }, (_, n) => bounce({ recipient: `r${n}@t`, response: story(n) }))],
  ['all in the same', [bounce({ recipient: Array.from({ length: 300 }, (_, n) => `r${n}@t`), response: story(0) })]],
] as const) {
  for (const changes of [{}, { template: 'plain' }] as const) {
    test(`a long story for each of 300 recipients, ${name}, is cut to the last line (${changes.template ?? 'classic'}) (rule 122)`, () => {
      const report = generateRfc3464Message({ ...params, ...changes }, original, many, world) ?? assert.fail();
      assert.ok(report.content.length < 1_000_000, `${report.content.length} octets`);
      const { recipients = [] } = parseRfc3464(report.content) ?? {};
      assert.equal(recipients.length, 300);
      assert.match(recipients.at(-1)?.diagnostic?.value ?? '', /^550 5\.7\.1 line 49 word word [^]*\.\.\.$/);
      if (many.length > 1) assert.match(recipients[0]?.diagnostic?.value ?? '', /^550-5\.7\.1 line 0 word/);
    });
  }
}

/** A reply of 50 lines of 2,000 characters. */
function story(n: number): DispositionRecord['response'] {
  const lines = Array.from({ length: 50 }, (_, line) => `line ${line} ${'word '.repeat(398)}${n}`);
  return { code: 550, enhanced_code: enhanced('5.7.1'), content: lines.join(' '), command: 'RCPT', lines };
}

test('a reply of 200 lines of 2,000 characters is cut (rule 122)', () => {
  const lines = Array.from({ length: 200 }, () => 'x'.repeat(2000));
  const report = reportOf(bounce({ response: { code: 550, enhanced_code: null, content: lines.join(' '), command: null, lines } }));
  assert.ok(report.content.length < 30_000);
  assert.match(only(statusOf(report), 'Diagnostic-Code') ?? '', /^smtp; 550-x.*x \.\.\.$/s);
  for (const line of characters(report.content).split('\r\n')) assert.ok(line.length <= 998);
});
