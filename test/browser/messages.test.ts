import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { home, startStage } from '../support/dashboard.ts';
import { writeHistory } from '../support/dashboard-history.ts';

test('messages are found and ended, records replayed, rules tried', async (t) => {
  const stage = await startStage(t, { rules: true, before: (relay) => writeHistory(relay, 60, true) });
  if (!stage) return;
  const { scene, mail, record, answers, ruleFile } = stage;
  answers.set('full@example.net', '452 4.2.2 mailbox is full');
  answers.set('nobody@example.org', '550 5.1.1 no such user');
  answers.set('later@example.edu', '451 4.7.1 try later');
  await mail(['bob@example.org', 'nobody@example.org', 'later@example.edu'], { subject: 'Three of them' });
  await mail('full@example.net');
  const bounce = await record('Bounce', 'nobody@example.org');
  await record('Bounce', 'full@example.net');
  await record('Delivery', 'bob@example.org');
  await record('TransientFailure', 'later@example.edu');
  await record('Delivery', home);
  const messageId = 'three-of-them.bob@example.org';

  await scene('a message is found by what somebody has of it', async ({ page, goes, reads }) => {
    const dashed = bounce.id.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
    for (const id of [bounce.id, dashed, ` ${bounce.id.toUpperCase()} `]) {
      await goes('/messages', /What happened to a message/);
      await page.fill('[name=find]', id);
      await page.keyboard.press('Enter');
      await page.waitForURL(new RegExp(`/messages/${bounce.id}$`));
      await reads(/What happened, for each recipient/);
    }
    for (const text of [`<${messageId}>`, messageId, 'nobody@example.org', '@example.edu', 'later@example.edu']) {
      await goes('/messages', /What happened to a message/);
      await page.fill('[name=find]', text);
      await page.click('text=Find');
      await page.waitForURL(/find=/);
      await page.locator(`tbody a[href="/messages/${bounce.id}"]`).waitFor();
    }
    await page.goto('/messages?find=stranger@example.org');
    await reads(/Nothing was found/);
  });

  await scene('its page tells for each recipient what happened, from reception to the end', async ({ page, goes, reads }) => {
    await goes(`/messages/${bounce.id}`, new RegExp(`Sender\\s+ann@example\\.com[\\s\\S]*<${messageId}>`));
    const one = (recipient: string): Promise<string> => page.locator(`article:has(h3:has-text("${recipient}"))`).innerText();
    await reads(/its sender was told/);
    assert.match(await one('bob@example.org'), /bob@example\.org delivered[\s\S]*received[\s\S]*delivered[\s\S]*250/);
    assert.match(await one('nobody@example.org'), /bounced[\s\S]*received[\s\S]*550 5\.1\.1 no such user[\s\S]*its sender was told/);
    assert.match(
      await one('later@example.edu'),
      /waits for a retry\s+next attempt in [\s\S]*default->mx\.example\.edu[\s\S]*451 4\.7\.1 try later/,
    );
    await page.locator('a:text-is("conversation")').first().click();
    await page.waitForURL(/#conversation$/);
    await reads(/The SMTP conversation[\s\S]*EHLO relay\.example\.com/);
  });

  await scene('what still waits is bounced, with a reason that its sender reads', async ({ page, goes, reads, confirms }) => {
    await goes(`/messages/${bounce.id}`, /waits for a retry/);
    await page.click('text=Bounce what still waits');
    await reads(/Concerns 1 recipient:\s+later@example\.edu/);
    await confirms('the offer is over', /1 recipient ended; the sender is told/);
    await page.click('dialog >> text=Close');
    await reads(/ended by admin[\s\S]*the offer is over/);
    assert.equal(await page.locator('text=Bounce what still waits').count(), 0, 'nothing waits any more');
    await stage.relay.sink.next(({ bytes }) => bytes.includes('the offer is over'));
  });

  await scene(
    'records are chosen, previewed, replayed and told one by one',
    async ({ page, goes, reads }) => {
      await goes('/replays', /Choose/);
      await page.fill('[name=since]', 'nonsense');
      await page.click('button:text-is("Preview")');
      await reads(/expected how long ago/);
      await page.fill('[name=since]', '1h');
      await page.fill('[name=type]', 'Bounce');
      await page.fill('[name=sender]', home);
      await page.fill('[name=site]', 'mx.example.org');
      await page.click('button:text-is("Preview")');
      await reads(/1 record fits[\s\S]*mx\.example\.org[\s\S]*InvalidRecipient[\s\S]*nobody@example\.org/);
      await page.fill('[name=code]', '5xx');
      assert.equal(await page.locator('text=Begin this replay').count(), 0, 'another choice is looked at first');
      await page.click('button:text-is("Preview")');
      await page.click('text=Begin this replay…');
      await page.fill('dialog [name=rate]', '5');
      await page.check('dialog [name=force]');
      await page.fill('dialog [name=reason]', 'they want it twice');
      await page.click('dialog [type=submit]');
      await page.waitForURL(/\/replays\/.+/);
      await reads(/they want it twice[\s\S]*5 records a second at most, also what was sent before/);
      await reads(/1 of 1 done/);
      await reads(/nobody@example\.org[\s\S]*sent/);
      await page.goto('/replays');
      await reads(/they want it twice[\s\S]*otto/);
      await page.selectOption('[name=to]', 'redeliver');
      await page.fill('[name=sender]', home);
      await page.fill('[name=class]', 'InvalidRecipient');
      await page.click('button:text-is("Preview")');
      await reads(/1 record fits/);
    },
    { tolerates: / 400 / },
  );

  await scene('a replay that runs is ended for good', async ({ page, goes, reads, confirms }) => {
    await goes('/replays', /Choose/);
    await page.fill('[name=sender]', 'shop@example.com');
    await page.click('button:text-is("Preview")');
    await reads(/60 records fit/);
    await page.click('text=Begin this replay…');
    await page.fill('dialog [name=rate]', '1');
    await page.fill('dialog [name=reason]', 'by mistake');
    await page.click('dialog [type=submit]');
    await page.waitForURL(/\/replays\/.+/);
    await page.click('text=End for good…');
    await reads(/What was done stays done/);
    await confirms('it was a mistake', /Done\./);
    await page.click('dialog >> text=Close');
    await reads(/cancelled/);
    assert.equal(await page.locator('text=End for good').count(), 0);
  });

  await scene(
    'rules and policy: what is loaded, how often it decided, what is wrong, and what would be',
    async ({ page, goes, reads }) => {
      await goes('/rules', /rules\.json[\s\S]*2 rules, version [0-9a-f]{12}, 1 hit since \d/);
      await reads(/Line\s+Pattern\s+Hits\s+2\s+\(\?i\)mailbox \(is \)\?full\s+1/);
      await reads(/Policy[\s\S]*in force[\s\S]*policy\.ts[\s\S]*smtp_server_rewrite_response/);
      await page.fill('textarea', '{ "(?i)no such user": 450 }');
      await page.click('text=Try them');
      await reads(/1 of \d+ refusals since [^\n]* would have been changed[\s\S]*no such user/);
      await page.fill('textarea', '{ "nothing fits this": 450 }');
      await page.click('text=Try them');
      await reads(/0 of \d+ refusals[\s\S]*None of them fits/);
      await page.fill('textarea', '{ "(": 450 }');
      await page.click('text=Try them');
      await page.locator('form [role=alert]:not(:empty)').waitFor();
      await writeFile(ruleFile, '{ "(": 450 }');
      await reads(/A later version is not in force/);
    },
    { tolerates: / 4(?:00|22) / },
  );
});
