import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import { configSchema, type ConfigInput } from '../../shared/core/config.ts';
import type { DeliveryJob } from '../../shared/core/delivery-job.ts';
import { recipientsOf } from '../../shared/core/disposition.ts';
import { parseRfc3464 } from '../../shared/core/dsn/parse.ts';
import type { Outcome } from '../../shared/core/outcome.ts';
import { openMetrics } from '../../shared/io/metrics.ts';
import { openPolicy } from '../../shared/io/policy.ts';
import type { SinkMoment, SinkRules } from '../../shared/io/sink-server.ts';
import { policyRewriter, rewriteOutcomes } from '../../workers/delivery/rewrite.ts';
import type { World } from '../../workers/delivery/world.ts';
import { cleanUp } from '../support/cleanup.ts';
import { freePort } from '../support/ports.ts';
import { handling, policyFolder, type PolicyFolder } from '../support/policy.ts';
import { startRole } from '../support/processes.ts';
import { startRebound, type Relay } from '../support/relay.ts';

const home = 'ann@home.test';
const examples = new URL('../../infra/examples/', import.meta.url);

const rewriting = (handler: string): string => handling({ smtp_client_rewrite_delivery_status: handler });

/** A relay with this policy, whose handlers have all the time they want; the sink answers as told, but takes reports. */
async function startWithPolicy(t: TestContext, text: string, sink: SinkRules, config: ConfigInput = {}): Promise<Relay> {
  const { file } = await policyFolder(t, text);
  return startRebound(t, { config: { policy: { file, timeout: '50s' }, ...config }, sink: { rules: sink } });
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
  test(`a policy makes a 4xx to ${condition} a bounce at once, and the report has the words of the server (rule 116)`, async (t) => {
    const relay = await startWithPolicy(t, rewriting("(response) => (response === '452 4.2.2 over quota' ? 550 : undefined)"), sink);
    await relay.send({ from: home, to: 'bob@dest.test' });
    const [bounce] = await relay.until((r) => r.type === 'Bounce');
    assert.equal(bounce?.num_attempts, 1);
    assert.deepEqual(
      [bounce.response.code, bounce.response.enhanced_code, bounce.response.command, bounce.response.rewritten_from],
      [550, { class: 5, subject: 2, detail: 2 }, command, 452],
    );
    assert.equal(bounce.response.content, 'over quota (rebound: status was rewritten from 452 -> 550)');
    const report = parseRfc3464((await relay.sink.next()).bytes);
    const [told] = report?.recipients ?? [];
    assert.deepEqual([told?.action, told?.status, told?.diagnostic], ['failed', '5.2.2', { type: 'smtp', value: '452 4.2.2 over quota' }]);
    await relay.until((r) => r.type === 'Delivery' && r.sender === '');
    assert.deepEqual(await relay.leftovers(), []);
  });
}

test('a policy makes a 5xx a further try, with an enhanced code of its own, and the message is delivered then', async (t) => {
  let attempts = 0;
  const rcpt = () => (++attempts < 3 ? '554 5.7.1 blocked for now' : undefined);
  const relay = await startWithPolicy(t, rewriting("() => [451, '4.7.26']"), { rcpt });
  await relay.send({ from: home, to: 'bob@dest.test' });
  const [first] = await relay.until((r) => r.type === 'TransientFailure');
  assert.deepEqual(
    [first?.response.code, first?.response.enhanced_code, first?.response.rewritten_from],
    [451, { class: 4, subject: 7, detail: 26 }, 554],
  );
  assert.match(first?.response.content ?? '', /^blocked for now \(rebound: status was rewritten from 554 -> 451\)$/);
  await relay.until((r) => r.type === 'Delivery');
  assert.deepEqual(await relay.records('Bounce'), []);
});

const breaks: [setting: 'escaped' | 'space', want: string][] = [
  ['escaped', '450 4.2.1 off\\r\\nask ann'],
  ['space', '450 4.2.1 off ask ann'],
];
for (const [setting, want] of breaks) {
  test(`with line breaks ${setting} a policy is given several lines as ${want}`, async (t) => {
    // String.raw, so that the four characters are four.
    const handler = `(response) => (response === String.raw\`${want}\` ? 550 : undefined)`;
    const rcpt = toMail('450-4.2.1 off\r\n450 4.2.1 ask ann');
    const relay = await startWithPolicy(t, rewriting(handler), { rcpt }, { delivery: { responseLineBreaks: setting } });
    await relay.send({ from: home, to: 'bob@dest.test' });
    const [bounce] = await relay.until((r) => r.type === 'Bounce');
    assert.deepEqual(bounce?.response.lines, ['off', 'ask ann (rebound: status was rewritten from 450 -> 550)']);
  });
}

