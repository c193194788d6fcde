import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { openContext } from '../../shared/io/context.ts';
import type { ConfigInput } from '../../shared/core/config.ts';
import { egressPath } from '../../shared/core/lane.ts';
import { openPipeline } from '../../shared/io/pipeline.ts';
import { run as runAdmin } from '../../workers/admin/main.ts';
import { bounceRecord, startTestAdmin } from '../support/admin.ts';
import { startBrowser } from '../support/browser.ts';
import { cleanUp } from '../support/cleanup.ts';
import { startRebound, type Relay } from '../support/relay.ts';

/** What a server may say, and a client may call itself. */
const hostile = `<script>document.title='owned'</script><img src=x onerror="document.title='owned'">'"\u202e\u001b[31m`;

interface Dashboard {
  url: string;
  relay: Relay;
  /** A recipient who was refused, and the record of it. */
  bounced: { message: string; event: string; lane: string };
  /** One that has run; none where a login is needed. */
  replay: string;
}

/** A running system in which some mail went well and some did not, and its admin worker. */
async function startDashboard(t: TestContext, admin: ConfigInput['admin'] = {}): Promise<Dashboard> {
  const relay = await startRebound(t, {
    config: { admin: { port: 0, ...admin }, retry: { interval: '1h', maxInterval: '1h', maxAge: '5h' } },
    sink: {
      rules: {
        rcpt: {
          'nobody@dest.test': '550 5.1.1 no such user',
          'full@dest.test': '452 4.2.2 mailbox full',
          'evil@dest.test': `550 5.7.1 ${hostile.replace(/[^ -~]/g, '')}`,
        },
      },
    },
  });
  const context = await openContext(relay.config, relay.redis.url, 'admin-test', { failFast: true });
  cleanUp(t, () => context.close());
  const worker = await runAdmin(context);
  cleanUp(t, () => worker.close());
  for (const to of ['bob@dest.test', 'nobody@dest.test', 'full@dest.test', 'evil@dest.test'])
    await relay.send({ from: 'ann@home.test', to });
  const [record] = await relay.until(({ type, recipient }) => type === 'Bounce' && recipient === 'nobody@dest.test');
  await relay.until(({ type }) => type === 'Bounce', 2);
  await relay.until(({ type }) => type === 'TransientFailure');
  await relay.until(({ type, recipient }) => type === 'Delivery' && recipient === 'ann@home.test', 2);
  assert.ok(record);
  const { lanes } = (await (await fetch(`${worker.describe}/api/lanes`)).json().catch(() => ({}))) as { lanes?: { lane: string }[] };
  const begun = await fetch(`${worker.describe}/api/replays`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ to: 'bounces', message: record.id, type: 'Bounce', reason: 'for the test' }),
  });
  const { id: replay = '' } = (await begun.json()) as { id?: string };
  return { url: worker.describe, relay, replay, bounced: { message: record.id, event: record.event_id, lane: lanes?.[0]?.lane ?? '' } };
}

/** The pages, each with words that it has when its data are there. */
const pagesOf = ({ bounced, replay }: Dashboard): [path: string, words: RegExp][] => [
  ['/', /Latest bounces[\s\S]*no such user/],
  ['/bounces', /no such user/],
  [
    `/bounces/${bounced.event}`,
    /There is no mailbox with this address[\s\S]*RCPT TO:<nobody@dest\.test>[\s\S]*Your message could not be delivered to:/,
  ],
  ['/messages?find=nobody@dest.test', /bounced/],
  [`/messages/${bounced.message}`, /received[\s\S]*no such user/],
  ['/lanes', /1 lane/],
  [`/lanes/${encodeURIComponent(bounced.lane)}`, /What it last said[\s\S]*no such user/],
  ['/replays', /for the test/],
  [`/replays/${replay}`, /1 of 1 done/],
  ['/rules', /Try rules on what servers said/],
  ['/docs', /openapi\.json/],
];

