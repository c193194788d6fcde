import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import type { InjectMessage } from '../../shared/core/hook.ts';
import { openContext } from '../../shared/io/context.ts';
import { openInjection } from '../../shared/io/inject.ts';
import { openPipeline } from '../../shared/io/pipeline.ts';
import { cleanUp } from '../support/cleanup.ts';
import { startRedis } from '../support/redis.ts';
import { testConfig } from '../support/relay.ts';

/** Injection as so many processes have it: they share Redis and nothing else. */
async function openInjections(t: TestContext, count: number): Promise<{ inject: InjectMessage[]; received(): Promise<number> }> {
  const redis = await startRedis(t);
  const contexts = await Promise.all(Array.from({ length: count }, () => openContext(testConfig(redis.dir, 25), redis.url, 'inject-test')));
  const inject = contexts.map((context) => {
    cleanUp(t, () => context.close());
    const pipeline = openPipeline(context);
    cleanUp(t, () => pipeline.close());
    return openInjection(context, pipeline).injectMessage;
  });
  return { inject, received: () => contexts[0]?.redis.client.xlen(contexts[0].redis.key('log')) ?? Promise.resolve(0) };
}

const mail = { sender: 'ann@home.test', recipients: ['desk@dest.test'], content: 'Subject: x\n\nwords\n' };

test('what several processes inject at once with one "once" is one message', async (t) => {
  const { inject, received } = await openInjections(t, 4);
  for (let round = 0; round < 10; round++) {
    const ids = await Promise.all(inject.map((injectMessage) => injectMessage({ ...mail, once: `ticket ${round}` })));
    assert.equal(new Set(ids).size, 1, `round ${round}`);
  }
  assert.equal(await received(), 10);
});

test('mail without content, and names that would not survive in the name of a queue, are refused', async (t) => {
  const { inject, received } = await openInjections(t, 1);
  const [injectMessage] = inject;
  assert.ok(injectMessage);
  await assert.rejects(injectMessage({ ...mail, content: '' }), /^TypeError: content: /);
  for (const name of ['a@b', 'a:b', 'a!b', 'ä', 'a b', 'x'.repeat(101)]) {
    await assert.rejects(injectMessage({ ...mail, tenant: name }), /^TypeError: tenant: /);
    await assert.rejects(injectMessage({ ...mail, campaign: name }), /^TypeError: campaign: /);
  }
  assert.equal(await received(), 0);
});
