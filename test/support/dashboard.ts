import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { BrowserContextOptions, Page } from 'playwright-core';
import type { ConfigInput } from '../../shared/core/config.ts';
import { recipientsOf, type DispositionRecord, type RecordType } from '../../shared/core/disposition.ts';
import { openContext } from '../../shared/io/context.ts';
import { announceWorker } from '../../shared/io/worker-registry.ts';
import { run as runAdmin } from '../../workers/admin/main.ts';
import { startBrowser, type TestBrowser, type WatchedPage } from './browser.ts';
import { cleanUp } from './cleanup.ts';
import { startFakeDns } from '../../shared/io/fake-dns.ts';
import { handling, policyFolder } from './policy.ts';
import { startRole } from './processes.ts';
import { startRebound, type Relay } from './relay.ts';

export type Role = 'viewer' | 'operator' | 'admin';

export interface SceneOptions {
  /** Who looks; default an operator. */
  as?: Role;
  browser?: BrowserContextOptions;
  /** Complaints that belong to what is tried: a browser tells of every answer that is no good one. */
  tolerates?: RegExp;
}

/** A page of somebody who is logged in. */
export interface Scene extends WatchedPage {
  /** Goes to a path and waits for words. */
  goes(path: string, words: RegExp): Promise<void>;
  /** Fills in the reason of the dialog and confirms; resolves when its words are there. */
  confirms(reason: string, words: RegExp): Promise<void>;
}

/** A running system with an admin role, seen by a browser. */
export interface Stage {
  url: string;
  relay: Relay;
  /** The rule file, where there is one. */
  ruleFile: string;
  browser: TestBrowser;
  /** What the servers answer to a recipient, from now on. */
  answers: Map<string, string>;
  mail(to: string | string[], fields?: { subject?: string; from?: string; header?: string }): Promise<void>;
  /** The first record of this kind, once it is there. */
  record(type: RecordType, recipient: string): Promise<DispositionRecord>;
  /** A request beside the browser, as this role. */
  ask(as: Role, method: string, path: string, body?: unknown): Promise<{ status: number; json: Record<string, unknown> }>;
  /** Opens a page, tries something on it, and fails if anything went wrong on it. */
  scene(name: string, act: (scene: Scene) => Promise<void>, options?: SceneOptions): Promise<void>;
}

export interface StageOptions {
  config?: ConfigInput;
  /** Puts something into the log before anything looks at it. */
  before?: (relay: Relay) => Promise<void>;
  /** Its delivery is a process of its own, with a rule file and a policy. */
  rules?: boolean;
}

const people: Record<Role, string> = { viewer: 'vera', operator: 'otto', admin: 'ada' };
/** Of everybody. */
export const password = 'sesame';
export const home = 'ann@example.com';
/** Each is a site of its own. */
const domains = ['example.com', 'example.net', 'example.org', 'example.edu'];
const retryLater = '1h';
/** Milliseconds. */
const patience = 30_000;

