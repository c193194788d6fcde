import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startSink } from '../../shared/io/sink-server.ts';
import { policyFolder } from '../support/policy.ts';
import { startRebound } from '../support/relay.ts';
import { cleanUp } from '../support/cleanup.ts';

test('the routing domain decides where a message goes, and its queue and lane tell', async (t) => {
  const other = await startSink();
  cleanUp(t, () => other.close());
  const { file } = await policyFolder(
    t,
    `import { definePolicy } from 'rebound';
    export default definePolicy((policy) => policy.on('smtp_server_message_received', ({ recipients }) =>
      recipients.includes('far@dest.test') ? { routingDomain: 'gateway.test', tenant: 'acme', meta: { via: 'gateway' } } : undefined));`,
  );
  const relay = await startRebound(t, {
    config: { policy: { file, timeout: '50s' }, outbound: { routes: { 'gateway.test': `127.0.0.1:${other.port}` } } },
  });
  await relay.send({ from: 'ann@home.test', to: ['far@dest.test', 'more@else.test'] });
  await relay.send({ from: 'ann@home.test', to: 'near@dest.test' });
  const deliveries = await relay.until(({ type }) => type === 'Delivery', 3);
  const told = deliveries.map(({ recipient, queue, site, meta }) => [recipient, queue, site, meta['via']].join(' ')).sort();
  assert.deepEqual(told, [
    `far@dest.test acme@dest.test!gateway.test default->127.0.0.1:${other.port} gateway`,
    `more@else.test acme@else.test!gateway.test default->127.0.0.1:${other.port} gateway`,
    `near@dest.test dest.test default->127.0.0.1:${relay.sink.port} `,
  ]);
});
