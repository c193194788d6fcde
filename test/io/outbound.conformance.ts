import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import net from 'node:net';
import { describe, test, type TestContext } from 'node:test';
import tls from 'node:tls';
import { isDeepStrictEqual } from 'node:util';
import type { Envelope, Recipient } from '../../shared/core/envelope.ts';
import type { Outcome } from '../../shared/core/outcome.ts';
import { replyOnOneLine, replyText, type Reply } from '../../shared/core/reply.ts';
import type { ConnectOptions, ConnectResult, Outbound, OutboundConnection, Target, Transaction } from '../../shared/io/outbound.ts';
import { freePort } from '../support/ports.ts';
import { startSink, type Sink, type SinkOptions } from '../../shared/io/sink-server.ts';
import { selfSigned } from '../support/certificate.ts';
import { cases, type Case, type Deviation } from './outbound.cases.ts';

const timeouts: ConnectOptions['timeouts'] = { connect: 5000, greeting: 5000, command: 5000, data: 5000, block: 5000, final: 20_000 };
const text = Buffer.from('Subject: test\r\n\r\n.a dot\r\n..two\r\n.\r\nend\r\n');

/**
 * What every `Outbound` must do, over real sockets. `deviations`: the cases that this client cannot meet, by name, with
 * what it does instead; one that is not needed fails.
 */
