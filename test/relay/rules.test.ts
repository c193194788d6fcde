import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import type { ConfigInput } from '../../shared/core/config.ts';
import { recipientsOf } from '../../shared/core/disposition.ts';
import { parseRfc3464 } from '../../shared/core/dsn/parse.ts';
import { freePort } from '../support/ports.ts';
import { startRole } from '../support/processes.ts';
import { cleanUp } from '../support/cleanup.ts';
import { startRebound, type Relay } from '../support/relay.ts';
import type { SinkMoment, SinkRules } from '../../shared/io/sink-server.ts';

const home = 'ann@home.test';

async function ruleFile(t: TestContext, rules: unknown): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'rebound-rules-'));
  cleanUp(t, () => rm(folder, { recursive: true, force: true }));
  const path = join(folder, 'rules.json');
  await writeFile(path, JSON.stringify(rules));
  return path;
}

/** A relay whose delivery goes by these rules; the sink answers as told, but takes reports. */
async function startWithRules(t: TestContext, rules: unknown, sink: SinkRules, delivery: ConfigInput['delivery'] = {}): Promise<Relay> {
  const file = await ruleFile(t, rules);
  return startRebound(t, { config: { delivery: { rules: [file], rulesInterval: '20ms', ...delivery } }, sink: { rules: sink } });
}

/** What `look` finds, once it finds it; rejects after twenty seconds. */
async function waitFor(look: () => Promise<string | false>): Promise<string> {
  const deadline = Date.now() + 20_000;
  for (;;) {
    const found = await look();
    if (found !== false) return found;
    if (Date.now() > deadline) throw new Error('not within 20 s');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Answers everything but reports. */
const toMail =
  (answer: string) =>
  ({ sender, line }: SinkMoment): string | undefined =>
    sender || (line.startsWith('MAIL') && !line.includes('<>')) ? answer : undefined;

const conditions: [condition: string, sink: SinkRules, command: string][] = [
  ['MAIL', { mail: toMail('452 4.2.2 over quota') }, 'MAIL'],
  ['RCPT', { rcpt: toMail('452 4.2.2 over quota') }, 'RCPT'],
  ['DATA', { data: toMail('452 4.2.2 over quota') }, 'DATA'],
  ['the final dot', { message: toMail('452 4.2.2 over quota') }, '.'],
];
for (const [condition, sink, command] of conditions) {
  test(`a rule makes a 4xx to ${condition} a bounce at once, and the report has the words of the server (rule 116)`, async (t) => {
    const relay = await startWithRules(t, { 'over quota': 550 }, sink);
    await relay.send({ from: home, to: 'bob@dest.test' });
    const [bounce] = await relay.until((r) => r.type === 'Bounce');
    assert.equal(bounce?.num_attempts, 1);
    assert.deepEqual(
      [bounce.response.code, bounce.response.enhanced_code, bounce.response.command, bounce.response.rewritten_from],
      [550, { class: 5, subject: 2, detail: 2 }, command, 452],
    );
    assert.equal(bounce.response.content, 'over quota (rebound: status was rewritten from 452 -> 550)');
    assert.equal(bounce.bounce_classification, 'QuotaIssues');
    const report = parseRfc3464((await relay.sink.next()).bytes);
    const [told] = report?.recipients ?? [];
    assert.deepEqual([told?.action, told?.status, told?.diagnostic], ['failed', '5.2.2', { type: 'smtp', value: '452 4.2.2 over quota' }]);
    await relay.until((r) => r.type === 'Delivery' && r.sender === '');
    assert.deepEqual(await relay.leftovers(), []);
  });
}

test('a rule makes a 5xx a further try, and the message is delivered then', async (t) => {
  let attempts = 0;
  const relay = await startWithRules(
    t,
    { 'blocked for now': '451 4.7.1' },
    { rcpt: () => (++attempts < 3 ? '554 5.7.1 blocked for now' : undefined) },
  );
  await relay.send({ from: home, to: 'bob@dest.test' });
  const [first] = await relay.until((r) => r.type === 'TransientFailure');
  assert.deepEqual([first?.response.code, first?.response.rewritten_from, typeof first?.next_attempt], [451, 554, 'number']);
  await relay.until((r) => r.type === 'Delivery');
  assert.deepEqual(await relay.records('Bounce'), []);
});

test('each recipient is judged by its own response, and what no rule speaks of stays as it was', async (t) => {
  const rcpt = {
    'full@dest.test': '452 4.2.2 over quota',
    'vip@dest.test': '452 4.2.2 over quota, but a VIP',
    'gone@dest.test': '550 5.1.1 unknown',
  };
  const rules = [
    { match: 'VIP', code: null },
    { match: 'over quota', code: 552 },
    { match: 'unknown', code: 450, domain: 'other.test' },
  ];
  const relay = await startWithRules(t, rules, { rcpt });
  await relay.send({ from: home, to: [...Object.keys(rcpt), 'bob@dest.test'] });
  const records = await relay.until((r) => r.sender === home && r.type !== 'Reception' && r.num_attempts === 1, 4);
  const seen = Object.fromEntries(records.flatMap((r) => recipientsOf(r).map((to) => [to, `${r.type} ${r.response.code}`])));
  assert.deepEqual(seen, {
    'full@dest.test': 'Bounce 552',
    'vip@dest.test': 'TransientFailure 452',
    'gone@dest.test': 'Bounce 550',
    'bob@dest.test': 'Delivery 250',
  });
});

const breaks: [setting: 'escaped' | 'space', pattern: string][] = [
  ['escaped', '^450 4\\.2\\.1 off\\\\r\\\\nask ann$'],
  ['space', '^450 4\\.2\\.1 off ask ann$'],
];
for (const [setting, pattern] of breaks) {
  test(`with line breaks ${setting} a rule sees several lines as ${pattern}`, async (t) => {
    const rcpt = toMail('450-4.2.1 off\r\n450 4.2.1 ask ann');
    const relay = await startWithRules(t, { [pattern]: 550 }, { rcpt }, { responseLineBreaks: setting });
    await relay.send({ from: home, to: 'bob@dest.test' });
    const [bounce] = await relay.until((r) => r.type === 'Bounce');
    assert.deepEqual(bounce?.response.lines, ['off', 'ask ann (rebound: status was rewritten from 450 -> 550)']);
    const report = parseRfc3464((await relay.sink.next()).bytes);
    assert.match(report?.recipients[0]?.diagnostic?.value.replace(/\s+/g, ' ') ?? '', /^450-4\.2\.1 off 450 4\.2\.1 ask ann$/);
  });
}

test('what is said to a connection, and a reply that counts recipients, is not rewritten', async (t) => {
  const relay = await startWithRules(t, { '.': 550 }, { rcpt: toMail('452 4.5.3 too many recipients') });
  await relay.send({ from: home, to: 'bob@dest.test' });
  const [deferred] = await relay.until((r) => r.type === 'TransientFailure');
  assert.deepEqual([deferred?.response.code, deferred?.response.rewritten_from], [452, undefined]);
  const refusing = await startWithRules(t, { '.': 550 }, { connect: '450 4.7.1 not now' });
  await refusing.send({ from: home, to: 'bob@dest.test' });
  const [unconnected] = await refusing.until((r) => r.type === 'TransientFailure');
  assert.equal(unconnected?.response.rewritten_from, undefined);
});

test('what we ourselves refuse to send is not rewritten', async (t) => {
  const file = await ruleFile(t, { '.': 450 });
  const relay = await startRebound(t, { config: { delivery: { rules: [file] } }, sink: { extensions: ['SIZE 100'] }, bounces: false });
  await relay.send({ from: home, to: 'bob@dest.test', text: 'x'.repeat(500) });
  const [bounce] = await relay.until((r) => r.type === 'Bounce');
  assert.deepEqual([bounce?.response.local, bounce?.response.rewritten_from], [true, undefined]);
});

test('a class of a rule file is recorded, and counted as "other"', async (t) => {
  const file = await ruleFile(t, { 'over quota': 'FullBox' });
  const relay = await startRebound(t, {
    config: { delivery: { rules: [file] } },
    sink: { rules: { rcpt: { 'a@dest.test': '552 5.2.2 over quota', 'b@dest.test': '550 5.1.1 unknown' } } },
    deliveries: 0,
  });
  const port = await freePort();
  const delivery = await startRole(t, 'delivery', relay.redis, { ...relay.config, health: { host: '127.0.0.1', port } });
  await relay.send({ from: home, to: ['a@dest.test', 'b@dest.test'] });
  const bounces = await relay.until((r) => r.type === 'Bounce', 2);
  assert.deepEqual(bounces.map((r) => r.bounce_classification).sort(), ['FullBox', 'InvalidRecipient']);
  assert.match(delivery.log(), /"event":"rules_loaded"/);
  // The counter follows the record.
  const metrics = await waitFor(async () => {
    const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    return /rebound_bounces_classified_total\{[^}]*class="other"[^}]*\} 1/.test(text) && text;
  });
  assert.match(metrics, /rebound_bounces_classified_total\{[^}]*class="InvalidRecipient"[^}]*\} 1/);
  assert.match(metrics, /rebound_rule_loads_total\{result="loaded"[^}]*\} 1/);
  assert.doesNotMatch(metrics, /FullBox/);
});

