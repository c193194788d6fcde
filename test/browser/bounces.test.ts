import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { parseRfc3464 } from '../../shared/core/dsn/parse.ts';
import { home, startStage } from '../support/dashboard.ts';
import { writeHistory } from '../support/dashboard-history.ts';

const unknown = '550 5.1.1 no such user here';
const bounces = 120;

test('bounces are found, understood and acted upon', async (t) => {
  const stage = await startStage(t, { before: (relay) => writeHistory(relay, bounces, true) });
  if (!stage) return;
  const { scene, mail, record, answers, relay } = stage;
  for (const user of ['nobody', 'moved', 'gone', 'later', 'robot']) answers.set(`${user}@example.org`, unknown);
  await mail('nobody@example.org', { subject: 'Spring offers' });
  await mail('robot@example.org', { header: 'Auto-Submitted: auto-generated\r\n' });
  const bounce = await record('Bounce', 'nobody@example.org');
  const silent = await record('Bounce', 'robot@example.org');
  await record('Delivery', home);

  await scene('the list has pages, which have addresses', async ({ page, goes, reads }) => {
    await goes('/bounces', /nobody@example\.org/);
    assert.equal(await page.locator('tbody tr').count(), 50);
    await page.click('text=Next page');
    await page.waitForURL(/cursor=/);
    await page.locator('text=First page').waitFor();
    await reads(/user6\d@example/);
    const first = await page.locator('tbody tr').first().innerText();
    await page.goto(page.url());
    await reads(/user6\d@example/);
    assert.equal(await page.locator('tbody tr').first().innerText(), first, 'the address alone shows the same page');
    await page.click('text=Next page');
    await reads(/all that there is/);
    assert.equal(await page.locator('tbody tr').count(), bounces + 2 - 100);
    await page.click('text=First page');
    await reads(/nobody@example\.org/);
  });

  const filters: [name: string, value: string, fits: RegExp, rows: number][] = [
    ['recipient', 'nobody@example.org', /nobody@example\.org/, 1],
    ['recipient', '@example.edu', /@example\.edu/, 24],
    ['sender', home, /from ann@example\.com/, 2],
    ['site', 'mx.example.net', /mx\.example\.net/, 24],
    ['code', '5.7.1', /5\.7\.1/, 24],
    ['class', 'QuotaIssues', /QuotaIssues/, 24],
    ['tenant', 'acme', /user\d*7@/, 12],
    ['text', 'such user here', /no such user here/, 2],
  ];
  await scene('every filter is in the address, and a link shows the same', async ({ page, reads }) => {
    await page.goto('/bounces');
    for (const [name, value, fits, rows] of filters) {
      await page.locator('tbody tr:nth-child(50)').waitFor();
      await page.fill(`[name=${name}]`, value);
      await page.waitForURL((url) => url.searchParams.get(name) === value);
      await page.locator(`tbody:not(:has(tr:nth-child(${rows + 1}))) tr:nth-child(${rows})`).waitFor();
      for (const row of await page.locator('tbody tr').allInnerTexts()) assert.match(row, fits, `${name}=${value}`);
      await page.goto(page.url());
      await page.locator(`tbody:not(:has(tr:nth-child(${rows + 1}))) tr:nth-child(${rows})`).waitFor();
      assert.equal(await page.inputValue(`[name=${name}]`), value);
      await page.click('text=Clear');
      await page.waitForURL((url) => url.search === '');
    }
    await reads(/nobody@example\.org/);
    await page.selectOption('[name=since]', '15m');
    await page.waitForURL(/since=15m/);
    await page.selectOption('[name=type]', 'Expiration');
    await reads(/Nothing fits/);
    await page.goBack();
    await page.goForward();
    await reads(/Nothing fits/);
  });

  await scene(
    'a filter that makes no sense is told at its field',
    async ({ page, goes, reads }) => {
      await goes('/bounces', /nobody@example\.org/);
      await page.fill('[name=code]', 'nonsense');
      await reads(/expected a code such as/);
      assert.equal(await page.getAttribute('[name=code]', 'aria-invalid'), 'true');
    },
    { tolerates: / 400 / },
  );

  await scene('what happens comes by itself, also what happened while nobody looked', async ({ page, goes, reads }) => {
    await goes('/bounces', /nobody@example\.org/);
    await mail('moved@example.org');
    await reads(/moved@example\.org/);
    assert.match(await page.locator('tbody tr').first().innerText(), /moved@example\.org/, 'the newest is on top');
    await page.goto('/bounces?recipient=@example.org&class=InvalidRecipient');
    await reads(/moved@example\.org/);
    const hide = (isHidden: boolean): Promise<unknown> =>
      page.evaluate(
        `Object.defineProperty(document, 'hidden', { value: ${isHidden}, configurable: true }); document.dispatchEvent(new Event('visibilitychange'))`,
      );
    await hide(true);
    await mail('gone@example.org');
    await record('Bounce', 'gone@example.org');
    await hide(false);
    await reads(/gone@example\.org/);
  });

  await scene('one says what was said, what it means, how it came to that and what its sender was told', async ({ page, goes, reads }) => {
    await goes('/bounces', /nobody@example\.org/);
    await page.click('text=nobody@example.org');
    await page.waitForURL(new RegExp(`/bounces/${bounce.event_id}$`));
    await reads(/mx\.example\.org \[127\.0\.0\.1\] said to RCPT\s+550 5\.1\.1 no such user here/);
    await reads(/There is no mailbox with this address[\s\S]*Status 5\.1\.1/);
    await reads(/InvalidRecipient/);
    await reads(/connecting to mx\.example\.org[\s\S]*we\s+RCPT TO:<nobody@example\.org>[\s\S]*server\s+550 5\.1\.1 no such user here/);
    await reads(/From\s+"?Mail Delivery Subsystem[\s\S]*To\s+ann@example\.com[\s\S]*Your message could not be delivered to:/);
    await page.click('text=Source');
    await reads(/Content-Type: multipart\/report[\s\S]*Final-Recipient: rfc822; nobody@example\.org[\s\S]*Subject: Spring offers/i);
    const [download] = await Promise.all([page.waitForEvent('download'), page.click('text=Download .eml')]);
    assert.match(download.suggestedFilename(), /^report-.*\.eml$/);
    const report = parseRfc3464(await readFile(await download.path()));
    assert.equal(report?.recipients[0]?.finalRecipient?.value ?? report?.recipients[0]?.finalRecipient, 'nobody@example.org');
    await page.click('text=The record, as it is in the log');
    await reads(new RegExp(`"event_id": "${bounce.event_id}"`));
    await reads(/sent to its sender, as/);
    await page.click('dd:has-text("sent to its sender") a');
    await reads(/It is a report on/);
    await page.goBack();
    await reads(/said to RCPT/);
    await page.click('dd a:has-text("mx.example.org")');
    await page.waitForURL(/\/bounces\?site=default-%3Emx\.example\.org$/);
    await reads(/nobody@example\.org/);
  });

  await scene('a report that was not made says why', ({ goes }) =>
    goes(
      `/bounces/${silent.event_id}`,
      /none, on purpose: it was sent by a machine \(Auto-Submitted\) \[auto-submitted\][\s\S]*Nobody was told, on purpose: it was sent by a machine/,
    ),
  );

  await scene('its report is made again', async ({ page, goes, reads, confirms }) => {
    await goes(`/bounces/${bounce.event_id}`, /said to RCPT/);
    await page.click('text=Make the report again');
    await confirms('she deleted it', /It runs/);
    await page.click('dialog >> text=Close');
    await reads(/to bounces: repeated/);
    await page.click('text=Make the report again');
    await page.check('[name=force]');
    await confirms('she deleted it, really', /It runs/);
    await page.click('text=see what becomes of it');
    await reads(/she deleted it, really[\s\S]*1 of 1 done|1 of 1 done[\s\S]*she deleted it, really/);
    await relay.until(({ type, recipient }) => type === 'Delivery' && recipient === home, 4);
  });

  await scene('its message is delivered again', async ({ page, goes, reads, confirms }) => {
    answers.delete('nobody@example.org');
    await goes(`/bounces/${bounce.event_id}`, /said to RCPT/);
    await page.click('text=Deliver again');
    await confirms('the mailbox exists now', /It runs/);
    await page.click('dialog >> text=Close');
    const delivery = await record('Delivery', 'nobody@example.org');
    await reads(new RegExp(`Delivered again\\s+as ${delivery.id}[\\s\\S]*to redeliver: redelivered`));
    await page.click(`text=${delivery.id}`);
    await reads(/Delivered again from[\s\S]*delivered/);
  });

  await scene(
    'a rule is made of its reply, and tried',
    async ({ page, goes, reads }) => {
      await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
      await goes(`/bounces/${bounce.event_id}`, /said to RCPT/);
      await page.click('text=Rule from this reply');
      const rule = await page.inputValue('dialog textarea');
      assert.deepEqual(JSON.parse(rule), { '550 5\\.1\\.1 no such user here': 450 });
      await page.click('text=Try it on what servers said');
      await reads(/4 of \d+ refusals since [^\n]* would have been changed[\s\S]*mx\.example\.org[\s\S]*no such user here/);
      await page.click('text=Copy the rule');
      await reads(/Copied/);
      assert.equal(await page.evaluate('navigator.clipboard.readText()'), rule);
      await page.fill('dialog textarea', '{"(": 450}');
      await page.click('text=Try it on what servers said');
      await page.locator('dialog [role=alert]:not(:empty)').waitFor();
      await page.keyboard.press('Escape');
      await page.locator('dialog').waitFor({ state: 'detached' });
    },
    { tolerates: / 4(?:00|22) / },
  );
});
