import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { InboundJob } from '../../shared/core/inbound/job.ts';
import { matchMessage, type FoundMessages, type Match, type SentMessage } from '../../shared/core/inbound/match.ts';
import type { BounceReading, FailedRecipient } from '../../shared/core/inbound/read-mail.ts';
import { feedbackRecord, oobRecords } from '../../shared/core/inbound/records.ts';
import { parseFeedback } from '../../shared/core/inbound/feedback.ts';

const sent = (id: string, ...recipients: string[]): SentMessage => ({
  id,
  sender: 'v1@bounces.test',
  recipients,
  created: 1_000_000,
  size: 900,
});
const found = (some: Partial<FoundMessages>): FoundMessages => ({ verp: [], envid: [], 'message-id': [], ...some });
const bob = 'bob@dest.test';
const idOf = (match: Match): string =>
  match.by === 'none' ? `none${match.mismatch ? ` ${match.mismatch.by} ${match.mismatch.id}` : ''}` : `${match.by} ${match.message.id}`;

const matches: [what: string, found: Partial<FoundMessages>, addresses: string[], want: string][] = [
  ['the return path alone', { verp: [sent('1', bob)] }, [bob], 'verp 1'],
  ['the ENVID alone', { envid: [sent('1', bob)] }, [bob], 'envid 1'],
  ['our message id alone', { 'message-id': [sent('1', bob)] }, [bob], 'message-id 1'],
  [
    'the return path before the others',
    { verp: [sent('1', bob)], envid: [sent('2', bob)], 'message-id': [sent('3', bob)] },
    [bob],
    'verp 1',
  ],
  ['the ENVID before our message id', { envid: [sent('2', bob)], 'message-id': [sent('3', bob)] }, [bob], 'envid 2'],
  [
    'a later pointer, where the first leads to another recipient',
    { verp: [sent('1', 'eve@dest.test')], envid: [sent('2', bob)] },
    [bob],
    'envid 2',
  ],
  [
    'of a shared return path, the message that had the recipient',
    { verp: [sent('3', 'x@dest.test'), sent('2', bob), sent('1', bob)] },
    [bob],
    'verp 2',
  ],
  [
    'of a shared return path, the message that is named too',
    { verp: [sent('2', bob), sent('1', bob)], 'message-id': [sent('1', bob)] },
    [bob],
    'verp 1',
  ],
  ['the domain in any case', { verp: [sent('1', bob)] }, ['bob@DEST.test.'], 'verp 1'],
  ['not a beginning of a name without domain', { verp: [sent('1', 'postmaster')] }, ['postmasters'], 'none verp 1'],
  ['a name without domain', { verp: [sent('1', 'postmaster')] }, ['postmaster'], 'verp 1'],
  ['not the local part', { verp: [sent('1', bob)] }, ['BOB@dest.test'], 'none verp 1'],
  ['the final recipient, where the original one is another', { verp: [sent('1', bob)] }, ['old@dest.test', bob], 'verp 1'],
  ['an invented recipient', { verp: [sent('1', bob)], envid: [sent('2', bob)] }, ['victim@dest.test'], 'none verp 1'],
  ['nobody named, one recipient', { verp: [sent('1', bob)] }, [], 'verp 1'],
  ['nobody named, two recipients', { verp: [sent('1', bob, 'eve@dest.test')] }, [], 'none verp 1'],
  ['nothing found', {}, [bob], 'none'],
];
for (const [what, some, addresses, want] of matches) {
  test(`matching by ${what}: ${want} (rules 133, 134)`, () => assert.equal(idOf(matchMessage(found(some), addresses)), want));
}

const job: InboundJob = {
  message: 'f'.repeat(32),
  sender: '',
  recipients: ['v1@bounces.test'],
  size: 2000,
  created: 2_000_000_500,
  peer: { name: 'mx.dest.test', addr: '192.0.2.1' },
  reception: { reception_protocol: 'ESMTP', meta: {} },
};
const reading = (...failed: FailedRecipient[]): BounceReading => ({
  kind: 'bounce',
  actions: { failed: failed.length },
  failed,
  ids: [],
  reportingMta: { type: 'dns', value: 'mta.dest.test' },
});
const failed = (more: Partial<FailedRecipient> = {}): FailedRecipient => ({
  finalRecipient: { type: 'rfc822', value: bob },
  status: '5.1.1',
  ...more,
});
const smtp = (value: string): Partial<FailedRecipient> => ({ diagnostic: { type: 'smtp', value } });

test('a matched failure is told with the fields of the original', () => {
  const message = { ...sent('1', bob), tenant: 'acme', campaign: 'may' };
  const { records, dropped } = oobRecords(reading(failed(smtp('550 5.1.1 no such user'))), found({ verp: [message] }), job, 'node1');
  assert.equal(dropped, 0);
  assert.deepEqual(records, [
    {
      type: 'OOB',
      event_id: `${job.message}.o0`,
      id: '1',
      sender: 'v1@bounces.test',
      recipient: bob,
      queue: 'may:acme@dest.test',
      site: '',
      size: 900,
      response: { code: 550, enhanced_code: { class: 5, subject: 1, detail: 1 }, content: 'no such user', command: null },
      peer_address: { name: 'mta.dest.test', addr: '192.0.2.1' },
      timestamp: 2_000_000,
      event_time: '1970-01-24T03:33:20.500Z',
      created: 1000,
      created_time: '1970-01-01T00:16:40.000Z',
      num_attempts: 0,
      bounce_classification: 'InvalidRecipient',
      egress_pool: null,
      egress_source: null,
      source_address: null,
      feedback_report: null,
      meta: {},
      headers: {},
      delivery_protocol: null,
      reception_protocol: 'ESMTP',
      nodeid: 'node1',
      inbound: { id: job.message, matched: 'verp', reverse_path: '' },
    },
  ]);
});

