import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { isFromRebound } from '../../infra/examples/verify-webhook.ts';
import { configSchema, type Config, type ConfigInput } from '../../shared/core/config.ts';
import { webhookQueue } from '../../shared/core/subscriptions.ts';
import type { WebhookVerdict } from '../../shared/core/webhook.ts';
import { openContext, type Context } from '../../shared/io/context.ts';
import { trimBacklogs } from '../../shared/io/hook-backlog.ts';
import { openPipeline, type Pipeline } from '../../shared/io/pipeline.ts';
import { startWebhook } from '../../shared/io/webhook.ts';
import { openBatches } from '../../shared/io/webhook-batches.ts';
import { selfSigned } from '../support/certificate.ts';
import { cleanUp } from '../support/cleanup.ts';
import { bounce } from '../support/dsn-record.ts';
import { startEndpoint, until } from '../support/endpoint.ts';
import { startRole } from '../support/processes.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';

type Webhooks = NonNullable<ConfigInput['webhooks']>;

interface World {
  redis: TestRedis;
  config: Config;
  context: Context;
  pipeline: Pipeline;
  /** Publishes so many bounces as a delivery would; resolves with their event ids. */
  publish(count: number): Promise<string[]>;
  start(name: string): Promise<{ close(): Promise<void> }>;
  count(name: string, state: 'wait' | 'active' | 'delayed' | 'failed'): Promise<number>;
  outcomes(name: string): Promise<Record<string, number>>;
}

async function openWorld(t: TestContext, webhooks: Webhooks): Promise<World> {
  const redis = await startRedis(t);
  const config = configSchema.parse({
    dataDir: redis.dir,
    redis: { prefix: 'hooks' },
    delivery: { lockDuration: 2000, sweepInterval: 500 },
    log: { level: process.env['REBOUND_TEST_LOG'] ?? 'silent' },
    spool: { minFreeDisk: 0 },
    bounce: { enabled: false },
    shutdownTimeout: '1s',
    webhooks: Object.fromEntries(Object.entries(webhooks).map(([name, settings]) => [name, { batchWait: '50ms', ...settings }])),
  });
  const context = await openContext(config, redis.url, 'test');
  cleanUp(t, () => context.close());
  const pipeline = openPipeline(context);
  cleanUp(t, () => pipeline.close());
  let published = 0;
  return {
    redis,
    config,
    context,
    pipeline,
    publish: async (count) => {
      const tx = pipeline.queues.begin();
      const ids = Array.from({ length: count }, () => `e${++published}`);
      for (const event_id of ids) pipeline.dispositions.publish(tx, bounce({ event_id }));
      await tx.exec();
      return ids;
    },
    start: async (name) => {
      const settings = config.webhooks[name];
      assert.ok(settings);
      const running = await startWebhook(name, settings, context);
      let closing: Promise<void> | undefined;
      const close = (): Promise<void> => (closing ??= running.close());
      cleanUp(t, close);
      return { close };
    },
    count: async (name, state) => {
      const [count = 0] = await pipeline.queues.backend(webhookQueue(name)).getCounts([state]);
      return count;
    },
    outcomes: async (name) => {
      const { values } = await context.metrics.hookJobs.get();
      const own = values.filter(({ labels }) => labels['hook'] === webhookQueue(name));
      return Object.fromEntries(own.map(({ labels, value }) => [String(labels['outcome']), value]));
    },
  };
}

const isDone = async (world: World, name: string, count: number): Promise<boolean> => (await world.outcomes(name))['done'] === count;

test('records are posted in batches of the size that is set, signed, each with its Idempotency-Key', async (t) => {
  const endpoint = await startEndpoint(t);
  const world = await openWorld(t, {
    crm: { url: endpoint.url, batchSize: 10, secret: 's3cret', headers: { Authorization: 'Bearer t0ken' } },
  });
  const ids = await world.publish(25);
  await world.start('crm');
  await until(() => isDone(world, 'crm', 25), 'all posted');
  assert.deepEqual(endpoint.seen(), new Set(ids));
  assert.ok(endpoint.requests.every(({ records }) => records.length >= 1 && records.length <= 10));
  assert.ok(endpoint.requests.some(({ records }) => records.length === 10));
  assert.equal(new Set(endpoint.requests.map(({ headers }) => headers['idempotency-key'])).size, endpoint.requests.length);
  for (const { method, path, headers, body } of endpoint.requests) {
    assert.deepEqual(
      [method, path, headers['content-type'], headers.authorization],
      ['POST', '/rebound?key=k3y', 'application/json', 'Bearer t0ken'],
    );
    const signature = String(headers['rebound-signature']);
    assert.ok(isFromRebound('s3cret', signature, body));
    assert.ok(!isFromRebound('another', signature, body));
    assert.ok(!isFromRebound('s3cret', signature, Buffer.concat([body, Buffer.from(' ')])));
    assert.ok(!isFromRebound('s3cret', signature, body, Date.now() + 3_600_000), 'an old request cannot be played again');
    assert.ok(!isFromRebound('s3cret', signature.replace(/^t=\d+/, `t=${Math.floor(Date.now() / 1000) + 100}`), body));
  }
  assert.deepEqual(
    await Promise.all((['wait', 'active', 'delayed', 'failed'] as const).map((state) => world.count('crm', state))),
    [0, 0, 0, 0],
  );
});

