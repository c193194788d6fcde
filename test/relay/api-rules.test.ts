import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { openContext } from '../../shared/io/context.ts';
import { run as runAdmin } from '../../workers/admin/main.ts';
import { until } from '../support/archive.ts';
import { cleanUp } from '../support/cleanup.ts';
import { startRole } from '../support/processes.ts';
import { startRebound } from '../support/relay.ts';

interface RuleFile {
  file: string;
  rules: number;
  version: string;
  hits: number;
  top: unknown[];
  error: { message: string } | null;
}

test('what each delivery process goes by is told: rules with their hits, the policy, and why a later version is not in force', async (t) => {
  const refusing = { rules: { rcpt: { 'full@dest.test': '452 4.2.2 mailbox full' } } };
  const relay = await startRebound(t, { deliveries: 0, sink: refusing });
  const file = join(relay.redis.dir, 'rules.jsonc');
  const policyFile = join(relay.redis.dir, 'policy.mjs');
  await writeFile(file, '{"never said": 500,\n "mailbox full": "552 5.2.2"}');
  await writeFile(policyFile, "export default (rebound) => rebound.on('bounce_classification', () => undefined);\n");
  const { delivery, policy, admin, ...rest } = relay.config;
  const config = {
    ...rest,
    delivery: { ...delivery, rules: [file], rulesInterval: 50 },
    policy: { ...policy, file: policyFile },
    admin: { ...admin, port: 0 },
  };
  const process = await startRole(t, 'delivery', relay.redis, config);
  const context = await openContext(config, relay.redis.url, 'admin-test', { failFast: true });
  cleanUp(t, () => context.close());
  const worker = await runAdmin(context);
  cleanUp(t, () => worker.close());
  const workersOf = async (what: string): Promise<Record<string, unknown>[]> => {
    const response = await fetch(`http://127.0.0.1:${worker.port}/api/${what}`);
    assert.equal(response.status, 200);
    return ((await response.json()) as { workers: Record<string, unknown>[] }).workers;
  };
  const ruleFile = async (): Promise<RuleFile | undefined> => ((await workersOf('rules'))[0]?.['files'] as RuleFile[] | undefined)?.[0];

  await relay.send({ from: 'ann@home.test', to: 'full@dest.test' });
  await relay
    .until(({ type }) => type === 'Bounce')
    .catch((error: unknown) => {
      throw new Error(process.log(), { cause: error });
    });
  await until(async () => ((await ruleFile())?.hits ?? 0) > 0, 'the hit to be told').catch((error: unknown) => {
    throw new Error(process.log(), { cause: error });
  });
  const loaded = await ruleFile();
  assert.partialDeepStrictEqual(loaded, { file, rules: 2, error: null, top: [{ rule: 2, line: 2, match: 'mailbox full' }] });
  assert.match(loaded?.version ?? '', /^[0-9a-f]{12}$/);
  assert.partialDeepStrictEqual(await workersOf('policy'), [
    {
      role: 'delivery',
      alive: true,
      file: policyFile,
      handlers: ['bounce_classification'],
      hooks: [],
      is_running: true,
      left_alone: [],
      error: null,
    },
  ]);

  await writeFile(file, '{"(?=look)": 500}');
  await writeFile(policyFile, 'export default 7;\n');
  await until(async () => (await ruleFile())?.error !== null, 'the mistake in the rules to be told');
  const broken = await ruleFile();
  assert.match(broken?.error?.message ?? '', /rules\.jsonc:1: .*look-ahead/);
  assert.equal(broken?.version, loaded?.version, 'that of before is in force');
  await until(async () => (await workersOf('policy'))[0]?.['error'] !== null, 'the mistake in the policy to be told');
});

test('rules of a request are tried on what servers said; what cannot be used is told by its line, and what is slow ends in time', async (t) => {
  const refusing = { rules: { rcpt: { 'full@dest.test': '550 5.2.2 mailbox full', 'gone@dest.test': '550 5.1.1 no such user' } } };
  const relay = await startRebound(t, { sink: refusing, bounces: false });
  const context = await openContext({ ...relay.config, admin: { ...relay.config.admin, port: 0 } }, relay.redis.url, 'admin-test', {
    failFast: true,
  });
  cleanUp(t, () => context.close());
  const worker = await runAdmin(context);
  cleanUp(t, () => worker.close());
  for (const to of ['full@dest.test', 'full@dest.test', 'gone@dest.test']) await relay.send({ from: 'ann@home.test', to });
  await relay.until(({ type }) => type === 'Bounce', 3);
  const ask = async (body: object): Promise<{ status: number; json: Record<string, unknown> }> => {
    const response = await fetch(`http://127.0.0.1:${worker.port}/api/rules/backtest`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    return { status: response.status, json: (await response.json()) as Record<string, unknown> };
  };
  const { status, json } = await ask({ rules: '{"mailbox full": 452}' });
  assert.equal(status, 200, JSON.stringify(json));
  assert.partialDeepStrictEqual(json, {
    responses: 3,
    changed: 2,
    is_complete: true,
    others: 0,
    damage: [],
    rows: [{ rule: 1, line: 1, match: 'mailbox full', change: '550 -> 452: retry instead of bounce', responses: 2, recipients: 2 }],
  });
  assert.partialDeepStrictEqual((await ask({ rules: '{"mailbox full": 452}', responses: 1 })).json, { responses: 1 });
  const wrong: [body: object, field: string, words: RegExp][] = [
    [{ rules: '{"a": 550,\n "(?=x)": 550}' }, 'rules', /line 2: .*look-ahead/],
    [{ rules: '{' }, 'rules', /line 1/],
    [{ rules: '' }, 'rules', /./],
    [{ rules: 'x'.repeat(262_145) }, 'rules', /262144/],
    [{ rules: '{"a": 550}', since: 'soon' }, 'since', /how long ago/],
    [{ rules: '{"a": 550}', responses: 0 }, 'responses', /./],
  ];
  for (const [body, field, words] of wrong) {
    const answer = await ask(body);
    const [first] = (answer.json['errors'] ?? []) as { field: string; message: string }[];
    assert.deepEqual([answer.status, first?.field], [400, field], JSON.stringify(answer.json));
    assert.match(first?.message ?? '', words);
  }
  // Costs seconds for each response, in a thread of its own: others are answered meanwhile.
  const slow = Object.fromEntries(Array.from({ length: 200 }, (_, n) => [`(.|b)*a(.|b){${100 + n}}`, 452]));
  const [late, ...others] = await Promise.all([
    ask({ rules: JSON.stringify(slow) }),
    ...Array.from({ length: 5 }, () => fetch(`http://127.0.0.1:${worker.port}/api/status`)),
  ]);
  assert.ok(late?.status === 200 || late?.status === 400, JSON.stringify(late));
  assert.ok(others.every((response) => response.status === 200));
});
