import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { configSchema } from '../../shared/core/config.ts';
import {
  doesRedisAnswer,
  EmbeddedRedisError,
  embeddedRedisUrl,
  startEmbeddedRedis,
  type EmbeddedRedis,
} from '../../shared/io/embedded-redis.ts';
import { openLog } from '../../shared/io/log.ts';
import { openRedis } from '../../shared/io/redis.ts';

const log = openLog({ ...configSchema.parse({}).log, level: 'silent' });

async function temporaryFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'rebound-redis-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** Started, and closed after the test unless that was done already. */
async function start(t: TestContext, dataDir: string): Promise<EmbeddedRedis> {
  const redis = await startEmbeddedRedis({ dataDir, log });
  t.after(() => redis.close());
  return redis;
}

function connect(t: TestContext, url: string): Redis {
  const client = new Redis({ path: url.slice('unix://'.length), retryStrategy: () => 20, maxRetriesPerRequest: null });
  client.on('error', () => undefined);
  t.after(() => client.disconnect());
  return client;
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (!(await holds())) {
    assert.ok(Date.now() < deadline, 'it never came to hold');
    await sleep(20);
  }
}

test('it answers where its folder says, and does no longer when closed', async (t) => {
  const dataDir = await temporaryFolder(t);
  assert.equal(await doesRedisAnswer(embeddedRedisUrl(dataDir)), false);
  const redis = await start(t, dataDir);
  assert.equal(redis.url, embeddedRedisUrl(dataDir));
  assert.equal(await doesRedisAnswer(redis.url), true);
  await redis.close();
  assert.equal(await doesRedisAnswer(redis.url), false);
});

test('every part of Rebound can use it, and finds it durable', async (t) => {
  const redis = await start(t, await temporaryFolder(t));
  const link = await openRedis(redis.url, { ...configSchema.parse({}).redis, requireDurable: true }, log);
  t.after(() => link.close());
  assert.deepEqual(link.durability, { aof: 'always', evicts: false });
  assert.deepEqual(await link.client.config('GET', 'maxmemory-policy'), ['maxmemory-policy', 'noeviction']);
  assert.deepEqual(await link.client.config('GET', 'port'), ['port', '0']);
});

test('its data is there again after a restart', async (t) => {
  const dataDir = await temporaryFolder(t);
  const first = await start(t, dataDir);
  await connect(t, first.url).set('message', 'kept');
  await first.close();
  const second = await start(t, dataDir);
  assert.equal(await connect(t, second.url).get('message'), 'kept');
});

test('a second one on the same folder is refused, and the first goes on', async (t) => {
  const dataDir = await temporaryFolder(t);
  const first = await start(t, dataDir);
  await assert.rejects(startEmbeddedRedis({ dataDir, log }), (error) => {
    return error instanceof EmbeddedRedisError && /another Rebound already runs on the data folder/.test(error.message);
  });
  assert.equal(await connect(t, first.url).ping(), 'PONG');
});

test('of two that start at the same moment one is refused', async (t) => {
  const dataDir = await temporaryFolder(t);
  const results = await Promise.allSettled([start(t, dataDir), start(t, dataDir)]);
  assert.deepEqual(results.map(({ status }) => status).toSorted(), ['fulfilled', 'rejected']);
  const refused = results.find((result) => result.status === 'rejected');
  assert.match(String(refused?.reason), /EmbeddedRedisError: another Rebound/);
});

test('what a start that was killed left behind does not stop the next', async (t) => {
  const dataDir = await temporaryFolder(t);
  const gone = spawn('true');
  await once(gone, 'exit');
  await mkdir(join(dataDir, 'redis'));
  await writeFile(join(dataDir, 'redis', 'starting'), String(gone.pid));
  await writeFile(join(dataDir, 'redis', 'redis.sock'), '');
  const redis = await start(t, dataDir);
  assert.equal(await connect(t, redis.url).ping(), 'PONG');
  assert.ok(!(await readdir(join(dataDir, 'redis'))).includes('starting'));
});

test('a server that dies is started again with its data, at the same place', async (t) => {
  const redis = await start(t, await temporaryFolder(t));
  const client = connect(t, redis.url);
  await client.set('message', 'kept');
  const before = await processId(client);
  process.kill(before, 'SIGKILL');
  await until(async () => (await processId(client)) !== before);
  assert.equal(await client.get('message'), 'kept');
});

test('closing while a dead server is being started again leaves none', async (t) => {
  const redis = await start(t, await temporaryFolder(t));
  process.kill(await processId(connect(t, redis.url)), 'SIGKILL');
  await until(async () => !(await doesRedisAnswer(redis.url)));
  await redis.close();
  assert.equal(await doesRedisAnswer(redis.url), false);
});

test('it ends with its process, even when that is killed', async (t) => {
  const dataDir = await temporaryFolder(t);
  const program = `
    const { startEmbeddedRedis } = await import(${JSON.stringify(new URL('../../shared/io/embedded-redis.ts', import.meta.url).href)});
    const log = { debug() {}, error() {} };
    await startEmbeddedRedis({ dataDir: process.argv[1], log });
    console.log('up');
  `;
  const args = ['--disable-warning=ExperimentalWarning', '--input-type=module', '-e', program, '--', dataDir];
  const parent = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(parent.stdout, 'data');
  const url = embeddedRedisUrl(dataDir);
  assert.equal(await doesRedisAnswer(url), true);
  parent.kill('SIGKILL');
  await until(async () => !(await doesRedisAnswer(url)));
});

test('only its user can reach it', async (t) => {
  const dataDir = await temporaryFolder(t);
  await start(t, dataDir);
  assert.equal((await stat(join(dataDir, 'redis'))).mode & 0o777, 0o700);
  assert.equal((await stat(join(dataDir, 'redis', 'redis.sock'))).mode & 0o777, 0o700);
});

test('a path too long for a socket gets a short one, the same each time', async (t) => {
  const dataDir = join(await temporaryFolder(t), 'a'.repeat(120));
  const redis = await start(t, dataDir);
  const folder = join(redis.url.slice('unix://'.length), '..');
  t.after(() => rm(folder, { recursive: true, force: true }));
  assert.ok(redis.url.length < 110);
  assert.equal(redis.url, embeddedRedisUrl(dataDir));
  assert.equal((await stat(folder)).mode & 0o777, 0o700);
  assert.equal(await connect(t, redis.url).ping(), 'PONG');
});

test('data that cannot be read stops the start, with the words of Redis', async (t) => {
  const dataDir = await temporaryFolder(t);
  const first = await start(t, dataDir);
  await connect(t, first.url).set('message', 'kept');
  await first.close();
  const folder = join(dataDir, 'redis', 'appendonlydir');
  const manifest = (await readdir(folder)).find((name) => name.endsWith('.manifest'));
  await writeFile(join(folder, manifest ?? ''), 'garbage\n');
  await assert.rejects(
    start(t, dataDir),
    (error) => error instanceof EmbeddedRedisError && /Redis did not start: .*manifest/i.test(error.message),
  );
});

test('without a server program the message says what to do', async (t) => {
  const path = process.env['PATH'];
  t.after(() => (process.env['PATH'] = path));
  process.env['PATH'] = await temporaryFolder(t);
  await assert.rejects(
    startEmbeddedRedis({ dataDir: await temporaryFolder(t), log }),
    /EmbeddedRedisError: neither redis-server nor valkey-server is installed: run "npm run setup"/,
  );
});

async function processId(client: Redis): Promise<number> {
  const info = await client.info('server');
  return Number(/^process_id:(\d+)/m.exec(info)?.[1]);
}
