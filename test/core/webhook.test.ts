import assert from 'node:assert/strict';
import { test } from 'node:test';
import { backoffDelay, judgeAnswer, type WebhookVerdict } from '../../shared/core/webhook.ts';

const now = Date.UTC(2026, 10, 22, 12, 0, 0);

const answers: [status: number, retryAfter: string | undefined, verdict: WebhookVerdict][] = [
  [200, undefined, { kind: 'done' }],
  [204, '10', { kind: 'done' }],
  [301, undefined, { kind: 'later', reason: 'HTTP 301' }],
  [400, undefined, { kind: 'refused', reason: 'HTTP 400' }],
  [404, '10', { kind: 'refused', reason: 'HTTP 404' }],
  [408, undefined, { kind: 'later', reason: 'HTTP 408' }],
  [425, undefined, { kind: 'later', reason: 'HTTP 425' }],
  [429, undefined, { kind: 'later', reason: 'HTTP 429' }],
  [429, '7', { kind: 'later', reason: 'HTTP 429', afterMs: 7000 }],
  [500, '7', { kind: 'later', reason: 'HTTP 500' }],
  [503, 'Sun, 22 Nov 2026 12:01:00 GMT', { kind: 'later', reason: 'HTTP 503', afterMs: 60_000 }],
  [503, 'Sun, 22 Nov 2026 11:00:00 GMT', { kind: 'later', reason: 'HTTP 503', afterMs: 0 }],
  [503, '99999999', { kind: 'later', reason: 'HTTP 503', afterMs: 3_600_000 }],
  [503, 'soon', { kind: 'later', reason: 'HTTP 503' }],
  [0, undefined, { kind: 'later', reason: 'HTTP 0' }],
];
for (const [status, retryAfter, verdict] of answers) {
  test(`an answer ${status}${retryAfter === undefined ? '' : ` with Retry-After: ${retryAfter}`} means ${JSON.stringify(verdict)}`, () =>
    assert.deepEqual(judgeAnswer(status, retryAfter, now), verdict));
}

test('the waits double up to the longest one, between half and all of it', () => {
  const backoff = { first: 1000, max: 10_000 };
  assert.deepEqual(
    [1, 2, 3, 4, 5, 1000].map((failures) => backoffDelay(backoff, failures, 1)),
    [1000, 2000, 4000, 8000, 10_000, 10_000],
  );
  assert.equal(backoffDelay(backoff, 1, 0), 500);
});
