import assert from 'node:assert/strict';
import net from 'node:net';
import { text } from 'node:stream/consumers';
import { test, type TestContext } from 'node:test';
import { startSink, type Sink, type SinkOptions } from '../../shared/io/sink-server.ts';

const dialogue =
  'EHLO me.test\r\nMAIL FROM:<a@x.test> SIZE=9\r\nRCPT TO:<b@y.test>\r\nRCPT TO:<c@y.test>\r\nDATA\r\nS: x\r\n\r\n..dot\r\n.\r\nQUIT\r\n';

async function open(t: TestContext, options: SinkOptions = {}): Promise<Sink> {
  const sink = await startSink({ extensions: ['PIPELINING'], ...options });
  t.after(() => sink.close());
  return sink;
}

/** Everything the sink says to these pieces, each sent when the one before has left. */
async function say(sink: Sink, ...pieces: string[]): Promise<string[]> {
  const socket = net.connect({ host: sink.host, port: sink.port, noDelay: true });
  const heard = text(socket);
  for (const piece of pieces) await new Promise<void>((resolve) => void socket.write(piece, () => setImmediate(resolve)));
  return (await heard).split('\r\n').slice(0, -1);
}

const replies = [
  '220 sink.test ESMTP sink',
  '250-sink.test',
  '250 PIPELINING',
  '250 2.1.0 ok',
  '250 2.1.5 ok',
  '250 2.1.5 ok',
  '354 go ahead',
  '250 2.0.0 taken',
  '221 2.0.0 bye',
];

test('a whole dialogue in one piece', async (t) => {
  const sink = await open(t);
  assert.deepEqual(await say(sink, dialogue), replies);
  const { bytes, ...rest } = await sink.next();
  assert.equal(bytes.toString(), 'S: x\r\n\r\n.dot\r\n');
  assert.deepEqual(rest, {
    sender: 'a@x.test',
    recipients: ['b@y.test', 'c@y.test'],
    mailLine: 'MAIL FROM:<a@x.test> SIZE=9',
    rcptLines: ['RCPT TO:<b@y.test>', 'RCPT TO:<c@y.test>'],
    connectionId: 1,
    isTls: false,
    clientName: 'me.test',
    clientAddress: '127.0.0.1',
    user: '',
  });
});

test('the same dialogue cut anywhere', async (t) => {
  const sink = await open(t);
  const cuts = Array.from({ length: dialogue.length - 1 }, (_, i) => i + 1);
  const heard = await Promise.all(cuts.map((at) => say(sink, dialogue.slice(0, at), dialogue.slice(at))));
  for (const lines of heard) assert.deepEqual(lines, replies);
  assert.deepEqual(await say(sink, ...dialogue), replies);
  assert.deepEqual(new Set(sink.messages.map((m) => m.bytes.toString())), new Set(['S: x\r\n\r\n.dot\r\n']));
  await sink.until(() => sink.counts.connections.open === 0);
  assert.deepEqual(
    [sink.counts.messages, sink.counts.transactions.open, sink.counts.connections.total],
    [dialogue.length, 0, dialogue.length],
  );
});

test('rules: a reply for one recipient, a delay, a goodbye', async (t) => {
  const sink = await open(t, { rules: { rcpt: { 'b@y.test': '550 5.1.1 no' }, data: { delayMs: 20 }, message: '421 4.3.2 bye' } });
  assert.deepEqual((await say(sink, dialogue)).slice(3), ['250 2.1.0 ok', '550 5.1.1 no', '250 2.1.5 ok', '354 go ahead', '421 4.3.2 bye']);
  assert.equal(sink.messages.length, 0);
});

test('rules may be changed while the sink runs', async (t) => {
  const sink = await open(t);
  sink.rules = { mail: '451 4.7.1 later' };
  assert.equal((await say(sink, 'EHLO me\r\nMAIL FROM:<>\r\nQUIT\r\n')).at(-2), '451 4.7.1 later');
});

test('LMTP answers for every recipient', async (t) => {
  const sink = await open(t, { lmtp: true, rules: { message: (m) => (m.recipient === 'b@y.test' ? '550 5.2.1 no' : undefined) } });
  assert.deepEqual((await say(sink, dialogue.replace('EHLO', 'LHLO'))).slice(-3), ['550 5.2.1 no', '250 2.0.0 taken', '221 2.0.0 bye']);
  assert.equal(sink.counts.messages, 1);
});

test('a sink that keeps nothing still counts and tells', async (t) => {
  let told = 0;
  const sink = await open(t, { keep: false, onMessage: () => (told += 1) });
  await say(sink, dialogue);
  assert.deepEqual([sink.messages.length, sink.log.length, sink.counts.messages, told], [0, 0, 1, 1]);
});

test('next gives each message once, and says what there was when it waits in vain', async (t) => {
  const sink = await open(t);
  await say(sink, dialogue);
  await sink.next((m) => m.sender === 'a@x.test');
  await assert.rejects(sink.next(undefined, 50), /waited 50 ms in vain; messages: 1/);
});