const queues: [queue: string, want: string[]][] = [
  ['dest.test', ['dest.test', 'nil', 'nil', 'dest.test']],
  ['acme@dest.test', ['dest.test', 'acme', 'nil', 'dest.test']],
  ['c1:acme@dest.test!route.test', ['dest.test', 'acme', 'c1', 'route.test']],
  ['c1:@dest.test', ['dest.test', 'nil', 'c1', 'dest.test']],
];
test('a policy is given domain, tenant, campaign and routing domain of the queue; the last is the domain where none is set', async (t) => {
  const conditions = queues.map(([, want], n) => `args.join() === '${want.join()}' ? ${510 + n}`).join(' : ');
  const { file } = await policyFolder(
    t,
    rewriting(`(response, ...all) => { const args = all.map((arg) => arg ?? 'nil'); return ${conditions} : 400; }`),
  );
  const { delivery } = configSchema.parse({});
  const context = { log: pino({ level: 'silent' }), metrics: openMetrics() };
  const policy = await openPolicy({ file, timeout: 50_000 }, context.log, context.metrics);
  cleanUp(t, () => policy.close());
  const world = { rewriters: [policyRewriter(policy, delivery)], context } as unknown as World;
  const refused: Outcome = { kind: 'refused', reply: { code: 450, lines: ['off'], command: 'RCPT' } };
  for (const [n, [queue]] of queues.entries()) {
    const [outcome] = await rewriteOutcomes([refused], { queue } as DeliveryJob, 'default->dest.test', world);
    assert.equal(outcome?.reply.code, 510 + n, queue);
  }
});

test('replies in the same words are asked about once in an attempt, and each recipient is judged by its own', async (t) => {
  const rcpt = {
    'a@dest.test': '452 4.2.2 over quota',
    'b@dest.test': '452 4.2.2 over quota',
    'c@dest.test': '550 5.1.1 unknown',
  };
  // Counting shows in the code: 551 for the first reply that is asked about, 552 for the second.
  const policy = handling(
    { smtp_client_rewrite_delivery_status: "(response) => (response.startsWith('452') ? 551 + asked++ : 450)" },
    'let asked = 0;',
  );
  const relay = await startWithPolicy(t, policy, { rcpt });
  await relay.send({ from: home, to: [...Object.keys(rcpt), 'd@dest.test'] });
  const records = await relay.until((r) => r.sender === home && r.type !== 'Reception' && r.num_attempts === 1, 3);
  const seen = records.flatMap((r) => recipientsOf(r).map((to) => `${to} ${r.type} ${r.response.code}`)).sort();
  assert.deepEqual(seen, [
    'a@dest.test Bounce 551',
    'b@dest.test Bounce 551',
    'c@dest.test TransientFailure 450',
    'd@dest.test Delivery 250',
  ]);
});

test('more different replies than are asked about at once are all asked about', async (t) => {
  const to = Array.from({ length: 25 }, (_, n) => `r${n}@dest.test`);
  const rcpt = Object.fromEntries(to.map((address, n) => [address, `450 4.2.1 box ${n} is off`]));
  const relay = await startWithPolicy(t, rewriting('(response) => 500 + Number(/box (\\d+)/.exec(response)?.[1])'), { rcpt });
  await relay.send({ from: home, to });
  const bounces = await relay.until((r) => r.type === 'Bounce' && r.num_attempts === 1, 25);
  const seen = bounces.map((r) => `${recipientsOf(r).join()} ${r.response.code}`).sort();
  assert.deepEqual(seen, to.map((address, n) => `${address} ${500 + n}`).sort());
});

test('the policy goes first: what it decides the rule files are not asked about, what it leaves they decide', async (t) => {
  const rules = { 'rules.json': '{ "over quota": 552, "inactive": 553, "gone": 450 }' };
  const handler = "(response) => (response.includes('over quota') ? 554 : response.includes('gone') ? 550 : undefined)";
  const folder = await policyFolder(t, rewriting(handler), rules);
  const rcpt = {
    'full@dest.test': '452 4.2.2 over quota',
    'off@dest.test': '450 4.2.1 inactive',
    // The server's own code is a decision too: this one stays as it is.
    'gone@dest.test': '550 5.1.1 gone',
  };
  const config: ConfigInput = { policy: { file: folder.file, timeout: '50s' }, delivery: { rules: [folder.path('rules.json')] } };
  const relay = await startRebound(t, { config, sink: { rules: { rcpt } } });
  await relay.send({ from: home, to: Object.keys(rcpt) });
  const bounces = await relay.until((r) => r.type === 'Bounce', 3);
  const seen = Object.fromEntries(bounces.map((r) => [recipientsOf(r).join(), [r.response.code, r.response.rewritten_from]]));
  assert.deepEqual(seen, { 'full@dest.test': [554, 452], 'off@dest.test': [553, 450], 'gone@dest.test': [550, undefined] });
});

