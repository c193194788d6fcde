import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bounceRecord, startTestAdmin } from '../support/admin.ts';
import { startBrowser } from '../support/browser.ts';

test('what is slow holds up nothing else on the overview', async (t) => {
  const browser = await startBrowser(t);
  if (!browser) return;
  const admin = await startTestAdmin(t);
  await admin.publish(bounceRecord());
  const { page, reads } = await browser.open();
  const slow = Promise.withResolvers<void>();
  await page.route('**/api/status', async (route) => {
    await slow.promise;
    await route.continue();
  });
  await page.goto(`http://127.0.0.1:${admin.port}/`);
  await reads(/Latest bounces[\s\S]*no such user/);
  await reads(/Queue\s+–/);
  slow.resolve();
  await reads(/Queue\s+0\s+0 ready/);
});

test('a relay that has just begun has a chart to look at', async (t) => {
  const browser = await startBrowser(t);
  if (!browser) return;
  const admin = await startTestAdmin(t);
  await admin.publish(bounceRecord());
  const { page } = await browser.open();
  await page.goto(`http://127.0.0.1:${admin.port}/`);
  const plot = page.locator('.plot[role=img]').nth(1);
  // As soon as the first seconds are worth a rate, and not after the first minute.
  await page.locator('.plot[aria-label="Bounce rate: of what ended 100 % now, 100 at most"]').waitFor();
  const box = await plot.boundingBox();
  assert.ok(box && box.height > 0 && box.height <= 180, 'the axis has no more room than its words take');
});