for (const colorScheme of ['light', 'dark'] as const) {
  test(`every page is sound in ${colorScheme} colours, wide and narrow`, async (t) => {
    const browser = await startBrowser(t);
    if (!browser) return;
    const dashboard = await startDashboard(t);
    for (const width of [1280, 375]) {
      const { page, complaints, audit, reads } = await browser.open({ colorScheme, viewport: { width, height: 800 } });
      for (const [path, words] of pagesOf(dashboard)) {
        await page.goto(dashboard.url + path);
        await reads(words);
        assert.deepEqual(await audit(), [], `${path} at ${width} px: what axe finds`);
        assert.ok(Number(await page.evaluate('document.documentElement.scrollWidth')) <= width, `${path} fits into ${width} px`);
        assert.deepEqual(complaints, [], `${path} at ${width} px: errors of scripts and of the policy`);
      }
      await page.close();
    }
  });
}

test('what clients and servers wrote is text on every page', async (t) => {
  const browser = await startBrowser(t);
  if (!browser) return;
  const dashboard = await startDashboard(t);
  const { queues, dispositions } = openPipeline(dashboard.relay.observer);
  const tx = queues.begin();
  const record = bounceRecord({
    id: dashboard.bounced.message,
    sender: hostile,
    recipient: ['nobody@dest.test', hostile],
    nodeid: hostile,
    site: egressPath(dashboard.bounced.lane),
    bounce_classification: hostile,
    event_time: hostile,
    created_time: hostile,
    peer_address: { name: hostile, addr: hostile },
    response: { code: 550, enhanced_code: null, content: hostile, command: hostile, lines: [hostile, hostile] },
    reception_protocol: hostile,
  });
  dispositions.publish(tx, record);
  dispositions.publish(tx, bounceRecord({ id: '../../x"><script>', type: '<script>' as never, recipient: hostile }));
  await tx.exec();
  const { page, complaints, reads } = await browser.open();
  const paths = [
    '/',
    '/bounces',
    `/bounces/${record.event_id}`,
    `/messages/${record.id}`,
    `/lanes/${encodeURIComponent(dashboard.bounced.lane)}`,
  ];
  for (const path of paths) {
    await page.goto(dashboard.url + path);
    await reads(/<script>document\.title/);
    assert.equal(await page.evaluate('document.querySelectorAll("main script, main img, main style").length'), 0, path);
    assert.ok(!(await page.title()).includes('owned'), path);
    assert.ok(!/[\u202e\u001b]/.test(String(await page.evaluate('document.body.innerText'))), `${path} shows what would turn text around`);
  }
  // No conversation was ever had over this record.
  assert.deepEqual(
    complaints.filter((line) => !/ 404 .*\/conversation$/.test(line)),
    [],
  );
});

test('a person logs in where he wanted to go, works in a session, and is told when it has ended', async (t) => {
  const browser = await startBrowser(t);
  if (!browser) return;
  const { url, relay } = await startDashboard(t, { users: [{ name: 'ann', password: 'sesame', role: 'viewer' }] });
  const { page, reads } = await browser.open();
  const logIn = async (password: string): Promise<void> => {
    await page.fill('[name=password]', password);
    await page.keyboard.press('Enter');
  };
  await page.goto(`${url}/queues`);
  await page.fill('[name=user]', 'ann');
  await logIn('wrong');
  await reads(/the login is wrong/);
  await logIn('sesame');
  await page.waitForSelector('text=sessions');
  assert.equal(await page.title(), 'Rebound queues');
  await page.goto(`${url}/lanes?site=127`);
  await reads(/1 lane\b/);
  assert.equal(await page.evaluate('document.cookie'), '', 'no script reads the cookie');
  const keys = await relay.observer.redis.client.keys('*admin-session*');
  await relay.observer.redis.client.del(...keys);
  await page.waitForSelector('dialog[open]');
  await reads(/session expired/);
  await logIn('sesame');
  await page.waitForSelector('dialog[open]', { state: 'detached' });
  assert.match(page.url(), /\/lanes\?site=127$/, 'he is where he was');
  await reads(/1 lane\b/);
  await page.click('text=Log out');
  await page.waitForSelector('main.login');
  assert.equal(await page.evaluate('fetch("/api/me").then((r) => r.status)'), 401);
});

