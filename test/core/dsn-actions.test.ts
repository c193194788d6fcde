import { test } from 'node:test';
import assert from 'node:assert/strict';
import type { DispositionRecord, RecordType } from '../../shared/core/disposition.ts';
import { mayBeReported } from '../../shared/core/dsn/action.ts';
import { generateRfc3464Message, type ReportParams } from '../../shared/core/dsn/generate.ts';
import { readFields, valuesOf } from '../../shared/core/dsn/field.ts';
import { parseRfc3464 } from '../../shared/core/dsn/parse.ts';
import { isWarningDue } from '../../shared/core/schedule.ts';
import { bounceSubscription, isHeard } from '../../shared/core/subscriptions.ts';
import {
  bounce,
  characters,
  codeOf,
  expiration,
  failedAt,
  octets,
  original,
  params,
  receivedAt,
  reportOf,
  statusOf,
  takeApart,
  textOf,
  world,
} from '../support/dsn-record.ts';

const address = 'recip@target.example.com';
const all: Partial<ReportParams> = { enable_delay: true, enable_success: true };
const expires = receivedAt + 5 * 86_400_000;
const asking = (...notify: string[]) => ({ recipients: [{ address, ...(notify.length > 0 && { notify }) }] });
const field = (text: string, name: string) => valuesOf(readFields(text), name)[0];

const response = (code: number, enhanced: [number, number, number] | undefined, content: string) => ({
  code,
  enhanced_code: enhanced ? { class: enhanced[0], subject: enhanced[1], detail: enhanced[2] } : null,
  content,
  command: 'RCPT',
});

const deferral = (changes: Partial<DispositionRecord> = {}) =>
  bounce({
    type: 'TransientFailure',
    response: response(452, [4, 2, 2], 'mailbox full'),
    dsn: asking(),
    delay_warning: true,
    expires,
    ...changes,
  });

const delivery = (changes: Partial<DispositionRecord> = {}) =>
  bounce({
    type: 'Delivery',
    response: response(250, [2, 0, 0], 'taken'),
    dsn: asking('SUCCESS'),
    meta: { trusted: true },
    ...changes,
  });

// ---- Which records are reported as what

const due: [name: string, record: DispositionRecord, want: string | undefined][] = [
  ['a delay, no NOTIFY (rules 53, 93)', deferral(), 'delayed'],
  ['a delay, NOTIFY with DELAY (rule 94)', deferral({ dsn: asking('FAILURE', 'DELAY') }), 'delayed'],
  ['a delay, NOTIFY without DELAY (rule 94)', deferral({ dsn: asking('SUCCESS', 'FAILURE') }), undefined],
  ['a delay, NOTIFY=NEVER (rule 92)', deferral({ dsn: asking('NEVER') }), undefined],
  ['a delay of what has no sender (rule 94)', deferral({ sender: '' }), undefined],
  ['a failed attempt that is not late (rule 117)', deferral({ delay_warning: false }), undefined],
  ['passed on to a server without DSN, SUCCESS (rules 53, 89)', delivery(), 'relayed'],
  ['passed on to a server with DSN, SUCCESS (rule 90)', delivery({ dsn: { ...asking('SUCCESS'), relayed: true } }), undefined],
  ['LMTP, SUCCESS (rules 53, 95)', delivery({ delivery_protocol: 'LMTP' }), 'delivered'],
  ['LMTP to a server with DSN (rule 95)', delivery({ delivery_protocol: 'LMTP', dsn: { ...asking('SUCCESS'), relayed: true } }), undefined],
  ['passed on, no NOTIFY (rules 93, 119)', delivery({ dsn: asking() }), undefined],
  ['passed on, no requests known', bounce({ type: 'Delivery', meta: { trusted: true } }), undefined],
  ['LMTP, NOTIFY without SUCCESS (rule 93)', delivery({ delivery_protocol: 'LMTP', dsn: asking('FAILURE', 'DELAY') }), undefined],
  ['passed on, NOTIFY=NEVER (rule 92)', delivery({ dsn: asking('NEVER') }), undefined],
  ['passed on, null sender (rule 2)', delivery({ sender: '' }), undefined],
  ['passed on, asked for by a stranger', delivery({ meta: {} }), undefined],
  ['passed on, asked for by somebody who only says so', delivery({ meta: { trusted: 'true' } }), undefined],
  ['passed on, asked for by a user', delivery({ meta: { authn_id: 'ann' } }), 'relayed'],
  ['a web hook is not mail', delivery({ delivery_protocol: 'HTTP' }), undefined],
  ['a failure (rule 53)', bounce(), 'failed'],
];
for (const [name, record, want] of due) {
  test(`${want ?? 'no report, and no job of the bounce worker'}: ${name}`, () => {
    const report = generateRfc3464Message({ ...params, ...all }, original, record, world);
    assert.equal(report && field(statusOf(report), 'Action'), want === undefined ? undefined : `${want}`);
    assert.equal(isHeard(bounceSubscription, record), want !== undefined);
  });
}