const failures: [kind: string, handler: string, timeout: string][] = [
  ['error', "() => { throw new Error('no way'); }", '50s'],
  ['nonsense', '() => 250', '50s'],
  ['timeout', '() => new Promise<number>(() => undefined)', '100ms'],
];
for (const [kind, handler, timeout] of failures) {
  test(`a handler that fails (${kind}) leaves the code of the server, and is counted and logged`, async (t) => {
    const { file } = await policyFolder(t, rewriting(handler));
    const relay = await startRebound(t, { sink: { rules: { rcpt: toMail('450 4.2.1 off') } }, deliveries: 0, bounces: false });
    const { role, metrics } = await deliveryWith(t, relay, { file, timeout });
    await relay.send({ from: home, to: 'bob@dest.test' });
    const [failure] = await relay.until((r) => r.type === 'TransientFailure');
    assert.deepEqual([failure?.response.code, failure?.response.rewritten_from, failure?.response.content], [450, undefined, 'off']);
    await until(
      metrics,
      new RegExp(`rebound_policy_failures_total\\{event="smtp_client_rewrite_delivery_status",kind="${kind}"[^}]*\\} [1-9]`),
    );
    await until(role.log, new RegExp(`"event":"policy_failed","handler":"smtp_client_rewrite_delivery_status","kind":"${kind}"`));
  });
}

/** A delivery worker in a process of its own. */
async function deliveryWith(t: TestContext, relay: Relay, policy: { file: string; timeout: string }) {
  const port = await freePort();
  const { delivery, retry, ...rest } = relay.config;
  const config = { ...rest, delivery, retry: { ...retry, interval: 100, maxInterval: 100 }, policy, health: { host: '127.0.0.1', port } };
  const role = await startRole(t, 'delivery', relay.redis, config as never);
  const metrics = async (): Promise<string> =>
    fetch(`http://127.0.0.1:${port}/metrics`).then(
      (answer) => answer.text(),
      () => '',
    );
  return { role, metrics };
}

/** Resolves when the text fits. */
async function until(text: () => string | Promise<string>, fits: RegExp): Promise<void> {
  const deadline = Date.now() + 40_000;
  for (;;) {
    const now = await text();
    if (fits.test(now)) return;
    assert.ok(Date.now() < deadline, `${fits} is not in\n${now}`);
    await sleep(20);
  }
}

test('the documentation shows the example and its rule file as they are', async () => {
  const page = await readFile(new URL('../../docs/policy.md', import.meta.url), 'utf8');
  for (const name of ['smtp-client-rewrite-delivery-status.ts', 'dsn-rewrite.json']) {
    const example = await readFile(new URL(name, examples), 'utf8');
    assert.ok(page.includes(example.replace(/^(?=.)/gm, '    ')), `docs/policy.md differs from ${name}`);
  }
});

test('the example makes bounces of abandoned and full mailboxes, and leaves every other response alone', async (t) => {
  const rcpt = {
    'off@dest.test': '450 4.2.1 <off@dest.test>: Recipient address rejected: this mailbox is inactive and has been disabled',
    'full@dest.test': '452 4.2.2 The email account that you tried to reach is over quota.',
    'busy@dest.test': '451 4.3.2 busy',
  };
  const file = new URL('smtp-client-rewrite-delivery-status.ts', examples).pathname;
  const relay = await startRebound(t, { config: { policy: { file, timeout: '50s' } }, sink: { rules: { rcpt } } });
  await relay.send({ from: home, to: Object.keys(rcpt) });
  const records = await relay.until((r) => r.sender === home && r.type !== 'Reception' && r.num_attempts === 1, 3);
  const seen = Object.fromEntries(records.map((r) => [recipientsOf(r).join(), `${r.type} ${r.response.code}`]));
  assert.deepEqual(seen, { 'off@dest.test': 'Bounce 500', 'full@dest.test': 'Bounce 500', 'busy@dest.test': 'TransientFailure 451' });
  const report = parseRfc3464((await relay.sink.next((message) => message.sender === '')).bytes);
  assert.deepEqual(report?.recipients.map(({ status }) => status).sort(), ['5.2.1', '5.2.2']);
});

