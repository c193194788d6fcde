import { test } from 'node:test';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { parseRfc3464, type ParsedReport } from '../../shared/core/dsn/parse.ts';
import { bounce, characters, octets, reportOf } from '../support/dsn-record.ts';

const minimal = 'Reporting-MTA: dns; mta.x\r\n\r\nFinal-Recipient: rfc822; a@x\r\nAction: failed\r\nStatus: 5.1.1\r\n';

/** A report around the given fields, with the line ends of `minimal`. */
function wrapped(status: string, type = 'message/delivery-status', more = ''): string {
  return (
    'Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\nMIME-Version: 1.0\r\n\r\npreamble\r\n' +
    `--b\r\n\r\nwords\r\n--b\r\nContent-Type: ${type}\r\n\r\n${status}\r\n${more}--b--\r\n`
  );
}

function parsed(text: string): ParsedReport {
  const report = parseRfc3464(octets(text));
  assert.ok(report);
  return report;
}

test('a report of our own is read as it was meant', () => {
  const report = parseRfc3464(
    reportOf(bounce({ id: '01f', dsn: { envid: 'E+2B', recipients: [{ address: 'recip@target.example.com', orcpt: 'rfc822;o@x' }] } }))
      .content,
  );
  assert.equal(report?.text?.split('\r\n')[3], 'Response: 550 5.7.1 no thanks');
  assert.deepEqual(report && { ...report, text: '', returned: report.returned && { ...report.returned, content: '' } }, {
    text: '',
    originalEnvelopeId: 'E+',
    reportingMta: { type: 'dns', value: 'mta1.example.com' },
    arrivalDate: Date.UTC(2003, 6, 1, 8, 52, 37),
    extensions: [{ name: 'X-Rebound-Message-ID', value: '01f' }],
    recipients: [
      {
        originalRecipient: { type: 'rfc822', value: 'o@x' },
        finalRecipient: { type: 'rfc822', value: 'recip@target.example.com' },
        action: 'failed',
        status: '5.7.1',
        remoteMta: { type: 'dns', value: 'target.example.com' },
        diagnostic: { type: 'smtp', value: '550 5.7.1 no thanks' },
        lastAttemptDate: Date.UTC(2003, 6, 1, 10, 52, 37),
        extensions: [],
      },
    ],
    returned: { kind: 'message', content: '', messageId: '<one@sender.example.com>' },
  });
});

test("the reference's reports, quoted-printable and with words in Status, are read whole (rule 135)", () => {
  const read = (name: string) => parsed(readFileSync(new URL(`../fixtures/${name}.eml`, import.meta.url), 'latin1'));
  const [bounced, expired] = [read('kumomta-bounce'), read('kumomta-expiration')];
  assert.deepEqual([bounced.recipients[0]?.status, expired.recipients[0]?.status], ['5.7.1', '5.4.7']);
  assert.match(
    expired.recipients[0]?.diagnostic?.value ?? '',
    /^551 5\.4\.7 Next .* which exceeds the expiry time EXPIRES configured via set_scheduling$/,
  );
  assert.equal(characters(bounced.returned?.content ?? octets('')).endsWith('hello there'), true);
  assert.equal(expired.returned?.kind, 'header');
});