test('a batch that does not fill goes when its time is up, and without a secret it is not signed', async (t) => {
  const endpoint = await startEndpoint(t);
  const world = await openWorld(t, { crm: { url: endpoint.url, batchSize: 1000 } });
  await world.start('crm');
  await world.publish(3);
  await until(() => isDone(world, 'crm', 3), 'all posted');
  assert.equal(endpoint.requests[0]?.headers['rebound-signature'], undefined);
});

test('the secret may lie in a file; one that is empty or not there is an error at the start', async (t) => {
  const endpoint = await startEndpoint(t);
  const world = await openWorld(t, {
    crm: { url: endpoint.url, secretFile: 'to be set' },
    lost: { url: endpoint.url, secretFile: '/nowhere/secret' },
    empty: { url: endpoint.url, secretFile: '/dev/null' },
  });
  const file = join(world.redis.dir, 'secret');
  await writeFile(file, 'from a file\n');
  Object.assign(world.config.webhooks['crm'] ?? {}, { secretFile: file });
  await world.start('crm');
  await world.publish(1);
  await until(() => isDone(world, 'crm', 1), 'posted');
  const [request] = endpoint.requests;
  assert.ok(request && isFromRebound('from a file', String(request.headers['rebound-signature']), request.body));
  await assert.rejects(world.start('lost'), { name: 'ConfigError', message: /^webhooks\.lost\.secretFile = .*ENOENT/ });
  await assert.rejects(world.start('empty'), { name: 'ConfigError', message: /^webhooks\.empty\.secretFile = .*it is empty$/ });
});

test('only the types it names become jobs of a webhook; by default what went well and what strangers cause do not', async (t) => {
  const endpoint = await startEndpoint(t);
  const world = await openWorld(t, { usual: { url: endpoint.url }, chosen: { url: endpoint.url, types: ['Delivery', 'Rejection'] } });
  const { queues, dispositions } = world.pipeline;
  const tx = queues.begin();
  for (const type of ['Reception', 'Delivery', 'Rejection', 'Bounce', 'TransientFailure', 'AdminBounce'] as const)
    dispositions.publish(tx, bounce({ event_id: type, type }));
  await tx.exec();
  assert.equal(await world.count('usual', 'wait'), 3);
  assert.equal(await world.count('chosen', 'wait'), 2);
  assert.equal(await world.context.redis.client.exists(`${world.context.redis.prefix}:bounces:wait`), 0, 'nobody makes reports');
});

test('an endpoint that hangs holds up nobody but itself, and its records wait', async (t) => {
  const hanging = await startEndpoint(t, () => 'hang');
  const well = await startEndpoint(t);
  const world = await openWorld(t, {
    slow: { url: hanging.url, batchSize: 2, concurrency: 1, timeout: '60s' },
    quick: { url: well.url, batchSize: 10 },
  });
  const slow = await world.start('slow');
  await world.start('quick');
  const ids = await world.publish(50);
  await until(() => isDone(world, 'quick', 50), 'all posted to the one that is well');
  assert.deepEqual(well.seen(), new Set(ids));
  await until(() => hanging.requests.length > 0, 'the other was asked');
  await until(async () => (await world.count('slow', 'wait')) + (await world.count('slow', 'active')) === 50, 'its records wait');
  await slow.close();
  assert.equal(await world.count('slow', 'wait'), 50, 'what was in hand is given back when the consumer ends');
});

test('while an endpoint is down one request at a time asks whether it is back', async () => {
  const open: (() => void)[] = [];
  let isDown = true;
  const post = async (): Promise<WebhookVerdict> => {
    await new Promise<void>((resolve) => open.push(resolve));
    return isDown ? { kind: 'later', reason: 'HTTP 500' } : { kind: 'done' };
  };
  const settings = { batchSize: 1, batchWait: 0, concurrency: 3, maxAge: 60_000 };
  const batches = openBatches(settings, post, { failed: () => undefined, recovered: () => undefined });
  const ends = Array.from({ length: 5 }, (_, n) => batches.add(bounce({ event_id: `e${n}` }), Date.now()));
  assert.equal(open.length, 3, 'as many as are allowed while it is well');
  for (const answer of open.splice(0)) answer();
  await until(() => open.length > 0, 'it is asked again');
  assert.equal(open.length, 1);
  isDown = false;
  open.pop()?.();
  await until(() => open.length === 3, 'it is back');
  for (const answer of open.splice(0)) answer();
  await until(() => open.length === 1, 'the last one');
  const closed = batches.close();
  assert.deepEqual(await batches.add(bounce(), Date.now()), { kind: 'back' }, 'who comes too late is given back');
  open.pop()?.();
  await closed;
  assert.deepEqual(await Promise.all(ends), Array(5).fill({ kind: 'done' }));
});

