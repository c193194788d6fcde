import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cleanEnvironment, mainFile, startCommandLine, type CommandLine } from '../support/command-line.ts';
import { until } from '../support/endpoint.ts';
import { startTerminal } from '../support/terminal.ts';

interface Order {
  id: string;
  kind: string;
  state: string;
  criteria: Record<string, unknown>;
  expires: string | null;
  reason: string;
  messages: { done: number; matched: number };
}

const orders = async (system: CommandLine, ...args: string[]): Promise<Order[]> =>
  (await system.json<{ orders: Order[] }>('orders', ...args)).orders;
/** A record is there a moment before its job has been put back. */
const untilPutBack = (system: CommandLine, count: number): Promise<void> =>
  until(async () => {
    const { lanes } = await system.json<{ lanes: { delayed: number }[] }>('lanes');
    return lanes.reduce((sum, { delayed }) => sum + delayed, 0) === count;
  }, 'all wait for a retry');
const later = { rcpt: '451 4.2.0 later' } as const;

test('what is suspended waits until it is resumed, by its criteria or by its id', async (t) => {
  const system = await startCommandLine(t);
  const given = await system.rebound('suspend', '--domain', 'dest.test', '--reason', 'they asked', '--for', '30m');
  assert.equal(given.code, 0, given.stderr);
  assert.match(given.stderr, /^suspend domain dest\.test: 0 messages of 0 recipients in 0 lanes waiting now$/m);
  assert.match(given.stdout, /^what +suspend domain dest\.test$/m);
  assert.match(given.stdout, /^state +in force, ends in (?:29m|30m)/m);
  await system.send({ from: 'ann@home.test', to: 'bob@dest.test' });
  await system.send({ from: 'ann@home.test', to: 'bob@other.test' });
  await system.until((record) => record.type === 'Delivery' && record.recipient === 'bob@other.test');
  assert.equal((await system.records('Delivery')).length, 1);
  const [order] = await orders(system);
  assert.deepEqual([order?.kind, order?.criteria, order?.reason], ['suspend', { domain: 'dest.test' }, 'they asked']);
  const wrong = await system.rebound('resume', '--domain', 'elsewhere.test', '--reason', 'x');
  assert.deepEqual([wrong.code, /there is no suspend with these criteria/.test(wrong.stderr)], [1, true], wrong.stderr);
  const resumed = await system.rebound('resume', '--domain', 'DEST.test', '--reason', 'paid');
  assert.equal(resumed.code, 0, resumed.stderr);
  assert.match(resumed.stdout, /^[0-9a-f]{32} +suspend .* ended /m);
  await system.until((record) => record.type === 'Delivery' && record.recipient === 'bob@dest.test');
  assert.deepEqual(await orders(system), []);
  const held = await system.json<Order>('hold', '--all', '--reason', 'stop');
  const released = await system.json<{ orders: Order[] }>('release', held.id, '--reason', 'go');
  assert.deepEqual(
    released.orders.map(({ id, state }) => [id, state]),
    [[held.id, 'ended']],
  );
  const ended = await orders(system, '--ended', '--kind', 'hold');
  assert.deepEqual(
    ended.map(({ id }) => id),
    [held.id],
  );
});

test('bounce, drop and rebind ask before they do what cannot be undone, and refuse where nobody can be asked', async (t) => {
  const system = await startCommandLine(t, { sink: { rules: later }, config: { retry: { interval: '1h', maxInterval: '1h' } } });
  for (const to of ['a@dest.test', 'b@dest.test', 'c@other.test']) await system.send({ from: 'ann@home.test', to });
  await system.until(({ type }) => type === 'TransientFailure', 3);
  await untilPutBack(system, 3);
  for (const verb of [['bounce'], ['drop'], ['rebind', '--to-tenant', 'slow']]) {
    const { code, stderr } = await system.rebound(...verb, '--all', '--reason', 'x');
    assert.deepEqual([code, /--yes is needed/.test(stderr)], [2, true], stderr);
  }
  assert.deepEqual(await orders(system, '--ended'), [], 'nothing was done');
  const look = await system.rebound('bounce', '--domain', 'dest.test', '--dry-run');
  assert.equal(look.code, 0, look.stderr);
  assert.match(look.stdout, /^bounce domain dest\.test: 2 messages of 2 recipients in 1 lane waiting now\nMESSAGE +LANE +FROM +TO /);
  const bounced = await system.rebound('bounce', '--domain', 'dest.test', '--reason', 'spam run', '--yes');
  assert.equal(bounced.code, 0, bounced.stderr);
  assert.match(bounced.stdout, /^messages 2 done of /m);
  await system.until(({ type }) => type === 'AdminBounce', 2);
  const dropped = await system.json<Order>('drop', '--domain', 'other.test', '--reason', 'test mail', '--yes');
  assert.deepEqual([dropped.messages.done, dropped.state], [1, 'ended']);
});

test('Ctrl-C at a question does nothing, and is told by the exit code', async (t) => {
  const system = await startCommandLine(t, { deliveries: 0, bounces: false });
  const questions: [args: string[], question: RegExp][] = [
    [['bounce', '--all', '--reason', 'x'], /This cannot be undone\. \[y\/N\]/],
    [['replay', '--since', '1h', '--to', 'bounces', '--why', 'x'], /Replay to bounces.*\[y\/N\]/],
    [['hash-password'], /Password: /],
  ];
  for (const [args, question] of questions) {
    const command = [process.execPath, '--disable-warning=ExperimentalWarning', mainFile, ...args];
    const asked = startTerminal(t, command, { env: { ...cleanEnvironment(), REBOUND_URL: system.url }, columns: 200 });
    await asked.until(question);
    asked.type('\u0003');
    assert.equal(await asked.ended, 130, asked.text());
    assert.match(asked.text(), /nothing was (?:done|hashed)/);
  }
  assert.deepEqual(await orders(system, '--ended'), []);
});

