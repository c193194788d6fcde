import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { announceWatcher } from '../../shared/io/tracer.ts';
import { startCommandLine, type CommandLine } from '../support/command-line.ts';
import { startRole } from '../support/processes.ts';
import type { RelayOptions } from '../support/relay.ts';
import { openDialogue } from '../support/smtp-dialogue.ts';
import { watchSmtp, type Watch } from '../support/trace.ts';

const password = 'sesame 4711';
const initial = Buffer.from(`\0ann\0${password}`).toString('base64');
const base64 = (text: string): string => Buffer.from(text).toString('base64');

/** A relay with somebody who watches; the ingress knows of him. */
async function watched(
  t: TestContext,
  options: RelayOptions = {},
  query: Parameters<typeof watchSmtp>[2] = {},
): Promise<{ relay: CommandLine; watch: Watch }> {
  const relay = await startCommandLine(t, options);
  const watch = watchSmtp(t, relay.url, query);
  await watch.until(
    ({ process, text }) => process === 'ingress-test' && text === 'QUIT',
    () => probe(relay),
  );
  return { relay, watch };
}

/** A connection that says only QUIT. */
async function probe({ port }: { port: number }): Promise<void> {
  const client = await openDialogue({ port });
  await client.expect([
    [undefined, '220 '],
    ['QUIT', '221 '],
  ]);
  client.destroy();
}

const textOf = (watch: Watch): string => watch.lines.map(({ direction, text }) => `${direction} ${text}`).join('\n');

const logins: [name: string, lines: [line: string, reply: string][], secrets: string[]][] = [
  ['AUTH PLAIN with the password on its line', [[`AUTH PLAIN ${initial}`, '235']], [initial]],
  [
    'AUTH PLAIN with the password on the next line',
    [
      ['AUTH PLAIN', '334'],
      [initial, '235'],
    ],
    [initial],
  ],
  [
    'AUTH LOGIN',
    [
      ['AUTH LOGIN', '334'],
      [base64('ann'), '334'],
      [base64(password), '235'],
    ],
    [base64('ann'), base64(password)],
  ],
  [
    'AUTH LOGIN with the name on its line',
    [
      [`AUTH LOGIN ${base64('ann')}`, '334'],
      [base64(password), '235'],
    ],
    [base64('ann'), base64(password)],
  ],
  [
    'a wrong password',
    [
      ['AUTH PLAIN', '334'],
      [base64('\0ann\0wrong'), '535'],
    ],
    [base64('\0ann\0wrong')],
  ],
  [
    'a misspelt AUTH',
    [
      [` AUTH PLAIN ${initial}`, '5'],
      [`ATUH PLAIN ${initial}`, '5'],
    ],
    [initial],
  ],
  [
    'a mechanism that is not there, and the password all the same',
    [
      ['AUTH CRAM-MD5', '504'],
      [initial, '500'],
    ],
    [initial],
  ],
  [
    'a password before EHLO is liked',
    [
      ['EHLO', '501'],
      [`AUTH PLAIN ${initial}`, ''],
      ['XCLIENT LOGIN=sesame', '5'],
    ],
    [initial, 'LOGIN=sesame'],
  ],
  [
    'a password after the login',
    [
      [`AUTH PLAIN ${initial}`, '235'],
      [base64(password), '500'],
    ],
    [initial, base64(password)],
  ],
  ['a password in the wrong protocol', [[`PASS ${password}`, '500']], [password]],
];
test('no password is ever shown, however a client gives it', async (t) => {
  const config = { ingress: { allowPlainAuth: true, users: [{ name: 'ann', password }] } };
  const { relay, watch } = await watched(t, { config });
  for (const [n, [name, lines, secrets]] of logins.entries()) {
    const client = await openDialogue({ port: relay.port });
    await client.expect([
      [undefined, '220 '],
      [`EHLO client-${n}.test`, '250-'],
      ...lines,
      [`NOOP`, '250'],
      [`EHLO done-${n}.test`, '250-'],
    ]);
    client.destroy();
    await watch.until(({ text }) => text === `EHLO done-${n}.test`);
    for (const secret of [...secrets, password]) assert.ok(!textOf(watch).includes(secret), `${name}: ${secret} in\n${textOf(watch)}`);
    assert.match(textOf(watch), new RegExp(`EHLO client-${n}\\.test[^]*\\*\\*\\*[^]*EHLO done-${n}\\.test`), name);
  }
});