/** Undefined where there is no browser. */
export async function startStage(t: TestContext, options: StageOptions = {}): Promise<Stage | undefined> {
  const browser = await startBrowser(t);
  if (!browser) return undefined;
  const dns = await startFakeDns();
  cleanUp(t, () => dns[Symbol.asyncDispose]());
  for (const domain of domains) {
    dns.set(domain, { mx: [[10, `mx.${domain}`]] });
    dns.set(`mx.${domain}`, { a: ['127.0.0.1'] });
  }
  const answers = new Map<string, string>();
  const rules = options.rules ? await writeRules(t) : undefined;
  const relay = await startRebound(t, {
    config: {
      hostname: 'relay.example.com',
      admin: { port: 0, users: (Object.keys(people) as Role[]).map((role) => ({ name: people[role], password, role })) },
      bounce: { keepOriginals: '1d' },
      outbound: { dnsServers: [dns.server] },
      ...rules,
      ...options.config,
      retry: { interval: retryLater, maxInterval: retryLater, maxAge: '5h', ...options.config?.retry },
    },
    deliveries: options.rules ? 0 : 1,
    redis: ['--appendonly', 'yes', '--appendfsync', 'always'],
    sink: { name: 'mx.example.org', rules: { rcpt: ({ recipient }) => answers.get(recipient) } },
  });
  if (options.rules) await startDelivery(t, relay);
  for (const role of ['ingress', ...(options.rules ? [] : ['delivery']), 'bounce', 'admin']) {
    const process = await announceWorker({ ...relay.observer, instance: `${role}-test` }, role, 'test', () => ({}));
    cleanUp(t, () => process.close());
  }
  await options.before?.(relay);
  const context = await openContext(relay.config, relay.redis.url, 'admin-test', { failFast: true });
  cleanUp(t, () => context.close());
  const worker = await runAdmin(context);
  cleanUp(t, () => worker.close());
  const url = worker.describe;
  const ask: Stage['ask'] = async (as, method, path, body) => {
    const answer = await fetch(`${url}${path}`, {
      method,
      headers: {
        authorization: `Basic ${Buffer.from(`${people[as]}:${password}`).toString('base64')}`,
        ...(body !== undefined && { 'content-type': 'application/json' }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    return { status: answer.status, json: (await answer.json().catch(() => ({}))) as Record<string, unknown> };
  };
  return {
    url,
    relay,
    ruleFile: rules?.delivery.rules[0] ?? '',
    browser,
    answers,
    ask,
    mail: async (to, { subject = 'Your order', from = home, header = '' } = {}) => {
      const list = typeof to === 'string' ? [to] : to;
      const id = `${subject.replace(/[^a-z]+/gi, '-').toLowerCase()}.${list[0] ?? ''}`;
      const raw = `From: ${from}\r\nTo: ${list.join(', ')}\r\nSubject: ${subject}\r\nMessage-ID: <${id}>\r\n${header}\r\nThank you for your order.\r\n`;
      await relay.send({ from, to: list, raw: Buffer.from(raw) });
    },
    record: (type, recipient) => untilRecord(relay, type, recipient),
    scene: (name, act, sceneOptions = {}) => t.test(name, () => play(browser, url, act, sceneOptions)),
  };
}

async function startDelivery(t: TestContext, relay: Relay): Promise<void> {
  const role = await startRole(t, 'delivery', relay.redis, relay.config);
  for (const deadline = Date.now() + patience; !role.log().includes('"event":"ready"'); ) {
    if (Date.now() > deadline) throw new Error(`the delivery process is not at work within ${patience} ms:\n${role.log()}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function play(
  browser: TestBrowser,
  url: string,
  act: (scene: Scene) => Promise<void>,
  { as = 'operator', browser: options, tolerates }: SceneOptions,
): Promise<void> {
  const watched = await browser.open({ baseURL: url, ...options });
  const { page, reads, complaints } = watched;
  try {
    const answer = await page.context().request.post('/api/login', { data: { user: people[as], password } });
    assert.equal(answer.status(), 200, 'the login');
    await act({
      ...watched,
      goes: async (path, words) => {
        await page.goto(path);
        await reads(words);
      },
      confirms: async (reason, words) => {
        await page.fill('dialog [name=reason]', reason);
        await page.click('dialog [type=submit]');
        await reads(words);
      },
    });
    assert.deepEqual(
      complaints.filter((line) => !tolerates?.test(line)),
      [],
      'errors of scripts, breaches of the policy and requests to other hosts',
    );
  } finally {
    await page.context().close();
  }
}

/** Looks at the newest alone: before them there may be thousands. */
async function untilRecord(relay: Relay, type: RecordType, recipient: string): Promise<DispositionRecord> {
  const { redis } = relay.observer;
  const deadline = Date.now() + patience;
  for (;;) {
    const newest = (await redis.client.xrevrange(redis.key('log'), '+', '-', 'COUNT', 200)).map(
      ([, fields]) => JSON.parse(fields[1] ?? '{}') as DispositionRecord,
    );
    const found = newest.findLast((record) => record.type === type && recipientsOf(record).includes(recipient));
    if (found) return found;
    const seen = newest.slice(0, 30).map((one) => `${one.type} ${recipientsOf(one).join(',')} ${one.response.content}`);
    if (Date.now() > deadline) throw new Error(`no ${type} of ${recipient} within ${patience} ms; the newest are:\n${seen.join('\n')}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function writeRules(t: TestContext) {
  const folder = await mkdtemp(join(tmpdir(), 'rebound-dashboard-'));
  cleanUp(t, () => rm(folder, { recursive: true, force: true }));
  const file = join(folder, 'rules.json');
  await writeFile(file, '{\n  "(?i)mailbox (is )?full": 552,\n  "(?i)greylist": 451\n}\n');
  const policy = await policyFolder({ after: (work) => cleanUp(t, work) }, handling({ smtp_server_rewrite_response: '() => undefined' }));
  return { delivery: { rules: [file], rulesInterval: '50ms' }, policy: { file: policy.file } };
}

const pictures = fileURLToPath(new URL('../../docs/screenshots/', import.meta.url));

/** Writes a picture for the documentation, when it is asked for: SCREENSHOTS=1. */
export async function picture(page: Page, name: string): Promise<void> {
  if (!process.env['SCREENSHOTS']) return;
  await mkdir(pictures, { recursive: true });
  await page.screenshot({ path: join(pictures, `${name}.png`), animations: 'disabled', caret: 'hide' });
}

/** The lane of a domain's site. */
export const laneOf = async (stage: Stage, domain: string): Promise<string> => {
  const { json } = await stage.ask('viewer', 'GET', `/api/lanes?site=${domain}`);
  const [lane] = (json['lanes'] as { lane: string }[] | undefined) ?? [];
  assert.ok(lane, `a lane of ${domain}`);
  return lane.lane;
};
