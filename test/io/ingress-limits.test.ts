import assert from 'node:assert/strict';
import test, { after } from 'node:test';
import { certificateFiles, startTestIngress } from '../support/ingress.ts';
import { freePort } from '../support/ports.ts';
import type { Step } from '../support/smtp-dialogue.ts';

const stranger = { from: '127.0.0.7' };
const other = { from: '127.0.0.8' };
const started: Step[] = [
  ['MAIL FROM:<a@b.test>', '250'],
  ['RCPT TO:<c@own.test>', '250'],
  ['DATA', '354'],
];
const message: Step[] = [...started, ['A: b\r\n\r\nx\r\n.', '250']];

test('connections beyond the limit are told 421 at once, until one ends', async (t) => {
  const ingress = await startTestIngress(t, { maxConnections: 2 });
  const first = await ingress.greeted();
  await ingress.greeted(stranger);
  const third = await ingress.connect();
  await third.expect([
    [undefined, '421 4.3.2'],
    [undefined, 'closed'],
  ]);
  await first.expect([
    ['QUIT', '221'],
    [undefined, 'closed'],
  ]);
  for (;;) {
    const next = await ingress.connect();
    if ((await next.reply()).startsWith('220')) break;
  }
  const refused = (await ingress.context.metrics.connections.get()).values.find((value) => value.labels.result === 'refused');
  assert.ok((refused?.value ?? 0) >= 1);
});

test('connections of one address are limited; those of others and of trusted networks are not', async (t) => {
  const ingress = await startTestIngress(t, { maxConnectionsPerAddress: 1 });
  const first = await ingress.greeted(stranger);
  const second = await ingress.connect(stranger);
  await second.expect([
    [undefined, '421 4.7.0'],
    [undefined, 'closed'],
  ]);
  await ingress.greeted(other);
  await ingress.greeted();
  await ingress.greeted();
  await first.expect([
    ['QUIT', '221'],
    [undefined, 'closed'],
  ]);
});

test('messages of one address are limited; those of trusted networks are not', async (t) => {
  const ingress = await startTestIngress(t, { maxMessagesPerMinute: 2, domains: ['own.test'] });
  const client = await ingress.greeted(stranger);
  await client.expect([...message, ...message, ['MAIL FROM:<a@b.test>', '450 4.7.1']]);
  const again = await ingress.greeted(stranger);
  await again.expect([['MAIL FROM:<a@b.test>', '450 4.7.1']]);
  const trusted = await ingress.greeted();
  await trusted.expect([...message, ...message, ...message]);
});

test('a connection ends with 421 after its messages', async (t) => {
  const ingress = await startTestIngress(t, { maxMessagesPerConnection: 2 });
  const client = await ingress.greeted();
  await client.expect([...message, ...message, ['MAIL FROM:<a@b.test>', '421 4.7.0'], [undefined, 'closed']]);
});

test('a stranger who talks before the greeting is refused', async (t) => {
  const ingress = await startTestIngress(t, { greetingDelay: '10s' });
  for (const octets of ['EHLO client.test\r\n', 'G', '\0']) {
    const client = await ingress.connect(stranger);
    client.send(octets);
    await client.expect([
      [undefined, '554 5.5.1'],
      [undefined, 'closed'],
    ]);
  }
});

test('only strangers wait for the greeting', async (t) => {
  const ingress = await startTestIngress(t, { greetingDelay: '300ms' });
  const begin = performance.now();
  const waiting = await ingress.connect(stranger);
  const trusted = await ingress.connect();
  assert.match(await trusted.reply(), /^220/);
  assert.ok(performance.now() - begin < 290);
  assert.match(await waiting.reply(), /^220/);
  assert.ok(performance.now() - begin >= 290);
});

test('silence ends a connection with 421', async (t) => {
  const ingress = await startTestIngress(t, { idleTimeout: '100ms' });
  const client = await ingress.greeted();
  await client.expect([
    [undefined, '421 4.4.2'],
    [undefined, 'closed'],
  ]);
});

test('silence in the content ends the connection, and nothing is queued', async (t) => {
  const ingress = await startTestIngress(t, { idleTimeout: '100ms' });
  const client = await ingress.greeted();
  await client.expect([...started, ['A: b', '421 4.4.2'], [undefined, 'closed']]);
  await ingress.idle();
  assert.deepEqual(await ingress.queued(), []);
});

test('content that drips in is ended by its deadline, whatever the idle time', async (t) => {
  const ingress = await startTestIngress(t, { dataDeadline: '300ms', idleTimeout: '10s' });
  const client = await ingress.greeted();
  await client.expect(started);
  const drip = setInterval(() => client.send('x'), 20);
  await client.expect([
    [undefined, '421 4.4.2'],
    [undefined, 'closed'],
  ]);
  clearInterval(drip);
  await ingress.idle();
  assert.deepEqual(await ingress.queued(), []);
  assert.deepEqual(
    (await ingress.records('Rejection')).map((r) => [r.response.code, r.response.command, r.recipient]),
    [[421, '.', 'c@own.test']],
  );
});

