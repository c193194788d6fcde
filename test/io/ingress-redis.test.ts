import assert from 'node:assert/strict';
import test from 'node:test';
import { startTestIngress } from '../support/ingress.ts';
import type { Step } from '../support/smtp-dialogue.ts';

const started: Step[] = [
  ['MAIL FROM:<a@b.test>', '250'],
  ['RCPT TO:<c@d.test>', '250'],
  ['DATA', '354'],
];

test('while Redis is away mail is put off at once, and taken again when it is back', async (t) => {
  const ingress = await startTestIngress(t);
  const client = await ingress.greeted();
  await ingress.redis.kill();
  const answer = async (): Promise<string> => {
    client.send('RSET\r\nMAIL FROM:<a@b.test>\r\n');
    await client.reply();
    return client.reply();
  };
  while (!(await answer()).startsWith('451 4.3.0'));
  await client.expect([['NOOP', '250']]);
  await ingress.redis.restart();
  while (!(await answer()).startsWith('250 2.1.0'));
  await client.expect([
    ['RCPT TO:<c@d.test>', '250'],
    ['DATA', '354'],
    ['A: b\r\n.', '250 2.0.0'],
  ]);
  assert.equal((await ingress.queued()).length, 1);
});

test('a message whose Redis died before its end is put off, and not queued', async (t) => {
  const ingress = await startTestIngress(t, {}, { redis: { timeout: '500ms' } });
  const client = await ingress.greeted();
  await client.expect(started);
  await ingress.redis.kill();
  const begin = performance.now();
  await client.expect([
    ['A: b\r\n.', '451 4.3.0'],
    ['QUIT', '221'],
  ]);
  assert.ok(performance.now() - begin < 2000);
  await ingress.redis.restart();
  while (!ingress.context.redis.isReady) await new Promise((resolve) => setTimeout(resolve, 5));
  assert.deepEqual(await ingress.queued(), []);
});

test('a Redis that hangs puts a message off within the time set', async (t) => {
  const ingress = await startTestIngress(t, {}, { redis: { timeout: '300ms' } });
  const client = await ingress.greeted();
  await client.expect(started);
  process.kill(ingress.redis.pid, 'SIGSTOP');
  try {
    await client.expect([
      ['A: b\r\n.', '451 4.3.0'],
      ['MAIL FROM:<a@b.test>', '451 4.3.0'],
    ]);
  } finally {
    process.kill(ingress.redis.pid, 'SIGCONT');
  }
});

test('a Redis without room is told with 452, at MAIL once it is known', async (t) => {
  const ingress = await startTestIngress(t);
  await ingress.context.redis.client.config('SET', 'maxmemory', '1');
  const client = await ingress.greeted();
  for (;;) {
    client.send('RSET\r\nMAIL FROM:<a@b.test>\r\n');
    await client.reply();
    const reply = await client.reply();
    if (reply.startsWith('452 4.3.1')) break;
    assert.match(reply, /^250/);
  }
  await ingress.context.redis.client.config('SET', 'maxmemory', '0');
});

test('a message that Redis has no room for is told with 452, and not queued', async (t) => {
  const ingress = await startTestIngress(t);
  const client = await ingress.greeted();
  await client.expect(started);
  await ingress.context.redis.client.config('SET', 'maxmemory', '1');
  await client.expect([['A: b\r\n.', '452 4.3.1']]);
  await ingress.context.redis.client.config('SET', 'maxmemory', '0');
  assert.deepEqual(await ingress.queued(), []);
});