const spellings: [name: string, status: string][] = [
  [
    'case, comments and folds (rule 131)',
    'REPORTING-mta: DNS;mta.x\r\n\r\nfinal-recipient: RFC822 (c) ;\r\n a@x\r\naction: Failed (final)\r\nSTATUS: 5.1.1 (no such user)\r\n',
  ],
  ['angle brackets (rule 135)', 'Reporting-MTA: dns; mta.x\r\n\r\nFinal-Recipient: rfc822; <a@x>\r\nAction: failed\r\nStatus: 5.1.1\r\n'],
  ['no semicolon (rule 135)', 'Reporting-MTA: mta.x\r\n\r\nFinal-Recipient: a@x\r\nAction: failed\r\nStatus: 5.1.1\r\n'],
  [
    'a type without semicolon (rule 135)',
    'Reporting-MTA: dns mta.x\r\n\r\nFinal-Recipient: rfc822 a@x\r\nAction: failed\r\nStatus: 5.1.1\r\n',
  ],
  ['trailing dot (rule 135)', 'Reporting-MTA: dns; mta.x.\r\n\r\nFinal-Recipient: rfc822;a@x\r\nAction: failed\r\nStatus: 5.1.1\r\n'],
  [
    'words in Status (rule 135)',
    'Reporting-MTA: dns; mta.x\r\n\r\nFinal-Recipient: rfc822;a@x\r\nAction: failed\r\nStatus: 550 5.1.1 unknown.\r\n',
  ],
  ['leading zeros (rule 135)', 'Reporting-MTA: dns; mta.x\r\n\r\nFinal-Recipient: rfc822;a@x\r\nAction: failed\r\nStatus: 5.01.1\r\n'],
  ['LF only (rule 135)', minimal.replaceAll('\r\n', '\n')],
  ['doubled blank lines (rule 135)', minimal.replaceAll('\r\n\r\n', '\r\n\r\n \r\n\r\n')],
  ['a blank line first (rule 135)', `\r\n${minimal}`],
  ['no blank line (rule 135)', minimal.replace('\r\n\r\n', '\r\n')],
  [
    'no group for the message (rule 135)',
    'Final-Recipient: rfc822;a@x\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\nReporting-MTA: dns; mta.x\r\n',
  ],
  [
    'Action before the recipient (SES) (rule 135)',
    'Reporting-MTA: dns; mta.x\r\n\r\nAction: failed\r\nFinal-Recipient: rfc822; a@x\r\nStatus: 5.1.1\r\n\r\n\r\n',
  ],
  ['a field twice: the first counts (rule 45)', minimal.replace('Status: 5.1.1', 'Status: 5.1.1\r\nStatus: 4.0.0')],
];
for (const [name, status] of spellings) {
  test(name, () => {
    const { reportingMta, recipients } = parsed(wrapped(status));
    assert.deepEqual(reportingMta, { type: 'dns', value: 'mta.x' });
    assert.deepEqual(recipients, [{ finalRecipient: { type: 'rfc822', value: 'a@x' }, action: 'failed', status: '5.1.1', extensions: [] }]);
  });
}

test('recipients are divided by blank lines, or where one begins again (rules 43, 135)', () => {
  const group = (address: string) => `Final-Recipient: rfc822; ${address}\r\nAction: failed\r\nStatus: 5.0.0\r\n`;
  for (const between of ['\r\n', '']) {
    const { recipients } = parsed(wrapped(`Reporting-MTA: dns; m\r\n\r\n${['a@x', 'b@x', 'c@x'].map(group).join(between)}`));
    assert.deepEqual(
      recipients.map((r) => [r.finalRecipient?.value, r.action]),
      [
        ['a@x', 'failed'],
        ['b@x', 'failed'],
        ['c@x', 'failed'],
      ],
    );
  }
});

test('a group may begin with any of its fields (rule 43)', () => {
  const { recipients } = parsed(
    wrapped(
      'Reporting-MTA: dns; m\r\n\r\nStatus: 5.1.1\r\nFinal-Recipient: rfc822; a@x\r\n\r\nStatus: 4.2.2\r\nFinal-Recipient: rfc822; b@x\r\n',
    ),
  );
  assert.deepEqual(
    recipients.map((r) => [r.finalRecipient?.value, r.status]),
    [
      ['a@x', '5.1.1'],
      ['b@x', '4.2.2'],
    ],
  );
});

test('actions that are no failures are told apart, unknown ones are left out (rule 132)', () => {
  const words = ['delayed', 'delivered', 'relayed', 'expanded', 'failure'];
  const status = words.map((word) => `Final-Recipient: rfc822; a@x\r\nAction: ${word}\r\n`).join('\r\n');
  assert.deepEqual(
    parsed(wrapped(status)).recipients.map((r) => r.action),
    ['delayed', 'delivered', 'relayed', 'expanded', undefined],
  );
});

test('unknown fields are kept where they stand (rule 131)', () => {
  const { extensions, recipients } = parsed(
    wrapped('Reporting-MTA: dns; m\r\nX-A: 1\r\n\r\nFinal-Recipient: rfc822; a@x\r\nX-B: 2\r\n__proto__: 3\r\n'),
  );
  assert.deepEqual(
    [extensions, recipients[0]?.extensions],
    [
      [{ name: 'X-A', value: '1' }],
      [
        { name: 'X-B', value: '2' },
        { name: '__proto__', value: '3' },
      ],
    ],
  );
});