test('no answer in time and a lost connection are tried again, with the same key', async (t) => {
  let asked = 0;
  const endpoint = await startEndpoint(t, () => (++asked === 1 ? 'hang' : 204));
  const world = await openWorld(t, { crm: { url: endpoint.url, timeout: '300ms' } });
  await world.publish(2);
  await world.start('crm');
  await until(() => isDone(world, 'crm', 2), 'posted after all');
  assert.equal((await world.outcomes('crm'))['retry'], endpoint.requests[0]?.records.length);
  const first = endpoint.requests[0]?.headers['idempotency-key'];
  assert.ok(endpoint.requests.slice(1).some(({ headers }) => headers['idempotency-key'] === first));
});

test('Retry-After is kept to', async (t) => {
  let asked = 0;
  const endpoint = await startEndpoint(t, () => (++asked === 1 ? { status: 429, headers: { 'retry-after': '3' } } : 204));
  const world = await openWorld(t, { crm: { url: endpoint.url } });
  await world.publish(1);
  await world.start('crm');
  await until(() => isDone(world, 'crm', 1), 'posted');
  const [first, second] = endpoint.requests;
  // Without it the wait would be a second at most; the server's clock and ours are one.
  assert.ok(first && second && second.at - first.at >= 2900, `${(second?.at ?? 0) - (first?.at ?? 0)} ms`);
});

test('one record that an endpoint cannot stand is given up alone and lies in the failed set', async (t) => {
  const endpoint = await startEndpoint(t, ({ records }) => (records.some(({ event_id }) => event_id === 'e3') ? 422 : 204));
  const world = await openWorld(t, { crm: { url: endpoint.url, batchSize: 5 } });
  const ids = await world.publish(5);
  await world.start('crm');
  await until(async () => (await world.count('crm', 'failed')) === 1, 'given up');
  await until(() => isDone(world, 'crm', 4), 'the others posted');
  assert.deepEqual(endpoint.seen(), new Set(ids));
  const { client, prefix } = world.context.redis;
  assert.equal(await client.hget(`${prefix}:webhook-crm:e3`, 'failedReason'), 'HTTP 422');
  assert.equal((await world.outcomes('crm'))['dead'], 1);
});

test('a record that is too old when its request fails is given up', async (t) => {
  const endpoint = await startEndpoint(t, () => 500);
  const world = await openWorld(t, { crm: { url: endpoint.url, maxAge: '1s' } });
  await world.publish(2);
  await world.start('crm');
  await until(async () => (await world.count('crm', 'failed')) === 2, 'given up');
});

test('an answer whose body does not end is an answer, and holds up no other request', async (t) => {
  const endpoint = await startEndpoint(t, () => ({ status: 200, headers: {}, isOpen: true }));
  const world = await openWorld(t, { crm: { url: endpoint.url, batchSize: 1, concurrency: 1, timeout: '60s' } });
  await world.publish(3);
  await world.start('crm');
  await until(() => isDone(world, 'crm', 3), 'posted');
});

test('an endpoint that answers 101 has failed, and is asked again', async (t) => {
  let asked = 0;
  const upgrade = { status: 101, headers: { connection: 'upgrade', upgrade: 'x' } };
  const endpoint = await startEndpoint(t, () => (++asked === 1 ? upgrade : 204));
  const world = await openWorld(t, { crm: { url: endpoint.url } });
  await world.publish(1);
  await world.start('crm');
  await until(() => isDone(world, 'crm', 1), 'posted after all');
  assert.equal((await world.outcomes('crm'))['retry'], 1);
});

test('redirects are not followed, and an answer without end is not read', async (t) => {
  const elsewhere = await startEndpoint(t);
  const endpoint = await startEndpoint(t, ({ headers }) =>
    headers['x-case'] === 'redirect'
      ? { status: 307, headers: { location: elsewhere.url } }
      : { status: 200, headers: {}, body: 'x'.repeat(4_000_000) },
  );
  const world = await openWorld(t, {
    moved: { url: endpoint.url, headers: { 'x-case': 'redirect' } },
    chatty: { url: endpoint.url },
  });
  await world.publish(1);
  await world.start('moved');
  await world.start('chatty');
  await until(() => isDone(world, 'chatty', 1), 'a long answer is an answer');
  await until(async () => ((await world.outcomes('moved'))['retry'] ?? 0) > 0, 'a redirect is a failure');
  assert.equal(elsewhere.requests.length, 0);
});

