import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test, type TestContext } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { newMessageId } from '../../shared/io/ids.ts';
import type { Queues } from '../../shared/io/queues.ts';
import type { RedisLink } from '../../shared/io/redis.ts';
import { ContentGone } from '../../shared/io/spool-tier.ts';
import type { SpoolStore } from '../../shared/io/spool-store.ts';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

export interface SpoolUnderTest {
  spool: SpoolStore;
  queues: Queues;
  redis: RedisLink;
  /** Number of files or keys of message content that exist now. */
  countContents(): Promise<number>;
  /** Loses the content of all large messages. */
  removeContents(): Promise<void>;
}

/** What every driver of the spool must do; `threshold` of the spool under test is 1 KB. */
export function testSpool(name: string, open: (t: TestContext) => Promise<SpoolUnderTest>): void {
  const sizes: [string, number][] = [
    ['an empty message', 0],
    ['a message below the threshold', 500],
    ['a message at the threshold', 1024],
    ['a message above the threshold', 1025],
    ['a message of many chunks', 3_000_000],
  ];
  for (const [what, size] of sizes) {
    test(`${name}: ${what} comes out as it went in`, async (t) => {
      const { spool, queues } = await open(t);
      const content = randomBytes(size);
      const id = await store(spool, queues, content, ['a']);
      assert.ok(content.equals(await readAll(spool, id)));
    });
  }

  test(`${name}: what is put in front comes first, for small and large messages`, async (t) => {
    const { spool, queues } = await open(t);
    for (const size of [10, 100_000]) {
      const draft = spool.draft(newMessageId());
      const content = randomBytes(size);
      await draft.write(content);
      draft.prepend(Buffer.from('Received: x\r\n'));
      await commit(spool, queues, draft, ['a']);
      assert.equal(draft.size, size + 13);
      assert.ok(Buffer.concat([Buffer.from('Received: x\r\n'), content]).equals(await readAll(spool, draft.id)));
    }
  });

  test(`${name}: an entry lives until its last holder is gone, and a repeated release does no harm`, async (t) => {
    const { spool, queues, countContents } = await open(t);
    const id = await store(spool, queues, randomBytes(5000), ['a', 'b']);
    await release(spool, queues, id, 'a');
    await release(spool, queues, id, 'a');
    assert.notEqual(await spool.read(id), undefined);
    const tx = queues.begin();
    spool.hold(tx, id, 'c');
    await tx.exec();
    await release(spool, queues, id, 'b');
    assert.notEqual(await spool.read(id), undefined);
    await release(spool, queues, id, 'c');
    assert.equal(await spool.read(id), undefined);
    while ((await countContents()) > 0) await new Promise((resolve) => setTimeout(resolve, 5));
    await release(spool, queues, id, 'c');
  });

  test(`${name}: a release for a job that is no longer ours leaves the entry`, async (t) => {
    const { spool, queues, redis } = await open(t);
    const id = await store(spool, queues, randomBytes(50), ['a']);
    await redis.client.set('lock', 'other');
    const tx = queues.begin();
    spool.release(tx, id, 'a', { lockKey: 'lock', token: 'ours' });
    assert.deepEqual(await tx.exec(), [-1]);
    assert.notEqual(await spool.read(id), undefined);
  });

  test(`${name}: content that was lost is known to be gone`, async (t) => {
    const { spool, queues, removeContents } = await open(t);
    const id = await store(spool, queues, randomBytes(5000), ['a']);
    await removeContents();
    await assert.rejects(readAll(spool, id), ContentGone);
  });

  test(`${name}: a draft that is given up leaves nothing`, async (t) => {
    const { spool, countContents } = await open(t);
    const draft = spool.draft(newMessageId());
    await draft.write(randomBytes(2_000_000));
    await draft.discard();
    await draft.discard();
    assert.equal(await countContents(), 0);
    assert.equal(await spool.read(draft.id), undefined);
  });

  test(`${name}: 25 MB pass with bounded memory`, async (t) => {
    const { spool, queues } = await open(t);
    const draft = spool.draft(newMessageId());
    const chunk = randomBytes(64 * 1024);
    // What was freed is counted off only after the collection, on the next turns of the loop.
    const held = async (): Promise<number> => {
      for (let n = 0; n < 3; n++) {
        collectGarbage();
        await new Promise(setImmediate);
      }
      return process.memoryUsage().arrayBuffers;
    };
    const before = await held();
    let peak = 0;
    for (let i = 0; i < 400; i++) {
      await draft.write(Buffer.from(chunk));
      if (i % 50 === 0) peak = Math.max(peak, (await held()) - before);
    }
    await commit(spool, queues, draft, ['a']);
    const content = await spool.read(draft.id);
    assert.ok(content && !Buffer.isBuffer(content));
    let size = 0;
    for await (const part of content) {
      size += part.length;
      if (size % 3_000_000 < part.length) peak = Math.max(peak, (await held()) - before);
    }
    assert.equal(size, 400 * 64 * 1024);
    assert.ok(peak < 16_000_000, `${peak} bytes of buffers held at once`);
  });
}

async function store(spool: SpoolStore, queues: Queues, content: Buffer, holders: string[]): Promise<string> {
  const draft = spool.draft(newMessageId());
  for (let at = 0; at < content.length; at += 50_000) await draft.write(content.subarray(at, at + 50_000));
  await commit(spool, queues, draft, holders);
  return draft.id;
}

async function commit(spool: SpoolStore, queues: Queues, draft: ReturnType<SpoolStore['draft']>, holders: string[]): Promise<void> {
  await spool.seal(draft);
  const tx = queues.begin();
  spool.commit(tx, draft, holders);
  await tx.exec();
}

async function release(spool: SpoolStore, queues: Queues, id: string, holder: string): Promise<void> {
  const tx = queues.begin();
  spool.release(tx, id, holder);
  await tx.exec();
}

async function readAll(spool: SpoolStore, id: string): Promise<Buffer> {
  const content = await spool.read(id);
  assert.ok(content);
  return Buffer.isBuffer(content) ? content : Buffer.concat(await Array.fromAsync(content));
}
