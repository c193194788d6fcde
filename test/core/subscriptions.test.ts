import assert from 'node:assert/strict';
import { test } from 'node:test';
import { configSchema, type ConfigInput } from '../../shared/core/config.ts';
import { hookSubscription, isHeard, subscriptionsOf } from '../../shared/core/subscriptions.ts';
import { bounce } from '../support/dsn-record.ts';

const crm = { crm: { url: 'https://crm.test/' } };

const cases: [settings: string, input: ConfigInput, queues: string[]][] = [
  ['the defaults', {}, ['bounces']],
  ['a webhook', { webhooks: crm }, ['bounces', 'webhook-crm']],
  ['no reports', { webhooks: crm, bounce: { enabled: false } }, ['webhook-crm']],
  ['reports of one tenant only', { bounce: { enabled: false, tenants: { acme: { enabled: true } } } }, ['bounces']],
  ['no reports, nor of a tenant', { bounce: { enabled: false, tenants: { acme: { enabled: false } } } }, []],
];
for (const [settings, input, queues] of cases) {
  test(`with ${settings} records go to: ${queues.join(', ') || 'nobody'}`, () =>
    assert.deepEqual(
      subscriptionsOf(configSchema.parse(input)).map(({ queue }) => queue),
      queues,
    ));
}

test('a hook hears the types it names, and its name is one of a queue', () => {
  const hook = hookSubscription({ name: 'ndr_generator', types: ['Bounce'] });
  assert.equal(hook.queue, 'hook-ndr_generator');
  assert.ok(isHeard(hook, bounce()));
  assert.ok(!isHeard(hook, bounce({ type: 'Delivery' })));
  for (const name of ['', 'a:b', 'a b', '-a', 'x'.repeat(41)])
    assert.throws(() => hookSubscription({ name, types: ['Bounce'] }), TypeError);
});
