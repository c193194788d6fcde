import assert from 'node:assert/strict';
import { test } from 'node:test';
import { laneOf, password, startStage, type Scene } from '../support/dashboard.ts';

/** Who answers again, and with what: the browser tells of each refusal. */
const refusals = / (?:401|403|503|409) |ERR_/;

async function logsIn({ page }: Pick<Scene, 'page'>, secret: string): Promise<void> {
  await page.fill('[name=password]', secret);
  await page.keyboard.press('Enter');
}

test('sessions, roles and faults', async (t) => {
  const stage = await startStage(t);
  if (!stage) return;
  const { scene, mail, record, answers, relay, browser, url } = stage;
  answers.set('nobody@example.org', '550 5.1.1 no such user');
  answers.set('later@example.org', '451 4.7.1 try later');
  await mail('nobody@example.org');
  await mail('later@example.org');
  const bounce = await record('Bounce', 'nobody@example.org');
  const waiting = await record('TransientFailure', 'later@example.org');
  const lane = await laneOf(stage, 'example.org');
  const endSessions = async (): Promise<void> => {
    const { client } = relay.observer.redis;
    const keys = await client.keys('*admin-session*');
    assert.ok(keys.length > 0);
    await client.del(...keys);
  };

  await t.test('a person logs in where she wanted to go, and logs out', async () => {
    const watched = await browser.open({ baseURL: url });
    const { page, reads, complaints } = watched;
    await page.goto(`/bounces/${bounce.event_id}`);
    await page.fill('[name=user]', 'vera');
    await logsIn(watched, 'wrong');
    await reads(/the login is wrong/);
    await logsIn(watched, password);
    await reads(/said to RCPT/);
    assert.equal(await page.evaluate('document.cookie'), '', 'no script reads the cookie');
    await page.click('text=Log out');
    await page.locator('main.login').waitFor();
    assert.equal(await page.evaluate('fetch("/api/me").then((r) => r.status)'), 401);
    assert.deepEqual(
      complaints.filter((line) => !/ 401 /.test(line)),
      [],
    );
    await page.context().close();
  });

  await scene(
    'when the session ends, the login comes over the page, and Escape does not lead around it',
    async (look) => {
      const { page, goes, reads } = look;
      await goes('/lanes?site=example.org', /1 lane\b/);
      await page.fill('[name=source]', 'def');
      await endSessions();
      await page.locator('dialog[open]').waitFor();
      await reads(/session expired/);
      for (let n = 0; n < 3; n++) await page.keyboard.press('Escape');
      await page.locator('dialog[open]').waitFor();
      await logsIn(look, password);
      await page.locator('dialog[open]').waitFor({ state: 'detached' });
      assert.match(page.url(), /\/lanes\?site=example\.org/, 'she is where she was');
      await reads(/live/);
      await mail('bob@example.org');
      await goes('/bounces', /nobody@example\.org/);
    },
    { tolerates: refusals },
  );

  await scene(
    'an action over an ended session says so, and works after the login',
    async (look) => {
      const { page, goes, confirms, reads } = look;
      await goes(`/bounces/${bounce.event_id}`, /said to RCPT/);
      await page.click('text=Make the report again');
      await endSessions();
      await page.fill('dialog [name=reason]', 'a reason worth keeping');
      await page.click('dialog [type=submit]');
      await page.locator('dialog:has-text("Your session has ended")').waitFor();
      await page.fill('[name=password]', password);
      await page.keyboard.press('Enter');
      await page.locator('dialog:has-text("Your session has ended")').waitFor({ state: 'detached' });
      assert.equal(await page.inputValue('dialog [name=reason]'), 'a reason worth keeping');
      await confirms('a reason worth keeping', /It runs/);
      await reads(/live/);
    },
    { tolerates: refusals },
  );

  await scene(
    'a viewer sees no action on any page, and the API refuses what she tries all the same',
    async ({ page, goes, reads }) => {
      const pages: [path: string, words: RegExp][] = [
        ['/', /Latest bounces[\s\S]*no such user/],
        ['/bounces', /no such user/],
        [`/bounces/${bounce.event_id}`, /said to RCPT[\s\S]*the role operator is needed/],
        [`/messages/${waiting.id}`, /waits for a retry/],
        ['/lanes', /Orders in force/],
        [`/lanes/${encodeURIComponent(lane)}`, /What it last said/],
        ['/replays', /Choose/],
        ['/rules', /Policy/],
      ];
      const acting = /suspend|hold|retry|limit|bounce$|drop|resume|again|rule|begin|^end|try|undo/i;
      for (const [path, words] of pages) {
        await goes(path, words);
        const buttons = await page.locator('main button').allInnerTexts();
        assert.deepEqual(
          buttons.filter((text) => acting.test(text.trim())),
          [],
          path,
        );
      }
      await reads(/vera\s+viewer/);
      const tries: [method: string, path: string, body: unknown][] = [
        ['POST', '/api/orders', { kind: 'suspend', criteria: { lane }, reason: 'x' }],
        ['POST', '/api/orders', { kind: 'drop', criteria: { everything: true }, reason: 'x' }],
        ['DELETE', `/api/orders/${'0'.repeat(32)}`, { reason: 'x' }],
        ['POST', `/api/messages/${waiting.id}/bounce`, { reason: 'x' }],
        ['POST', '/api/replays', { to: 'redeliver', message: bounce.id, reason: 'x' }],
        ['POST', '/api/rules/backtest', { rules: '{}' }],
        ['POST', '/api/reports/preview', { event_id: bounce.event_id }],
      ];
      for (const [method, path, body] of tries) {
        const status = await page.evaluate(
          `fetch('/api/me').then((r) => r.json()).then(({ csrf }) => fetch(${JSON.stringify(path)}, { method: '${method}', headers: { 'content-type': 'application/json', 'x-csrf-token': csrf }, body: ${JSON.stringify(JSON.stringify(body))} })).then((r) => r.status)`,
        );
        assert.equal(status, 403, `${method} ${path}`);
      }
    },
    { as: 'viewer', tolerates: refusals },
  );

  await scene(
    'a change without the token of the session, or with that of another, is refused, and the page says so',
    async ({ page, goes, reads }) => {
      await goes(`/lanes/${encodeURIComponent(lane)}`, /What it last said/);
      for (const headers of ['{}', "{ 'x-csrf-token': 'made-up' }"]) {
        const status = await page.evaluate(
          `fetch('/api/orders', { method: 'POST', headers: { 'content-type': 'application/json', ...${headers} }, body: JSON.stringify({ kind: 'suspend', criteria: { everything: true }, reason: 'x' }) }).then((r) => r.status)`,
        );
        assert.equal(status, 403, headers);
      }
      await page.route('**/api/orders', async (route) => {
        const headers = await route.request().allHeaders();
        await route.continue(route.request().method() === 'POST' ? { headers: { ...headers, 'x-csrf-token': '' } } : {});
      });
      await page.click('.actions >> text=Suspend…');
      await page.fill('dialog [name=reason]', 'x');
      await page.click('dialog [type=submit]');
      await reads(/X-CSRF-Token/);
      const { json } = await stage.ask('viewer', 'GET', '/api/orders?state=all');
      assert.deepEqual(json['orders'], []);
    },
    { tolerates: refusals },
  );

  await scene('what happens is seen on the overview as it happens', async ({ page, goes, reads }) => {
    await goes('/', /counted[\s\S]*Latest bounces[\s\S]*nobody@example\.org/);
    const accepted = async (): Promise<number> =>
      Number(/Accepted[\s\S]*?([\d,]+) counted/.exec(await page.locator('.tiles').innerText())?.[1] ?? -1);
    const before = await accepted();
    answers.set('fresh@example.org', '550 5.1.1 no such user');
    await mail('fresh@example.org');
    await page.locator('td:has-text("fresh@example.org")').waitFor();
    await reads(new RegExp(`Accepted[\\s\\S]*(?:${before + 1}|${before + 2}|${before + 3}) counted`));
    await reads(/Sessions[\s\S]*Workers\s+4\s+alive/);
  });

  await scene('from the keyboard alone: a bounce is found, opened, its lane suspended, and that undone', async ({ page, goes, reads }) => {
    const { keyboard } = page;
    const onFocus = (what: string): Promise<unknown> => page.evaluate(`document.activeElement?.${what} ?? ''`);
    const tabTo = async (fits: string): Promise<void> => {
      for (let n = 0; n < 80; n++) {
        await keyboard.press('Tab');
        if (await page.evaluate(`document.activeElement.matches(${JSON.stringify(fits)})`)) {
          const outline = await page.evaluate('getComputedStyle(document.activeElement).outlineStyle');
          assert.notEqual(outline, 'none', `${fits}: one sees where one is`);
          return;
        }
      }
      assert.fail(`${fits} is not to be reached with Tab`);
    };
    await goes('/', /Latest bounces/);
    await keyboard.press('Tab');
    assert.equal(await onFocus('textContent'), 'Skip to the content');
    await tabTo('nav a[href="/bounces"]');
    await keyboard.press('Enter');
    await reads(/Mail that did not arrive/);
    await page.locator('h1:focus').waitFor();
    await tabTo('[name=recipient]');
    await keyboard.type('nobody@example.org');
    await page.waitForURL(/recipient=nobody/);
    await page.locator('tbody tr:only-child').waitFor();
    await tabTo('tbody th a');
    await keyboard.press('Enter');
    await reads(/There is no mailbox with this address/);
    await tabTo('dd a[href^="/lanes/"]');
    await keyboard.press('Enter');
    await reads(/What it last said/);
    await tabTo('main .actions button');
    await keyboard.press('Enter');
    await page.locator('dialog[open]').waitFor();
    await tabTo('dialog [name=reason]');
    await keyboard.type('from the keyboard');
    await keyboard.press('Enter');
    await reads(/Undo: resume/);
    await tabTo('dialog p button');
    await keyboard.press('Enter');
    await reads(/It is undone/);
    await keyboard.press('Escape');
    await page.locator('dialog').waitFor({ state: 'detached' });
    assert.match(String(await onFocus('textContent')), /Suspend/, 'the focus is back where it was');
  });

  // The last: what waits for Redis may come late.
  await scene(
    'without Redis the page says so and keeps what it showed; actions fail in words; all goes on when it is back',
    async ({ page, goes, reads }) => {
      await goes('/', /Latest bounces[\s\S]*no such user/);
      await relay.redis.kill();
      await page.locator('.link.lost').waitFor();
      await reads(/reconnecting[\s\S]*no such user/);
      await page.click('nav >> text=Lanes');
      await reads(/Redis/);
      await relay.redis.restart();
      await page.locator('.link.live').waitFor();
      await reads(/\d lanes?\b/);
      await mail('nobody@example.org');
      await page.click('nav >> text=Overview');
      await reads(/Latest bounces[\s\S]*no such user/);
    },
    { tolerates: refusals },
  );
});
