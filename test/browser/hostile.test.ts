import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openPipeline } from '../../shared/io/pipeline.ts';
import { bounceRecord } from '../support/admin.ts';
import { home, laneOf, startStage, type Scene } from '../support/dashboard.ts';

/** What strangers may write; the first part is ASCII, for what SMTP carries. */
const script = `<script>document.title='owned'</script><img src=x onerror="document.title='owned'"><svg onload="document.title='owned'">'"`;
const hostile = `${script}\u202e\u001b[31m{{7*7}}`;

/** The words are there as words, and nothing of them became an element or ran. */
async function isHarmless({ page, reads }: Scene, path: string): Promise<void> {
  await page.goto(path);
  await reads(/<script>document\.title/);
  const made = 'main script, main img, main style, main iframe, main [onload], main [onerror], dialog script, dialog img';
  assert.equal(await page.locator(made).count(), 0, path);
  assert.doesNotMatch(await page.title(), /^owned|[\u202e\u001b]/, path);
  assert.doesNotMatch(await page.locator('body').innerText(), /[\u202e\u001b]/, `${path} shows what would turn text around`);
}

test('what clients, servers and operators wrote is text everywhere', async (t) => {
  const stage = await startStage(t);
  if (!stage) return;
  const { scene, mail, record, answers, relay, ask } = stage;
  answers.set('evil@example.org', `550 5.7.1 ${script}`);
  answers.set('later@example.net', `451 4.7.1 ${script}`);
  // The subject and the header come back in the report.
  await mail('evil@example.org', { subject: script, header: `X-Evil: ${script}\r\n` });
  await mail('later@example.net', { subject: script });
  const bounce = await record('Bounce', 'evil@example.org');
  await record('TransientFailure', 'later@example.net');
  await record('Delivery', home);
  const lane = await laneOf(stage, 'example.net');
  const { queues, dispositions } = openPipeline(relay.observer);
  const forged = bounceRecord({
    id: bounce.id,
    sender: hostile,
    recipient: ['evil@example.org', hostile],
    nodeid: hostile,
    queue: hostile,
    site: lane,
    bounce_classification: hostile,
    event_time: hostile,
    created_time: hostile,
    peer_address: { name: hostile, addr: hostile },
    response: { code: 550, enhanced_code: null, content: hostile, command: hostile, lines: [hostile, hostile] },
    reception_protocol: hostile,
  });
  const tx = queues.begin();
  dispositions.publish(tx, forged);
  dispositions.publish(tx, bounceRecord({ id: '../../x"><script>', type: '<script>' as never, recipient: hostile, site: hostile }));
  await tx.exec();
  // An operator is no friend by being one: a sender in an order may have any sign but control characters.
  const visibleScript = `${script}\u202e`;
  for (const criteria of [{ lane }, { sender: visibleScript }])
    assert.equal((await ask('operator', 'POST', '/api/orders', { kind: 'suspend', criteria, reason: script })).status, 201);
  const begun = await ask('operator', 'POST', '/api/replays', { to: 'bounces', message: bounce.id, type: 'Bounce', reason: script });
  assert.ok(begun.json['id'], JSON.stringify(begun.json));

  const paths = [
    '/',
    '/bounces',
    `/bounces?text=${encodeURIComponent(script)}`,
    `/bounces/${bounce.event_id}`,
    `/bounces/${forged.event_id}`,
    `/messages?find=evil@example.org`,
    `/messages/${bounce.id}`,
    '/lanes',
    `/lanes/${encodeURIComponent(lane)}`,
    `/lanes/${encodeURIComponent(hostile)}`,
    `/messages/${encodeURIComponent(script)}`,
    '/replays',
    `/replays/${begun.json['id'] as string}`,
  ];
  // No conversation was ever had over the forged record, and no lane or message is called so.
  const tolerates = / 404 /;
  await scene(
    'on every page',
    async (look) => {
      await look.goes(`/replays/${String(begun.json['id'])}`, /([1-9]\d*) of \1 done[\s\S]*evil@example\.org/);
      for (const path of paths) await isHarmless(look, path);
    },
    { tolerates },
  );

  await scene('in the report, its source and the record', async ({ page, goes, reads }) => {
    await goes(`/bounces/${bounce.event_id}`, /The server mx\.example\.org[\s\S]*<script>/);
    await page.click('text=Source');
    await reads(/X-Evil: <script>/);
    await page.click('text=The record, as it is in the log');
    await reads(/"content": "<script>/);
    assert.equal(await page.locator('main script, main img').count(), 0);
  });

  await scene('in the dialogs', async ({ page, goes, reads }) => {
    await goes(`/bounces/${bounce.event_id}`, /said to RCPT/);
    await page.click('text=Rule from this reply');
    assert.match(await page.inputValue('dialog textarea'), /<script>|\.\+/);
    await page.click('text=Try it on what servers said');
    await reads(/would have been changed/);
    assert.equal(await page.locator('dialog script, dialog img').count(), 0);
    await goes('/lanes', /<script>/);
    for (const button of await page.locator('table >> text=Resume').all()) {
      await button.click();
      await reads(/The order of otto \(<script>/);
      assert.equal(await page.locator('dialog script, dialog img').count(), 0);
      assert.doesNotMatch(await page.locator('dialog').innerText(), /\u202e/);
      await page.keyboard.press('Escape');
      await page.locator('dialog').waitFor({ state: 'detached' });
    }
    await page.goto('/replays');
    await page.click('button:text-is("Preview")');
    await reads(/records? fits?/);
    assert.equal(await page.locator('main script, main img').count(), 0);
  });

  await scene('in the board', async ({ page, reads }) => {
    await page.goto(`/queues/queue/${encodeURIComponent(lane)}?status=delayed`);
    await page.locator('#root a[href^="/messages/"]').first().waitFor();
    await reads(/example/);
    assert.doesNotMatch(await page.title(), /^owned/);
    assert.equal(await page.locator('#root img[src=x]').count(), 0);
  });
});
