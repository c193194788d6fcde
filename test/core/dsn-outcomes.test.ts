import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DispositionRecord } from '../../shared/core/disposition.ts';
import { generateRfc3464Message, type ReportParams } from '../../shared/core/dsn/generate.ts';
import { tellable } from '../../shared/core/dsn/outcomes.ts';
import { parseRfc3464 } from '../../shared/core/dsn/parse.ts';
import { bounce, characters, expiration, original, params, world } from '../support/dsn-record.ts';

const all: ReportParams = { ...params, enable_delay: true, enable_success: true };

const refused = (recipient: string, changes: Partial<DispositionRecord> = {}): DispositionRecord => bounce({ recipient, ...changes });
const expired = (recipient: string): DispositionRecord =>
  expiration({
    recipient,
    response: { code: 452, enhanced_code: { class: 4, subject: 2, detail: 2 }, content: 'mailbox full', command: 'RCPT' },
    peer_address: { name: 'mx.full.test', addr: '192.0.2.9' },
  });
const late = (recipient: string): DispositionRecord =>
  bounce({
    type: 'TransientFailure',
    recipient,
    response: { code: 451, enhanced_code: { class: 4, subject: 7, detail: 1 }, content: 'greylisted', command: 'RCPT' },
    delay_warning: true,
    expires: Date.UTC(2003, 6, 5),
  });
const relayed = (recipient: string): DispositionRecord =>
  bounce({
    type: 'Delivery',
    recipient,
    response: { code: 250, enhanced_code: { class: 2, subject: 0, detail: 0 }, content: 'ok', command: '.' },
    meta: { trusted: true },
    dsn: { recipients: [{ address: recipient, notify: ['SUCCESS', 'FAILURE'] }] },
  });

const report = (records: readonly DispositionRecord[], changes: Partial<ReportParams> = {}) => {
  const made = generateRfc3464Message({ ...all, ...changes }, original, records, world);
  return made && { text: characters(made.content), parsed: parseRfc3464(made.content) };
};
const groups = (records: readonly DispositionRecord[]) =>
  report(records)?.parsed?.recipients.map((r) => `${r.finalRecipient?.value} ${r.action} ${r.status}`);

test('many outcomes: a group for each recipient, failures first, then in the order given (rule 10)', () => {
  assert.deepEqual(groups([relayed('r@x.test'), late('l@x.test'), refused('a@x.test'), expired('b@x.test')]), [
    'a@x.test failed 5.7.1',
    'b@x.test failed 4.2.2',
    'l@x.test delayed 4.7.1',
    'r@x.test relayed 2.0.0',
  ]);
});

test('many outcomes: who failed, or got it, after a delay is not delayed any more (rule 11)', () => {
  assert.deepEqual(groups([late('a@x.test'), refused('a@x.test'), late('b@x.test'), relayed('b@x.test')]), [
    'a@x.test failed 5.7.1',
    'b@x.test relayed 2.0.0',
  ]);
});

test('many outcomes: only what is due is told (rule 12)', () => {
  const never = refused('n@x.test', { dsn: { recipients: [{ address: 'n@x.test', notify: ['NEVER'] }] } });
  assert.deepEqual(groups([never, refused('a@x.test')]), ['a@x.test failed 5.7.1']);
  assert.equal(report([never]), undefined);
  assert.equal(report([]), undefined);
  assert.equal(report([late('a@x.test')], { enable_delay: false }), undefined);
});

test('many outcomes: one message is told, not two (rule 9)', () => {
  const records = [refused('a@x.test', { id: '1' }), refused('b@x.test', { id: '2' })];
  assert.throws(() => report(records), /a report is about one message/);
  assert.throws(() => report([refused('a@x.test'), refused('b@x.test')], { compatibility: 'kumomta' }), /made of one record/);
});

test('many outcomes: the message is returned once, whole when any of them is a failure (rules 67, 68)', () => {
  const kindOf = (records: readonly DispositionRecord[]) => report(records)?.parsed?.returned?.kind;
  assert.equal(kindOf([relayed('r@x.test'), refused('a@x.test')]), 'message');
  assert.equal(kindOf([relayed('r@x.test'), late('l@x.test')]), 'header');
});

test('many outcomes: the subject is that of the gravest (rule 30)', () => {
  assert.match(report([relayed('r@x.test'), refused('a@x.test')])?.text ?? '', /^Subject: Returned mail\r$/m);
  assert.match(report([relayed('r@x.test'), late('l@x.test')])?.text ?? '', /^Subject: Warning: mail is delayed\r$/m);
});

test('many outcomes: the text names each recipient with its cause, and says once what holds for all (rule 36)', () => {
  const words = (records: readonly DispositionRecord[]) =>
    (report(records)?.text ?? '').split('--a-candidate')[1]?.split('\r\n').slice(2, -1);
  assert.deepEqual(
    words([refused('a@x.test'), refused('b@x.test', { recipient: ['b@x.test', 'c@x.test'], peer_address: null })])?.slice(1),
    [
      'The message was received at Tue, 1 Jul 2003 08:52:37 +0000',
      'from sender@sender.example.com and addressed to a@x.test, b@x.test,',
      '  c@x.test.',
      '',
      'To a@x.test:',
      'While communicating with target.example.com (42.42.42.42):',
      'Response: 550 5.7.1 no thanks',
      '',
      'To b@x.test, c@x.test:',
      'Status: 5.7.1 no thanks',
      '',
      'The message will be deleted from the queue.',
      'No further attempts will be made to deliver it.',
      '',
      'For help, write to postmaster@mta1.example.com.',
      '',
    ],
  );
  const mixed = words([refused('a@x.test'), relayed('r@x.test')])?.join('\n') ?? '';
  assert.match(
    mixed,
    /To a@x\.test:\n[^]*No further attempts will be made to deliver it\.\n\nTo r@x\.test:\n[^]*was passed on to this server/,
  );
});

test('a record that names a recipient twice is told as it is', () => {
  const [outcome] = tellable([refused('a@x.test', { recipient: ['a@x.test', 'a@x.test'] })]);
  assert.equal(outcome?.recipients.length, 2);
});