test('hosts are read without comment, port and trailing dot; diagnostics with or without a type (rule 135)', () => {
  const read = (line: string) => parsed(wrapped(`Final-Recipient: rfc822; a@x\r\n${line}\r\n`)).recipients[0];
  assert.equal(read('Remote-MTA: dns; mx.x. (192.0.2.1, the server)')?.remoteMta?.value, 'mx.x');
  assert.equal(read('Remote-MTA: dns; mx.x:25')?.remoteMta?.value, 'mx.x');
  assert.equal(read('Remote-MTA: dns; [IPv6:2001:db8::1]')?.remoteMta?.value, '[IPv6:2001:db8::1]');
  assert.deepEqual(read('Diagnostic-Code: 550 no; really')?.diagnostic, { type: 'smtp', value: '550 no; really' });
  assert.deepEqual(read('Diagnostic-Code: SMTP;550-a\r\n 550 b')?.diagnostic, { type: 'smtp', value: '550-a 550 b' });
  assert.deepEqual(read('Diagnostic-Code: it failed')?.diagnostic, { type: 'unknown', value: 'it failed' });
});

test('obsolete dates, unreadable dates (rule 135)', () => {
  const { arrivalDate, recipients } = parsed(
    wrapped(
      'Arrival-Date: Thu, 02 Jul 26 18:55:38 UTC\r\n\r\nFinal-Recipient: rfc822;a@x\r\nLast-Attempt-Date: soon\r\nWill-Retry-Until: 3 Jul 2026 00:00 EST\r\n',
    ),
  );
  assert.equal(arrivalDate, Date.UTC(2026, 6, 2, 18, 55, 38));
  assert.deepEqual(recipients[0], {
    finalRecipient: { type: 'rfc822', value: 'a@x' },
    willRetryUntil: Date.UTC(2026, 6, 3, 5),
    extensions: [],
  });
});

test('quoted-printable and base64 (rule 135)', () => {
  const quoted = 'message/delivery-status\r\nContent-Transfer-Encoding: Quoted-Printable';
  assert.equal(parsed(wrapped(minimal.replace('failed', '=66ail=\r\ned'), quoted)).recipients[0]?.action, 'failed');
  const base64 = Buffer.from(minimal)
    .toString('base64')
    .replace(/(.{20})/g, '$1\r\n');
  assert.equal(parsed(wrapped(base64, 'message/delivery-status\r\nContent-Transfer-Encoding: base64')).recipients[0]?.status, '5.1.1');
});

test('global reports, addresses raw or in escapes (rules 101, 102, 130)', () => {
  const status = minimal.replace('rfc822; a@x', 'utf-8; \\x{3B4}@x\r\nOriginal-Recipient: utf-8; δ@x');
  const text = characters(new TextEncoder().encode(wrapped(status, 'message/global-delivery-status')));
  const [recipient] = parsed(text).recipients;
  assert.deepEqual([recipient?.finalRecipient?.value, recipient?.originalRecipient?.value], ['δ@x', 'δ@x']);
});

test('report-type may be missing or odd, and the parts in another order (rule 130)', () => {
  assert.equal(parsed(wrapped(minimal).replace(' report-type=delivery-status;', '')).recipients.length, 1);
  assert.equal(parsed(wrapped(minimal).replace('delivery-status;', 'oops;')).recipients.length, 1);
  assert.equal(
    parsed(wrapped('Subject: s\r\n', 'text/rfc822-headers', `--b\r\nContent-Type: message/delivery-status\r\n\r\n${minimal}\r\n`))
      .recipients.length,
    1,
  );
});

test('the returned message or header, and its Message-ID (rules 130, 133)', () => {
  const kinds: [type: string, kind: string][] = [
    ['message/rfc822', 'message'],
    ['message/global', 'message'],
    ['text/rfc822-headers', 'header'],
    ['message/global-headers', 'header'],
  ];
  for (const [type, kind] of kinds) {
    const { returned } = parsed(wrapped(minimal, undefined, `--b\r\nContent-Type: ${type}\r\n\r\nMessage-ID: <m@x>\r\n\r\nbody\r\n`));
    assert.deepEqual(
      [returned?.kind, returned?.messageId, characters(returned?.content ?? octets(''))],
      [kind, '<m@x>', 'Message-ID: <m@x>\r\n\r\nbody'],
    );
  }
});

