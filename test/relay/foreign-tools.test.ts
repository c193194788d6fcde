import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { findTool } from '../support/foreign-tools.ts';
import { freePort } from '../support/ports.ts';
import { startRebound } from '../support/relay.ts';

const count = 10_000;

test(`${count} messages of 4 KB from smtp-source in 20 sessions arrive exactly once`, async (t) => {
  const source = findTool(t, 'smtp-source');
  if (!source) return;
  const arrived = new Map<string, number>();
  const relay = await startRebound(t, {
    deliveries: 2,
    // A lock that a busy machine cannot keep is not what this is about: the message would be sent again, as it must.
    config: { delivery: { lockDuration: '30s' } },
    redis: ['--appendonly', 'yes', '--appendfsync', 'always'],
    sink: {
      keep: false,
      onMessage: ({ recipients }) => {
        for (const recipient of recipients) arrived.set(recipient, (arrived.get(recipient) ?? 0) + 1);
      },
    },
  });
  // -N puts a serial number before each recipient.
  await source.run(
    '-d',
    '-N',
    '-s',
    '20',
    '-m',
    String(count),
    '-l',
    '4096',
    '-f',
    'ann@home.test',
    '-t',
    'bob@dest.test',
    `inet:127.0.0.1:${relay.port}`,
  );
  await relay.sink.until(() => relay.sink.counts.messages >= count, 60_000);
  await relay.until((r) => r.type === 'Delivery' && r.size > 4096, count);
  assert.equal(arrived.size, count);
  assert.deepEqual(
    [...arrived.values()].filter((n) => n !== 1),
    [],
  );
  assert.equal(relay.sink.counts.messages, count);
  assert.deepEqual(await relay.leftovers(), []);
});

test('Postfix’s smtp-sink takes what Rebound delivers', async (t) => {
  const sink = findTool(t, 'smtp-sink');
  const source = findTool(t, 'smtp-source');
  if (!sink || !source) return;
  const port = await freePort();
  sink.start(t, ...(process.getuid?.() === 0 ? ['-u', 'nobody'] : []), `127.0.0.1:${port}`, '100');
  await untilListens(port);
  const relay = await startRebound(t, { config: { outbound: { routes: { '*': `127.0.0.1:${port}` } } } });
  await source.run('-s', '5', '-m', '200', '-l', '20000', '-f', 'ann@home.test', '-t', 'bob@dest.test', `inet:127.0.0.1:${relay.port}`);
  const deliveries = await relay.until((r) => r.type === 'Delivery', 200);
  assert.deepEqual(new Set(deliveries.map((r) => r.response.code)), new Set([250]));
  assert.deepEqual(await relay.leftovers(), []);
});

test('swaks sends to several recipients with pipelining, and sees who is refused', async (t) => {
  const swaks = findTool(t, 'swaks');
  if (!swaks) return;
  const relay = await startRebound(t, { config: { ingress: { maxRecipients: 2 } } });
  const to = ['bob@dest.test', 'eve@other.test'];
  const { stdout } = await swaks.run(
    '--server',
    `127.0.0.1:${relay.port}`,
    '--from',
    'ann@home.test',
    '--to',
    to.join(','),
    '--pipeline',
    '--body',
    '.\n..\nlast',
  );
  assert.match(stdout, /<-\s+250 2\.0\.0 Ok: queued as [0-9a-f]{32}/);
  await relay.until((r) => r.type === 'Delivery', 2);
  for (const message of relay.sink.messages) assert.match(message.bytes.toString(), /\r\n\.\r\n\.\.\r\nlast\r\n/);
  const refused = await swaks
    .run('--server', `127.0.0.1:${relay.port}`, '--from', 'ann@home.test', '--to', `${to.join(',')},one@too.test`)
    .catch((error: { stdout: string }) => error);
  assert.match(refused.stdout, /452 4\.5\.3/);
});

async function untilListens(port: number): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    const socket = connect(port, '127.0.0.1');
    const isUp = await Promise.race([once(socket, 'connect').then(() => true), once(socket, 'error').then(() => false)]).catch(() => false);
    socket.destroy();
    if (isUp) return;
    await sleep(20);
  }
  throw new Error(`nothing listens on port ${port}`);
}
