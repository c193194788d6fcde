import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import axe from 'axe-core';
import { chromium, type Browser, type BrowserContextOptions, type Page } from 'playwright-core';
import { cleanUp } from './cleanup.ts';
import { explainAbsence } from './foreign-tools.ts';

const unpacked = fileURLToPath(new URL('../../.tools/', import.meta.url));
const places = [
  ...(process.env['PATH'] ?? '')
    .split(delimiter)
    .flatMap((folder) => ['chromium', 'chromium-browser', 'google-chrome'].map((name) => join(folder, name))),
  join(unpacked, 'usr/lib/chromium/chromium'),
];
const machine = process.arch === 'arm64' ? 'aarch64-linux-gnu' : 'x86_64-linux-gnu';
const ownLibraries = {
  LD_LIBRARY_PATH: `${unpacked}usr/lib/${machine}:${unpacked}lib/${machine}`,
  XDG_DATA_DIRS: `${unpacked}usr/share:/usr/share`,
};
/** Milliseconds. */
const patience = 30_000;

/** A page that keeps account of what went wrong on it. */
export interface WatchedPage {
  page: Page;
  /** Errors of scripts and of the console, what the Content-Security-Policy forbade, and requests to other hosts. */
  complaints: string[];
  /** Waits until these words are to be read. Rejects after thirty seconds with what is there. */
  reads(words: RegExp): Promise<void>;
  /** What axe finds, each with the elements that have it. */
  audit(): Promise<string[]>;
  /** What is wrong with what is shown now, in light and dark colours, wide and narrow. */
  flaws(): Promise<string[]>;
}

export interface TestBrowser {
  open(options?: BrowserContextOptions): Promise<WatchedPage>;
}

/** Debian's chromium; undefined where there is none: on CI that is a failure, elsewhere the test says so. */
export async function startBrowser(t: TestContext): Promise<TestBrowser | undefined> {
  const program = places.find((place) => existsSync(place));
  if (program === undefined) {
    explainAbsence(t, 'chromium');
    return undefined;
  }
  const browser = await chromium.launch({
    executablePath: program,
    args: ['--no-sandbox', '--disable-dev-shm-usage'],
    env: { ...process.env, ...(program.startsWith(unpacked) && ownLibraries) },
  });
  cleanUp(t, () => browser.close());
  return { open: (options) => openPage(browser, options) };
}

async function openPage(browser: Browser, options: BrowserContextOptions = {}): Promise<WatchedPage> {
  const context = await browser.newContext({
    viewport: { width: 1280, height: 800 },
    timezoneId: 'UTC',
    reducedMotion: 'reduce',
    ...options,
  });
  const page = await context.newPage();
  const complaints: string[] = [];
  // `data:` and `blob:` go nowhere.
  const isOurs = (url: string): boolean => /^(?:data:|blob:|https?:\/\/127\.0\.0\.1[:/])/.test(url);
  page.on('request', (request) => isOurs(request.url()) || complaints.push(`request to another host: ${request.url()}`));
  page.on('dialog', (dialog) => {
    complaints.push(`a script opened a dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on('pageerror', (error) => complaints.push(`error: ${error.message}`));
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning')
      complaints.push(`${message.type()}: ${message.text()} ${message.location().url}`);
  });
  return {
    page,
    complaints,
    reads: async (words) => {
      // Asked from here: the policy of the page lets nobody make a function of text there.
      const deadline = Date.now() + patience;
      for (;;) {
        const text = await page.locator('body').innerText();
        if (words.test(text)) return;
        if (Date.now() > deadline) throw new Error(`${words} is not on ${page.url()}, but:\n${text.slice(0, 3000)}`);
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    },
    audit: () => audit(page),
    flaws: () => flawsOf(page),
  };
}

/** Through the debugger: the policy of the page allows no foreign script. */
async function audit(page: Page, rules?: string[]): Promise<string[]> {
  const session = await page.context().newCDPSession(page);
  const evaluate = async (expression: string): Promise<unknown> =>
    (await session.send('Runtime.evaluate', { expression, awaitPromise: true, returnByValue: true })).result.value;
  if ((await evaluate('typeof axe')) !== 'object') await evaluate(axe.source);
  const options = { resultTypes: ['violations'], ...(rules && { runOnly: rules }) };
  const found = await evaluate(
    `axe.run(document, ${JSON.stringify(options)}).then((r) => JSON.stringify(r.violations.map((v) => v.id + ': ' + v.nodes.map((n) => n.target.join(' ') + ' (' + (n.any[0]?.message ?? n.failureSummary ?? '') + ')').slice(0, 5).join('; '))))`,
  );
  await session.detach();
  return JSON.parse(String(found)) as string[];
}

/** The other colours change nothing but colours. */
async function flawsOf(page: Page): Promise<string[]> {
  const flaws: string[] = [];
  for (const width of [1280, 375]) {
    await page.setViewportSize({ width, height: 800 });
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      const found = await audit(page, colorScheme === 'dark' ? ['color-contrast'] : undefined);
      flaws.push(...found.map((flaw) => `${width} px, ${colorScheme}: ${flaw}`));
    }
    const needed = Number(await page.evaluate('document.documentElement.scrollWidth'));
    if (needed > width) flaws.push(`${width} px: it is ${needed} wide`);
  }
  await page.emulateMedia({ colorScheme: 'light' });
  await page.setViewportSize({ width: 1280, height: 800 });
  return flaws;
}
