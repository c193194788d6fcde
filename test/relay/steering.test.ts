import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startSteered } from '../support/steering.ts';

const many = (n: number, domain: string): string[] => Array.from({ length: n }, (_, i) => `r${i}@${domain}`);

test('a suspended domain waits without an attempt, others go on, and all of it comes when it is resumed', async (t) => {
  const relay = await startSteered(t);
  const order = await relay.give({ kind: 'suspend', criteria: { domain: 'SLOW.test' }, reason: 'they asked us to' });
  assert.deepEqual([order.state, order.expires], ['working', null]);
  await relay.untilOrder(order.id, ({ state }) => state === 'in force');
  await relay.mail([...many(20, 'slow.test'), ...many(20, 'fast.test')]);
  await relay.until(({ type, queue }) => type === 'Delivery' && queue === 'fast.test', 20);
  const delayed = await relay.until(({ type }) => type === 'Delayed', 20);
  for (const record of delayed) {
    assert.deepEqual([record.queue, record.num_attempts, record.order], ['slow.test', 0, { id: order.id, kind: 'suspend' }]);
    assert.match(record.response.content, /suspended by an administrator: they asked us to/);
  }
  const resumed = await relay.end(order.id);
  assert.deepEqual([resumed.state, resumed.ended?.reason, resumed.messages.done], ['ended', 'enough', 20]);
  const delivered = await relay.until(({ type, queue }) => type === 'Delivery' && queue === 'slow.test', 20);
  assert.deepEqual(new Set(delivered.map(({ num_attempts }) => num_attempts)), new Set([1]), 'no attempt was used up');
  assert.equal((await relay.end(order.id)).ended?.reason, 'enough', 'ending it twice changes nothing');
});
