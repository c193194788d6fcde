import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nextStep, scheduleOf } from '../../shared/core/schedule.ts';

const minute = 60_000;
const schedule = { interval: 20 * minute, maxInterval: 120 * minute, maxAge: 600 * minute, jitter: 0.1 };

const cases: [name: string, attempts: number, nowMinutes: number, jitter: number, want: number | 'expire'][] = [
  ['the first retry comes after the interval (rule 18)', 1, 0, 0, 20],
  ['each further wait doubles', 2, 20, 0, 60],
  ['and doubles again', 3, 60, 0, 140],
  ['up to the longest wait', 5, 300, 0, 420],
  ['however many attempts there were', 5000, 300, 0, 420],
  ['jitter lengthens the wait', 1, 0, 1, 22],
  ['jitter shortens the wait', 1, 0, -1, 18],
  ['the last attempt is made at the maximum age, not a doubled wait before', 9, 590, 0, 600],
  ['at the maximum age it expires (rule 18)', 10, 600, 0, 'expire'],
  ['and after it', 10, 6000, 0, 'expire'],
];
for (const [name, attempts, now, jitter, want] of cases) {
  test(name, () => {
    const step = nextStep(schedule, { created: 0, attempts }, now * minute, jitter);
    assert.deepEqual(step, want === 'expire' ? { kind: 'expire' } : { kind: 'retry', at: want * minute });
  });
}

test('a longest wait below the interval does not shorten the interval', () => {
  assert.deepEqual(nextStep({ ...schedule, maxInterval: 1 }, { created: 0, attempts: 3 }, 0, 0), { kind: 'retry', at: 20 * minute });
});

test('the schedule of a queue comes from the queue, else its tenant, else its domain (rule 18)', () => {
  const queues = { 'x.test': { interval: 1 }, 'acme@': { interval: 2 }, 'news:acme@x.test': { interval: 3, maxAge: 9 } };
  const wants: [string, number, number][] = [
    ['x.test', 1, schedule.maxAge],
    ['acme@x.test', 2, schedule.maxAge],
    ['news:acme@x.test', 3, 9],
    ['news:other@x.test', 1, schedule.maxAge],
    ['y.test', schedule.interval, schedule.maxAge],
  ];
  for (const [queue, interval, maxAge] of wants) {
    const found = scheduleOf(queue, schedule, queues);
    assert.deepEqual([found.interval, found.maxAge], [interval, maxAge], queue);
  }
});
