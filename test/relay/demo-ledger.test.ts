import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DispositionRecord, RecordType } from '../../shared/core/disposition.ts';
import type { SinkMessage } from '../../shared/io/sink-server.ts';
import { makeBatch, type DemoMessage } from '../../workers/cli/demo/batch.ts';
import { openLedger, type Ledger } from '../../workers/cli/demo/ledger.ts';

const good = 'ben@shop.example';
const bad = 'nobody@shop.example';
const full = 'ben@full.example';
const message: DemoMessage = {
  kind: 0,
  subject: 'x',
  recipients: [
    { address: good, fate: 'delivered' },
    { address: bad, fate: 'bounced' },
    { address: full, fate: 'expired' },
  ],
};

const record = (type: RecordType, recipient: string | string[]) => ({ type, recipient }) as DispositionRecord;

const report = (...recipients: string[]): SinkMessage => {
  const groups = recipients.map((address) => `\r\nFinal-Recipient: rfc822; ${address}\r\nAction: failed\r\nStatus: 5.1.1\r\n`);
  const lines = [
    'Content-Type: multipart/report; report-type=delivery-status; boundary=b',
    '',
    '--b',
    'Content-Type: text/plain',
    '',
    'words',
    '--b',
    'Content-Type: message/delivery-status',
    '',
    `Reporting-MTA: dns; mx.example\r\n${groups.join('')}`,
    '--b--',
    '',
  ];
  return { bytes: Buffer.from(lines.join('\r\n')) } as SinkMessage;
};

/** Everything as it should be, but for the steps left out. */
function keepBooks(steps: Record<string, (ledger: Ledger) => void>, without: string): Ledger {
  const ledger = openLedger([message]);
  for (const [name, step] of Object.entries(steps)) if (name !== without) step(ledger);
  return ledger;
}

const steps: Record<string, (ledger: Ledger) => void> = {
  sent: (l) => l.sent(message),
  delivery: (l) => l.record(record('Delivery', good)),
  acceptance: (l) => l.answered(good, 'accepted'),
  bounce: (l) => l.record(record('Bounce', bad)),
  refusal: (l) => l.answered(bad, 'refused'),
  expiration: (l) => l.record(record('Expiration', [full])),
  deferral: (l) => l.answered(full, 'deferred'),
  'report of the bounce': (l) => l.arrived(report(bad)),
  'report of the expiration': (l) => l.arrived(report(full)),
};

test('books that are in order have nothing missing', async () => {
  const ledger = keepBooks(steps, '');
  assert.deepEqual(ledger.missing(), []);
  await ledger.complete;
  assert.equal(ledger.progress(), 1);
  assert.deepEqual(ledger.total(), { sent: 1, delivered: 1, deferred: 0, bounced: 1, expired: 1, reports: 2 });
});

for (const step of Object.keys(steps)) {
  test(`without the ${step} something is missing`, () => {
    assert.notDeepEqual(keepBooks(steps, step).missing(), []);
  });
}

const excesses: [name: string, step: (ledger: Ledger) => void, words: RegExp][] = [
  ['a second acceptance', (l) => l.answered(good, 'accepted'), /accepted 2 times by the destination/],
  ['an acceptance of what bounced', (l) => l.answered(bad, 'accepted'), /the destination accepted it/],
  ['a second report', (l) => l.arrived(report(bad)), /reported 2 times/],
  ['a report that names one recipient twice', (l) => l.arrived(report(full, full)), /reported 3 times/],
  ['a report of what was delivered', (l) => l.arrived(report(good)), /delivered, and reported once/],
  ['a bounce of what was delivered', (l) => l.record(record('Bounce', good)), /the log says delivered and bounced/],
];
for (const [name, step, words] of excesses) {
  test(`${name} is found`, () => {
    const ledger = keepBooks(steps, '');
    step(ledger);
    assert.match(ledger.missing().join('\n'), words);
  });
}

test('mail of others is in no book', () => {
  const ledger = openLedger([message]);
  assert.equal(ledger.record(record('Bounce', 'other@shop.example')), false);
  ledger.answered('other@shop.example', 'accepted');
  ledger.arrived(report('other@shop.example'));
  ledger.arrived({ bytes: Buffer.from('Subject: no report\r\n\r\nhi\r\n') } as SinkMessage);
  assert.deepEqual(ledger.total(), { sent: 0, delivered: 0, deferred: 0, bounced: 0, expired: 0, reports: 0 });
});

test('no address occurs twice in the batch', () => {
  const addresses = makeBatch().flatMap(({ recipients }) => recipients.map(({ address }) => address));
  assert.equal(new Set(addresses).size, addresses.length);
});
