import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { commandNames, loadCommand } from '../../workers/cli/command-table.ts';
import { wordsOf } from '../../workers/cli/completion/words.ts';
import { cleanEnvironment, mainFile, runCommand, startCommandLine, type CommandLine } from '../support/command-line.ts';
import { spawn } from 'node:child_process';
import { once } from 'node:events';

/** What bash offers after these words; the last one is being typed. */
async function offered(t: TestContext, { url, redis }: CommandLine, ...words: string[]): Promise<string[]> {
  const { stdout: script } = await runCommand(t, ['completion', 'bash'], { env: cleanEnvironment() });
  // What the script asks for names is on the path under its usual name.
  const program = join(redis.dir, 'rebound');
  await writeFile(program, `#!/bin/sh\nexec '${process.execPath}' --disable-warning=ExperimentalWarning '${mainFile}' "$@"\n`);
  await chmod(program, 0o755);
  const quoted = ['rebound', ...words].map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ');
  const lines = `${script}\nCOMP_WORDS=(${quoted}); COMP_CWORD=${words.length}; _rebound; printf '%s\\n' "\${COMPREPLY[@]}"`;
  // Not spawnSync: the API that answers is in this process.
  const child = spawn('bash', ['--norc', '--noprofile'], {
    env: { ...cleanEnvironment(), PATH: `${redis.dir}:${process.env['PATH']}`, REBOUND_URL: url },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (part: string) => (text += part));
  child.stdin.end(lines);
  await once(child, 'close');
  return text.split('\n').filter((line) => line !== '');
}

test('bash completes commands, verbs, options, and the names that the API knows', async (t) => {
  const system = await startCommandLine(t);
  await system.send({ from: 'ann@home.test', to: 'bob@dest.test' });
  await system.until(({ type }) => type === 'Delivery');
  const [lane = ''] = (await system.json<{ lanes: { lane: string }[] }>('lanes')).lanes.map((one) => one.lane);
  const order = await system.json<{ id: string }>('suspend', '--domain', 'x.test', '--reason', 'x');
  assert.deepEqual(await offered(t, system, 're'), ['release', 'rebind', 'replay', 'report', 'resume', 'retry'].sort(byPlace));
  assert.deepEqual(await offered(t, system, 'log', 'ex'), ['export']);
  assert.deepEqual(await offered(t, system, 'log', 'tail', 'ex'), [], 'there is a verb already');
  assert.deepEqual(await offered(t, system, 'log', '--json', 'ex'), ['export']);
  assert.deepEqual(await offered(t, system, 'lanes', '--sort', ''), ['depth', 'age']);
  assert.deepEqual(await offered(t, system, 'trace', '--direction', 'i'), ['in']);
  assert.deepEqual(await offered(t, system, 'suspend', '--ten'), ['--tenant']);
  assert.deepEqual(await offered(t, system, 'suspend', '--reason', 'wh'), []);
  const named = (await offered(t, system, 'suspend', '--lane', 'def')).concat(await offered(t, system, 'lanes', 'default-\\>'));
  // A loaded machine may be too slow for the 300 ms that a TAB has: then nothing is offered, and nothing else either.
  for (const name of named) assert.equal(name, lane.replace(/[>;]/g, '\\$&'));
  for (const name of await offered(t, system, 'lanes', "'default->")) assert.equal(name, lane);
  for (const name of await offered(t, system, 'orders', 'end', ''))
    if (/^[0-9a-f]/.test(name)) assert.ok(name === order.id || name === 'end');
});

const byPlace = (a: string, b: string): number => commandNames().indexOf(a) - commandNames().indexOf(b);

test('names are asked of the API, and nothing is said when it is not there', async (t) => {
  const system = await startCommandLine(t, { deliveries: 0, bounces: false });
  for (const [env, kind] of [
    [{ REBOUND_URL: 'http://127.0.0.1:9' }, 'lane'],
    [{ REBOUND_URL: 'nonsense' }, 'order'],
    [{}, 'nothing'],
  ] as const) {
    assert.deepEqual(await system.reboundWith({ env }, 'completion', 'names', kind), { code: 0, stdout: '', stderr: '' });
  }
});

test('every option that a command has in its help is completed', async () => {
  for (const name of commandNames()) {
    const { help } = await loadCommand(name);
    const { options, verbs } = wordsOf(help);
    const known = new Set([...options.map(({ flag }) => flag), ...verbs]);
    for (const [head] of help.options ?? []) {
      for (const [word] of head.matchAll(/(?<![\w-])--[a-z][a-z-]*/g)) assert.ok(known.has(word), `${name}: ${word}`);
    }
  }
});

test('the scripts are such that their shells can read them', async (t) => {
  for (const shell of ['bash', 'zsh']) {
    const { code, stdout } = await runCommand(t, ['completion', shell], { env: cleanEnvironment() });
    assert.equal(code, 0);
    assert.match(stdout, /_rebound\(\) \{[^]*'suspend --tenant'/);
    const { status, stderr, error } = spawnSync(shell, ['-n'], { input: stdout, encoding: 'utf8' });
    if (shell === 'zsh' && (error as NodeJS.ErrnoException | undefined)?.code === 'ENOENT') t.diagnostic('there is no zsh on this machine');
    else assert.deepEqual([status, stderr], [0, '']);
  }
});
