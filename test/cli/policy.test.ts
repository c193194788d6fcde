import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { test, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Role } from '../../workers/cli/roles.ts';
import { bounce } from '../support/dsn-record.ts';
import { startRole } from '../support/processes.ts';
import { handling, policyFolder, rewriting } from '../support/policy.ts';
import { startRedis } from '../support/redis.ts';
import { testConfig } from '../support/relay.ts';

const main = fileURLToPath(new URL('../../workers/cli/main.ts', import.meta.url));
const examples = ['smtp_server_rewrite_response', 'smtp_client_rewrite_delivery_status', 'report_created'].map((event) => ({
  event,
  example: fileURLToPath(new URL(`../../infra/examples/${event.replaceAll('_', '-')}.ts`, import.meta.url)),
}));

async function rebound(args: string[]): Promise<{ code: number | null; out: string; err: string }> {
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', main, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  const exited = once(child, 'exit');
  const [out, err] = await Promise.all([text(child.stdout), text(child.stderr)]);
  const [code] = (await exited) as [number | null];
  return { code, out, err };
}

for (const { event, example } of examples) {
  test(`policy check says that the example of ${event} is valid, and what it handles`, async () => {
    const { code, out } = await rebound(['policy', 'check', example]);
    assert.deepEqual([code, out], [0, `${example} is valid. It handles ${event}.\n`]);
  });
}

const ndr = fileURLToPath(new URL('../../infra/examples/ndr-generator.ts', import.meta.url));

test('policy check lists hooks, and what they hear', async () => {
  const { code, out } = await rebound(['policy', 'check', ndr]);
  assert.deepEqual([code, out], [0, `${ndr} is valid. It handles hook ndr_generator (Bounce, Expiration).\n`]);
  const hooks = [{ name: 'ndr_generator', types: ['Bounce', 'Expiration'], needsOriginal: true, timeout: 30_000 }];
  const json = await rebound(['policy', 'check', ndr, '--json']);
  assert.deepEqual(JSON.parse(json.out), { ok: true, file: ndr, events: [], hooks, areTypesChecked: true, problems: [] });
});

test('policy run calls a hook, and prints what it would inject', async () => {
  const content = 'From: ann@home.test\r\nSubject: hello\r\n\r\nwords\r\n';
  const args = JSON.stringify([{ content }, bounce({ id: 'm1', sender: 'ann@home.test' })]);
  const { code, out, err } = await rebound(['policy', 'run', 'ndr_generator', '--args', args, ndr]);
  assert.equal(code, 0, err);
  const { injected } = JSON.parse(out) as { injected: Record<string, string>[] };
  assert.deepEqual(
    injected.map(({ sender, recipients, once }) => ({ sender, recipients, once })),
    [{ sender: '', recipients: ['ann@home.test'], once: 'e1' }],
  );
  assert.match(injected[0]?.['content'] ?? '', /^Reporting-MTA: dns; mta1\.example\.com\r\n[^]*\r\nwords\r\n/m);
});

test('policy check finds the file that the settings name, relative to them', async (t) => {
  const folder = await policyFolder(t, rewriting('() => undefined'));
  await writeFile(folder.path('settings.json'), JSON.stringify({ policy: { file: 'policy.ts' } }));
  const { code, out } = await rebound(['policy', 'check', '--config', folder.path('settings.json'), '--json']);
  const want = { ok: true, file: folder.file, events: ['smtp_server_rewrite_response'], hooks: [], areTypesChecked: true, problems: [] };
  assert.deepEqual([code, JSON.parse(out)], [0, want]);
});

