import assert from 'node:assert/strict';
import { test } from 'node:test';
import { laneOf, startStage, type Role } from '../support/dashboard.ts';

test('the board is under the login, leads to messages, and changes nothing for anybody', async (t) => {
  const stage = await startStage(t);
  if (!stage) return;
  const { scene, mail, record, answers, ask, relay, url } = stage;
  answers.set('later@example.org', '451 4.7.1 try later');
  answers.set('nobody@example.org', '550 5.1.1 no such user');
  await mail('later@example.org');
  await mail('nobody@example.org');
  const waiting = await record('TransientFailure', 'later@example.org');
  await record('Bounce', 'nobody@example.org');
  const lane = await laneOf(stage, 'example.org');
  const delayed = `/queues/queue/${encodeURIComponent(lane)}?status=delayed`;

  await scene('it lists the fixed queues and the lanes, with the way back on top', async ({ page, goes, reads }) => {
    await goes('/queues', /sessions[\s\S]*steering[\s\S]*inbound[\s\S]*redeliver[\s\S]*bounces[\s\S]*default->mx\.example\.org/);
    await page.click('.rebound-bar >> text=Lanes');
    await reads(/\d lanes?/);
    await page.click('nav >> text=Queues');
    await reads(/default->mx\.example\.org/);
  });

  await scene('a job leads to its message', async ({ page, goes, reads }) => {
    await goes(delayed, /later@example\.org|default->mx/);
    const link = page.locator(`#root a[href^="/messages/"]`).first();
    await link.waitFor();
    assert.equal(await link.getAttribute('href'), `/messages/${waiting.id}`);
    await page.goto(`/messages/${waiting.id}`);
    await reads(/waits for a retry/);
  });

  const controls = /^(?:Retry|Promote|Clean|Clean all|Remove|Empty|Pause|Resume|Add job|Duplicate|Obliterate|Promote all|Retry all)$/i;
  for (const as of ['viewer', 'operator', 'admin'] as const)
    await scene(
      `it offers nothing that changes anything to a person with the role ${as}`,
      async ({ page, goes }) => {
        await goes(delayed, /default->mx/);
        await page.locator('#root a[href^="/messages/"]').first().waitFor();
        const offered: string[] = [];
        for (const button of await page.locator('#root button').all())
          offered.push(
            ((await button.getAttribute('title')) ?? (await button.getAttribute('aria-label')) ?? (await button.innerText())).trim(),
          );
        assert.deepEqual(
          offered.filter((word) => controls.test(word)),
          [],
        );
      },
      { as },
    );

  await t.test('and its own API refuses changes to every role', async () => {
    const job = `${waiting.id}.0`;
    const base = `/queues/api/queues/${encodeURIComponent(lane)}`;
    const before = await relay.observer.redis.client.keys(`*${waiting.id}*`);
    for (const as of ['viewer', 'operator', 'admin'] as Role[])
      for (const [method, path] of [
        ['PUT', `${base}/pause`],
        ['PUT', `${base}/empty`],
        ['PUT', `${base}/promote`],
        ['PUT', `${base}/retry/failed`],
        ['PUT', `${base}/clean/delayed`],
        ['PUT', `${base}/${job}/promote`],
        ['PUT', `${base}/${job}/retry/failed`],
        ['PUT', `${base}/${job}/clean`],
        ['POST', `${base}/add`],
        ['PATCH', `${base}/${job}/update-data`],
        ['PUT', `/queues/api/queues/sessions/obliterate`],
      ] as const) {
        const { status } = await ask(as, method, path, {});
        assert.ok(status >= 400 && status < 500, `${as}: ${method} ${path} answered ${status}`);
      }
    assert.deepEqual((await relay.observer.redis.client.keys(`*${waiting.id}*`)).toSorted(), before.toSorted());
  });

  await t.test('without a session it asks for the login, and goes on to where one wanted', async () => {
    const { page, complaints } = await stage.browser.open({ baseURL: url });
    await page.goto(delayed);
    await page.fill('[name=user]', 'vera');
    await page.fill('[name=password]', 'sesame');
    await page.keyboard.press('Enter');
    await page.locator('#root a[href^="/messages/"]').first().waitFor();
    assert.deepEqual(
      complaints.filter((line) => !/ 401 /.test(line)),
      [],
    );
    await page.context().close();
  });
});
