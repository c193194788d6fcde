import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deliveryJob, domainOf, groupRecipients, recipientField } from '../../shared/core/reception.ts';

const to = (...addresses: string[]) => addresses.map((address) => ({ address }));

test('recipients are divided by domain, not by its spelling', () => {
  const groups = groupRecipients(to('a@X.test', 'b@y.test', 'c@x.TEST.', '"d@y.test"@x.test'), (domain) => `lane of ${domain}`, 100);
  assert.deepEqual(
    groups.map((g) => [g.lane, g.domain, g.recipients.map((r) => r.address)]),
    [
      ['lane of x.test', 'x.test', ['a@X.test', 'c@x.TEST.', '"d@y.test"@x.test']],
      ['lane of y.test', 'y.test', ['b@y.test']],
    ],
  );
});

test('no group is larger than the limit', () => {
  const groups = groupRecipients(to(...Array.from({ length: 250 }, (_, i) => `r${i}@x.test`)), () => 'l', 100);
  assert.deepEqual(
    groups.map((g) => g.recipients.length),
    [100, 100, 50],
  );
});

test('the domain of a mailbox', () => {
  const cases: [string, string][] = [
    ['a@X.Test', 'x.test'],
    ['"a@b"@x.test', 'x.test'],
    ['postmaster', ''],
    ['a@[192.0.2.1]', '[192.0.2.1]'],
  ];
  for (const [address, want] of cases) assert.equal(domainOf(address), want, address);
});

test('the queue of a job carries campaign and tenant', () => {
  const message = {
    id: 'm1',
    envelope: { sender: 's@h.test', recipients: to('a@x.test', 'b@y.test'), smtpUtf8: false, eightBit: false },
    size: 5,
    created: 7,
    tenant: 'acme',
    campaign: 'news',
    reception: { reception_protocol: 'ESMTP', meta: {} },
  };
  const job = deliveryJob(message, { lane: 'l', domain: 'x.test', recipients: to('a@x.test') }, 'default');
  assert.equal(job.queue, 'news:acme@x.test');
  assert.deepEqual(job.envelope.recipients, to('a@x.test'));
  assert.equal(job.attempts, 0);
});

test('a record names one recipient as text, more as a list', () => {
  assert.equal(recipientField(to('a@x.test')), 'a@x.test');
  assert.deepEqual(recipientField(to('a@x.test', 'b@x.test')), ['a@x.test', 'b@x.test']);
  assert.deepEqual(recipientField([]), []);
});