const responses: [
  what: string,
  recipient: FailedRecipient,
  want: [code: number, enhanced: string | undefined, content: string, label: string],
][] = [
  ['a diagnostic without its own code', failed(smtp('552 mailbox full')), [552, '5.1.1', 'mailbox full', 'QuotaIssues']],
  ['words of another kind', failed({ diagnostic: { type: 'x-unix', value: '550 gone' } }), [550, '5.1.1', '550 gone', 'InvalidRecipient']],
  ['no code in front', failed(smtp('mx said: 550 gone')), [550, '5.1.1', 'mx said: 550 gone', 'InvalidRecipient']],
  ['no diagnostic', failed(), [550, '5.1.1', '', 'InvalidRecipient']],
  [
    'no status',
    { finalRecipient: { type: 'rfc822', value: bob }, ...smtp('550 5.7.1 policy') },
    [550, '5.7.1', 'policy', 'AuthenticationFailed'],
  ],
  ['nothing at all', {}, [550, undefined, '', 'Uncategorized']],
  ['a status of 4.x.x: final, but soft (rule 132)', failed({ status: '4.4.7' }), [450, '4.4.7', '', 'MessageExpired']],
  ['an unknown detail: by its subject (rule 137)', failed({ status: '5.2.99' }), [550, '5.2.99', '', 'InactiveMailbox']],
  ['an unknown subject: by its class (rule 137)', failed({ status: '5.99.1' }), [550, '5.99.1', '', 'Uncategorized']],
];
for (const [what, recipient, want] of responses) {
  test(`the reply of an OOB record, ${what}`, () => {
    const [record] = oobRecords(reading(recipient), found({}), job, 'n').records;
    const e = record?.response.enhanced_code;
    const got = [
      record?.response.code,
      e ? `${e.class}.${e.subject}.${e.detail}` : undefined,
      record?.response.content,
      record?.bounce_classification,
    ];
    assert.deepEqual(got, want);
  });
}

test('an unmatched failure says so, and what was found that does not fit (rule 134)', () => {
  const [record] = oobRecords(
    reading(failed()),
    found({ verp: [sent('1', 'eve@dest.test')] }),
    { ...job, sender: 'x@y.test' },
    'n',
  ).records;
  assert.partialDeepStrictEqual(record, { id: '', sender: 'v1@bounces.test', recipient: bob, size: 0, queue: '' });
  assert.deepEqual(record?.inbound, { id: job.message, matched: 'none', mismatch: { id: '1', matched: 'verp' }, reverse_path: 'x@y.test' });
});

test('Last-Attempt-Date counts where it can be true', () => {
  const at = (lastAttemptDate: number): number | undefined =>
    oobRecords(reading(failed({ lastAttemptDate })), found({ verp: [sent('1', bob)] }), job, 'n').records[0]?.timestamp;
  assert.deepEqual([at(1_500_000_000), at(999_999), at(9_000_000_000_000)], [1_500_000, 2_000_000, 2_000_000]);
});

test('repetitions make one record, and a flood of unmatched recipients twenty (rule 138)', () => {
  const invented = Array.from({ length: 1000 }, (_, n) => failed({ finalRecipient: { type: 'rfc822', value: `r${n}@dest.test` } }));
  const { records, dropped } = oobRecords(reading(failed(), failed(), ...invented), found({ verp: [sent('1', bob)] }), job, 'n');
  assert.deepEqual([records.length, dropped], [21, 981]);
  assert.equal(new Set(records.map((record) => record.event_id)).size, 21);
  assert.deepEqual(oobRecords(reading(failed(), failed(), ...invented), found({ verp: [sent('1', bob)] }), job, 'n').records, records);
});

test('a complaint is matched by any of its recipients, or is told as it came', () => {
  const report = parseFeedback(
    'Feedback-Type: abuse\r\nOriginal-Mail-From: <v1@bounces.test>\r\nOriginal-Rcpt-To: <bob@dest.test>\r\n',
    undefined,
  );
  const matched = feedbackRecord({ kind: 'feedback', report, ids: [] }, found({ envid: [sent('1', bob)] }), job, 'n');
  assert.partialDeepStrictEqual(matched, {
    type: 'Feedback',
    event_id: `${job.message}.f`,
    id: '1',
    recipient: bob,
    inbound: { matched: 'envid' },
  });
  assert.equal(matched.feedback_report, report);
  const unmatched = feedbackRecord({ kind: 'feedback', report, ids: [] }, found({}), { ...job, recipients: ['fbl@home.test'] }, 'n');
  assert.partialDeepStrictEqual(unmatched, { id: '', sender: 'v1@bounces.test', recipient: bob, inbound: { matched: 'none' } });
});

test('what a stranger writes into a complaint is bounded', () => {
  const many = Array.from({ length: 1000 }, (_, n) => `X-${n}: ${'v'.repeat(2000)}\r\nReported-URI: http://${n}/\r\n`).join('');
  const report = parseFeedback(`__proto__: x\r\nIncidents: 1e999\r\n${many}`, 'h'.repeat(100_000));
  assert.ok(JSON.stringify(report).length < 100_000);
  assert.deepEqual([report.reported_uri.length, Object.keys(report.extensions).length, report.incidents], [20, 50, 1]);
  assert.equal(report.original_message?.length, 4096);
});