const others: [name: string, text: string][] = [
  ['a plain message', 'Subject: s\r\n\r\nbody'],
  ['a read receipt', wrapped('Disposition: x\r\n', 'message/disposition-notification')],
  ['an abuse report', wrapped('Feedback-Type: abuse\r\n', 'message/feedback-report')],
  ['a vacation reply', 'Auto-Submitted: auto-replied\r\n\r\nI am away'],
  [
    'a forwarded report',
    `Content-Type: multipart/mixed; boundary=m\r\n\r\n--m\r\nContent-Type: message/rfc822\r\n\r\n${wrapped(minimal)}\r\n--m--\r\n`,
  ],
  ['no boundary', wrapped(minimal).replace('; boundary=b', '')],
  ['a boundary that does not occur', wrapped(minimal).replace('boundary=b', 'boundary=c')],
  ['a boundary that only begins like it', wrapped(minimal).replaceAll('\n--b', '\n--bb')],
  ['nothing', ''],
];
for (const [name, text] of others) test(`${name} is no report (rule 136)`, () => assert.equal(parseRfc3464(octets(text)), undefined));

test('a missing close delimiter is forgiven (rule 135)', () => {
  assert.equal(parsed(wrapped(minimal).replace('--b--\r\n', '')).recipients[0]?.status, '5.1.1');
});

test('what looks like the delimiter inside the returned message is not one (rule 38)', () => {
  const { returned } = parsed(
    wrapped(minimal, undefined, '--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: s\r\n\r\n--bc\r\n --b\r\nx--b\r\n'),
  );
  assert.equal(characters(returned?.content ?? octets('')), 'Subject: s\r\n\r\n--bc\r\n --b\r\nx--b');
});

test('sizes beyond all measure are read in bounded time and number (rule 138)', () => {
  const many = `Reporting-MTA: dns; m\r\n\r\n${'Final-Recipient: rfc822; a@x\r\nAction: failed\r\n\r\n'.repeat(20_000)}`;
  assert.equal(parsed(wrapped(many)).recipients.length, 10_000);
  const nested = Array.from({ length: 500 }, (_, i) => `Content-Type: multipart/mixed; boundary=n${i}\r\n\r\n--n${i}\r\n`).join('');
  assert.equal(parsed(wrapped(minimal, undefined, `--b\r\n${nested}\r\n`)).recipients.length, 1);
  const manyParts = wrapped(minimal, undefined, '--b\r\n\r\nx\r\n'.repeat(100_000));
  assert.equal(parsed(manyParts).recipients.length, 1);
  const buried = wrapped(
    'x',
    'text/plain',
    `${'--b\r\n\r\nx\r\n'.repeat(200)}--b\r\nContent-Type: message/delivery-status\r\n\r\n${minimal}`,
  );
  assert.equal(parseRfc3464(octets(buried)), undefined);
  const large = wrapped(
    minimal,
    undefined,
    `--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: s\r\n\r\n${`${'x'.repeat(70)}\r\n`.repeat(700_000)}`,
  );
  const started = performance.now();
  assert.ok((parsed(large).returned?.content.length ?? 0) > 50_000_000);
  assert.ok(performance.now() - started < 5000);
});

test('lines of a megabyte in every field are read in time (rule 129)', () => {
  const started = performance.now();
  for (const unit of ['x', ' ', '(', '"', '\\', ';', '5.1', '<', '\\x{', '=']) {
    const long = unit.repeat(1_000_000 / unit.length);
    const names = ['Reporting-MTA', 'Arrival-Date', 'Original-Recipient', 'Action', 'Status', 'Remote-MTA', 'Diagnostic-Code', 'X-Y'];
    parseRfc3464(octets(wrapped(names.map((name) => `${name}: ${long}`).join('\r\n'))));
    parseRfc3464(octets(`Content-Type: multipart/report; ${long}\r\n\r\n--b\r\n`));
  }
  assert.ok(performance.now() - started < 10_000, `${performance.now() - started} ms`);
});