test('a connection ends at its deadline, however busy', async (t) => {
  const ingress = await startTestIngress(t, { sessionDeadline: '300ms' });
  const client = await ingress.greeted();
  let reply = '';
  do {
    client.send('NOOP\r\n');
    reply = await client.reply();
  } while (reply.startsWith('250'));
  assert.match(reply, /^421 4\.4\.2/);
});

const proxied: [name: string, header: string, steps: Step[]][] = [
  [
    'a stranger',
    'PROXY TCP4 192.0.2.7 198.51.100.1 40000 25',
    [
      [undefined, '220'],
      ['EHLO x.test', '250-relay.test at your service, [192.0.2.7]'],
      ['MAIL FROM:<a@b.test>', '250'],
      ['RCPT TO:<x@evil.test>', '550 5.7.1'],
    ],
  ],
  [
    'a trusted client',
    'PROXY TCP4 127.0.0.1 198.51.100.1 40000 25',
    [
      [undefined, '220'],
      ['EHLO x.test', '250-'],
      ['MAIL FROM:<a@b.test>', '250'],
      ['RCPT TO:<x@evil.test>', '250'],
    ],
  ],
  [
    'nobody: a client unknown to the proxy is not trusted, though the proxy is',
    'PROXY UNKNOWN',
    [
      [undefined, '220'],
      ['EHLO x.test', '250-'],
      ['MAIL FROM:<a@b.test>', '250'],
      ['RCPT TO:<x@evil.test>', '550 5.7.1'],
    ],
  ],
  [
    'a stranger over IPv6',
    'PROXY TCP6 2001:db8::7 2001:db8::1 40000 25',
    [
      [undefined, '220'],
      ['EHLO x.test', '250-relay.test at your service, [2001:db8::7]'],
    ],
  ],
  ['no header', 'EHLO x.test', [[undefined, 'closed']]],
  ['a header of version 2', '\r\n\r\n\0\r\nQUIT\n', [[undefined, 'closed']]],
  ['a header that does not end', `PROXY ${'x'.repeat(200)}`, [[undefined, 'closed']]],
  ['an address that is none', 'PROXY TCP4 evil 198.51.100.1 40000 25', [[undefined, 'closed']]],
];
for (const [name, header, steps] of proxied) {
  test(`behind a proxy, ${name}: the header decides`, async (t) => {
    const ingress = await startTestIngress(t, { proxies: ['127.0.0.0/30'] });
    const client = await ingress.connect();
    client.send(`${header}\r\n`);
    await client.expect(steps);
  });
}

test('a PROXY header from elsewhere is only a bad command', async (t) => {
  const ingress = await startTestIngress(t, { proxies: ['127.0.0.1/32'] });
  const client = await ingress.greeted(stranger);
  await client.expect([
    ['PROXY TCP4 127.0.0.1 198.51.100.1 40000 25', '500 5.5.2'],
    ['MAIL FROM:<a@b.test>', '250'],
    ['RCPT TO:<x@evil.test>', '550'],
  ]);
});

test('a proxy may come with TLS behind its header', async (t) => {
  const ingress = await startTestIngress(t, {
    proxies: ['127.0.0.1/32'],
    tls: await certificateFiles({ after }),
    tlsPort: await freePort(),
  });
  const client = await ingress.connect({ port: ingress.tlsPort ?? 0 });
  client.send('PROXY TCP4 192.0.2.7 198.51.100.1 40000 465\r\n');
  await client.startTls();
  await client.expect([
    [undefined, '220'],
    ['EHLO x.test', '250-relay.test at your service, [192.0.2.7]'],
  ]);
});

test('closing says 421 to the idle, finishes transactions in hand, and takes no one new', async (t) => {
  const ingress = await startTestIngress(t);
  const idle = await ingress.greeted();
  const busy = await ingress.greeted();
  await busy.expect(started);
  const silent = await ingress.connect({ from: '127.0.0.9' });
  await silent.reply();
  const closed = ingress.close();
  await idle.expect([
    [undefined, '421 4.3.2'],
    [undefined, 'closed'],
  ]);
  await silent.expect([
    [undefined, '421 4.3.2'],
    [undefined, 'closed'],
  ]);
  await busy.expect([
    ['A: b\r\n.', '250 2.0.0'],
    [undefined, '421 4.3.2'],
    [undefined, 'closed'],
  ]);
  await closed;
  const late = await ingress.connect().then((client) => client.reply());
  assert.equal(late, 'closed');
});

test('closing waits no longer than shutdownTimeout, also for those who never end', async (t) => {
  const ingress = await startTestIngress(t, { tls: await certificateFiles({ after }) }, { shutdownTimeout: '200ms' });
  const busy = await ingress.greeted();
  await busy.expect([...started]);
  const handshake = await ingress.greeted();
  await handshake.expect([['STARTTLS', '220']]);
  const begin = performance.now();
  await ingress.close();
  assert.ok(performance.now() - begin < 3000);
  await busy.expect([
    [undefined, '421 4.3.2'],
    [undefined, 'closed'],
  ]);
});
