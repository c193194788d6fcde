import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openQueues } from '../../shared/io/queues.ts';
import { connectRedis, startRedis } from '../support/redis.ts';

test('a transaction of which one command failed is told from one that was refused as a whole', async (t) => {
  const server = await startRedis(t);
  const redis = await connectRedis(t, server.url);
  const queues = openQueues(redis);

  const partly = queues.begin();
  partly.redis.set('text', 'x').hset('text', 'field', 'x').set('after', 'x');
  await assert.rejects(partly.exec(), { name: 'Error', message: /WRONGTYPE/ });
  assert.equal(await redis.client.get('after'), 'x');

  await redis.client.config('SET', 'maxmemory', '1');
  const refused = queues.begin();
  refused.redis.set('never', 'x');
  await assert.rejects(refused.exec(), { name: 'ReplyError', message: /EXECABORT|OOM/ });
  await redis.client.config('SET', 'maxmemory', '0');
  assert.equal(await redis.client.exists('never'), 0);
});

test('work for after a transaction is done with its results, and not when it failed', async (t) => {
  const server = await startRedis(t);
  const queues = openQueues(await connectRedis(t, server.url));
  const seen: unknown[][] = [];
  const done = queues.begin();
  done.redis.set('a', '1').get('a');
  done.whenDone((results) => Promise.resolve(void seen.push(results)));
  await done.exec();
  const wanted: unknown[] = [['OK', '1']];
  assert.deepEqual(seen, wanted);
  const failing = queues.begin();
  failing.redis.hset('a', 'field', 'x');
  failing.whenDone((results) => Promise.resolve(void seen.push(results)));
  await assert.rejects(failing.exec());
  assert.equal(seen.length, 1);
});
