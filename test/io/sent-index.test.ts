import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import type { Envelope } from '../../shared/core/envelope.ts';
import type { SentMessage } from '../../shared/core/inbound/match.ts';
import { openQueues } from '../../shared/io/queues.ts';
import { forgetOldestDay, openSentIndex } from '../../shared/io/sent-index.ts';
import { connectRedis, startRedis } from '../support/redis.ts';

const dayMs = 86_400_000;
const id = (n: number): string => n.toString(16).padStart(32, '0');

async function openIndex(t: TestContext) {
  const redis = await connectRedis(t, (await startRedis(t)).url);
  const queues = openQueues(redis);
  const index = openSentIndex(redis);
  const add = async (n: number, more: Partial<SentMessage> = {}, envid?: string): Promise<void> => {
    const message = { id: id(n), sender: 'v1@bounces.test', recipients: ['bob@dest.test'], created: Date.now(), size: 1, ...more };
    const envelope: Envelope = { sender: message.sender, recipients: [], smtpUtf8: false, eightBit: false, ...(envid && { envid }) };
    const tx = queues.begin();
    index.add(tx, message, envelope);
    assert.equal(tx.length, 1, 'one command');
    await tx.exec();
  };
  return { redis, index, add };
}

test('a message is found by its return path in any case, by its decoded ENVID, and by its id', async (t) => {
  const { index, add } = await openIndex(t);
  await add(1, { tenant: 'acme' }, 'E+2B1');
  const found = await index.find({ returnPaths: ['V1@BOUNCES.test'], envelopeId: 'E+1', ids: [id(1), id(9)] });
  assert.deepEqual(
    [found.verp, found.envid, found['message-id']].map((list) => list.map((message) => message.id)),
    [[id(1)], [id(1)], [id(1)]],
  );
  assert.equal(found.verp[0]?.tenant, 'acme');
  const other = await index.find({ returnPaths: ['v2@bounces.test'], envelopeId: 'E', ids: [] });
  assert.deepEqual(other, { verp: [], envid: [], 'message-id': [] });
});

test('a shared return path leads to its twenty newest messages of a day, newest first', async (t) => {
  const { index, add } = await openIndex(t);
  await add(99, { created: Date.now() - dayMs });
  for (let n = 0; n < 25; n++) await add(n);
  const { verp } = await index.find({ returnPaths: ['v1@bounces.test'], ids: [] });
  assert.deepEqual(
    verp.map((message) => message.id),
    [...Array.from({ length: 20 }, (_, n) => id(24 - n)), id(99)],
  );
});

test('what was sent is forgotten after two weeks, and by the day when Redis runs short of memory', async (t) => {
  const { redis, index, add } = await openIndex(t);
  const today = Math.floor(Date.now() / dayMs);
  for (const age of [0, 5, 14]) await add(age, { created: Date.now() - age * dayMs });
  const seconds = await redis.client.ttl(redis.key(`sent:${today}`));
  assert.ok(seconds > 14 * 86_400 && seconds <= 15 * 86_400, `kept for ${seconds} s`);
  const left = async (): Promise<string[]> => (await index.find({ returnPaths: ['v1@bounces.test'], ids: [] })).verp.map((m) => m.id);
  assert.deepEqual(await left(), [id(0), id(5), id(14)]);
  assert.equal(await forgetOldestDay(redis), true);
  assert.deepEqual(await left(), [id(0), id(5)]);
  assert.deepEqual([await forgetOldestDay(redis), await forgetOldestDay(redis), await forgetOldestDay(redis)], [true, true, false]);
  assert.deepEqual(await left(), []);
});
