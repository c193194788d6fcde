import assert from 'node:assert/strict';
import { test } from 'node:test';
import { countedTime, openDispositionCounts, others } from '../../shared/core/disposition-counts.ts';
import type { DispositionRecord } from '../../shared/core/disposition.ts';
import { logRecord } from '../support/log-records.ts';

const minute = 60_000;
const now = 1_800_000_000_000 + 30_000;
const record = (changes: Partial<DispositionRecord>): DispositionRecord =>
  logRecord(1, { type: 'Bounce', site: 'default->mx.test', ...changes });
const sum = (counts: readonly number[]): number => counts.reduce((total, n) => total + n, 0);

test('recipients are counted in the step of their time, whatever the order in which records come', () => {
  const counts = openDispositionCounts();
  counts.add(now, record({ recipient: ['a@x.test', 'b@x.test'] }), now);
  counts.add(now - 7 * minute, record({ type: 'Delivery' }), now);
  counts.add(now - minute, record({ type: 'Rejection', recipient: [], site: '' }), now);
  const { types, start, steps } = counts.read(now - 9 * minute, now, 5, 10);
  assert.deepEqual([start % (5 * minute), steps], [0, 3]);
  assert.deepEqual(
    [types.Bounce, types.Delivery, types.Rejection, types.Expiration],
    [
      [0, 0, 2],
      [1, 0, 0],
      [0, 1, 0],
      [0, 0, 0],
    ],
  );
});

test('what is older than a day is not counted, and forgotten when it becomes so', () => {
  const counts = openDispositionCounts();
  counts.add(now - countedTime, record({}), now);
  assert.equal(sum(counts.read(now - countedTime, now, 60, 10).types.Bounce), 0);
  counts.add(now, record({}), now);
  const later = now + countedTime + 11 * minute;
  counts.add(later, record({ type: 'Delivery' }), later);
  const { types, sites } = counts.read(now - minute, later, 60, 10);
  assert.deepEqual([sum(types.Bounce), sum(types.Delivery)], [0, 1]);
  assert.equal(
    sites.reduce((total, { failed }) => total + failed, 0),
    0,
  );
});

test('names beyond a bounded number are counted together, and none is left out', () => {
  const counts = openDispositionCounts();
  for (let n = 0; n < 5000; n++) counts.add(now, record({ site: `default->s${n}.test`, bounce_classification: `Own${n}` }), now);
  const { sites, failures } = counts.read(now - minute, now, 1, 100_000);
  assert.deepEqual([sites.length, failures.length], [201, 41]);
  assert.deepEqual([sites.at(-1)?.site, failures.at(-1)?.class], [others, others]);
  assert.equal(
    sites.reduce((total, { failed }) => total + failed, 0),
    5000,
  );
  assert.equal(
    failures.reduce((total, one) => total + one.total, 0),
    5000,
  );
  const [top] = counts.read(now - minute, now, 1, 1).failures.slice(-1);
  assert.equal(sum(top?.counts ?? []), top?.total, 'the rest has its counts by time too');
});

test('the last reply of a site is the newest that a server gave', () => {
  const counts = openDispositionCounts();
  const saying = (content: string, local = false): Partial<DispositionRecord> => ({
    response: { code: 550, enhanced_code: null, content, command: 'RCPT', ...(local && { local }) },
  });
  counts.add(now, record(saying('newest')), now);
  counts.add(now - minute, record(saying('older')), now);
  counts.add(now, record(saying('nobody said this', true)), now);
  assert.equal(counts.read(now - minute, now, 1, 5).sites[0]?.last_reply?.content, 'newest');
});
