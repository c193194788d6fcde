import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startCluster, startSentinel } from '../support/redis-topologies.ts';
import { startRebound } from '../support/relay.ts';

for (const [name, start] of [
  ['Sentinel', startSentinel],
  ['Cluster', startCluster],
] as const) {
  test(`mail is delivered, deferred and reported over Redis ${name}`, async (t) => {
    const redisUrl = await start(t);
    let tries = 0;
    const relay = await startRebound(t, {
      redisUrl,
      config: { spool: { threshold: '10KB' } },
      sink: {
        rules: {
          rcpt: ({ recipient }) =>
            recipient.startsWith('nobody') ? '550 5.1.1 no' : recipient.startsWith('later') && ++tries < 2 ? '451 later' : undefined,
        },
      },
    });
    await relay.send({
      from: 'ann@home.test',
      to: ['bob@one.test', 'nobody@two.test', 'later@three.test'],
      text: 'x'.repeat(70).concat('\r\n').repeat(400),
    });
    await relay.until((r) => r.type === 'Delivery', 3);
    assert.deepEqual(relay.sink.messages.flatMap((m) => m.recipients).sort(), ['ann@home.test', 'bob@one.test', 'later@three.test']);
  });
}