test('bounces are found by their filters, which are in the URL, and new ones come by themselves', async (t) => {
  const browser = await startBrowser(t);
  if (!browser) return;
  const { url, relay } = await startDashboard(t);
  const { page, complaints, reads } = await browser.open();
  await page.goto(`${url}/bounces`);
  await reads(/nobody@dest\.test/);
  await page.fill('[name=recipient]', 'evil@dest.test');
  await page.waitForURL(/recipient=evil/);
  await page.waitForSelector('text=nobody@dest.test', { state: 'detached' });
  await page.locator('tbody tr').first().waitFor();
  assert.equal(await page.locator('tbody tr').count(), 1);
  await relay.send({ from: 'ann@home.test', to: 'evil@dest.test' });
  await page.locator('tbody tr').nth(1).waitFor();
  await page.fill('[name=recipient]', '');
  await page.fill('[name=code]', 'nonsense');
  await reads(/expected a code such as/);
  assert.deepEqual(
    complaints.filter((line) => !line.includes('400')),
    [],
  );
});

test('a lane is suspended from its page with a reason, and resumed; a viewer is not offered it', async (t) => {
  const browser = await startBrowser(t);
  if (!browser) return;
  const users = (['operator', 'viewer'] as const).map((role) => ({ name: role, password: role, role }));
  const { url, bounced } = await startDashboard(t, { users });
  const logIn = async (name: string) => {
    const opened = await browser.open();
    await opened.page.goto(`${url}/lanes`);
    await opened.page.fill('[name=user]', name);
    await opened.page.fill('[name=password]', name);
    await opened.page.keyboard.press('Enter');
    await opened.page.click('tbody th a');
    await opened.reads(/What it last said/);
    return opened;
  };
  assert.equal(bounced.lane, '', 'the API asks for a login');
  const { page, reads } = await logIn('operator');
  await page.click('text=Suspend…');
  await reads(/messages with \d+ recipients wait now/);
  await page.fill('[name=reason]', 'they asked us to');
  await page.keyboard.press('Enter');
  await reads(/Undo: resume/);
  await page.click('dialog >> text=Close');
  await reads(/Orders in force[\s\S]*they asked us to/);
  await page.click('table >> text=Resume');
  await page.fill('[name=reason]', 'they are well again');
  await page.keyboard.press('Enter');
  await reads(/the order holds no more/);
  const viewer = await logIn('viewer');
  assert.equal(await viewer.page.locator('text=Suspend…').count(), 0);
});

test('the board has the way back on top, and its jobs lead to their message', async (t) => {
  const browser = await startBrowser(t);
  if (!browser) return;
  const { url, bounced } = await startDashboard(t);
  const { page, reads, complaints } = await browser.open();
  await page.goto(`${url}/queues/queue/${encodeURIComponent(bounced.lane)}?status=delayed`);
  await page.locator('#root a[href^="/messages/"]').first().waitFor();
  await page.click('.rebound-bar >> text=Lanes');
  await reads(/1 lane/);
  assert.deepEqual(complaints, []);
});

test('without Redis the page says so, and goes on when it is back', async (t) => {
  const browser = await startBrowser(t);
  if (!browser) return;
  const admin = await startTestAdmin(t);
  await admin.publish(bounceRecord());
  const { page, reads } = await browser.open();
  await page.goto(`http://127.0.0.1:${admin.port}/`);
  await reads(/Latest bounces[\s\S]*no such user/);
  await admin.redis.kill();
  await page.waitForSelector('.link.lost');
  await reads(/no such user/); // what was shown stays
  await admin.redis.restart();
  await page.waitForSelector('.link.live');
});