const mistakes: [name: string, policy: string, want: RegExp][] = [
  ['a wrong type', rewriting('(status) => {\n  return status.length;\n}'), /^\S+policy\.ts:4:17: TS2339: .*length/m],
  ['a result of a wrong type', rewriting('() => ({ status: 250 })'), /^\S+policy\.ts:3:\d+: TS2322/m],
  ['an unknown event', "export default (p: any) => {\n  p.on('smtp', 1);\n};", /^\S+policy\.ts:2: there is no event "smtp"$/m],
  [
    'a record type that there is not',
    "export default (p: any) => {\n\n  p.hook('x', { types: ['Bounced'] }, () => 1);\n};",
    /^\S+policy\.ts:3: hook x: types: there is no record type "Bounced"; did you mean "Bounce"\?$/m,
  ],
  [
    'a hook of a wrong type',
    "import { definePolicy } from 'rebound';\nexport default definePolicy((p) => {\n  p.hook('x', { types: ['Bounced'] }, () => 1);\n});",
    /^\S+policy\.ts:3:\d+: TS2820: .*Bounced/m,
  ],
  ['a syntax error', 'export default (p: any) => {\n  const x = ;\n};', /^\S+policy\.ts:2: SyntaxError/m],
];

for (const [name, policy, want] of mistakes) {
  test(`policy check finds ${name}, with file and line, and exits with 1`, async (t) => {
    const { file } = await policyFolder(t, policy);
    const { code, out } = await rebound(['policy', 'check', file]);
    assert.match(out, want);
    assert.equal(code, 1);
  });
}

const calls: [name: string, policy: string, args: string[], want: { code: number; out?: string; err?: RegExp }][] = [
  [
    'prints what the handler returns',
    rewriting("(status, response, command) => [status, `${command ?? 'nil'} ${response}`]"),
    ['run', 'smtp_server_rewrite_response', '--args', '[250,"Ok",null]'],
    { code: 0, out: '[250,"nil Ok"]\n' },
  ],
  [
    'calls smtp_client_rewrite_delivery_status',
    handling({
      smtp_client_rewrite_delivery_status: "(...args) => (args.join() === '452 4.2.2 full,dest.test,,,dest.test' ? [552, '5.2.2'] : 400)",
    }),
    ['run', 'smtp_client_rewrite_delivery_status', '--args', '["452 4.2.2 full","dest.test",null,null,"dest.test"]'],
    { code: 0, out: '[552,"5.2.2"]\n' },
  ],
  [
    'calls bounce_classification',
    handling({ bounce_classification: '(response, { type, site }) => `${response.slice(0, 3)}.${type}.${site}`' }),
    ['run', 'bounce_classification', '--args', '["550 no",{"type":"Bounce","site":"mx"}]'],
    { code: 0, out: '"550.Bounce.mx"\n' },
  ],
  [
    'calls report_created',
    handling({ report_created: '({ text }, [{ type }]) => ({ text: `${type} ${text}` })' }),
    ['run', 'report_created', '--args', '[{"text":"hello"},[{"type":"Bounce"}]]'],
    { code: 0, out: '{"text":"Bounce hello"}\n' },
  ],
  [
    'tells of a memoized function that failed, and what of it',
    handling(
      { smtp_client_rewrite_delivery_status: "async () => (await load().catch(() => 'none')) as never" },
      "import { jsonLoad, memoize } from 'rebound';\nconst load = memoize(() => jsonLoad('/nowhere/x.json'), { name: 'x', ttl: 1, capacity: 1 });",
    ),
    ['run', 'smtp_client_rewrite_delivery_status', '--args', '[]'],
    { code: 0, out: '"none"\n', err: /^rebound: memoize "x": \/nowhere\/x\.json cannot be read: [^]*; there is no result of before$/m },
  ],
  [
    'lets a policy change the text of a message',
    handling(
      {
        bounce_classification: `(content) => {
          const mime = parseMime(new TextEncoder().encode(content));
          const structure = mime.simpleStructure();
          structure.textPart.body = 'MODIFIED!\\r\\n' + structure.textPart.body;
          return new TextDecoder().decode(mime.toBytes());
        }`,
      },
      "import { parseMime } from 'rebound';",
    ),
    ['run', 'bounce_classification', '--args', '["Subject: x\\r\\n\\r\\nhello\\r\\n"]'],
    { code: 0, out: '"Subject: x\\r\\n\\r\\nMODIFIED!\\r\\nhello\\r\\n"\n' },
  ],
  [
    'prints null for nothing, and keeps what the policy prints away from it',
    rewriting("() => console.log('hello')"),
    ['run', 'smtp_server_rewrite_response', '--args', '[250,"Ok"]'],
    { code: 0, out: 'null\n', err: /hello/ },
  ],
  [
    'tells of an error, with its place',
    rewriting("() => { throw new Error('no'); }"),
    ['run', 'smtp_server_rewrite_response', '--args', '[250,"Ok"]'],
    { code: 1, out: '', err: /^rebound: smtp_server_rewrite_response: \S+policy\.ts:3: Error: no$/m },
  ],
  [
    'tells of an event that has no handler',
    'export default () => undefined;',
    ['run', 'smtp_server_rewrite_response', '--args', '[]'],
    { code: 1, err: /has no handler of smtp_server_rewrite_response/ },
  ],
  [
    'tells of an event that there is not',
    rewriting('() => undefined'),
    ['run', 'smtp_server_rewrite_reply', '--args', '[]'],
    { code: 2, err: /there is no event "smtp_server_rewrite_reply"; did you mean "smtp_server_rewrite_response"\?/ },
  ],
  [
    'tells of an error of a hook, with its place',
    "export default (p: any) => {\n  p.hook('x', { types: ['Bounce'] }, () => {\n    throw new Error('no');\n  });\n};",
    ['run', 'x', '--args', '[{},{"recipient":"a@b.test"}]'],
    { code: 1, out: '', err: /^rebound: x: \S+policy\.ts:3: Error: no$/m },
  ],
  [
    'wants message and record for a hook',
    "export default (p: any) => p.hook('x', { types: ['Bounce'] }, () => 1);",
    ['run', 'x', '--args', '[{}]'],
    { code: 2, err: /a hook is called with \[message, record\]/ },
  ],
  [
    'wants its arguments as an array',
    rewriting('() => undefined'),
    ['run', 'smtp_server_rewrite_response', '--args', '{}'],
    { code: 2, err: /expected a JSON array/ },
  ],
];

