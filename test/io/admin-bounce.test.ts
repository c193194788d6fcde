import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseRfc3464 } from '../../shared/core/dsn/parse.ts';
import { run as runAdmin } from '../../workers/admin/main.ts';
import { startRebound } from '../support/relay.ts';

test('a message that an administrator ends comes back to its sender with the reason', async (t) => {
  const relay = await startRebound(t, {
    config: { admin: { port: 0 }, retry: { interval: '1h', maxInterval: '1h', maxAge: '5d' } },
    sink: { rules: { rcpt: { 'full@dest.test': '452 4.2.2 mailbox full' } } },
  });
  const admin = await runAdmin(relay.observer);
  t.after(() => admin.close());
  await relay.send({ from: 'ann@home.test', to: ['full@dest.test', 'ok@dest.test'] });
  const [deferred] = await relay.until(({ type }) => type === 'TransientFailure');
  const path = `${admin.describe}/api/messages/${deferred?.id}`;

  const answer = await fetch(`${path}/bounce`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ reason: 'the domain moved' }),
  });
  assert.equal(answer.status, 202);
  assert.deepEqual(await answer.json(), { id: deferred?.id, bounced: ['full@dest.test'] });

  const [ended] = await relay.until(({ type }) => type === 'AdminBounce');
  assert.partialDeepStrictEqual(ended, { recipient: 'full@dest.test', response: { code: 551, local: true } });
  assert.match(ended?.response.content ?? '', /the domain moved/);
  const report = parseRfc3464((await relay.sink.next(({ sender }) => sender === '')).bytes);
  assert.partialDeepStrictEqual(report?.recipients, [{ finalRecipient: { value: 'full@dest.test' }, action: 'failed', status: '5.7.1' }]);

  const records = await relay.records();
  const types = records.filter(({ id }) => id === deferred?.id).map(({ type }) => type);
  assert.deepEqual(types.sort(), ['AdminBounce', 'Delivery', 'Reception', 'TransientFailure'], 'what was delivered stays delivered');
  await relay.sink.until(() => relay.sink.messages.length === 2);
  const again = await fetch(`${path}/bounce`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{"reason":"again"}',
  });
  assert.equal(again.status, 404, 'there is nothing left to end');
});