test('a password that was begun before anybody watched is not shown either', async (t) => {
  const relay = await startCommandLine(t, { config: { ingress: { allowPlainAuth: true, users: [{ name: 'ann', password }] } } });
  const client = await openDialogue({ port: relay.port });
  await client.expect([
    [undefined, '220 '],
    ['EHLO client.test', '250-'],
    ['AUTH LOGIN', '334'],
    [base64('ann'), '334'],
  ]);
  const watch = watchSmtp(t, relay.url);
  await watch.until(
    ({ text }) => text === 'QUIT',
    () => probe(relay),
  );
  await client.expect([
    [base64(password), '235'],
    ['NOOP late', '250'],
  ]);
  await watch.until(({ text }) => text === 'NOOP late');
  assert.ok(!textOf(watch).includes(base64(password)), textOf(watch));
  assert.match(textOf(watch), /client \*\*\*\nserver 235/);
  client.destroy();
});

test('a message is followed through ingress and two delivery processes in one trace', async (t) => {
  const relay = await startCommandLine(t, { deliveries: 0 });
  const watch = watchSmtp(t, relay.url);
  await startRole(t, 'delivery', relay.redis, relay.config);
  const first = await watch.until(
    ({ way }) => way === 'outbound',
    () => relay.send({ from: 'ann@home.test', to: 'bob@dest.test', text: 'hidden words' }),
  );
  await startRole(t, 'delivery', relay.redis, relay.config);
  // Both take from the same lanes; of many messages each has some.
  const isOther = ({ way, process }: { way: string; process: string }): boolean => way === 'outbound' && process !== first.process;
  let n = 0;
  const other = await watch.until(isOther, () =>
    Promise.all(Array.from({ length: 20 }, () => relay.send({ from: 'ann@home.test', to: `bob@d${n++}.test`, text: 'hidden words' }))),
  );
  const isTold = (message: string | undefined): boolean => watch.lines.some(({ text }) => text.endsWith(`queued as ${message}`));
  await watch.until(
    ({ way, text, message }) => way === 'outbound' && text.startsWith('MAIL FROM:<ann@home.test>') && isTold(message),
    () => relay.send({ from: 'ann@home.test', to: 'bob@dest.test', text: 'hidden words' }),
  );
  assert.ok(other.lane?.startsWith('default->') && first.lane?.startsWith('default->'));
  assert.ok(watch.lines.some(({ text }) => /^\[\d+ octets\]$/.test(text)));
  assert.ok(!textOf(watch).includes('hidden words'), 'content is never shown');
  // Each connection tells in order, and is told apart.
  const opened = watch.lines.filter(({ way, text }) => way === 'outbound' && text.startsWith('connecting to'));
  assert.equal(new Set(opened.map(({ connection }) => connection)).size, opened.length);
});

