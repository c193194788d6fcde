import assert from 'node:assert/strict';
import { test } from 'node:test';
import { home, laneOf, picture, startStage, type Scene } from '../support/dashboard.ts';
import { writeHistory } from '../support/dashboard-history.ts';

/** What is wrong with what is shown: in both colours, wide and narrow. */
async function isSound({ flaws, page }: Scene, what = page.url()): Promise<void> {
  assert.deepEqual(await flaws(), [], what);
}

const small = { width: 375, height: 800 };

test('every page and every dialog is sound, in light and dark colours, wide and narrow', async (t) => {
  const stage = await startStage(t, { rules: true, before: (relay) => writeHistory(relay, 160) });
  if (!stage) return;
  const { scene, mail, record, answers } = stage;
  answers.set('nina@example.org', '550 5.1.1 <nina@example.org>: Recipient address rejected: User unknown in virtual mailbox table');
  answers.set('paul@example.net', '452 4.2.2 The mailbox is full');
  answers.set('maria@example.edu', '451 4.7.1 Greylisted, please try again later');
  await mail(['bob@example.org', 'nina@example.org', 'maria@example.edu'], { subject: 'Your order 4711', from: home });
  await mail('paul@example.net', { subject: 'Your order 4712' });
  const bounce = await record('Bounce', 'nina@example.org');
  await record('Bounce', 'paul@example.net');
  await record('TransientFailure', 'maria@example.edu');
  await record('Delivery', home);
  const waiting = await laneOf(stage, 'example.edu');
  const { json: order } = await stage.ask('operator', 'POST', '/api/orders', {
    kind: 'suspend',
    criteria: { site: 'mx.example.net' },
    duration: '6h',
    reason: 'they asked us to wait until their move is over',
  });
  assert.ok(order['id']);
  const begun = await stage.ask('operator', 'POST', '/api/replays', {
    to: 'bounces',
    message: bounce.id,
    type: 'Bounce',
    force: true,
    reason: 'she deleted the first report',
  });

  await scene('Overview', async (look) => {
    await look.goes('/', /counted[\s\S]*InvalidRecipient[\s\S]*mx\.example\.org[\s\S]*Latest bounces[\s\S]*User unknown[\s\S]*alive/);
    await isSound(look);
    await look.page.setViewportSize({ width: 1280, height: 1120 });
    await look.page.locator('.chart canvas').first().waitFor();
    await picture(look.page, 'overview');
    for (const range of ['6h', '24h']) {
      await look.page.click(`button:text-is("${range}")`);
      await look.page.waitForURL(new RegExp(`range=${range}`));
    }
  });

  await scene('Bounces', async (look) => {
    await look.goes('/bounces', /nina@example\.org/);
    await isSound(look);
    await picture(look.page, 'bounces');
  });

  await scene('a bounce, and what is done to it', async (look) => {
    const { page, goes, reads } = look;
    await goes(`/bounces/${bounce.event_id}`, /RCPT TO:<nina@example\.org>[\s\S]*Your message could not be delivered to:[\s\S]*/);
    await reads(/to bounces: (?!not yet)/);
    await isSound(look);
    await page.setViewportSize({ width: 1280, height: 1240 });
    await picture(page, 'bounce');
    await page.emulateMedia({ colorScheme: 'dark' });
    await page.setViewportSize(small);
    await picture(page, 'bounce-phone');
    await page.emulateMedia({ colorScheme: 'light' });
    await page.click('text=Source');
    await isSound(look);
    for (const button of ['Make the report again', 'Deliver again']) {
      await page.click(`text=${button}`);
      await page.locator('dialog[open]').waitFor();
      await isSound(look, button);
      await page.keyboard.press('Escape');
      await page.locator('dialog').waitFor({ state: 'detached' });
    }
    await page.click('text=Rule from this reply');
    await page.click('text=Try it on what servers said');
    await reads(/would have been changed/);
    await isSound(look, 'the dialog of a rule');
    await picture(page, 'rule');
  });

  await scene('Messages', async (look) => {
    await look.goes('/messages?find=nina@example.org', /bounced/);
    await isSound(look);
    await look.goes(`/messages/${bounce.id}`, /received[\s\S]*User unknown[\s\S]*its sender was told/);
    await isSound(look);
    await look.page.setViewportSize({ width: 1280, height: 1000 });
    await picture(look.page, 'message');
    await look.page.click('text=Bounce what still waits');
    await isSound(look, 'the dialog that ends a message');
  });

  await scene('Lanes', async (look) => {
    const { page, goes, reads } = look;
    await goes('/lanes', /\d lanes[\s\S]*they asked us to wait/);
    await isSound(look);
    await picture(page, 'lanes');
    await page.click('table >> text=Resume');
    await isSound(look, 'the dialog that ends an order');
    await goes(`/lanes/${encodeURIComponent(waiting)}`, /What it last said[\s\S]*Greylisted/);
    await isSound(look);
    for (const verb of ['Suspend', 'Hold', 'Retry now', 'Limit', 'Bounce', 'Drop']) {
      await page.click(`.actions >> text=${verb}…`);
      await reads(/Waiting now/);
      await isSound(look, verb);
      if (verb === 'Suspend') {
        await page.selectOption('dialog [name=duration]', '1h');
        await page.fill('dialog [name=reason]', 'they greylist us for days');
        await page.emulateMedia({ colorScheme: 'dark' });
        await picture(page, 'lane');
        await page.emulateMedia({ colorScheme: 'light' });
      }
      await page.keyboard.press('Escape');
      await page.locator('dialog').waitFor({ state: 'detached' });
    }
    await page.click('.actions >> text=Suspend…');
    await page.fill('dialog [name=reason]', 'they greylist us for days');
    await page.click('dialog [type=submit]');
    await reads(/Undo: resume/);
    await isSound(look, 'an order that was given');
    await page.click('text=Undo: resume');
    await reads(/It is undone/);
  });

  await scene('Replays', async (look) => {
    const { page, goes, reads } = look;
    await goes('/replays', /she deleted the first report/);
    await page.click('button:text-is("Preview")');
    await reads(/records fit/);
    await isSound(look);
    await page.setViewportSize({ width: 1280, height: 1000 });
    await picture(page, 'replays');
    await page.click('text=Begin this replay…');
    await isSound(look, 'the dialog that begins a replay');
    await goes(`/replays/${String(begun.json['id'])}`, /1 of 1 done/);
    await isSound(look);
  });

  await scene(
    'Rules, API, and a page that is none',
    async (look) => {
      await look.goes('/rules', /2 hits since[\s\S]*in force/);
      await look.page.click('text=Try them');
      await look.reads(/would have been changed/);
      await isSound(look);
      await picture(look.page, 'rules');
      await look.goes('/docs', /openapi\.json/);
      await isSound(look);
      await look.goes('/lanes/nothing', /there is no such lane/);
      await isSound(look);
    },
    { tolerates: / 404 / },
  );

  await scene('Queues', async (look) => {
    await look.goes('/queues', /default->mx\.example\.edu/);
    await look.page.locator(`text=${waiting}`).first().waitFor();
    await picture(look.page, 'queues');
  });
});

test('the login is sound, alone and over a page whose session has ended', async (t) => {
  const stage = await startStage(t);
  if (!stage) return;
  const { page, flaws } = await stage.browser.open();
  await page.goto(stage.url);
  await page.locator('main.login').waitFor();
  assert.deepEqual(await flaws(), []);
  await page.fill('[name=user]', 'otto');
  await page.fill('[name=password]', 'sesame');
  await page.keyboard.press('Enter');
  await page.locator('nav.nav').waitFor();
  await page.context().clearCookies();
  await page.locator('dialog[open]').waitFor();
  assert.deepEqual(await flaws(), []);
});