/** The example with another time to live, in a folder where its rule file can be changed. */
async function exampleWith(t: TestContext, ttl: string): Promise<PolicyFolder> {
  const text = await readFile(new URL('smtp-client-rewrite-delivery-status.ts', examples), 'utf8');
  assert.ok(text.includes("ttl: '5 minutes'"));
  return policyFolder(t, text.replace("ttl: '5 minutes'", `ttl: '${ttl}'`), { 'dsn-rewrite.json': '{ "nothing": 500 }' });
}

test('the rule file of the example is taken up when its time is over, without a restart; a broken one leaves the old rules and is told of in the log', async (t) => {
  const folder = await exampleWith(t, '50ms');
  const relay = await startRebound(t, { sink: { rules: { rcpt: toMail('450 4.2.1 inactive') } }, deliveries: 0, bounces: false });
  const { role } = await deliveryWith(t, relay, { file: folder.file, timeout: '50s' });
  await relay.send({ from: home, to: 'one@dest.test' });
  await relay.until((r) => r.type === 'TransientFailure');
  await folder.put('dsn-rewrite.json', '{ "inactive": 550 }');
  await relay.until((r) => r.type === 'Bounce' && r.recipient === 'one@dest.test');
  await folder.put('dsn-rewrite.json', '{\n  "inactive": 551,,\n}');
  await relay.send({ from: home, to: 'two@dest.test' });
  await relay.until((r) => r.type === 'Bounce' && r.recipient === 'two@dest.test' && r.response.code === 550);
  // Whether the second message came before its rules were looked at again is a matter of time: more come until it is told.
  await until(async () => {
    await relay.send({ from: home, to: 'more@dest.test' });
    return role.log();
  }, /"event":"policy_failed"[^\n]*memoize \\"dsn_rewrite\\": [^\n]*dsn-rewrite\.json:2:\d+: [^\n]*; the result of before is used/);
  await folder.put('dsn-rewrite.json', '{ "inactive": 552 }');
  await until(async () => {
    await relay.send({ from: home, to: 'last@dest.test' });
    const bounces = (await relay.records('Bounce')).filter((r) => r.recipient === 'last@dest.test');
    return bounces.map((r) => r.response.code).join();
  }, /552/);
  // One process, one thread, all the time: nothing was loaded again but the file of rules.
  assert.equal(role.log().match(/"event":"policy_loaded"/g)?.length, 1);
});

test('the policy names the class of a failure before rule files and built-in rules, by the words of the server and where they were said', async (t) => {
  const handlers = {
    smtp_client_rewrite_delivery_status: "(response) => (response.includes('over quota') ? 552 : undefined)",
    // What the handler is given comes back as the class; "nonsense" is none.
    bounce_classification: `(response, { type, domain, routingDomain, site, command, isLocal, tenant }) => {
      if (response.includes('by file')) return undefined;
      if (response.includes('nonsense')) return 'not a class';
      return ['c', response.slice(0, 3), type, domain === routingDomain && domain, command, isLocal, tenant ?? 'none', site === ''].join('_').replaceAll(/[^A-Za-z0-9_.-]/g, '');
    }`,
  };
  const folder = await policyFolder(t, handling(handlers), { 'rules.json': '{ "by file": "FromFile", "over quota": "FromFile" }' });
  const rcpt = {
    'full@dest.test': '452 4.2.2 over quota',
    'file@dest.test': '550 5.1.1 by file',
    'built@dest.test': '550 5.1.1 nonsense',
  };
  const config: ConfigInput = { policy: { file: folder.file, timeout: '50s' }, delivery: { rules: [folder.path('rules.json')] } };
  const relay = await startRebound(t, { config, sink: { rules: { rcpt } } });
  await relay.send({ from: home, to: [...Object.keys(rcpt), 'fine@dest.test'] });
  const records = await relay.until((r) => r.sender === home && r.type !== 'Reception', 4);
  const seen = Object.fromEntries(records.map((r) => [recipientsOf(r).join(), r.bounce_classification]));
  assert.deepEqual(seen, {
    'full@dest.test': 'c_452_Bounce_dest.test_RCPT_false_none_false',
    'file@dest.test': 'FromFile',
    'built@dest.test': 'InvalidRecipient',
    'fine@dest.test': 'Uncategorized',
  });
});
