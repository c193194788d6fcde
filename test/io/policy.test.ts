import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { test, type TestContext } from 'node:test';
import { pino } from 'pino';
import type { ConnMeta } from '../../shared/core/policy/smtp-server-rewrite-response.ts';
import { openMetrics } from '../../shared/io/metrics.ts';
import { openPolicy, type PolicyLink } from '../../shared/io/policy.ts';
import { cleanUp } from '../support/cleanup.ts';
import { policyFolder, rewriting, type PolicyFolder } from '../support/policy.ts';

const event = 'smtp_server_rewrite_response';
const meta: ConnMeta = {
  sessionId: 's1',
  hostname: 'relay.test',
  clientAddress: '127.0.0.1',
  clientPort: 40000,
  listenerAddress: '127.0.0.1',
  listenerPort: 25,
  isTrusted: true,
};

interface Opened {
  policy: PolicyLink;
  folder: PolicyFolder;
  /** Lines of the log, parsed. */
  logged: (name: string) => Record<string, unknown>[];
  /** Calls the handler with `text`; `none` when there is no handler. */
  say(text?: string): Promise<unknown>;
  failures(kind: string): Promise<number>;
}

async function open(t: TestContext, text: string, others: Record<string, string> = {}, timeout = 20_000): Promise<Opened> {
  const folder = await policyFolder(t, text, others);
  const lines: Record<string, unknown>[] = [];
  const log = pino({ level: 'debug' }, { write: (line: string) => void lines.push(JSON.parse(line) as Record<string, unknown>) });
  const metrics = openMetrics();
  const policy = await openPolicy({ file: folder.file, timeout }, log, metrics);
  cleanUp(t, () => policy.close());
  return {
    policy,
    folder,
    logged: (name) => lines.filter((line) => line['event'] === name),
    say: async (response = 'ok') => {
      const handler = policy.handlerOf(event);
      return handler ? handler(250, response, 'DATA', meta) : 'none';
    },
    failures: async (kind) => {
      const { values } = await metrics.policyFailures.get();
      return values.filter((value) => value.labels['kind'] === kind).reduce((sum, { value }) => sum + value, 0);
    },
  };
}

/** Asks again and again until the answer is right. */
async function until<T>(ask: () => Promise<T> | T, isRight: (answer: T) => boolean): Promise<T> {
  const deadline = Date.now() + 40_000;
  for (;;) {
    const answer = await ask();
    if (isRight(answer)) return answer;
    assert.ok(Date.now() < deadline, `it never came to hold; last: ${JSON.stringify(answer)}`);
    await sleep(10);
  }
}

test('a handler gets the arguments of its event, wherever its file lies', async (t) => {
  const { say } = await open(t, rewriting('(...args) => JSON.stringify(args)'));
  assert.equal(await say('2.0.0 Ok'), JSON.stringify([250, '2.0.0 Ok', 'DATA', meta]));
});

test('a plain function in JavaScript is a policy too, and a handler may be asynchronous', async (t) => {
  const { folder, policy, say } = await open(t, "export { default } from './other.js';", {
    'other.js': `export default async (policy) => { await null; policy.on('${event}', async () => { await null; return 'later'; }); };`,
  });
  assert.equal(await say(), 'later');
  await folder.put('other.js', 'export default () => undefined;');
  await policy.reload();
  assert.equal(await say(), 'none');
});

