import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { announceWorker } from '../../shared/io/worker-registry.ts';
import { cleanUp } from '../support/cleanup.ts';
import { cleanEnvironment, mainFile, runCommand, startCommandLine } from '../support/command-line.ts';
import { freePort } from '../support/ports.ts';
import { startTerminal } from '../support/terminal.ts';

const token = 'token-of-the-shop-0123';

test('status tells of workers, mail, lanes with trouble and orders on one screen', async (t) => {
  const system = await startCommandLine(t, { sink: { rules: { rcpt: '451 4.2.0 later' } } });
  const announced = await announceWorker(system.context, 'delivery', '1.0', () => ({ rules: [{ file: '/etc/rules.json', rules: 7 }] }));
  cleanUp(t, () => announced.close());
  await system.send({ from: 'ann@home.test', to: 'bob@dest.test' });
  await system.until(({ type }) => type === 'TransientFailure');
  await system.rebound('suspend', '--tenant', 'acme', '--reason', 'unpaid', '--no-wait');
  const { code, stdout, stderr } = await system.rebound('status');
  assert.equal(code, 0, stderr);
  assert.match(stdout, /^workers +1 delivery$/m);
  assert.match(stdout, /^mail +.*in 1 lane$/m);
  assert.match(stdout, /^rates +.*Reception.* a second, over /m);
  assert.match(stdout, /^no ingress process is at work$/m);
  assert.match(stdout, /^lanes with trouble\nLANE +WAITING +RETRY +ACTIVE +OLDEST +STATE\ndefault->127/m);
  assert.match(stdout, /^orders in force\n.*\n[0-9a-f]{32} +suspend +tenant acme +.* unpaid .*$/m);
  const all = await system.json<{ status: { hostname: string }; orders: unknown[]; troubled_lanes: unknown[] }>('status');
  assert.deepEqual([all.status.hostname, all.orders.length, all.troubled_lanes.length], ['relay.test', 1, 1]);
  assert.match((await system.rebound('workers')).stdout, /^delivery .*rules rules\.json \(7\)$/m);
});

test('lanes are listed, chosen, and shown one by one', async (t) => {
  const system = await startCommandLine(t, { sink: { rules: { rcpt: '451 4.2.0 later\u009b31m' } } });
  await system.send({ from: 'ann@home.test', to: ['bob@dest.test'] });
  await system.until(({ type }) => type === 'TransientFailure');
  const { lanes } = await system.json<{ lanes: { lane: string }[] }>('lanes');
  const name = lanes[0]?.lane ?? '';
  assert.match((await system.rebound('lanes')).stdout, /^LANE +WAITING +RETRY/);
  assert.match((await system.rebound('lanes', '--site', 'elsewhere')).stdout, /^no lane has had work/);
  assert.match((await system.rebound('lanes', '--trouble')).stdout, /^default->127/m);
  for (const written of [name, name.replaceAll(';', ':')]) {
    const { stdout } = await system.rebound('lanes', written);
    assert.match(stdout, /^limits +\d+ connections/m);
    assert.match(stdout, /TransientFailure {2}451 4\.2\.0 later.31m/);
    assert.ok(!/[\u0080-\u009f\u001b]/.test(stdout), 'what a server says steers no terminal');
  }
  assert.match((await system.rebound('queues')).stdout, /^QUEUE +WAITING +RETRY +ACTIVE +DEAD +MAY WAIT +HEARS\n[^]*^bounces +\d/m);
});

test('what cannot be asked is said with what to do, and an exit code of its own', async (t) => {
  const system = await startCommandLine(t, {
    deliveries: 0,
    bounces: false,
    config: { admin: { tokens: [{ name: 'shop', token, role: 'viewer' }] } },
  });
  const rows: [NodeJS.ProcessEnv, string[], number, RegExp][] = [
    [{ REBOUND_TOKEN: token }, ['lanes'], 0, /^$/],
    [{}, ['lanes', '--token', token], 0, /^rebound: --token is seen by all users of this machine/],
    [{}, ['lanes'], 3, /log in with REBOUND_TOKEN/],
    [{ REBOUND_TOKEN: 'no-token-of-anybody' }, ['lanes'], 3, /log in with REBOUND_TOKEN/],
    [{ REBOUND_TOKEN: 'hunter2 of a file\r\nwith two lines' }, ['lanes'], 2, /REBOUND_TOKEN: a token is one word/],
    [{ REBOUND_TOKEN: token }, ['suspend', '--all', '--reason', 'x'], 3, /needs the role operator/],
    [{ REBOUND_URL: 'http://ann:hunter2@127.0.0.1:9' }, ['status'], 3, /cannot be reached[^]*is the admin role running\?/],
    [{ REBOUND_URL: 'ftp://ann:hunter2@host' }, ['status'], 2, /must be an address such as/],
    [{ REBOUND_TOKEN: token }, ['lanes', 'no-such-lane'], 1, /there is no such lane/],
    [{ REBOUND_TOKEN: token }, ['lanes', '--limit', 'all'], 2, /--limit must be a number/],
    [{ REBOUND_TOKEN: token }, ['orders', '--kind', 'explode'], 2, /kind: expected one of/],
    [{ REBOUND_TOKEN: token }, ['orders', 'explode'], 2, /expected "orders list"/],
  ];
  for (const [env, args, expected, words] of rows) {
    const { code, stdout, stderr } = await system.reboundWith({ env }, ...args);
    assert.deepEqual([code, words.test(stderr)], [expected, true], `${args.join(' ')}: ${code} ${stderr}`);
    assert.ok(!`${stdout}${stderr}`.includes('hunter2'), 'a password is printed');
  }
});