export function testOutbound(title: string, client: Outbound, deviations: Record<string, Deviation> = {}): void {
  describe(`${title}: what a server does`, { concurrency: 8 }, () => {
    for (const c of cases) test(c.name, (t) => runCase(t, client, c, deviations[c.name]));

    test('every deviation is one of a case', () => {
      const known = new Set([...cases.map((c) => c.name), ...tlsCases.map((c) => c.name)]);
      assert.deepEqual(
        Object.keys(deviations).filter((name) => !known.has(name)),
        [],
      );
    });
  });

  describe(`${title}: TLS and login`, { concurrency: 8 }, () => {
    for (const c of tlsCases) test(c.name, (t) => runCase(t, client, c, deviations[c.name]));

    test('an unchecked certificate is good enough for opportunistic TLS, and the record says so', async (t) => {
      const { connection, sink } = await open(t, client, { tls: selfSigned('other.test') }, { tls: 'opportunistic' });
      assert.match(JSON.stringify(connection.peer.tls), /"protocol":"TLSv1\.[23]","cipher":"TLS_/);
      assert.deepEqual(await send(connection), ['accepted 250 2.0.0 .']);
      assert.equal(sink.messages[0]?.isTls, true);
    });

    test('a failed handshake is followed by one connection in clear', async (t) => {
      const { connection, sink } = await open(
        t,
        client,
        { tls: { ...selfSigned('mx.test'), minVersion: 'TLSv1', maxVersion: 'TLSv1.1' } },
        { tls: 'opportunistic' },
      );
      assert.deepEqual(await send(connection), ['accepted 250 2.0.0 .']);
      assert.deepEqual([sink.counts.connections.total, sink.messages[0]?.isTls, connection.peer.tls], [2, false, undefined]);
    });

    test('no password goes in clear to another machine', async (t) => {
      const sink = await sinkFor(t, { login });
      // To the system this address is this machine; to a client it looks like any other.
      const result = await client.connect(targetOf(sink, { address: '0.0.0.0', login }), options());
      assert.deepEqual([outcomeOfConnect(result), sink.log.filter((line) => /AUTH/.test(line))], ['no connection: 454 4.7.0 local', []]);
    });

    test('no password goes to a server with a wrong certificate', async (t) => {
      const sink = await sinkFor(t, { tls: selfSigned('mx.test'), login });
      const result = await client.connect(targetOf(sink, { tls: 'required', login }), options());
      assert.deepEqual([outcomeOfConnect(result), sink.log.filter((line) => /AUTH/.test(line))], ['no connection: 454 4.7.5 local', []]);
    });
  });

  describe(`${title}: what a server sees`, { concurrency: 8 }, () => {
    test('DSN parameters go unchanged to a server that offers DSN (rule 87)', async (t) => {
      const { connection, sink } = await open(t, client);
      const outcomes = await connection.send(
        message({ ret: 'HDRS', envid: 'QQ+2B314159' }, [
          { address: 'Bob@x.test', notify: ['SUCCESS', 'DELAY'], orcpt: 'rfc822;Bob+2B@y.test' },
        ]),
      );
      assert.deepEqual(
        outcomes.map((o) => o.kind === 'accepted' && o.relayedDsn),
        [true],
      );
      assert.match(sink.messages[0]?.mailLine ?? '', /^MAIL FROM:<ann@home\.test>(?=.* RET=HDRS\b)(?=.* ENVID=QQ\+2B314159\b)/);
      assert.deepEqual(sink.messages[0]?.rcptLines, ['RCPT TO:<Bob@x.test> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;Bob+2B@y.test']);
    });

    test('no DSN parameter goes to a server that does not offer DSN (rule 88)', async (t) => {
      const { connection, sink } = await open(t, client, { extensions: ['PIPELINING'] });
      const outcomes = await connection.send(
        message({ ret: 'FULL', envid: 'x' }, [{ address: 'bob@x.test', notify: ['NEVER'], orcpt: 'rfc822;b@y.test' }]),
      );
      assert.deepEqual(
        outcomes.map((o) => o.kind === 'accepted' && o.relayedDsn),
        [false],
      );
      assert.deepEqual([sink.messages[0]?.mailLine, sink.messages[0]?.rcptLines], ['MAIL FROM:<ann@home.test>', ['RCPT TO:<bob@x.test>']]);
    });

    test('a parameter that could end its line is left out (rule 124)', async (t) => {
      const { connection, sink } = await open(t, client);
      await connection.send(message({ envid: 'a\r\nRSET' }, [{ address: 'bob@x.test', orcpt: 'rfc822;b\r\nRCPT TO:<victim@x.test>' }]));
      assert.deepEqual(
        sink.log.filter((line) => /RSET|victim/.test(line) && !/\+0D\+0A/.test(line)),
        [],
      );
    });

    test('recipients with different parameters each get their own (rule 87)', async (t) => {
      const { connection, sink } = await open(t, client);
      const recipients: Recipient[] = [
        { address: 'a@x.test', notify: ['NEVER'] },
        { address: 'b@x.test' },
        { address: 'c@x.test', notify: ['NEVER'] },
      ];
      assert.deepEqual(
        (await connection.send(message({}, recipients))).map(show),
        Array.from({ length: 3 }, () => 'accepted 250 2.0.0 .'),
      );
      assert.deepEqual(sink.messages.flatMap((m) => m.rcptLines).toSorted(), [
        'RCPT TO:<a@x.test> NOTIFY=NEVER',
        'RCPT TO:<b@x.test>',
        'RCPT TO:<c@x.test> NOTIFY=NEVER',
      ]);
    });

    test('the null sender, SIZE, BODY and SMTPUTF8', async (t) => {
      const { connection, sink } = await open(t, client);
      await connection.send(message({ sender: '', eightBit: true, smtpUtf8: true }, [{ address: 'jörg@x.test' }]));
      assert.deepEqual(sink.messages[0]?.mailLine.split(' ').toSorted(), [
        'BODY=8BITMIME',
        'FROM:<>',
        'MAIL',
        `SIZE=${text.length}`,
        'SMTPUTF8',
      ]);
      assert.deepEqual(sink.messages[0]?.recipients, ['jörg@x.test']);
    });

    test('it tells whether the server takes 8-bit content (rule 74)', async (t) => {
      assert.equal((await open(t, client)).connection.takesEightBit, true);
      assert.equal((await open(t, client, { extensions: ['SMTPUTF8'] })).connection.takesEightBit, false);
    });

    test('a UTF-8 ORCPT is written in ASCII where SMTPUTF8 is not in use (rule 101)', async (t) => {
      const { connection, sink } = await open(t, client);
      await connection.send(message({}, [{ address: 'bob@x.test', orcpt: 'utf-8;jörg@x.test' }]));
      assert.deepEqual(sink.messages[0]?.rcptLines, ['RCPT TO:<bob@x.test> ORCPT=utf-8;j\\x{F6}rg@x.test']);
    });

    test('content arrives as it was, whatever dots it has, in whatever pieces it comes (rules 77, 126)', async (t) => {
      const { connection, sink } = await open(t, client);
      for (const octets of ['.', '.\r\n', '..\r\n.\r\n', 'a\r\n.', 'no end', 'a\r\n..\r\n...\r\n', '\r\n\r\n.\r\n\r\n']) {
        for (const content of [Buffer.from(octets), pieces(Buffer.from(octets), 1), pieces(Buffer.from(octets), 2)]) {
          await connection.send({ ...message(), size: octets.length, content });
          const received = (await sink.next()).bytes.toString();
          assert.equal(received, octets.endsWith('\r\n') ? octets : `${octets}\r\n`);
        }
      }
    });

    test('25 MB of dots and lines arrive as they were, as one Buffer and as a stream', async (t) => {
      const { connection, sink } = await open(t, client);
      const content = Buffer.alloc(25_000_000, `.line of text\r\n${'x'.repeat(900)}\r\n..\r\n`);
      content.write('\r\n', content.length - 2);
      for (const form of [content, pieces(content, 60_001)]) {
        assert.deepEqual((await connection.send({ ...message(), size: content.length, content: form })).map(show), [
          'accepted 250 2.0.0 .',
        ]);
        assert.equal(digest((await sink.next(undefined, 20_000)).bytes), digest(content));
      }
    });

    for (const [name, source] of [
      [
        'breaks off',
        async function* () {
          yield text;
          throw new Error('disk gone');
        },
      ],
      [
        'is shorter than it should be',
        async function* () {
          yield text.subarray(0, 10);
        },
      ],
    ] satisfies [string, () => AsyncIterable<Buffer>][]) {
      test(`content that ${name} gets no final dot`, async (t) => {
        const { connection, sink } = await open(t, client);
        assert.deepEqual((await connection.send({ ...message(), content: source() })).map(show), ['failed 451 4.3.0 local']);
        assert.equal(connection.usable, false);
        await sink.until(() => sink.counts.connections.open === 0);
        assert.equal(sink.counts.messages, 0);
      });
    }

    test('messages follow each other on one connection without RSET', async (t) => {
      const { connection, sink } = await open(t, client);
      for (let i = 0; i < 3; i += 1) assert.deepEqual(await send(connection), ['accepted 250 2.0.0 .']);
      assert.deepEqual([sink.counts.connections.total, sink.log.filter((line) => /RSET/.test(line)).length], [1, 0]);
    });

    test('close says QUIT and waits for the end', async (t) => {
      const { connection, sink } = await open(t, client);
      await send(connection);
      await connection.close();
      assert.equal(connection.usable, false);
      await sink.until(() => sink.counts.connections.open === 0);
      assert.equal(sink.log.at(-1), '1 QUIT');
    });

    test('close does not wait long for a server that keeps silent', async (t) => {
      const { connection } = await open(t, client, { rules: { quit: 'hang' } });
      const before = performance.now();
      await connection.close();
      assert.ok(performance.now() - before < 4000);
    });
  });

  describe(`${title}: ends of a connection`, () => {
    test('nobody listens (rule 115)', async () => {
      const result = await client.connect({ ...anyTarget, port: await freePort() }, options());
      assert.deepEqual([outcomeOfConnect(result), result.ok || result.peer], ['no connection: 421 4.4.1 local', null]);
    });

    test('a local address that this machine does not have', async (t) => {
      const sink = await sinkFor(t, {});
      assert.equal(
        outcomeOfConnect(await client.connect(targetOf(sink), { ...options(), localAddress: '192.0.2.1' })),
        'no connection: 421 4.4.1 local',
      );
    });

    test('the local address is the one asked for', async (t) => {
      const seen = Promise.withResolvers<string | undefined>();
      const server = net.createServer((socket) => {
        seen.resolve(socket.remoteAddress);
        socket.end('554 no\r\n');
      });
      await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
      t.after(() => server.close());
      await client.connect({ ...anyTarget, port: (server.address() as net.AddressInfo).port }, { ...options(), localAddress: '127.0.0.7' });
      assert.equal(await seen.promise, '127.0.0.7');
    });

    test('a server that closes an idle connection makes it unusable, and the next message untried', async (t) => {
      const { connection, sink } = await open(t, client);
      await send(connection);
      sink.dropConnections();
      assert.deepEqual(
        (await send(connection)).map((line) => line.split(' ')[0]),
        ['untried'],
      );
      assert.equal(connection.usable, false);
    });

    test('destroy in the middle of a transaction settles it', async (t) => {
      const { connection, sink } = await open(t, client);
      sink.rules = {
        message() {
          connection.destroy();
          return 'hang';
        },
      };
      assert.deepEqual(await send(connection), ['failed 421 4.4.2 local']);
    });

    test('a message after destroy is untried', async (t) => {
      const { connection } = await open(t, client);
      connection.destroy();
      assert.deepEqual(
        (await send(connection)).map((line) => line.split(' ')[0]),
        ['untried'],
      );
    });

    test('two transactions at once are refused', async (t) => {
      const { connection } = await open(t, client);
      const first = send(connection);
      await assert.rejects(send(connection), /one transaction at a time/);
      assert.deepEqual(await first, ['accepted 250 2.0.0 .']);
    });
  });
}

const login = { user: 'relay', password: 'pass word' };
const trusted = selfSigned('mx.test');
tls.setDefaultCACertificates([...tls.getCACertificates('default'), trusted.cert]);

const tlsCases: Case[] = [
  {
    name: 'a refused STARTTLS goes on in clear',
    sink: { tls: trusted, rules: { starttls: '454 4.7.0 not now' } },
    target: { tls: 'opportunistic' },
    want: ['accepted 250 2.0.0 .'],
    then: 'same connection',
  },
  {
    name: '421 to STARTTLS is the end',
    sink: { tls: trusted, rules: { starttls: '421 4.3.2 bye' } },
    target: { tls: 'opportunistic' },
    want: ['no connection: 421 4.3.2 STARTTLS'],
  },
  {
    name: 'a connection dropped at STARTTLS is made again in clear',
    sink: { tls: trusted, rules: { starttls: 'drop' } },
    target: { tls: 'opportunistic' },
    want: ['accepted 250 2.0.0 .'],
  },
  {
    name: 'a handshake that does not come is given up in time',
    sink: { tls: trusted, rules: { starttls: '220 but I cannot' } },
    target: { tls: 'opportunistic' },
    timeouts: { command: 400, greeting: 400 },
    want: ['accepted 250 2.0.0 .'],
  },
  {
    name: 'words in clear behind the answer to STARTTLS',
    sink: { tls: trusted, rules: { starttls: '220 go ahead\r\n250 2.0.0 injected' } },
    target: { tls: 'opportunistic' },
    timeouts: { command: 400, greeting: 400 },
    want: ['no connection: 454 4.7.0 local'],
  },
  {
    name: 'no STARTTLS where TLS is disabled',
    sink: { tls: trusted, rules: { starttls: '554 5.7.0 unexpected' } },
    target: { tls: 'disabled' },
    want: ['accepted 250 2.0.0 .'],
    then: 'same connection',
  },
  {
    name: 'required TLS with a good certificate',
    sink: { tls: trusted },
    target: { tls: 'required' },
    want: ['accepted 250 2.0.0 .'],
    then: 'same connection',
  },
  {
    name: 'required TLS with a certificate of unknown issuer',
    sink: { tls: selfSigned('mx.test') },
    target: { tls: 'required' },
    want: ['no connection: 454 4.7.5 local'],
  },
  {
    name: 'required TLS with a certificate of another name',
    sink: { tls: trusted },
    target: { tls: 'required', name: 'mx2.test' },
    want: ['no connection: 454 4.7.5 local'],
  },
  {
    name: 'required TLS with a server that does not offer it',
    sink: {},
    target: { tls: 'required' },
    want: ['no connection: 454 4.7.4 local'],
  },
  {
    name: 'required TLS with a server that refuses it',
    sink: { tls: trusted, rules: { starttls: '554 5.7.0 no' } },
    target: { tls: 'required' },
    want: ['no connection: 454 4.7.4 local'],
  },
  {
    name: 'required TLS with a server that knows no EHLO',
    sink: { tls: trusted, rules: { ehlo: '502 5.5.1 what?' } },
    target: { tls: 'required' },
    want: ['no connection: 454 4.7.4 local'],
  },
  {
    name: 'implicit TLS with a good certificate',
    sink: { tls: trusted, implicitTls: true },
    target: { tls: 'implicit' },
    want: ['accepted 250 2.0.0 .'],
    then: 'same connection',
  },
  {
    name: 'implicit TLS with a certificate of unknown issuer',
    sink: { tls: selfSigned('mx.test'), implicitTls: true },
    target: { tls: 'implicit' },
    want: ['no connection: 454 4.7.5 local'],
  },
  {
    name: 'implicit TLS with a server that speaks in clear',
    sink: {},
    target: { tls: 'implicit' },
    timeouts: { command: 400, greeting: 400 },
    want: ['no connection: 454 4.7.5 local'],
  },
  { name: 'AUTH PLAIN', sink: { login }, target: { login }, want: ['accepted 250 2.0.0 .'], then: 'same connection' },
  {
    name: 'AUTH LOGIN where it is all that is offered',
    sink: { login: { ...login, mechanisms: ['LOGIN'] } },
    target: { login },
    want: ['accepted 250 2.0.0 .'],
  },
  { name: 'AUTH under TLS', sink: { login, tls: trusted }, target: { login, tls: 'required' }, want: ['accepted 250 2.0.0 .'] },
  { name: 'a wrong password', sink: { login }, target: { login: { ...login, password: 'x' } }, want: ['no connection: 535 5.7.8 AUTH'] },
  {
    name: 'a temporary refusal of AUTH',
    sink: { login, rules: { auth: '454 4.7.0 later' } },
    target: { login },
    want: ['no connection: 454 4.7.0 AUTH'],
  },
  { name: 'a login at a server that offers none', sink: {}, target: { login }, want: ['no connection: 454 4.7.0 local'] },
];

async function runCase(t: TestContext, client: Outbound, c: Case, deviation?: Deviation): Promise<void> {
  const check = (actual: string[]) => {
    const wanted = deviation?.want ?? [c.want];
    if (!wanted.some((lines) => isDeepStrictEqual(lines, actual))) assert.deepEqual(actual, wanted[0]);
  };
  const then = deviation?.then ?? c.then;
  const sink = await sinkFor(t, c.sink);
  const result = await client.connect(targetOf(sink, c.target), options({ ...timeouts, ...c.timeouts }));
  if (!result.ok) return check([outcomeOfConnect(result)]);
  const { connection } = result;
  t.after(() => connection.destroy());
  for (let i = 0; i < (c.before ?? 0); i += 1) await send(connection);
  const body = c.octets === undefined ? text : Buffer.alloc(c.octets, `${'x'.repeat(70)}\r\n`);
  const recipients = (c.to ?? ['1@x.test']).map((to) => (typeof to === 'string' ? { address: to } : to));
  const outcomes = await connection.send({ ...message(c.envelope, recipients), size: body.length, content: body });
  check(outcomes.map(show));
  assert.deepEqual(
    sink.log.filter((line) => /victim|NEVER/.test(line)),
    [],
  );
  if (then === undefined || then === 'unknown') return;
  assert.equal(connection.usable, then === 'same connection');
  if (then === 'closed') return;
  const total = sink.counts.connections.total;
  assert.deepEqual(await send(connection, '9@x.test'), ['accepted 250 2.0.0 .']);
  assert.equal(sink.counts.connections.total, total);
}

const anyTarget: Target = { name: 'mx.test', address: '127.0.0.1', port: 1, protocol: 'smtp', tls: 'disabled' };
const targetOf = (sink: Sink, overrides: Partial<Target> = {}): Target => ({
  ...anyTarget,
  address: sink.host,
  port: sink.port,
  ...overrides,
});
const options = (limits = timeouts): ConnectOptions => ({ ehloName: 'relay.test', timeouts: limits });

async function sinkFor(t: TestContext, sinkOptions: SinkOptions): Promise<Sink> {
  const sink = await startSink(sinkOptions);
  t.after(() => sink.close());
  return sink;
}

async function open(
  t: TestContext,
  client: Outbound,
  sinkOptions: SinkOptions = {},
  target: Partial<Target> = {},
): Promise<{ sink: Sink; connection: OutboundConnection }> {
  const sink = await sinkFor(t, sinkOptions);
  const result = await client.connect(targetOf(sink, target), options());
  assert.ok(result.ok, outcomeOfConnect(result));
  t.after(() => result.connection.destroy());
  return { sink, connection: result.connection };
}

function message(envelope: Partial<Envelope> = {}, recipients: Recipient[] = [{ address: 'bob@x.test' }]): Transaction {
  return {
    envelope: { sender: 'ann@home.test', smtpUtf8: false, eightBit: false, ...envelope, recipients },
    size: text.length,
    content: text,
  };
}

const send = async (connection: OutboundConnection, to = 'bob@x.test'): Promise<string[]> =>
  (await connection.send(message({}, [{ address: to }]))).map(show);

async function* pieces(content: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < content.length; at += size) yield content.subarray(at, at + size);
}

const digest = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

/** `refused 550 5.1.1 RCPT`; a local reply ends in `local`, for its words are ours. */
function show(outcome: Outcome): string {
  return `${outcome.kind} ${showReply(outcome.reply)}`;
}

function showReply(reply: Reply): string {
  assert.notEqual(replyText(reply), '', replyOnOneLine(reply));
  return [reply.code, reply.enhanced, reply.local ? 'local' : reply.command].filter(Boolean).join(' ');
}

const outcomeOfConnect = (result: ConnectResult): string => (result.ok ? 'connected' : `no connection: ${showReply(result.reply)}`);
