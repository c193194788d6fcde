import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatQueueName, parseQueueName, type QueueName } from '../../shared/core/queue-name.ts';

const names: [name: string, parts: QueueName][] = [
  ['example.com', { domain: 'example.com' }],
  ['acme@example.com', { tenant: 'acme', domain: 'example.com' }],
  ['spring:acme@example.com', { campaign: 'spring', tenant: 'acme', domain: 'example.com' }],
  ['spring:@example.com', { campaign: 'spring', domain: 'example.com' }],
  ['example.com!relay.test', { domain: 'example.com', routingDomain: 'relay.test' }],
  ['spring:acme@example.com!relay.test', { campaign: 'spring', tenant: 'acme', domain: 'example.com', routingDomain: 'relay.test' }],
  ['[IPv6:2001:db8::1]', { domain: '[IPv6:2001:db8::1]' }],
  ['a:b:c@example.com', { campaign: 'a', tenant: 'b:c', domain: 'example.com' }],
];
for (const [name, parts] of names) {
  test(`${name} is read`, () => assert.deepEqual(parseQueueName(name), parts));
  test(`${name} is printed`, () => assert.equal(formatQueueName(parts), name));
}

test('every name that is printed reads back as its parts', () => {
  const word = fc.stringMatching(/^[A-Za-z0-9._-]{1,12}$/);
  const parts = fc.record(
    { domain: word, tenant: word, campaign: word, routingDomain: word },
    { requiredKeys: ['domain'], noNullPrototype: true },
  );
  fc.assert(fc.property(parts, (q) => assert.deepEqual(parseQueueName(formatQueueName(q)), q)));
});