test('a failure is heard also where no report may be made, so that it is counted', () => {
  assert.equal(mayBeReported(bounce({ sender: '' })), true);
  assert.equal(mayBeReported(bounce({ dsn: asking('NEVER') })), true);
});

test('records of other types are never heard, and no report is made of them (rules 14, 139)', () => {
  for (const type of ['Reception', 'Rejection', 'Delayed', 'OOB', 'Feedback'] as const satisfies RecordType[]) {
    for (const record of [delivery({ type, delay_warning: true }), bounce({ type })]) {
      assert.equal(isHeard(bounceSubscription, record), false, type);
      assert.equal(generateRfc3464Message({ ...params, ...all }, original, record, world), undefined, type);
    }
  }
});

const switches: [name: string, changes: Partial<ReportParams>, want: (string | undefined)[]][] = [
  ['nothing named', {}, [undefined, undefined, undefined]],
  ['enable_delay', { enable_delay: true }, ['delayed', undefined, undefined]],
  ['enable_success', { enable_success: true }, [undefined, 'relayed', 'delivered']],
  ['the form of the reference, which knows failures only', { ...all, compatibility: 'kumomta' }, [undefined, undefined, undefined]],
];
for (const [name, changes, want] of switches) {
  test(`what is not enabled is not reported: ${name}`, () => {
    const actions = [deferral(), delivery(), delivery({ delivery_protocol: 'LMTP' })].map((record) => {
      const report = generateRfc3464Message({ ...params, ...changes }, original, record, world);
      return report && field(statusOf(report), 'Action');
    });
    assert.deepEqual(actions, want);
  });
}

test('only the recipients that are due stand in a report, each with its own request (rule 12)', () => {
  const recipient = ['a@t', 'b@t', 'c@t', 'd@t'];
  const recipients = [
    { address: 'a@t', notify: ['SUCCESS'], orcpt: 'rfc822;o@x' },
    { address: 'b@t', notify: ['DELAY'] },
    { address: 'c@t', notify: ['NEVER'] },
    { address: 'd@t' },
  ];
  const named = (record: DispositionRecord) =>
    valuesOf(readFields(statusOf(reportOf(record, all))), 'Final-Recipient').map((value) => value.slice('rfc822; '.length));
  assert.deepEqual(named(delivery({ recipient, dsn: { recipients } })), ['a@t']);
  assert.deepEqual(named(deferral({ recipient, dsn: { recipients } })), ['b@t', 'd@t']);
  assert.deepEqual(named(bounce({ recipient, dsn: { recipients } })), ['d@t']);
});

// ---- What stands in them