const unusable: [name: string, text: string, want: RegExp][] = [
  ['a syntax error', 'export default (policy: any) => {\n  const x = ;\n};', /policy\.ts:2: SyntaxError/],
  ['an error at the top', '\n\nthrow new Error("no way");', /policy\.ts:3: Error: no way/],
  ['an import that is not there', "import './nope.ts';", /policy\.ts: Error: Cannot find module/],
  ['no default export', 'export const x = 1;', /policy\.ts: expected "export default definePolicy/],
  [
    'two handlers of an event',
    `export default (p) => {\n  p.on('${event}', () => 1);\n  p.on('${event}', () => 2);\n};`,
    /policy\.ts:3: smtp_server_rewrite_response: there is a handler already/,
  ],
  [
    'an unknown event',
    "export default (p) => p.on('smtp_server_rewrite', () => 1);",
    /policy\.ts:1: there is no event "smtp_server_rewrite"/,
  ],
  ['an exit', 'process.exit(3);', /policy\.ts: it ended its thread/],
];

for (const [name, text, want] of unusable) {
  test(`a policy file with ${name} cannot be opened, and it is said where`, async (t) => {
    const folder = await policyFolder(t, text);
    const opening = openPolicy({ file: folder.file, timeout: 1000 }, pino({ level: 'silent' }), openMetrics());
    await assert.rejects(opening, (error: Error) => error.name === 'PolicyUnusable' && want.test(error.message));
  });
}

test('a policy that is not there cannot be opened', async () => {
  const opening = openPolicy({ file: '/nowhere/policy.ts', timeout: 1000 }, pino({ level: 'silent' }), openMetrics());
  await assert.rejects(opening, { name: 'PolicyUnusable', message: /^\/nowhere\/policy\.ts: .*Cannot find module/ });
});

test('a file that is replaced comes into force by itself, and so does one that it imports', async (t) => {
  const text = rewriting('() => `${words} 1`', "import { words } from './words.ts';");
  const { folder, say } = await open(t, text, { 'words.ts': "export const words = 'first';" });
  assert.equal(await say(), 'first 1');
  await folder.put('words.ts', "export const words = 'second';");
  await until(say, (answer) => answer === 'second 1');
  await folder.put('policy.ts', text.replace('} 1', '} 2'));
  await until(say, (answer) => answer === 'second 2');
});

test('a new file that cannot be used leaves the old one in force, and is taken when it is mended', async (t) => {
  const { folder, say, logged } = await open(t, rewriting("() => 'old'"));
  await folder.put('policy.ts', rewriting("() => 'new'", "import './broken.ts';"));
  await until(
    () => logged('policy_not_loaded'),
    (lines) => lines.length > 0,
  );
  assert.equal(await say(), 'old');
  assert.match(String(logged('policy_not_loaded')[0]?.['error']), /broken\.ts/);
  await folder.put('policy.ts', rewriting("() => 'new'"));
  await until(say, (answer) => answer === 'new');
});

test('a call under way when the policy is loaded again is answered by the policy that it was made to', async (t) => {
  const { folder, policy, say } = await open(t, rewriting('async () => { await import("./wait.ts"); return "old"; }'), {
    'wait.ts': 'await new Promise((resolve) => setTimeout(resolve, 1500));',
  });
  const early = say();
  await folder.put('policy.ts', rewriting("() => 'new'"));
  await policy.reload();
  assert.equal(await say(), 'new');
  assert.equal(await early, 'old');
});

test('a handler that throws is counted each time and logged once, with its place', async (t) => {
  const { say, failures, logged } = await open(t, rewriting("() => { throw new Error('no way'); }"));
  for (let n = 0; n < 3; n++) assert.equal(await say(), undefined);
  assert.equal(await failures('error'), 3);
  assert.equal(logged('policy_failed').length, 1);
  assert.match(String(logged('policy_failed')[0]?.['error']), /policy\.ts:3: Error: no way/);
});

test('in a policy that is given passwords no stray error is told in its words', async (t) => {
  const text = `import { definePolicy, memoize } from 'rebound';
    const look = memoize((p) => { throw new Error('memo ' + p); }, { name: 'look', ttl: '1 minute', capacity: 1 });
    export default definePolicy((policy) => {
      policy.on('smtp_server_auth_plain', () => false);
      policy.on('${event}', (s, p) => { void Promise.reject(new Error('stray ' + p)); look(p).catch(() => undefined); return 'done'; });
    });`;
  const { say, logged } = await open(t, text);
  assert.equal(await say('HUNTER2'), 'done');
  const told = await until(
    () => logged('policy_failed').map((line) => JSON.stringify(line)),
    (lines) => lines.length >= 2,
  );
  assert.doesNotMatch(told.join(), /HUNTER2/);
});

test('an error that cannot be described is one like others', async (t) => {
  const odd = 'Object.defineProperties(new Error(), { message: { get() { throw 1; } }, stack: { value: 7 } })';
  const { say, failures } = await open(t, rewriting(`() => { throw ${odd}; }`));
  assert.equal(await say(), undefined);
  assert.deepEqual([await failures('error'), await failures('timeout')], [1, 0]);
});

test('what cannot be passed on is an error like others', async (t) => {
  const { say, failures } = await open(t, rewriting('() => () => 1'));
  assert.equal(await say(), undefined);
  assert.equal(await failures('error'), 1);
});

test('a handler that waits too long is not waited for, and others go on', async (t) => {
  const { say, failures } = await open(
    t,
    rewriting("(s, response) => response === 'wait' ? new Promise(() => undefined) : 'quick'"),
    {},
    3000,
  );
  const slow = say('wait');
  assert.equal(await say(), 'quick');
  assert.equal(await slow, undefined);
  assert.equal(await failures('timeout'), 1);
  assert.equal(await say(), 'quick');
  assert.equal(await failures('hang'), 0);
});

const loops: [name: string, handler: string][] = [
  ['does not return', "(s, response) => { while (response === 'hang'); return 'quick'; }"],
  ['never ends after it has waited', "async (s, response) => { await null; while (response === 'hang'); return 'quick'; }"],
  ['is caught in a regular expression', "(s, response) => response === 'hang' && /^(a+)+$/.test('a'.repeat(60) + 'b') ? 'x' : 'quick'"],
];

for (const [name, handler] of loops) {
  test(`a handler that ${name} is stopped and left alone; mail goes on without it`, async (t) => {
    const { policy, say, failures, logged } = await open(t, rewriting(handler), {}, 3000);
    assert.equal(await say(), 'quick');
    assert.equal(await say('hang'), undefined);
    const [lost] = await until(
      () => logged('policy_lost'),
      (lines) => lines.length > 0,
    );
    assert.deepEqual([lost?.['kind'], lost?.['handler']], ['hang', event]);
    assert.ok((await failures('hang')) >= 1);
    await until(
      () => logged('policy_loaded').length,
      (times) => times === 2,
    );
    assert.equal(await say(), 'none');
    await policy.reload();
    assert.equal(await say(), 'quick');
  });
}

test('a thread that works off many calls is no hang', async (t) => {
  const busy = '(s, response) => { for (const end = Date.now() + 20; Date.now() < end;); return `${response}!`; }';
  const { say, failures } = await open(t, rewriting(busy), {}, 600);
  // Together they take longer than a thread may be silent; those that come too late are not done at all.
  const answers = await Promise.all(Array.from({ length: 250 }, (_, n) => say(String(n))));
  assert.ok(answers.some((answer) => answer !== undefined));
  await until(
    () => say('after'),
    (answer) => answer === 'after!',
  );
  assert.deepEqual([await failures('hang'), await failures('crash')], [0, 0]);
});

test('a file that a policy imports and that comes later makes the policy be loaded', async (t) => {
  const { folder, say, logged } = await open(t, rewriting("() => 'first'"));
  await folder.put('policy.ts', `import { word } from './later.ts';\n${rewriting('() => word')}`);
  await until(
    () => logged('policy_not_loaded').length,
    (times) => times > 0,
  );
  assert.equal(await say(), 'first');
  await folder.put('later.ts', "export const word = 'second';\n");
  await until(say, (answer) => answer === 'second');
});

test('a policy that ends its own thread is started again', async (t) => {
  const { say, failures } = await open(t, rewriting("(s, response) => response === 'exit' ? process.exit(1) : 'quick'"));
  assert.equal(await say('exit'), undefined);
  await until(say, (answer) => answer === 'quick');
  assert.ok((await failures('crash')) >= 1);
});

test('exceptions and rejections of nobody are counted and end nothing', async (t) => {
  const { say, logged } = await open(
    t,
    rewriting("() => { setTimeout(() => { throw new Error('stray'); }); void Promise.reject(new Error('lost')); return 'quick'; }"),
  );
  assert.equal(await say(), 'quick');
  await until(
    () => logged('policy_failed').map((line) => String(line['error']).replace(/^.*: /, '')),
    (errors) => errors.includes('stray') && errors.includes('lost'),
  );
  assert.equal(await say(), 'quick');
});
