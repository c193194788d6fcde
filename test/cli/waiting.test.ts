import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test, type TestContext } from 'node:test';
import { ReboundClient } from '../../shared/io/client.ts';
import { untilSettled } from '../../workers/cli/api/fates.ts';
import type { Order } from '../../workers/cli/api/order-table.ts';
import { remoteReplays } from '../../workers/cli/replay/remote.ts';
import { followOrder } from '../../workers/cli/steer/follow.ts';
import { cleanUp } from '../support/cleanup.ts';

const id = '0'.repeat(32);

/** An API that answers writes and nothing else, and a Ctrl-C that comes while it is asked. */
async function startHanging(t: TestContext): Promise<{ api: ReboundClient; signal: AbortSignal }> {
  const stopped = new AbortController();
  const server = createServer((request, response) => {
    if (request.method === 'GET') stopped.abort();
    else response.writeHead(202, { 'content-type': 'application/json' }).end(JSON.stringify({ id }));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanUp(t, async () => {
    server.close();
    server.closeAllConnections();
    await once(server, 'close');
  });
  return { api: new ReboundClient({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }), signal: stopped.signal };
}

// The client itself would give up after 60 seconds.
test('Ctrl-C ends the waiting at once, even while the API hangs', { timeout: 50_000 }, async (t) => {
  const order = { id, kind: 'suspend', state: 'working', criteria: {}, messages: { done: 0, busy: 0, matched: 1 } } as unknown as Order;
  const steering = await startHanging(t);
  assert.equal(await followOrder(steering.api, order, 1, steering.signal), order);
  const sending = await startHanging(t);
  const [fate] = await untilSettled(sending.api, [{ recipient: 'ann@dest.test', id }], sending.signal);
  assert.equal(fate?.fate, 'waiting');
  const replaying = await startHanging(t);
  const manner = { isPreview: false, isSure: true, json: true, reason: 'x' };
  assert.equal(await remoteReplays(replaying.api, { to: 'bounces', since: '1h' }, manner, replaying.signal).begin(1, false), 130);
});
