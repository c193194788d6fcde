import assert from 'node:assert/strict';
import { test } from 'node:test';
import { recipientsOf } from '../../shared/core/disposition.ts';
import { home, laneOf, startStage, type Scene, type Stage } from '../support/dashboard.ts';

/** A message that waits for a retry in the lane of its domain. */
async function defer({ answers, mail, record }: Stage, to: string): Promise<void> {
  answers.set(to, '451 4.7.1 try later');
  await mail(to);
  await record('TransientFailure', to);
}

const recordsOf = async ({ relay }: Stage, recipient: string): Promise<string[]> =>
  (await relay.records()).filter((record) => recipientsOf(record).includes(recipient)).map(({ type }) => type);

/** Opens one of the dialogs of a lane. */
async function opens({ page, goes, reads }: Scene, lane: string, verb: string, preview: RegExp): Promise<void> {
  await goes(`/lanes/${encodeURIComponent(lane)}`, /What it last said/);
  await page.click(`.actions >> text=${verb}…`);
  await page.locator('dialog[open]').waitFor();
  await reads(preview);
}

test('lanes are seen, and every order to them acts on real mail', async (t) => {
  const stage = await startStage(t);
  if (!stage) return;
  const { scene, mail, record, answers } = stage;
  await defer(stage, 'later@example.org');
  await defer(stage, 'later@example.net');
  const [org, net] = [await laneOf(stage, 'example.org'), await laneOf(stage, 'example.net')];

  await scene('the list is filtered and sorted, and leads to a lane', async ({ page, goes, reads }) => {
    await goes('/lanes', /2 lanes/);
    await page.fill('[name=site]', 'example.net');
    await page.waitForURL(/site=example\.net/);
    await reads(/1 lane\b/);
    await page.selectOption('[name=sort]', 'age');
    await page.waitForURL(/sort=age/);
    await page.click('text=Clear');
    await reads(/2 lanes/);
    await page.click('th a:has-text("mx.example.org")');
    await reads(
      /Backlog[\s\S]*For a retry\s+1[\s\S]*Next retry\s+in (?:59|1 h)[\s\S]*Limits in force[\s\S]*Connections[\s\S]*451 4\.7\.1 try later/,
    );
    await page.click('text=Its jobs in BullMQ');
    await page.waitForURL(/\/queues\/queue\//);
  });

  await scene('suspended with a reason for a time, nothing goes; undone at once, it goes', async (look) => {
    const { page, reads, confirms } = look;
    await opens(look, org, 'Suspend', /Waiting now: 1 message with 1 recipient in 1 lane\.[\s\S]*ann@example\.com to later@example\.org/);
    await page.selectOption('dialog [name=duration]', '1h');
    await page.click('dialog [type=submit]');
    assert.equal(await page.locator('dialog [name=reason]:invalid').count(), 1, 'a reason is needed');
    await confirms('they asked us to', /Undo: resume/);
    await reads(/mx\.example\.org suspended[\s\S]*Orders in force[\s\S]*they asked us to[\s\S]*otto[\s\S]*in (?:59 min|1 h)/);
    await mail('held@example.org');
    await reads(/Ready\s+1/);
    assert.deepEqual(await recordsOf(stage, 'held@example.org'), ['Reception']);
    await page.click('text=Undo: resume');
    await reads(/It is undone/);
    await record('Delivery', 'held@example.org');
    await page.click('dialog >> text=Close');
    await reads(/None: all goes as settings and policy say/);
  });

  await scene('what is not undone at once is ended from the list of orders, with a reason', async (look) => {
    const { page, goes, reads, confirms } = look;
    await opens(look, org, 'Hold', /Waiting now/);
    await confirms('their disk is full', /Undo: release/);
    await page.click('dialog >> text=Close');
    await mail('patient@example.org');
    const { id } = await record('Delayed', 'patient@example.org');
    await goes(`/messages/${id}`, /held by an administrator: their disk is full/);
    await page.goto('/lanes');
    await reads(/their disk is full[\s\S]*it is ended/);
    await page.click('table >> text=Release');
    await reads(/The order of otto \(their disk is full\) ends/);
    await confirms('they have bought one', /the order holds no more/);
    await record('Delivery', 'patient@example.org');
    const { json } = await stage.ask('viewer', 'GET', '/api/orders?state=all');
    const [order] = json['orders'] as { ended: { who: string; reason: string } }[];
    assert.deepEqual([order?.ended.who, order?.ended.reason], ['otto', 'they have bought one']);
  });

  await scene(
    'limits are set for a time, shown as those of an order, and lifted',
    async (look) => {
      const { page, reads, confirms } = look;
      await opens(look, net, 'Limit', /Waiting now/);
      await page.fill('dialog [name=rate]', 'fast');
      await page.fill('dialog [name=reason]', 'they are small');
      await page.click('dialog [type=submit]');
      await reads(/expected a rate such as/);
      await page.fill('dialog [name=connections]', '2');
      await page.fill('dialog [name=concurrency]', '1');
      await page.fill('dialog [name=rate]', '50/s');
      await page.selectOption('dialog [name=duration]', '15m');
      await confirms('they are small', /Undo: lift/);
      await page.click('dialog >> text=Close');
      await reads(/Connections\s+2 by an order[\s\S]*Transactions at once\s+1 by an order[\s\S]*50 messages in 1 s by an order/);
      await page.click('table >> text=Lift');
      await confirms('they have grown', /the order holds no more/);
      await page.click('dialog >> text=Close');
      await page.locator('dd:has-text("by an order")').first().waitFor({ state: 'detached' });
    },
    { tolerates: / 4(?:00|22) / },
  );

  await scene('tried now, what waited for an hour is delivered', async (look) => {
    await opens(look, net, 'Retry now', /Waiting now: 1 message with 1 recipient in 1 lane/);
    answers.delete('later@example.net');
    await look.confirms('their server is back', /It is (?:working|in force|ended): /);
    await record('Delivery', 'later@example.net');
  });

  await scene('bounced, senders are told with the reason', async (look) => {
    await opens(look, org, 'Bounce', /later@example\.org[\s\S]*Senders get reports/);
    await look.confirms('the site is closed for good', /([1-9]) of \1 messages? done/);
    const { id } = await record('AdminBounce', 'later@example.org');
    const report = await stage.relay.sink.next(({ bytes }) => bytes.includes('the site is closed for good'));
    assert.deepEqual(report.recipients, [home]);
    await look.page.click('dialog >> text=Close');
    await look.reads(/For a retry\s+0/);
    await look.goes(`/messages/${id}`, /ended by admin[\s\S]*the site is closed for good/);
  });

  await scene('dropped, what waited is gone and nobody is told', async (look) => {
    await defer(stage, 'junk@example.edu');
    await opens(look, await laneOf(stage, 'example.edu'), 'Drop', /This cannot be undone[\s\S]*junk@example\.edu/);
    await look.confirms('it is junk', /([1-9]) of \1 messages? done/);
    await look.page.click('dialog >> text=Close');
    await look.reads(/For a retry\s+0/);
    const told = stage.relay.sink.messages.filter(({ bytes }) => bytes.includes('multipart/report') && bytes.includes('junk@example.edu'));
    assert.equal(told.length, 0);
  });

  await scene(
    'an undo that fails says so, and can be tried again',
    async (look) => {
      const { page, reads, confirms } = look;
      await opens(look, net, 'Suspend', /Waiting now/);
      await confirms('to be undone', /Undo: resume/);
      await page.route('**/api/orders/*', (route) => (route.request().method() === 'DELETE' ? route.abort() : route.continue()));
      await page.click('text=Undo: resume');
      await reads(/the server does not answer/);
      await page.unrouteAll({ behavior: 'wait' });
      await page.click('text=Undo: resume');
      await reads(/It is undone/);
    },
    { tolerates: /ERR_FAILED/ },
  );
});
