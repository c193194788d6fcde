import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  addToSurvey,
  emptySurvey,
  formatReplayTarget,
  parseReplayTarget,
  queueOfTarget,
  replayJobId,
  replayOfJobId,
} from '../../shared/core/replay.ts';
import { logRecord } from '../support/log-records.ts';

const targets: [text: string, queue: string | undefined][] = [
  ['bounces', 'bounces'],
  ['redeliver', 'redeliver'],
  ['webhook:crm', 'webhook-crm'],
  ['hook:my_hook-2', 'hook-my_hook-2'],
  ['', undefined],
  ['webhook', undefined],
  ['webhook:', undefined],
  ['webhook:a:b', undefined],
  ['hook:../x', undefined],
  ['Bounces', undefined],
  ['log', undefined],
];
for (const [text, queue] of targets) {
  test(`the target "${text}" is ${queue ?? 'none'}`, () => {
    const target = parseReplayTarget(text);
    assert.equal(target && queueOfTarget(target), queue);
    if (target) assert.equal(formatReplayTarget(target), text);
  });
}

test('a job of a replay is told from one of the live flow by its id', () => {
  const replay = '0198a0b0c0d0e0f00198a0b0c0d0e0f0';
  const live = '0198ffff00000000ffff000000000000.0.1.b0';
  assert.notEqual(replayJobId(live, replay), live);
  assert.equal(replayOfJobId(replayJobId(live, replay)), replay);
  assert.equal(replayOfJobId(live), undefined);
  assert.ok(!replayJobId(live, replay).includes(':'), 'BullMQ forbids it');
});

test('a survey stays of bounded size whatever the records hold, and counts them all', () => {
  const survey = emptySurvey();
  for (let n = 0; n < 5000; n++) addToSurvey(survey, logRecord(n, { site: `${'s'.repeat(5000)}${n}`.slice(-300) }), n % 2 === 0);
  assert.equal(survey.records, 5000);
  assert.equal(survey.skipped, 2500);
  assert.ok(survey.sites.size <= 2001);
  assert.equal(
    [...survey.sites.values()].reduce((sum, n) => sum + n, 0),
    2500,
  );
  assert.ok(survey.sample.length <= 10);
  for (const { site } of survey.sample) assert.ok(site.length <= 200);
});
