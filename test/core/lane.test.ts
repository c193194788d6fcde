import assert from 'node:assert/strict';
import { test } from 'node:test';
import { egressPath, laneName, parseLaneName, sessionId, wakeAt } from '../../shared/core/lane.ts';

test('a lane is named by its egress source and site', () => assert.equal(laneName('default', 'mx.example.com'), 'default->mx.example.com'));

test('a lane of an IPv6 literal has no ":", which BullMQ forbids in names and ids', () => {
  const lane = laneName('default', '[2001:db8::1]');
  assert.doesNotMatch(lane, /:/);
  assert.doesNotMatch(sessionId(lane, 3), /:/);
  assert.doesNotMatch(wakeAt(lane, 1000).id, /:/);
});

test('the parts of a lane are read back', () => {
  assert.deepEqual(parseLaneName('pool-1->mx.example.com'), { source: 'pool-1', site: 'mx.example.com' });
});

test('a queue that is no lane has no parts', () => assert.equal(parseLaneName('sessions'), undefined));

test('the name of a lane is bounded, whatever a resolver answers', () => assert.ok(laneName('default', 'a'.repeat(5000)).length <= 400));

test('two sites do not share a lane, however long their names are', () => {
  const long = 'a'.repeat(241);
  assert.notEqual(laneName('default', `${long}.one.example`), laneName('default', `${long}.two.example`));
});

test('each permit of a lane has an id of its own', () => {
  assert.equal(sessionId('default->mx.example.com', 0), 'default->mx.example.com/0');
  assert.notEqual(sessionId('a->b', 1), sessionId('a->b', 2));
});

const wakes: [at: number, rounded: number][] = [
  [0, 0],
  [1, 500],
  [500, 500],
  [501, 1000],
  [1_700_000_000_123, 1_700_000_000_500],
];
for (const [at, rounded] of wakes) {
  test(`a retry due at ${at} wakes its lane at ${rounded}`, () =>
    assert.deepEqual(wakeAt('a->b', at), { id: `a->b/due-${rounded}`, at: rounded }));
}

test('people see the egress path as it is', () => assert.equal(egressPath(laneName('default', '[2001:db8::1]')), 'default->[2001:db8::1]'));