const filters: [query: Parameters<typeof watchSmtp>[2], fits: RegExp][] = [
  [{ direction: 'inbound' }, /^inbound 127\.0\.0\.[12] /],
  [{ direction: 'outbound' }, /^outbound /],
  [{ client: '127.0.0.2/32' }, /^inbound 127\.0\.0\.2 /],
  [{ domain: 'Wanted.test' }, /wanted\.test/],
  [{ site: 'SITE' }, /^outbound .*default->SITE /],
  [{ lane: 'default->SITE' }, /^outbound .*default->SITE /],
];
test('each watcher is told what he asked for and nothing else', async (t) => {
  const relay = await startCommandLine(t, { config: { ingress: { trusted: ['127.0.0.0/8'] } } });
  const site = `127.0.0.1:${relay.sink.port}`;
  const named = (query: Parameters<typeof watchSmtp>[2]) =>
    Object.fromEntries(Object.entries(query ?? {}).map(([name, value]) => [name, String(value).replace('SITE', site)]));
  const watches = filters.map(([query]) => watchSmtp(t, relay.url, named(query)));
  const send = async (from: string, domain: string): Promise<void> => {
    const client = await openDialogue({ port: relay.port, from });
    await client.expect([
      [undefined, '220 '],
      ['EHLO client.test', '250-'],
      ['MAIL FROM:<ann@home.test>', '250'],
      [`RCPT TO:<bob@${domain}>`, '250'],
      ['DATA', '354'],
      ['Subject: x\r\n\r\nx\r\n.', '250'],
      ['QUIT', '221'],
    ]);
    client.destroy();
  };
  const sendAll = () => Promise.all([send('127.0.0.1', 'other.test'), send('127.0.0.2', 'wanted.test')]);
  for (const [n, [query, fits]] of filters.entries()) {
    const watch = watches[n];
    assert.ok(watch);
    await watch.until(({ text }) => text.startsWith('MAIL'), sendAll);
    const pattern = new RegExp(fits.source.replace('SITE', site.replaceAll('.', '\\.')));
    for (const line of watch.lines) {
      const told = `${line.way} ${line.peer?.address} ${line.lane ?? ''} ${line.domains.join()}`;
      assert.match(told, pattern, `${JSON.stringify(query)} let through ${JSON.stringify(line)}`);
    }
  }
  // Of inbound mail the recipient tells; what led to it is told with it.
  await watches[3]?.until(({ way, text }) => way === 'inbound' && text === 'MAIL FROM:<ann@home.test>', sendAll);
});

test('a flood of lines is cut, which is said, and mail goes on', async (t) => {
  const { relay, watch } = await watched(t);
  const client = await openDialogue({ port: relay.port });
  await client.expect([
    [undefined, '220 '],
    ['EHLO client.test', '250-'],
  ]);
  const flood = 20_000;
  client.send('NOOP\r\n'.repeat(flood));
  const { response } = await relay.send({ from: 'ann@home.test', to: 'bob@dest.test' });
  assert.match(response, /queued as/);
  await relay.until(({ type }) => type === 'Delivery');
  for (let n = 0; n < flood; n++) assert.match(await client.reply(), /^250 /);
  await watch.until(
    () => watch.leftOut > 0,
    () => probe(relay),
  );
  assert.ok(watch.lines.length < 2 * flood, `${watch.lines.length} lines were told`);
  client.destroy();
});

test('a watcher that goes is forgotten, and so is one that died', async (t) => {
  const { relay, watch } = await watched(t);
  const { client, key } = { client: relay.observer.redis.client, key: relay.observer.redis.key('tracers') };
  const until = async (left: number): Promise<void> => {
    while ((await client.hlen(key)) !== left) await sleep(20);
  };
  await until(1);
  watch.stop();
  await until(0);
  await announceWatcher(relay.observer.redis, 'dead', {});
  await until(1);
  await until(0);
});

test('a watcher outlives an absence of Redis, during which clients are answered', async (t) => {
  const { relay, watch } = await watched(t);
  await relay.redis.kill();
  for (let n = 0; n < 5; n++) await probe(relay);
  await relay.redis.restart();
  const before = watch.lines.length;
  const isNew = (line: unknown): boolean => watch.lines.indexOf(line as never) >= before;
  await watch.until(
    (line) => isNew(line) && line.text === 'QUIT',
    () => probe(relay),
  );
});

test('nothing is done while nobody watches', async (t) => {
  const relay = await startCommandLine(t);
  assert.equal(await relay.observer.redis.client.exists(relay.observer.redis.key('tracers')), 0);
  await relay.send({ from: 'ann@home.test', to: 'bob@dest.test' });
  await relay.until(({ type }) => type === 'Delivery');
  const numsub = await relay.observer.redis.client.pubsub('NUMSUB', relay.observer.redis.key('trace'));
  assert.deepEqual(numsub, [relay.observer.redis.key('trace'), 0]);
});
