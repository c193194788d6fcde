import assert from 'node:assert/strict';
import { test } from 'node:test';
import { configSchema } from '../../shared/core/config.ts';
import { openConversations, readConversation, whichHaveConversations, type Said } from '../../shared/io/conversations.ts';
import { newMessageId } from '../../shared/io/ids.ts';
import { connectRedis, startRedis } from '../support/redis.ts';

test('of a conversation that several messages had, each is announced as long as it can be read', async (t) => {
  const redis = await connectRedis(t, (await startRedis(t)).url);
  const context = { redis, config: configSchema.parse({}) };
  const conversations = openConversations(context);
  const fail = async (said: Said, isSettled = true): Promise<string> => {
    const job = `${newMessageId()}.0`;
    const tx = redis.client.multi();
    conversations.keep({ redis: tx } as never, job, 1, said);
    if (isSettled) await tx.exec();
    return `${job}.1.b0`;
  };
  const said = (text: string): Said => ({ lines: [{ at: 0, direction: 'server', text }] as never });
  const [one, other] = [said('550 no'), said('421 later')];
  const kept = [await fail(one), await fail(one)];
  // The first of them is not settled after all: there is nothing that the second could name.
  const lost = [await fail(other, false), await fail(other)];
  assert.deepEqual(await whichHaveConversations(context, [...kept, ...lost]), kept);
  for (const event of kept) assert.ok(await readConversation(context, event));
  for (const event of lost) assert.equal(await readConversation(context, event), undefined);
  assert.deepEqual(await whichHaveConversations(context, kept.slice(1)), kept.slice(1), 'the first need not be asked for');
});