test('a warning, whole', () => {
  const report = reportOf(deferral({ id: '01f', dsn: { ...asking(), envid: 'QQ+2B31' } }), all);
  const { header, parts } = takeApart(report);
  assert.equal(field(header, 'Subject'), 'Warning: mail is delayed');
  assert.equal(field(header, 'Auto-Submitted'), 'auto-replied');
  assert.equal(
    textOf(report),
    [
      'The message was received at Tue, 1 Jul 2003 08:52:37 +0000',
      'from sender@sender.example.com and addressed to recip@target.example.com.',
      'While communicating with target.example.com (42.42.42.42):',
      'Response: 452 4.2.2 mailbox full',
      '',
      'The message could not be delivered yet. It stays in the queue.',
      'It will be tried again until Sun, 6 Jul 2003 08:52:37 +0000.',
      'This is only a warning: nothing need be done.',
      'The message need not be sent again.',
      '',
      'For help, write to postmaster@mta1.example.com.',
      '',
    ].join('\r\n'),
  );
  assert.equal(
    statusOf(report),
    [
      'Original-Envelope-Id: QQ+31',
      'Reporting-MTA: dns; mta1.example.com',
      'Arrival-Date: Tue, 1 Jul 2003 08:52:37 +0000',
      'X-Rebound-Message-ID: 01f',
      '',
      'Final-Recipient: rfc822; recip@target.example.com',
      'Action: delayed',
      'Status: 4.2.2',
      'Remote-MTA: dns; target.example.com',
      'Diagnostic-Code: smtp; 452 4.2.2 mailbox full',
      'Last-Attempt-Date: Tue, 1 Jul 2003 10:52:37 +0000',
      'Will-Retry-Until: Sun, 6 Jul 2003 08:52:37 +0000',
      '',
    ].join('\r\n'),
  );
  assert.match(parts[2]?.header ?? '', /^Content-Type: text\/rfc822-headers/);
});

test('a report of success, whole', () => {
  const report = reportOf(delivery({ dsn: { recipients: [{ address, notify: ['SUCCESS'], orcpt: 'rfc822;u+2Bt@x' }] } }), all);
  assert.equal(field(takeApart(report).header, 'Subject'), 'Mail was passed on');
  assert.equal(
    statusOf(report),
    [
      'Reporting-MTA: dns; mta1.example.com',
      'Arrival-Date: Tue, 1 Jul 2003 08:52:37 +0000',
      '',
      'Original-Recipient: rfc822; u+t@x',
      'Final-Recipient: rfc822; recip@target.example.com',
      'Action: relayed',
      'Status: 2.0.0',
      'Remote-MTA: dns; target.example.com',
      'Diagnostic-Code: smtp; 250 2.0.0 taken',
      'Last-Attempt-Date: Tue, 1 Jul 2003 10:52:37 +0000',
      '',
    ].join('\r\n'),
  );
  assert.match(textOf(report), /^The message was passed on to this server, which reports no success itself\.\r$/m);
  assert.doesNotMatch(textOf(report), /deleted|No further attempts/);
});

test('a report of delivery to a mailbox says so', () => {
  const report = reportOf(delivery({ delivery_protocol: 'LMTP' }), all);
  assert.equal(field(takeApart(report).header, 'Subject'), 'Mail was delivered');
  assert.match(textOf(report), /^The message was delivered\. /m);
});

const statuses: [name: string, record: DispositionRecord, want: string][] = [
  ['delayed with the code of the server (rule 57)', deferral(), '4.2.2'],
  ['delayed, the server gave none (rule 57)', deferral({ response: response(451, undefined, 'x') }), '4.0.0'],
  ['delayed after a permanent greeting (rule 57)', deferral({ response: response(554, [5, 7, 1], 'go away') }), '4.0.0'],
  ['delayed for a reason of our own (rule 57)', deferral({ response: { ...response(451, [4, 4, 1], 'refused'), local: true } }), '4.4.1'],
  ['relayed with the code of the server (rule 57)', delivery({ response: response(250, [2, 6, 0], 'x') }), '2.6.0'],
  ['relayed, the server gave none (rule 57)', delivery({ response: response(250, undefined, 'x') }), '2.0.0'],
  ['relayed, of another class (rule 56)', delivery({ response: response(250, [4, 6, 0], 'x') }), '2.0.0'],
];
for (const [name, record, want] of statuses) {
  test(`Status is ${want}: ${name}`, () => assert.equal(codeOf(field(statusOf(reportOf(record, all)), 'Status')), want));
}