test('rules are taken up while mail flows, and a broken file leaves them in force', async (t) => {
  const file = await ruleFile(t, { nothing: 500 });
  const relay = await startRebound(t, {
    config: { delivery: { rules: [file], rulesInterval: '20ms' }, retry: { interval: '100ms', maxInterval: '100ms' } },
    sink: { rules: { rcpt: toMail('450 4.2.1 <bob@dest.test>: inactive') } },
  });
  await relay.send({ from: home, to: 'one@dest.test' });
  await relay.until((r) => r.type === 'TransientFailure');
  await writeFile(file, '{"inactive": 550}');
  await relay.until((r) => r.type === 'Bounce' && r.recipient === 'one@dest.test');
  await writeFile(file, '{"inactive": 45');
  await relay.send({ from: home, to: 'two@dest.test' });
  await relay.until((r) => r.type === 'Bounce' && r.recipient === 'two@dest.test' && r.response.rewritten_from === 450);
});

test('a delivery process does not start with a rule file that it cannot use, and says why', async (t) => {
  const file = await ruleFile(t, { 'a(': 550 });
  const relay = await startRebound(t, { deliveries: 0, bounces: false });
  const { delivery } = relay.config;
  const role = await startRole(t, 'delivery', relay.redis, { ...relay.config, delivery: { ...delivery, rules: [file] } });
  if (role.child.exitCode === null) await once(role.child, 'exit');
  assert.equal(role.child.exitCode, 1);
  assert.match(role.log(), /rules\.json:1: rule 1, "a\(": missing closing/);
});
