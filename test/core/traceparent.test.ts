import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatTraceparent, parseTraceparent } from '../../shared/core/traceparent.ts';

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
const spanId = '00f067aa0ba902b7';

const good: [name: string, text: string, isSampled: boolean][] = [
  ['a sampled one', `00-${traceId}-${spanId}-01`, true],
  ['one that is not sampled', `00-${traceId}-${spanId}-00`, false],
  ['one with further flags', `00-${traceId}-${spanId}-03`, true],
  ['one of a later version with more to it', `01-${traceId}-${spanId}-01-what`, true],
  ['one with spaces around it', ` 00-${traceId}-${spanId}-01 `, true],
];
for (const [name, text, isSampled] of good)
  test(`${name} is read`, () => assert.deepEqual(parseTraceparent(text), { traceId, spanId, isSampled }));

const bad: [name: string, text: unknown][] = [
  ['nothing', undefined],
  ['an empty text', ''],
  ['version ff', `ff-${traceId}-${spanId}-01`],
  ['no trace', `00-${'0'.repeat(32)}-${spanId}-01`],
  ['no span', `00-${traceId}-${'0'.repeat(16)}-01`],
  ['upper case', `00-${traceId.toUpperCase()}-${spanId}-01`],
  ['more than version 00 has', `00-${traceId}-${spanId}-01-what`],
  ['a text that is too long', `01-${traceId}-${spanId}-01-${'x'.repeat(300)}`],
  ['a list', [`00-${traceId}-${spanId}-01`]],
];
for (const [name, text] of bad) test(`${name} is no traceparent`, () => assert.equal(parseTraceparent(text), undefined));

test('what is written can be read', () =>
  assert.deepEqual(parseTraceparent(formatTraceparent({ traceId, spanId })), { traceId, spanId, isSampled: true }));
