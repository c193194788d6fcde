import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { pino } from 'pino';
import { openMetrics } from '../../shared/io/metrics.ts';
import { openPolicy, type PolicyLink } from '../../shared/io/policy.ts';
import { rememberAnswers } from '../../shared/io/policy-memory.ts';
import { policyFolder, type PolicyFolder } from '../support/policy.ts';

const withHandler = (handler: string): string =>
  `import { definePolicy } from 'rebound';\nlet n = 0;\nexport default definePolicy((policy) => policy.on('get_queue_config', ${handler}));\n`;

async function open(
  t: TestContext,
  handler: string,
): Promise<{ policy: PolicyLink; folder: PolicyFolder; ask: (domain: string) => Promise<unknown> }> {
  const folder = await policyFolder(t, withHandler(handler));
  const policy = await openPolicy({ file: folder.file, timeout: 50_000 }, pino({ level: 'silent' }), openMetrics());
  t.after(() => policy.close());
  const ask = rememberAnswers(policy, 'get_queue_config', (result) => (result === 'bad' ? { problem: 'bad' } : { value: result }));
  return { policy, folder, ask: async (domain) => ask(domain, undefined, undefined, undefined) };
}

test('a handler is asked once for each question, until the policy is loaded again', async (t) => {
  const { policy, folder, ask } = await open(t, '() => ({ interval: ++n })');
  const [first, same, other] = await Promise.all([ask('a.test'), ask('a.test'), ask('b.test')]);
  assert.deepEqual([first, same, other, await ask('a.test')], [{ interval: 1 }, { interval: 1 }, { interval: 2 }, { interval: 1 }]);
  await policy.reload();
  assert.deepEqual(await ask('a.test'), { interval: 1 }, 'the new policy counts anew');
  await folder.put('policy.ts', withHandler('() => ({ interval: 100 })'));
  await policy.reload();
  assert.deepEqual(await ask('a.test'), { interval: 100 });
});

test('an answer that cannot be used, and a failure, are no answer', async (t) => {
  const { ask } = await open(t, "(domain) => { if (domain === 'throw.test') throw new Error('oops'); return 'bad' as never; }");
  assert.equal(await ask('bad.test'), undefined);
  assert.equal(await ask('throw.test'), undefined);
});

test('without the handler nobody is asked any more', async (t) => {
  const { policy, folder, ask } = await open(t, '() => ({ interval: 5 })');
  assert.deepEqual(await ask('a.test'), { interval: 5 });
  await folder.put('policy.ts', 'export default () => undefined;');
  await policy.reload();
  assert.equal(await ask('a.test'), undefined);
});
