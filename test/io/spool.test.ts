import assert from 'node:assert/strict';
import { readdir, rm, utimes, writeFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { configSchema } from '../../shared/core/config.ts';
import { openQueues } from '../../shared/io/queues.ts';
import { diskTier } from '../../shared/io/spool-disk.ts';
import { openSpool, refusalOf } from '../../shared/io/spool-store.ts';
import { connectRedis, silent, startRedis } from '../support/redis.ts';
import { testSpool, type SpoolUnderTest } from './spool.conformance.ts';

async function openWith(t: TestContext, driver: 'redis' | 'disk', redisArgs: string[] = []): Promise<SpoolUnderTest> {
  const server = await startRedis(t, ...redisArgs);
  const redis = await connectRedis(t, server.url);
  const config = configSchema.parse({ dataDir: server.dir, spool: { driver, threshold: '1KB', minFreeDisk: 0 } });
  const spool = openSpool(redis, config, silent);
  t.after(() => spool.close());
  const countContents = async (): Promise<number> => {
    const keys = await redis.client.keys('*spool:*');
    const files = await readdir(join(server.dir, 'spool'), { recursive: true, withFileTypes: true }).catch(() => []);
    return keys.length + files.filter((f) => f.isFile()).length;
  };
  const removeContents = async (): Promise<void> => {
    for (const key of await redis.client.keys('*:chunks')) await redis.client.unlink(key);
    await rm(join(server.dir, 'spool'), { recursive: true, force: true });
  };
  return { spool, queues: openQueues(redis), redis, countContents, removeContents };
}

testSpool('spool in Redis', (t) => openWith(t, 'redis'));
testSpool('spool on disk', (t) => openWith(t, 'disk'));

test('a full Redis is 452, and refused before the message is sent', async (t) => {
  const { spool, redis } = await openWith(t, 'redis', ['--maxmemory', '8mb']);
  spool.assertRoom();
  const fill = async (n: number): Promise<unknown> => redis.client.set(`filler${n}`, Buffer.alloc(200_000));
  for (let n = 0; await fill(n).then(Boolean, () => false); n++);
  await assert.rejects(
    async () => {
      for (;;) {
        spool.assertRoom();
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    },
    { name: 'SmtpRefusal', message: /storage/ },
  );
  const draft = spool.draft('a1');
  await assert.rejects(draft.write(Buffer.alloc(4_000_000)), (error: Error & { reply?: { code: number } }) => error.reply?.code === 452);
});

test('errors of storage become 452 when there is no room, else 451', () => {
  const cases: [Error, number][] = [
    [Object.assign(new Error('write failed'), { code: 'ENOSPC' }), 452],
    [new Error("OOM command not allowed when used memory > 'maxmemory'."), 452],
    [Object.assign(new Error('EXECABORT'), { previousErrors: [new Error('OOM command not allowed')] }), 452],
    [new Error('Connection is closed.'), 451],
  ];
  for (const [error, code] of cases) assert.equal(refusalOf(error).reply.code, code, error.message);
});

test('content that nobody reads keeps no file open', async (t) => {
  const { spool, queues } = await openWith(t, 'disk');
  const draft = spool.draft('0123456789abcdef');
  await draft.write(Buffer.alloc(100_000));
  await spool.seal(draft);
  const tx = queues.begin();
  spool.commit(tx, draft, ['a']);
  await tx.exec();
  const open = async (): Promise<number> => (await readdir('/proc/self/fd')).length;
  const before = await open();
  for (let n = 0; n < 50; n++) await spool.read(draft.id);
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.ok((await open()) < before + 10);
});

test('what a crashed writer left on disk is swept, what is held or young stays', async (t) => {
  const { dir } = await startRedis(t);
  const tier = diskTier(join(dir, 'spool'), 0);
  await mkdir(join(dir, 'spool', 'aa'), { recursive: true });
  const old = new Date(Date.now() - 2 * 3_600_000);
  for (const name of ['1aa.draft', '2aa', '3aa', '4aa']) {
    await writeFile(join(dir, 'spool', 'aa', name), 'x');
    if (name !== '4aa') await utimes(join(dir, 'spool', 'aa', name), old, old);
  }
  await tier.sweep((id) => Promise.resolve(id === '3aa'));
  assert.deepEqual((await readdir(join(dir, 'spool', 'aa'))).sort(), ['3aa', '4aa']);
});