for (const [name, policy, args, want] of calls) {
  test(`policy run ${name}`, async (t) => {
    const { file } = await policyFolder(t, policy);
    const { code, out, err } = await rebound(['policy', ...args, file]);
    assert.equal(code, want.code, err);
    if (want.out !== undefined) assert.equal(out, want.out);
    if (want.err) assert.match(err, want.err);
  });
}

/** A role with this policy, in a process of its own; `logs` resolves when its log fits. */
async function roleWith(t: TestContext, policy: string, name: Role = 'bounce') {
  const redis = await startRedis(t);
  const { file } = await policyFolder(t, policy);
  const role = await startRole(t, name, redis, testConfig(redis.dir, 1, { policy: { file } }));
  const logs = async (fits: RegExp): Promise<void> => {
    while (!fits.test(role.log())) {
      assert.equal(role.child.exitCode, null, role.log());
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  };
  return { role, logs };
}

test('a role does not start with a policy that cannot be used, and says why', async (t) => {
  const { role } = await roleWith(t, '\nthrow new Error("no way");');
  while (role.child.exitCode === null || !role.log().includes('no way')) await new Promise((resolve) => setTimeout(resolve, 10));
  assert.equal(role.child.exitCode, 1);
  assert.match(role.log(), /^rebound: \S+policy\.ts:2: Error: no way$/m);
});

test('SIGHUP loads the policy of a role again, and SIGTERM ends it', async (t) => {
  const { role, logs } = await roleWith(t, rewriting('() => undefined'));
  await logs(/"event":"ready"/);
  role.child.kill('SIGHUP');
  await logs(/"event":"policy_loaded"[^]*"event":"policy_loaded"/);
  assert.equal(await role.terminate(), 0);
});

test('admin too loads the policy, for the records that it publishes are heard by hooks', async (t) => {
  const { logs } = await roleWith(t, "export default (p: any) => p.hook('mine', { types: ['AdminBounce'] }, () => 1);", 'admin');
  await logs(/"event":"policy_loaded"[^\n]*"hooks":\["mine"\]/);
});