test('a certificate that nobody vouches for is refused, unless that is allowed', async (t) => {
  const endpoint = await startEndpoint(t, undefined, selfSigned('127.0.0.1'));
  const world = await openWorld(t, { strict: { url: endpoint.url }, lax: { url: endpoint.url, tlsVerify: false } });
  await world.publish(1);
  await world.start('strict');
  await world.start('lax');
  await until(() => isDone(world, 'lax', 1), 'posted');
  await until(async () => ((await world.outcomes('strict'))['retry'] ?? 0) > 0, 'refused');
  assert.ok(endpoint.requests.length >= 1);
  assert.equal((await world.outcomes('strict'))['done'], undefined);
});

test('every record comes through though its consumer is killed again and again', async (t) => {
  const endpoint = await startEndpoint(t);
  const world = await openWorld(t, {
    crm: { url: endpoint.url, batchSize: 5, batchWait: '20ms', secret: 's3cret', headers: { Authorization: 't0ken' } },
  });
  const ids = await world.publish(300);
  let log = '';
  for (let kills = 0; kills < 2; kills++) {
    const before = endpoint.requests.length;
    const role = await startRole(t, 'bounce', world.redis, world.config);
    await until(() => endpoint.requests.length > before + 3 || endpoint.seen().size === ids.length, 'it posts');
    await role.kill();
    log += role.log();
  }
  await startRole(t, 'bounce', world.redis, world.config);
  await until(() => endpoint.seen().size === ids.length, 'all have come');
  await until(async () => (await world.count('crm', 'wait')) + (await world.count('crm', 'active')) === 0, 'nothing is left');
  assert.equal(await world.count('crm', 'failed'), 0);
  assert.match(log, /ready/);
  assert.doesNotMatch(log, /s3cret|t0ken|k3y/);
});

test('what waits for an endpoint that is down is bounded by number and by age; the oldest go first and are counted', async (t) => {
  const world = await openWorld(t, {
    few: { url: 'http://127.0.0.1:1/', maxBacklog: 10 },
    brief: { url: 'http://127.0.0.1:1/', maxAge: '1s' },
    ample: { url: 'http://127.0.0.1:1/' },
  });
  await world.publish(25);
  const trim = (isShort = false) => trimBacklogs(world.context, world.pipeline, isShort);
  await trim();
  assert.equal(await world.count('few', 'wait'), 10);
  assert.equal((await world.outcomes('few'))['dropped'], 15);
  const { client, prefix } = world.context.redis;
  assert.equal(await client.lindex(`${prefix}:webhook-few:wait`, -1), 'e16', 'the oldest that is left');
  assert.equal(await client.exists(`${prefix}:webhook-few:e15`), 0);
  assert.equal(await world.count('ample', 'wait'), 25);
  await until(async () => {
    await trim();
    return (await world.count('brief', 'wait')) === 0;
  }, 'too old');
  assert.equal((await world.outcomes('brief'))['dropped'], 25);
  await trim(true);
  assert.equal(await world.count('ample', 'wait'), 25, 'a few make no room');
  await world.publish(2475);
  await trim(true);
  assert.equal(await world.count('ample', 'wait'), 1250, 'mail needs the memory more');
  assert.equal(await world.count('few', 'wait'), 10);
  assert.equal(await client.xlen(world.context.redis.key('log')), 2500, 'the log has them all');
});

test('a webhook that is in no settings any more leaves nothing in Redis after a day', async (t) => {
  const endpoint = await startEndpoint(t);
  const world = await openWorld(t, { gone: { url: endpoint.url } });
  await world.publish(1);
  await trimBacklogs(world.context, world.pipeline, false);
  const later = await world.publish(1);
  const { client, prefix } = world.context.redis;
  const without = { ...world.context, subscriptions: [] };
  await trimBacklogs(without, world.pipeline, false);
  assert.equal(await world.count('gone', 'wait'), 2, 'what is young stays: another process may still have the old settings');
  for (const id of ['e1', ...later]) await client.hset(`${prefix}:webhook-gone:${id}`, 'timestamp', String(Date.now() - 90_000_000));
  await trimBacklogs(without, world.pipeline, false);
  assert.deepEqual(await client.keys('*webhook-gone*'), []);
  assert.equal(await client.exists(world.context.redis.key('hooks')), 0);
});

test('the documentation shows the examples as they are', async () => {
  const root = new URL('../../', import.meta.url);
  const page = await readFile(new URL('docs/hooks.md', root), 'utf8');
  for (const name of ['verify-webhook', 'ndr-generator', 'ndr-generator-with-text']) {
    const code = await readFile(new URL(`infra/examples/${name}.ts`, root), 'utf8');
    assert.ok(page.includes(code.trim()), name);
  }
});
