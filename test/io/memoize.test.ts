import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { memoize } from '../../shared/io/memoize.ts';

/** Time that stands still until the test moves it. */
function clock(t: TestContext): (ms: number) => void {
  t.mock.timers.enable({ apis: ['Date'], now: 1_000_000 });
  return (ms) => t.mock.timers.tick(ms);
}

const ttls: [ttl: number | string, ms: number][] = [
  ['5 minutes', 300_000],
  ['1 hour', 3_600_000],
  ['90s', 90_000],
  ['2h 30m', 9_000_000],
  [250, 250],
];
for (const [ttl, ms] of ttls) {
  test(`a result is good for ${ttl}, and not for longer`, async (t) => {
    const pass = clock(t);
    let calls = 0;
    const fn = memoize(() => ++calls, { name: 'x', ttl, capacity: 1 });
    assert.deepEqual([await fn(), await fn()], [1, 1]);
    pass(ms - 1);
    assert.equal(await fn(), 1);
    pass(1);
    assert.deepEqual([await fn(), await fn()], [2, 2]);
  });
}

test('many callers at once make one call', async () => {
  let calls = 0;
  const { promise, resolve } = Promise.withResolvers<string>();
  const fn = memoize(
    () => {
      calls += 1;
      return promise;
    },
    { name: 'x', ttl: '1 hour', capacity: 1 },
  );
  const asked = Array.from({ length: 100 }, () => fn());
  resolve('there');
  assert.deepEqual(new Set(await Promise.all(asked)), new Set(['there']));
  assert.equal(calls, 1);
});

test('each list of arguments has its own result, and the one not asked for longest gives way', async () => {
  const calls: string[] = [];
  const fn = memoize(
    (a: string, b: number) => {
      calls.push(`${a}${b}`);
      return `${a}${b}`;
    },
    { name: 'x', ttl: '1 hour', capacity: 2 },
  );
  for (const [a, b] of [
    ['a', 1],
    ['a', 2],
    ['a', 1],
    ['b', 1],
    ['a', 1],
    ['a', 2],
  ] as const)
    assert.equal(await fn(a, b), `${a}${b}`);
  assert.deepEqual(calls, ['a1', 'a2', 'b1', 'a2']);
});

test('while a new call hangs the result of before is given', async (t) => {
  const pass = clock(t);
  let calls = 0;
  const fn = memoize(() => (calls++ === 0 ? 'first' : new Promise<string>(() => undefined)), { name: 'x', ttl: '1 minute', capacity: 1 });
  assert.equal(await fn(), 'first');
  pass(60_000);
  assert.deepEqual(await Promise.all([fn(), fn()]), ['first', 'first']);
  assert.equal(calls, 2);
});

test('when a call fails the result of before is given, and it is said', async (t) => {
  const pass = clock(t);
  const failures: unknown[] = [];
  let isBroken = false;
  let calls = 0;
  const fn = memoize(
    () => {
      calls += 1;
      if (isBroken) throw new Error('broken');
      return calls;
    },
    { name: 'rules', ttl: '5 minutes', capacity: 1, onError: ({ name, error, isStale }) => failures.push([name, String(error), isStale]) },
  );
  assert.equal(await fn(), 1);
  isBroken = true;
  pass(300_000);
  assert.deepEqual([await fn(), await fn()], [1, 1]);
  assert.equal(calls, 2, 'a failure is not repeated for every caller');
  pass(1000);
  assert.equal(await fn(), 1);
  assert.deepEqual(failures, [
    ['rules', 'Error: broken', true],
    ['rules', 'Error: broken', true],
  ]);
  isBroken = false;
  pass(1000);
  assert.equal(await fn(), 4);
});

test('without a result of before the callers get the error, and a moment later it is tried again', async (t) => {
  const pass = clock(t);
  const failures: boolean[] = [];
  let calls = 0;
  const fn = memoize(
    async () => {
      calls += 1;
      if (calls === 1) return Promise.reject(new Error('not yet'));
      return Promise.resolve(calls);
    },
    { name: 'x', ttl: '1 hour', capacity: 1, onError: ({ isStale }) => failures.push(isStale) },
  );
  await assert.rejects(Promise.all([fn(), fn()]), /not yet/);
  await assert.rejects(fn(), /not yet/);
  assert.equal(calls, 1);
  pass(1000);
  assert.equal(await fn(), 2);
  assert.deepEqual(failures, [false]);
});

test('a result that is undefined is one', async () => {
  let calls = 0;
  const fn = memoize(() => void (calls += 1), { name: 'x', ttl: '1 hour', capacity: 1 });
  await fn();
  await fn();
  assert.equal(calls, 1);
});

test('a clock that is set back does not make a result last', async (t) => {
  clock(t);
  let calls = 0;
  const fn = memoize(() => ++calls, { name: 'x', ttl: '5 minutes', capacity: 1 });
  await fn();
  t.mock.timers.setTime(1000);
  assert.equal(await fn(), 2);
});

const senseless: [name: string, ttl: number | string, capacity: number][] = [
  ['a word', 'soon', 1],
  ['a negative time', -1, 1],
  ['no number', Number.NaN, 1],
  ['no room', '1 hour', 0],
  ['half a room', '1 hour', 1.5],
];
for (const [name, ttl, capacity] of senseless)
  test(`${name} is no option`, () => assert.throws(() => memoize(() => 1, { name: 'x', ttl, capacity }), TypeError));
