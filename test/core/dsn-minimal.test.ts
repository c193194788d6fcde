import { test } from 'node:test';
import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { DispositionRecord } from '../../shared/core/disposition.ts';
import { whyNoReport } from '../../shared/core/dsn/eligible.ts';
import { generateRfc3464Message } from '../../shared/core/dsn/generate.ts';
import { minimalReport, readableRecord } from '../../shared/core/dsn/minimal.ts';
import { parseRfc3464 } from '../../shared/core/dsn/parse.ts';
import { bounce, expiration, original, params, takeApart, world } from '../support/dsn-record.ts';

/** A record as an older version, or a fault, may have left it in a queue. */
const odd = (changes: object): DispositionRecord => ({ ...bounce(), ...changes }) as DispositionRecord;

const broken: [name: string, record: DispositionRecord, status: string][] = [
  ['no response', odd({ response: undefined }), '5.0.0'],
  ['a reply whose lines are a number', odd({ response: { ...bounce().response, lines: 7 } }), '5.0.0'],
  ['a temporary reply whose lines are a number', odd({ response: { ...bounce().response, code: 450, lines: 7 } }), '4.0.0'],
  ['a peer that is a text', odd({ peer_address: 'mx.example' }), '5.0.0'],
  ['no meta', odd({ meta: undefined }), '5.0.0'],
  ['an ENVID that is a number', odd({ dsn: { envid: 7, recipients: [] } }), '5.0.0'],
  ['an ORCPT that is a number', odd({ dsn: { recipients: [{ address: 'recip@target.example.com', orcpt: 7 }] } }), '5.0.0'],
  ['NOTIFY as one text', odd({ dsn: { recipients: [{ address: 'recip@target.example.com', notify: 'failure,delay' }] } }), '5.0.0'],
  ['an expiration without a response', { ...expiration(), response: undefined } as unknown as DispositionRecord, '4.0.0'],
];
for (const [name, record, status] of broken) {
  test(`a record with ${name}, of which no full report can be made, has a short one (rule 21)`, () => {
    assert.throws(() => generateRfc3464Message(params, original, record, world));
    const readable = readableRecord(record) ?? assert.fail('it cannot be read');
    assert.equal(whyNoReport(readable, undefined), undefined);
    const report = minimalReport(params, [readable], world) ?? assert.fail('there is no report');
    assert.deepEqual([report.sender, report.recipient], ['', 'sender@sender.example.com']);
    assert.equal(takeApart(report).parts.length, 2);
    const parsed = parseRfc3464(report.content);
    assert.deepEqual(parsed?.reportingMta, { type: 'dns', value: 'mta1.example.com' });
    assert.deepEqual(
      parsed?.recipients.map((r) => [r.finalRecipient?.value, r.action, r.status]),
      [['recip@target.example.com', 'failed', status]],
    );
    assert.match(parsed?.text ?? '', /could not be delivered/);
  });
}

test('several records of one message are told in one short report (rules 10, 21)', () => {
  const records = [
    bounce({ recipient: 'a@t' }),
    bounce({ type: 'TransientFailure', delay_warning: true, recipient: 'b@t' }),
    bounce({ recipient: 'c@t' }),
  ];
  const report = minimalReport(
    params,
    records.flatMap((record) => readableRecord(record) ?? []),
    world,
  );
  const parsed = parseRfc3464(report?.content ?? new Uint8Array());
  assert.deepEqual(
    parsed?.recipients.map((r) => [r.finalRecipient?.value, r.action, r.status]),
    [
      ['a@t', 'failed', '5.0.0'],
      ['c@t', 'failed', '5.0.0'],
      ['b@t', 'delayed', '4.0.0'],
    ],
  );
  for (const address of ['a@t', 'b@t', 'c@t']) assert.ok(parsed.text?.includes(`  ${address}`));
});

const silent: [name: string, record: DispositionRecord, want: string][] = [
  ['NOTIFY=NEVER as one text', odd({ dsn: { recipients: [{ address: 'recip@target.example.com', notify: 'NEVER' }] } }), 'notify'],
  ['a sender of another kind', odd({ sender: { address: 'a@x' } }), 'null-sender'],
  ['a report of ours', odd({ response: undefined, reception_protocol: 'Report' }), 'own-report'],
];
for (const [name, record, want] of silent) {
  test(`whom never to answer is not answered with a short one either: ${name} (rule 21)`, () => {
    assert.equal(whyNoReport(readableRecord(record) ?? assert.fail(), undefined), want);
  });
}

test('what names no recipient and what is of no kind cannot be read (rule 21)', () => {
  for (const record of [odd({ recipient: [7, null] }), odd({ recipient: undefined }), odd({ type: 'Invented' })])
    assert.equal(readableRecord(record), undefined);
});

test('whatever its fields hold, a record with sender and recipient has a short report (rule 21)', () => {
  const anything = fc.anything();
  const record = fc.record({
    response: anything,
    peer_address: anything,
    timestamp: anything,
    created: anything,
    id: anything,
    size: anything,
  });
  fc.assert(
    fc.property(record, fc.constantFrom('Bounce', 'Expiration', 'AdminBounce'), (changes, type) => {
      const readable = readableRecord(odd({ ...changes, type }));
      const report = readable && minimalReport(params, [readable], world);
      assert.equal(parseRfc3464(report?.content ?? new Uint8Array())?.recipients[0]?.action, 'failed');
    }),
    { numRuns: 300 },
  );
});