test('every field of every kind of report is one of RFC 3464, or begins with X-Rebound- (rule 63)', () => {
  const standard = [
    ['Original-Envelope-Id', 'Reporting-MTA', 'Received-From-MTA', 'Arrival-Date'],
    ['Original-Recipient', 'Final-Recipient', 'Action', 'Status', 'Remote-MTA', 'Diagnostic-Code', 'Last-Attempt-Date', 'Will-Retry-Until'],
  ];
  const meta = { trusted: true, received_from: '192.0.2.7', ehlo_domain: 'client.example.com' };
  const dsn = { envid: 'E', recipients: [{ address, notify: ['SUCCESS', 'FAILURE', 'DELAY'], orcpt: 'rfc822;o@x' }] };
  for (const record of [
    bounce({ response: { ...response(500, undefined, 'later'), rewritten_from: 450 } }),
    expiration(),
    deferral(),
    delivery(),
  ]) {
    const groups = statusOf(reportOf({ ...record, id: '01f', meta, dsn }, all)).split('\r\n\r\n');
    for (const [i, group] of groups.entries()) {
      const known = standard[Math.min(i, 1)] ?? [];
      assert.deepEqual(
        readFields(group).filter(({ name }) => !known.includes(name) && !/^X-Rebound-[A-Za-z-]+$/.test(name)),
        [],
      );
    }
    assert.match(groups[0] ?? '', /^X-Rebound-Message-ID: 01f/m);
  }
});

test('only a warning has Will-Retry-Until, and only a time that is one (rule 62)', () => {
  const until = (record: DispositionRecord) => field(statusOf(reportOf(record, all)), 'Will-Retry-Until');
  assert.equal(until(bounce({ expires })), undefined);
  assert.equal(until(delivery({ expires })), undefined);
  assert.equal(until(deferral({ expires: Number.NaN })), undefined);
  assert.match(textOf(reportOf(deferral({ expires: Number.NaN }), all)), /^It will be tried again\.\r$/m);
});

test('nothing has failed, so the header is returned also with RET=FULL, and nothing where nothing is wanted (rule 68)', () => {
  for (const record of [deferral(), delivery()]) {
    const full = { ...record, dsn: { recipients: [], ...record.dsn, ret: 'FULL' as const } };
    const report = reportOf(full, all);
    assert.match(takeApart(report).parts[2]?.header ?? '', /^Content-Type: text\/rfc822-headers/);
    assert.doesNotMatch(characters(report.content), /hello there/);
    assert.equal(takeApart(reportOf(record, { ...all, include_original_message: 'No' })).parts.length, 2);
  }
});

test('every action is read back as it was written, hostile words or not', () => {
  const hostile = { ...response(452, undefined, 'x\r\nAction: failed\r\n\r\n--a-candidate--'), lines: ['a\r\nStatus: 5.0.0', '\0é'] };
  const cases: [DispositionRecord, string, string][] = [
    [deferral({ response: hostile }), 'delayed', '4.0.0'],
    [delivery({ response: { ...hostile, code: 250 } }), 'relayed', '2.0.0'],
    [delivery({ response: { ...hostile, code: 250 }, delivery_protocol: 'LMTP' }), 'delivered', '2.0.0'],
  ];
  for (const [record, action, status] of cases) {
    const parsed = parseRfc3464(reportOf(record, all, octets('Subject: s\r\n\r\n--a-candidate--\r\n')).content);
    assert.deepEqual(
      parsed?.recipients.map((r) => [r.action, r.status]),
      [[action, status]],
    );
  }
});

// ---- When a warning is due

const hour = 3_600_000;
const policy = { delayWarning: 4 * hour, delayWarnings: 1 };
const warnings: [name: string, settings: typeof policy, warned: { times: number; at: number } | undefined, age: number, want: boolean][] = [
  ['before the time', policy, undefined, 4 * hour - 1, false],
  ['at the time', policy, undefined, 4 * hour, true],
  ['long after it, when no attempt was made in between', policy, undefined, 40 * hour, true],
  ['once is enough', policy, { times: 1, at: 5 * hour }, 40 * hour, false],
  ['a second one where two are wanted, not at once', { ...policy, delayWarnings: 2 }, { times: 1, at: 5 * hour }, 9 * hour - 1, false],
  ['a second one where two are wanted', { ...policy, delayWarnings: 2 }, { times: 1, at: 5 * hour }, 9 * hour, true],
  ['and no third', { ...policy, delayWarnings: 2 }, { times: 2, at: 9 * hour }, 40 * hour, false],
  ['0 means never', { ...policy, delayWarning: 0 }, undefined, 40 * hour, false],
];
for (const [name, settings, warned, age, want] of warnings) {
  test(`${want ? 'a' : 'no'} warning of delay: ${name} (rule 117)`, () => {
    const job = { created: failedAt, ...(warned && { warned: { ...warned, at: failedAt + warned.at } }) };
    assert.equal(isWarningDue(settings, job, failedAt + age), want);
  });
}
