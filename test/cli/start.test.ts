import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { doesRedisAnswer, embeddedRedisUrl } from '../../shared/io/embedded-redis.ts';

const launcher = fileURLToPath(new URL('../../infra/rebound', import.meta.url));

interface Started {
  process: ChildProcess;
  dataDir: string;
  stdout: () => string;
  stderr: () => string;
  /** The log's events, in their order. */
  events: () => { event: string; role?: string; instance: string }[];
  exitCode: () => Promise<number | null>;
}

/** `rebound <command>` on a data folder of its own and ports of the system's choice; ended with the test. */
async function rebound(t: TestContext, command: string, env: Record<string, string> = {}): Promise<Started> {
  const dataDir = env['REBOUND_DATA_DIR'] ?? (await mkdtemp(join(tmpdir(), 'rebound-start-')));
  const child = spawn(launcher, [command], {
    cwd: tmpdir(),
    env: { ...process.env, REDIS_URL: '', REBOUND_DATA_DIR: dataDir, REBOUND_INGRESS_PORT: '0', REBOUND_ADMIN_PORT: '0', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const exited = once(child, 'close');
  t.after(async () => {
    child.kill('SIGTERM');
    await exited;
    if (!env['REBOUND_DATA_DIR']) await rm(dataDir, { recursive: true, force: true });
  });
  return {
    process: child,
    dataDir,
    stdout: () => stdout,
    stderr: () => stderr,
    events: () =>
      stderr.split('\n').flatMap((line) => (line.startsWith('{') ? [JSON.parse(line) as { event: string; instance: string }] : [])),
    exitCode: async () => {
      await exited;
      return child.exitCode;
    },
  };
}

async function until(holds: () => boolean | Promise<boolean>, what: () => string): Promise<void> {
  const deadline = Date.now() + 30_000;
  while (!(await holds())) {
    assert.ok(Date.now() < deadline, what());
    await sleep(20);
  }
}

const untilRunning = (it: Started): Promise<void> =>
  until(
    () => /^ {2}redis /m.test(it.stdout()),
    () => `${it.stdout()}${it.stderr()}`,
  );

/** The process id of a role's latest process, from the name in its log. */
const processOf = (it: Started, role: string): number =>
  Number(
    it
      .events()
      .findLast(({ event, instance }) => event === 'ready' && instance.startsWith(`${role}-`))
      ?.instance.split('-')
      .at(-1),
  );

async function greetingAt(port: number): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  const [greeting] = (await once(socket, 'data')) as [Buffer];
  socket.destroy();
  return greeting.toString();
}

test('one command brings everything up, and SIGTERM takes it down in order', async (t) => {
  const it = await rebound(t, 'start');
  await untilRunning(it);
  assert.match(
    it.stdout(),
    /^Rebound is running\. Stop it with Ctrl-C\.\n {2}ingress +smtp:\/\/127\.0\.0\.1:\d+\n {2}delivery\n {2}bounce\n {2}admin +http:\/\/127\.0\.0\.1:\d+\n {2}redis +embedded, data in /,
  );
  assert.match(await greetingAt(Number(/smtp:\S+:(\d+)/.exec(it.stdout())?.[1])), /^220 /);
  it.process.kill('SIGTERM');
  assert.equal(await it.exitCode(), 0);
  const stopped = it.events().filter(({ event }) => event === 'stopped');
  assert.deepEqual(
    stopped.map(({ role }) => role ?? 'start'),
    ['ingress', 'delivery', 'bounce', 'admin', 'start'],
  );
  assert.equal(await doesRedisAnswer(embeddedRedisUrl(it.dataDir)), false);
});

test('Ctrl-C under npm, which sends it twice, is one orderly end', async (t) => {
  const it = await rebound(t, 'start');
  await untilRunning(it);
  it.process.kill('SIGINT');
  it.process.kill('SIGINT');
  assert.equal(await it.exitCode(), 0);
});

test('a further role joins through the Redis of a running start', async (t) => {
  const it = await rebound(t, 'start');
  await untilRunning(it);
  const more = await rebound(t, 'delivery', { REBOUND_DATA_DIR: it.dataDir });
  await until(() => more.events().some(({ event }) => event === 'ready'), more.stderr);
  const atWork = async (): Promise<string[]> => {
    const answer = await fetch(`http://127.0.0.1:${Number(/http:\S+:(\d+)/.exec(it.stdout())?.[1])}/api/workers`);
    return ((await answer.json()) as { workers: { role: string }[] }).workers.map(({ role }) => role);
  };
  assert.deepEqual(await atWork(), ['admin', 'bounce', 'delivery', 'delivery', 'ingress']);
  more.process.kill('SIGTERM');
  assert.equal(await more.exitCode(), 0);
  assert.deepEqual(await atWork(), ['admin', 'bounce', 'delivery', 'ingress']);
});

test('a second start on the same data is refused in one line', async (t) => {
  const it = await rebound(t, 'start');
  await untilRunning(it);
  const second = await rebound(t, 'start', { REBOUND_DATA_DIR: it.dataDir });
  assert.equal(await second.exitCode(), 1);
  assert.match(second.stderr(), /^rebound: another Rebound already runs on the data folder .*\n$/);
});

test('a role that is killed is started again', async (t) => {
  const it = await rebound(t, 'start');
  await untilRunning(it);
  const before = processOf(it, 'bounce');
  process.kill(before, 'SIGKILL');
  await until(() => processOf(it, 'bounce') !== before, it.stderr);
});

test('a role that cannot start ends it all, with the reason', async (t) => {
  const other = createServer();
  await once(other.listen(0, '127.0.0.1'), 'listening');
  t.after(() => other.close());
  const it = await rebound(t, 'start', { REBOUND_INGRESS_PORT: String((other.address() as AddressInfo).port) });
  assert.equal(await it.exitCode(), 1);
  assert.match(it.stderr(), /^ingress +\| rebound: ingress: listen EADDRINUSE: address already in use 127\.0\.0\.1:\d+$/m);
  assert.match(it.stderr(), /^rebound: ingress could not start; see above$/m);
  assert.equal(await doesRedisAnswer(embeddedRedisUrl(it.dataDir)), false);
});

test('when the start itself is killed nothing of it stays', async (t) => {
  const it = await rebound(t, 'start');
  await untilRunning(it);
  const children = ['ingress', 'delivery', 'bounce', 'admin'].map((role) => processOf(it, role));
  it.process.kill('SIGKILL');
  await until(
    async () => !children.some(isAlive) && !(await doesRedisAnswer(embeddedRedisUrl(it.dataDir))),
    () => `${children.filter(isAlive).join()} live`,
  );
});

test('each role answers for its health on a port of its own', async (t) => {
  // Three further ports follow the first: taken from a range that the system does not give out by itself.
  const port = 20_000 + (process.pid % 10_000);
  const it = await rebound(t, 'start', { REBOUND_HEALTH_PORT: String(port) });
  await untilRunning(it);
  for (const path of ['healthz', 'readyz', 'metrics']) {
    const answers = await Promise.all([0, 1, 2, 3].map(async (n) => (await fetch(`http://127.0.0.1:${port + n}/${path}`)).status));
    assert.deepEqual(answers, [200, 200, 200, 200], path);
  }
});

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