test('who is suspended is told by the lane, and by each message that waits', async (t) => {
  const system = await startCommandLine(t, { sink: { rules: later }, config: { retry: { interval: '1h', maxInterval: '1h' } } });
  const { response } = await system.send({ from: 'ann@home.test', to: 'a@dest.test' });
  await system.until(({ type }) => type === 'TransientFailure');
  await untilPutBack(system, 1);
  const { id } = await system.json<Order>(
    'suspend',
    '--site',
    `${system.sink.host}:${system.sink.port}`,
    '--reason',
    'they asked',
    '--no-wait',
  );
  // What the admin role knows of orders is a moment old.
  const untilTold = (words: RegExp, ...args: string[]): Promise<void> =>
    until(async () => words.test((await system.rebound(...args)).stdout), String(words));
  await untilTold(/suspended: they asked$/m, 'lanes', '--trouble');
  const message = /queued as ([0-9a-f]{32})/.exec(response)?.[1] ?? '';
  await untilTold(new RegExp(`but suspended until .*, by order ${id}: they asked$`, 'm'), 'trace', message);
});

test('retry tries mail again now', async (t) => {
  let isDown = true;
  const system = await startCommandLine(t, {
    sink: { rules: { rcpt: () => (isDown ? '451 4.2.0 later' : undefined) } },
    config: { retry: { interval: '1h', maxInterval: '1h' } },
  });
  await system.send({ from: 'ann@home.test', to: 'bob@dest.test' });
  await system.until(({ type }) => type === 'TransientFailure');
  await untilPutBack(system, 1);
  isDown = false;
  const [site = ''] = (await system.json<{ lanes: { site: string }[] }>('lanes')).lanes.map((one) => one.site);
  const { code, stdout, stderr } = await system.rebound('retry', '--site', site, '--reason', 'they are back');
  assert.equal(code, 0, stderr);
  assert.match(stdout, /^what +retry site 127[^]*^messages 1 done of /m);
  await system.until(({ type }) => type === 'Delivery');
});

test('limits of a site change and are taken back', async (t) => {
  const system = await startCommandLine(t);
  await system.send({ from: 'ann@home.test', to: 'bob@dest.test' });
  await system.until(({ type }) => type === 'Delivery');
  const [lane = ''] = (await system.json<{ lanes: { lane: string }[] }>('lanes')).lanes.map((one) => one.lane);
  const connections = async (): Promise<number> =>
    (await system.json<{ limits: { connections: number } }>('lanes', lane)).limits.connections;
  const before = await connections();
  const order = await system.json<Order>('limits', '--lane', lane, '--connections', '1', '--rate', '50/s', '--reason', 'they complained');
  assert.deepEqual([order.kind, order.state], ['limits', 'in force']);
  await until(async () => (await connections()) === 1, 'one connection');
  const { code, stderr } = await system.rebound('orders', 'end', order.id, '--reason', 'they are content');
  assert.equal(code, 0, stderr);
  await until(async () => (await connections()) === before, 'as many as before');
  assert.match((await system.rebound('orders', 'show', order.id)).stdout, /^what +limits lane default->.*; connections 1, rate 50\/s$/m);
});

test('a wrong call is told before anything is asked', async (t) => {
  const system = await startCommandLine(t, { deliveries: 0, bounces: false });
  const calls: [string[], RegExp][] = [
    [['suspend', '--reason', 'x'], /which messages\?/],
    [['suspend', '--all'], /--reason is needed/],
    [['suspend', '--all', '--domain', 'x.test', '--reason', 'x'], /--all is all messages/],
    [['suspend', '--all', '--reason', 'x', '--for', '1h', '--until', '2026-01-01T00:00:00Z'], /one of --for and --until/],
    [['suspend', '--all', '--reason', 'x', '--for', 'ever'], /duration: expected a time/],
    [['suspend', '--message', 'xyz', '--reason', 'x'], /message.*32 digits/],
    [['suspend', '--domian', 'x.test', '--reason', 'x'], /Unknown option '--domian'/],
    [['rebind', '--all', '--reason', 'x', '--yes'], /where to\?/],
    [['limits', '--site', 'x', '--reason', 'x'], /which limit\?/],
    [['limits', '--domain', 'x', '--rate', '1/s', '--reason', 'x'], /Unknown option '--domain'/],
    [['limits', '--site', 'x', '--connections', 'many', '--reason', 'x'], /--connections must be a number/],
    [['resume', 'abc', '--reason', 'x'], /"abc" is no id of an order/],
    [['orders', 'end', '--reason', 'x'], /expected the id of an order/],
    [['bounce', '--all', '--dry-run', 'x'], /Unexpected argument 'x'/],
  ];
  for (const [args, words] of calls) {
    const { code, stderr } = await system.rebound(...args);
    assert.deepEqual([code, words.test(stderr)], [2, true], `${args.join(' ')}: ${code} ${stderr}`);
  }
});
