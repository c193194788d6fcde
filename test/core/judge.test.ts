import assert from 'node:assert/strict';
import { test } from 'node:test';
import { judge, type Attempt } from '../../shared/core/judge.ts';
import type { Outcome } from '../../shared/core/outcome.ts';
import { localReply, parseReply, replyOnOneLine } from '../../shared/core/reply.ts';

const schedule = { interval: 1000, maxInterval: 10_000, maxAge: 60_000, jitter: 0 };
const remote = (line: string) => {
  const reply = parseReply([line]);
  assert.ok(reply);
  return reply;
};
const accepted: Outcome = { kind: 'accepted', reply: remote('250 2.0.0 ok'), relayedDsn: false };
const refused = (line: string): Outcome => ({ kind: 'refused', reply: remote(line) });
const failed: Outcome = { kind: 'failed', reply: localReply(421, '4.4.2', 'timeout') };
const attemptOf = (...outcomes: Outcome[]): Attempt => ({
  recipients: outcomes.map((_, i) => ({ address: `r${i}@x.test` })),
  outcomes,
  created: 0,
  attempts: 1,
});

const cases: [name: string, outcome: Outcome, now: number, want: string][] = [
  ['a 2xx is a delivery', accepted, 0, 'Delivery'],
  ['a 2xx after the maximum age is a delivery all the same', accepted, 90_000, 'Delivery'],
  ['a 5xx is a bounce', refused('550 5.1.1 no'), 0, 'Bounce'],
  ['a 5xx after the maximum age is a bounce', refused('550 5.1.1 no'), 90_000, 'Bounce'],
  ['a 4xx is retried (rule 18)', refused('451 4.3.0 later'), 0, 'TransientFailure'],
  ['a 4xx that says permanent is retried: the first digit decides (rule 20)', refused('450 permanently rejected'), 0, 'TransientFailure'],
  ['a 599 is a bounce by its first digit (rule 20)', refused('599 what'), 0, 'Bounce'],
  ['a 4xx past the maximum age expires (rule 18)', refused('452 4.2.2 full'), 60_000, 'Expiration'],
  ['no answer is retried', failed, 0, 'TransientFailure'],
  ['no answer past the maximum age expires', failed, 60_000, 'Expiration'],
  ['a refused greeting is retried whatever its code', { kind: 'failed', reply: remote('554 no service') }, 0, 'TransientFailure'],
];
for (const [name, outcome, now, want] of cases) {
  test(name, () =>
    assert.deepEqual(
      judge(attemptOf(outcome), schedule, now, 0).judgements.map((j) => j.type),
      [want],
    ),
  );
}

test('recipients with the same fate and reply share a judgement, others do not (rule 99)', () => {
  const verdict = judge(
    attemptOf(accepted, refused('550 5.1.1 no'), refused('550 5.1.1 no'), refused('451 later'), failed),
    schedule,
    5000,
    0,
  );
  assert.deepEqual(
    verdict.judgements.map((j) => [j.type, j.recipients.map((r) => r.address).join()]),
    [
      ['Delivery', 'r0@x.test'],
      ['Bounce', 'r1@x.test,r2@x.test'],
      ['TransientFailure', 'r3@x.test'],
      ['TransientFailure', 'r4@x.test'],
    ],
  );
  assert.deepEqual(verdict.remaining, { recipients: [{ address: 'r3@x.test' }, { address: 'r4@x.test' }], retryAt: 6000 });
});

test('nothing remains when all recipients are settled', () => {
  assert.equal(judge(attemptOf(accepted, refused('550 no')), schedule, 0, 0).remaining, undefined);
  assert.equal(judge(attemptOf(failed), schedule, 60_000, 0).remaining, undefined);
});

test('an expiration tells the last remote reply, not our own words of the last attempt (rule 58)', () => {
  const last = remote('452 4.2.2 mailbox full');
  const verdict = judge({ ...attemptOf(failed), last }, schedule, 60_000, 0);
  assert.equal(replyOnOneLine(verdict.judgements[0]?.reply ?? localReply(0, '', '')), '452 4.2.2 mailbox full');
});

test('a recipient without an outcome is retried, never dropped', () => {
  const attempt = { ...attemptOf(accepted), recipients: [{ address: 'a@x.test' }, { address: 'b@x.test' }] };
  assert.deepEqual(judge(attempt, schedule, 0, 0).remaining?.recipients, [{ address: 'b@x.test' }]);
});
