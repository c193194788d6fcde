import assert from 'node:assert/strict';
import net from 'node:net';
import { test, type TestContext } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { replyOnOneLine } from '../../shared/core/reply.ts';
import { dial, SmtpWire } from '../../shared/io/smtp-wire.ts';

/** A wire to a server that does as `serve` says. */
async function wireTo(t: TestContext, serve: (socket: net.Socket) => void): Promise<SmtpWire> {
  const server = net.createServer({ noDelay: true }, (socket) => {
    socket.on('error', () => socket.destroy());
    t.after(() => socket.destroy());
    serve(socket);
  });
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const socket = await dial(
    { name: 'mx.test', address: '127.0.0.1', port: (server.address() as net.AddressInfo).port },
    { timeouts: { connect: 5000 } },
  );
  assert.ok('write' in socket);
  const wire = new SmtpWire(socket);
  t.after(() => wire.destroy());
  return wire;
}

const read = async (wire: SmtpWire, ms = 5000) => replyOnOneLine(await wire.read('MAIL', ms));

/** Each piece is read by itself: the next is written when the other end has had its turn of the event loop. */
async function trickle(socket: net.Socket, pieces: Iterable<Buffer>): Promise<void> {
  for (const piece of pieces) {
    await new Promise<void>((resolve) => void socket.write(piece, () => resolve()));
    await nextTurn();
    await nextTurn();
  }
}

const octets = (text: string): Buffer[] => [...Buffer.from(text)].map((octet) => Buffer.of(octet));

test('replies cut at every octet are read whole', async (t) => {
  const wire = await wireTo(t, (socket) => void trickle(socket, octets('250-2.1.0 für\r\n250 2.1.0 Jörg\r\n550 5.1.1 nein\r\n')));
  assert.deepEqual([await read(wire), await read(wire)], ['250 2.1.0 für Jörg', '550 5.1.1 nein']);
});

test('an over-long line cut between its CR and LF has an end', async (t) => {
  const wire = await wireTo(
    t,
    (socket) => void trickle(socket, [Buffer.from(`550 ${'x'.repeat(20_000)}\r`), Buffer.from('\n250 next\r\n')]),
  );
  assert.deepEqual([(await read(wire)).length, await read(wire)], [2007, '250 next']);
});

test('words that are no UTF-8 keep every octet', async (t) => {
  const wire = await wireTo(t, (socket) => socket.write(Buffer.from('550 f\xfcr\r\n', 'latin1')));
  assert.equal(await read(wire), '550 f\xfcr');
});

test('replies that came before the end are read before it', async (t) => {
  const wire = await wireTo(t, (socket) => socket.end('250 one\r\n451 two\r\n250 half a li'));
  assert.deepEqual(
    [await read(wire), await read(wire), await read(wire)],
    ['250 one', '451 two', '421 4.4.2 server closed the connection (waiting for the reply to MAIL)'],
  );
  assert.equal(wire.endCause, 'peer');
});

test('a time-out is for the whole reply, not for each octet', async (t) => {
  const wire = await wireTo(t, (socket) => {
    const timer = setInterval(() => socket.write('2'), 20);
    socket.once('close', () => clearInterval(timer));
  });
  assert.equal(await read(wire, 200), '421 4.4.2 no reply within 200 ms (waiting for the reply to MAIL)');
  assert.equal(wire.endCause, 'timeout');
});

for (const [name, flood] of [
  ['an endless line', 'x'.repeat(1000)],
  ['an endless reply', '250-more\r\n'],
] as const) {
  test(`${name} is cut off`, async (t) => {
    const wire = await wireTo(t, (socket) => {
      const pour = () => {
        while (!socket.destroyed && socket.write(flood));
      };
      socket.on('drain', pour);
      pour();
    });
    assert.equal(await read(wire), '451 4.5.0 reply is too long (waiting for the reply to MAIL)');
    assert.equal(wire.endCause, 'protocol');
  });
}

test('a server that never stops talking is cut off', async (t) => {
  const wire = await wireTo(t, (socket) => {
    const pour = () => {
      while (!socket.destroyed && socket.write('250 more\r\n'));
    };
    socket.on('drain', pour);
    pour();
  });
  await wire.closed();
  assert.equal(wire.endCause, 'protocol');
});
