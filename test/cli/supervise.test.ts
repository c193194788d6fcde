import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import { supervise, type Supervised } from '../../workers/cli/supervise.ts';

const log = pino({ level: 'silent' });

/** A child that appends what happens to it to `log`, one line each. */
async function startChild(
  t: TestContext,
  code: string,
  killAfter = 10_000,
): Promise<{ child: Supervised; lines: () => Promise<string[]> }> {
  const folder = await mkdtemp(join(tmpdir(), 'rebound-supervise-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const file = join(folder, 'child.mjs');
  await writeFile(
    file,
    `import { appendFileSync, readFileSync } from 'node:fs';
     const note = (line) => appendFileSync(${JSON.stringify(join(folder, 'log'))}, line + '\\n');
     note('started ' + process.pid);
     const starts = readFileSync(${JSON.stringify(join(folder, 'log'))}, 'utf8').match(/started/g).length;
     const stay = setInterval(() => {}, 1000);
     const ready = (at) => process.send({ ready: at });
     ${code}`,
  );
  const child = supervise({ name: 'child', args: [file], env: process.env, prefix: '', killAfter, log });
  t.after(() => child.stop());
  const lines = async (): Promise<string[]> => (await readFile(join(folder, 'log'), 'utf8').catch(() => '')).split('\n').filter(Boolean);
  return { child, lines };
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (!(await holds())) {
    assert.ok(Date.now() < deadline, 'it never came to hold');
    await sleep(20);
  }
}

const polite = `process.on('SIGTERM', () => { note('asked to end'); process.exit(0); });`;

test('a child says where it can be reached, and ends when it is asked to', async (t) => {
  const { child, lines } = await startChild(t, `${polite} ready('smtp://127.0.0.1:25');`);
  assert.equal(await child.ready, 'smtp://127.0.0.1:25');
  assert.equal(await child.stop(), true);
  assert.equal((await lines()).at(-1), 'asked to end');
});

test('a child that ends before it was ever ready is told of, and not started again', async (t) => {
  const { child, lines } = await startChild(t, 'process.exit(1);');
  assert.equal(await child.ready, undefined);
  await child.stop();
  assert.equal((await lines()).length, 1);
});

test('a child that dies at work is started again', async (t) => {
  const { child, lines } = await startChild(t, `${polite} ready(''); if (starts < 3) process.kill(process.pid, 'SIGKILL'); note('up');`);
  assert.equal(await child.ready, '');
  await until(async () => (await lines()).at(-1) === 'up');
  assert.equal(await child.stop(), true);
});

test('a child that is waited for before its next start is not started once stopped', async (t) => {
  const { child, lines } = await startChild(t, `${polite} ready(''); setTimeout(() => process.exit(1), 50);`);
  const [first] = await child.ready.then(lines);
  const pid = Number(first?.split(' ')[1]);
  await until(() => Promise.resolve(!isAlive(pid)));
  await child.stop();
  assert.equal((await lines()).length, 1);
});

test('a child that does not end is killed, and that is told', async (t) => {
  const { child } = await startChild(t, `process.on('SIGTERM', () => note('asked to end')); ready('');`, 200);
  await child.ready;
  assert.equal(await child.stop(), false);
});

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

test('a child that is told to reload gets SIGHUP, once it is ready', async (t) => {
  const { child, lines } = await startChild(t, "process.on('SIGHUP', () => note('reload')); ready('here');");
  child.reload();
  await until(async () => (await lines()).includes('reload'));
});
