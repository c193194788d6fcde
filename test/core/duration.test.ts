import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatDuration, parseDuration } from '../../shared/core/duration.ts';

const durations: [text: string, ms: number | undefined][] = [
  ['0', 0],
  ['250', 250],
  ['250ms', 250],
  ['90s', 90_000],
  ['20m', 1_200_000],
  ['4h', 14_400_000],
  ['5d', 432_000_000],
  ['1.5h', 5_400_000],
  ['0.5 s', 500],
  ['2h 30m', 9_000_000],
  ['2h30m', 9_000_000],
  [' 10s ', 10_000],
  ['5 minutes', 300_000],
  ['1 minute', 60_000],
  ['1 day', 86_400_000],
  ['3 secs', 3000],
  ['2 milliseconds', 2],
  ['', undefined],
  [' ', undefined],
  ['-5s', undefined],
  ['5', 5],
  ['5x', undefined],
  ['s', undefined],
  ['5S', undefined],
  ['5 s m', undefined],
  ['1e3', undefined],
  ['5 weeks', undefined],
  ['5s!', undefined],
];
for (const [text, ms] of durations) {
  test(`the duration "${text}" is ${ms === undefined ? 'none' : `${ms} ms`}`, () => assert.equal(parseDuration(text), ms));
}

const printed: [ms: number, text: string][] = [
  [0, '0ms'],
  [250, '250ms'],
  [999.7, '1s'],
  [1000, '1s'],
  [59_999, '1m'],
  [90_000, '1m 30s'],
  [5_400_000, '1h 30m'],
  [432_000_000, '5d'],
  [90_061_000, '1d 1h'],
];
for (const [ms, text] of printed) test(`${ms} ms prints as ${text}`, () => assert.equal(formatDuration(ms), text));

test('what is printed reads back as the same, to a unit of the second printed part', () => {
  const whole = fc.integer({ min: 0, max: 59 }).chain((m) => fc.integer({ min: 1, max: 23 }).map((h) => h * 3_600_000 + m * 60_000));
  fc.assert(fc.property(whole, (ms) => parseDuration(formatDuration(ms)) === ms));
});

test('a long hostile text is refused in linear time', () => {
  const started = performance.now();
  assert.equal(parseDuration(`${'1 '.repeat(50_000)}x`), undefined);
  assert.equal(parseDuration(`${'1'.repeat(50_000)}x`), undefined);
  assert.ok(performance.now() - started < 1000);
});