test('Redis away is said in one line', async (t) => {
  const system = await startCommandLine(t, { deliveries: 0, bounces: false });
  await system.redis.kill();
  const { code, stderr } = await system.rebound('lanes');
  assert.equal(code, 3, stderr);
  assert.match(stderr, /^rebound: .*Redis.*\n$/);
  await system.redis.restart();
});

test('who reads the log without the API is told by the same exit code that Redis is away', async (t) => {
  const env = { ...cleanEnvironment(), REDIS_URL: `redis://127.0.0.1:${await freePort()}` };
  const commands = [
    ['log', 'search', '--limit', '1'],
    ['replay', '--since', '1h', '--to', 'bounces', '--dry-run'],
  ];
  for (const args of commands) {
    const { code, stderr } = await runCommand(t, args, { env });
    assert.deepEqual([code, /^rebound: Redis at .* cannot be reached/.test(stderr)], [3, true], stderr);
  }
});

test('ids of messages are whole on the narrowest terminal', async (t) => {
  const system = await startCommandLine(t, { deliveries: 0, bounces: false });
  const run = async (...args: string[]): Promise<string> => {
    const command = [process.execPath, '--disable-warning=ExperimentalWarning', mainFile, ...args];
    const terminal = startTerminal(t, command, { env: { ...cleanEnvironment(), REBOUND_URL: system.url }, columns: 40 });
    assert.equal(await terminal.ended, 0, terminal.text());
    return terminal.text();
  };
  const send = ['send', '--from', 'ann@home.test', '--text', 'x', '--to', 'somebody-with-a-name@dest.test'];
  const ids = [...(await run(...send)).matchAll(/[0-9a-f]{32}/g), ...(await run(...send)).matchAll(/[0-9a-f]{32}/g)].map(([id]) => id);
  assert.equal(ids.length, 2);
  const list = await run('trace', 'ann@home.test');
  for (const id of ids) assert.ok(list.includes(id), list);
});

test('without --url the settings tell where the API is', async (t) => {
  const system = await startCommandLine(t, { deliveries: 0, bounces: false });
  const file = join(system.redis.dir, 'rebound.json');
  await writeFile(file, JSON.stringify({ admin: { host: '0.0.0.0', port: Number(new URL(system.url).port), password: 'x' } }));
  const { code, stderr } = await runCommand(t, ['lanes', '--config', file], { env: cleanEnvironment() });
  assert.equal(code, 0, stderr);
});

test('names that strangers made up are harmless, and JSON keeps their value', async (t) => {
  const hostile = 'default->\u001b]0;gotcha\u0007\u202eevil\u009b2J\n;mx';
  const lane = { lane: hostile, source: 'x', site: 'y', waiting: 1, delayed: 0, active: 0, paused: false, held_ms: 0, oldest: null };
  const server = createServer((_, response) => response.end(JSON.stringify({ lanes: [lane], next: null, total: 1 })));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanUp(t, () => server.close());
  const env = { ...cleanEnvironment(), REBOUND_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
  const table = await runCommand(t, ['lanes'], { env });
  assert.equal(table.stdout.trim().split('\n').length, 2, 'a row is a line');
  const json = await runCommand(t, ['lanes', '--json'], { env });
  for (const { stdout } of [table, json])
    assert.ok(!/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/.test(stdout), JSON.stringify(stdout));
  assert.equal((JSON.parse(json.stdout) as { lanes: { lane: string }[] }).lanes[0]?.lane, hostile);
  const names = await runCommand(t, ['completion', 'names', 'lane'], { env });
  assert.equal(names.stdout, '');
});

test('what is printed into a pipe arrives in full, however much it is', async (t) => {
  const lanes = Array.from({ length: 20_000 }, (_, n) => ({
    lane: `default->mx${n}.example`,
    source: 'default',
    site: `mx${n}.example`,
    waiting: 1,
    delayed: 0,
    active: 0,
    paused: false,
    held_ms: 0,
    // Far more than a pipe takes at once.
    padding: 'x'.repeat(100),
    suspended: n === 0 ? { order: 'o', reason: 'r', expires: null } : null,
    oldest: null,
  }));
  const server = createServer((_, response) => response.end(JSON.stringify({ lanes, next: null, total: lanes.length })));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanUp(t, () => server.close());
  const env = { ...cleanEnvironment(), REBOUND_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
  const json = await runCommand(t, ['lanes', '--json'], { env });
  assert.equal((JSON.parse(json.stdout) as { lanes: unknown[] }).lanes.length, lanes.length);
  const table = await runCommand(t, ['lanes'], { env });
  assert.equal(table.stdout.trim().split('\n').length, lanes.length + 1);
  assert.match(table.stdout, /^default->mx0\.example .* suspended: r$/m);
  assert.match(table.stdout, /^default->mx1\.example .* waiting$/m);
});
