import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';
import { test, type TestContext } from 'node:test';
import { bounceRecord, startTestAdmin, type TestAdmin } from '../support/admin.ts';
import { cleanUp } from '../support/cleanup.ts';

interface Stream {
  socket: Socket;
  /** All that came so far. */
  text(): string;
  /** Resolves once `pattern` came; rejects when the stream ends before. */
  until(pattern: RegExp): Promise<RegExpExecArray>;
  ended: Promise<void>;
}

/** A client that reads until it is told otherwise. */
function follow(t: TestContext, { port }: TestAdmin, path: string, fields = ''): Stream {
  const socket = connect(port, '127.0.0.1');
  cleanUp(t, () => socket.destroy());
  let text = '';
  let look = (): void => undefined;
  let isOver = false;
  const ended = new Promise<void>((resolve) => {
    socket.on('close', () => {
      isOver = true;
      look();
      resolve();
    });
  });
  socket.on('error', () => undefined);
  socket.on('data', (data: Buffer) => {
    text += data.toString();
    look();
  });
  socket.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\n${fields}\r\n`);
  return {
    socket,
    text: () => text,
    ended,
    until: (pattern) =>
      new Promise((resolve, reject) => {
        look = () => {
          const match = pattern.exec(text);
          if (match) resolve(match);
          else if (isOver) reject(new Error(`the stream ended before ${String(pattern)}; it said ${text}`));
        };
        look();
      }),
  };
}

const eventIds = (text: string): string[] => [...text.matchAll(/"event_id":"([^"]+)"/g)].map(([, id]) => id ?? '');

test('records are told as they happen, of the types asked for', async (t) => {
  const admin = await startTestAdmin(t);
  await admin.publish(bounceRecord({ event_id: 'before' }));
  const all = follow(t, admin, '/api/events');
  const some = follow(t, admin, '/api/events?type=Delivery,Expiration');
  await Promise.all([all.until(/retry: \d+/), some.until(/retry: \d+/)]);
  assert.match(all.text(), /^HTTP\/1\.1 200 /);
  assert.match(all.text(), /content-type: text\/event-stream/i);
  assert.match(all.text(), /content-security-policy: /i);
  await admin.publish(
    bounceRecord({ event_id: 'one' }),
    bounceRecord({ event_id: 'two', type: 'Delivery', sender: 'a\n\ndata: forged\u2028' }),
    bounceRecord({ event_id: 'three', type: 'Expiration' }),
  );
  await Promise.all([all.until(/"three"/), some.until(/"three"/)]);
  assert.deepEqual(eventIds(all.text()), ['one', 'two', 'three']);
  assert.deepEqual(eventIds(some.text()), ['two', 'three']);
  assert.ok(!/^data: forged/m.test(all.text()), 'what a stranger wrote is no event of its own');
});

test('a stream has the filters of a search', async (t) => {
  const admin = await startTestAdmin(t);
  await admin.publish(bounceRecord({ event_id: 'before', recipient: 'bob@one.test' }));
  const stream = follow(t, admin, '/api/events?domain=one.test&code=5xx&since=1h');
  await stream.until(/"before"/);
  await admin.context.redis.client.xadd(admin.context.redis.key('log'), '*', 'r', '{"type":"Bounce","recipient":"x@one.test"}');
  await admin.publish(
    bounceRecord({ event_id: 'one', recipient: 'bob@two.test' }),
    bounceRecord({ event_id: 'two', recipient: 'bob@one.test', type: 'Delivery', response: { ...bounceRecord().response, code: 250 } }),
    bounceRecord({ event_id: 'three', recipient: 'ann@ONE.test' }),
  );
  await stream.until(/"three"/);
  assert.deepEqual(eventIds(stream.text()), ['before', 'three']);
});

test('a client that catches up leaves nothing behind in the server for each part that it was given', async (t) => {
  const admin = await startTestAdmin(t);
  const warnings: string[] = [];
  const hear = ({ name, message }: Error): void => void warnings.push(`${name}: ${message}`);
  process.on('warning', hear);
  cleanUp(t, () => process.off('warning', hear));
  for (let n = 0; n < 30; n++) await admin.publish(...Array.from({ length: 100 }, () => bounceRecord()));
  await admin.publish(bounceRecord({ event_id: 'last' }));
  await follow(t, admin, '/api/events?after=0').until(/"last"/);
  assert.deepEqual(warnings, []);
});

test('a client that comes back goes on where it was, and is told when the log does not reach back', async (t) => {
  const admin = await startTestAdmin(t);
  await admin.publish(...['one', 'two', 'three'].map((event_id) => bounceRecord({ event_id })));
  const first = follow(t, admin, '/api/events?after=0');
  await first.until(/"three"/);
  assert.ok(!first.text().includes('event: gap'), 'all there is');
  const [, second = ''] = await first.until(/id: (\S+)\ndata: [^\n]*"two"/);
  first.socket.destroy();
  const again = follow(t, admin, '/api/events', `Last-Event-ID: ${second}\r\n`);
  await again.until(/"three"/);
  assert.deepEqual(eventIds(again.text()), ['three']);
  assert.ok(!again.text().includes('event: gap'));
  await admin.context.redis.client.xtrim(admin.context.redis.key('log'), 'MAXLEN', 1);
  const [, place = ''] = /id: (\S+)\ndata: [^\n]*"one"/.exec(first.text()) ?? [];
  const late = follow(t, admin, '/api/events', `Last-Event-ID: ${place}\r\n`);
  await late.until(/"three"/);
  assert.match(late.text(), /event: gap\ndata: \{\}\n/);
});

test('a quiet stream says that it is alive, and outlives an absence of Redis', async (t) => {
  const admin = await startTestAdmin(t, {}, { heartbeat: 50, patience: 30_000 });
  const stream = follow(t, admin, '/api/events');
  await stream.until(/: alive\n[^]*: alive\n/);
  await admin.redis.kill();
  const quiet = stream.text().length;
  await stream.until(new RegExp(`^[^]{${quiet},}: alive\\n`));
  await admin.redis.restart();
  for (;;) if ((await admin.ask('/api/status')).status === 200) break;
  await admin.publish(bounceRecord({ event_id: 'after' }));
  await stream.until(/"after"/);
});

/** Resolves once so many streams are open. */
async function untilOpen({ context }: TestAdmin, count: number): Promise<void> {
  while ((await context.metrics.eventStreams.get()).values[0]?.value !== count) await new Promise((resolve) => setTimeout(resolve, 10));
}

test('a client that does not read is dropped', async (t) => {
  const admin = await startTestAdmin(t, {}, { heartbeat: 15_000, patience: 300 });
  // More than the buffers of the kernel take (37 MB by default).
  const recipient = 'x'.repeat(1_000_000);
  const records = 60;
  for (let n = 0; n < records; n++) await admin.publish(bounceRecord({ type: 'Reception', recipient }));
  const slow = follow(t, admin, '/api/events?after=0');
  await slow.until(/retry/);
  slow.socket.pause();
  await untilOpen(admin, 0);
  slow.socket.resume();
  await slow.ended;
  assert.ok(slow.text().length < records * recipient.length, 'not all was sent');
});

test('there are no more than fifty streams', async (t) => {
  const admin = await startTestAdmin(t);
  const streams = Array.from({ length: 50 }, () => follow(t, admin, '/api/events'));
  await Promise.all(streams.map((stream) => stream.until(/retry/)));
  const more = await admin.ask('/api/events');
  assert.deepEqual([more.status, more.headers['retry-after']], [503, '10']);
  streams[7]?.socket.destroy();
  await untilOpen(admin, 49);
  await follow(t, admin, '/api/events').until(/retry/);
});
