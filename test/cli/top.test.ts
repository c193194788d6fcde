import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { cleanEnvironment, mainFile, startCommandLine, type CommandLine } from '../support/command-line.ts';
import { startTerminal, type Terminal } from '../support/terminal.ts';

const opened = '\u001b[?1049h';
const restored = '\u001b[?7h\u001b[?25h\u001b[?1049l';

function rebound(t: TestContext, { url }: CommandLine, args: readonly string[], env: NodeJS.ProcessEnv = {}, columns = 100): Terminal {
  const command = [process.execPath, '--disable-warning=ExperimentalWarning', mainFile, ...args];
  return startTerminal(t, command, { env: { ...cleanEnvironment(), REBOUND_URL: url, ...env }, columns });
}

test('top draws in the alternate screen, obeys keys, and gives the terminal back', async (t) => {
  const system = await startCommandLine(t);
  const top = rebound(t, system, ['top', '--every', '200ms']);
  await top.until(/now: depth/);
  await system.send({ from: 'ann@home.test', to: 'bob@dest.test' });
  await top.until(/default->127/);
  top.type('a');
  await top.until(/now: age/);
  assert.ok(top.text().startsWith(opened));
  assert.ok(!top.text().includes(restored));
  top.type('q');
  assert.equal(await top.ended, 0);
  assert.ok(top.text().trimEnd().endsWith(restored));
});

for (const [name, keys] of [
  ['Ctrl-C', '\u0003'],
  ['q', 'q'],
] as const) {
  test(`top ends at ${name} while the API is away, and gives the terminal back`, async (t) => {
    const system = await startCommandLine(t, { deliveries: 0, bounces: false });
    const top = rebound(t, system, ['top', '--every', '200ms']);
    await top.until(/now: depth/);
    await system.redis.kill();
    await top.until(/Redis/);
    top.type(keys);
    assert.equal(await top.ended, 0);
    assert.ok(top.text().trimEnd().endsWith(restored));
    await system.redis.restart();
  });
}

test('no line of top is wider than the terminal, and colours are for those who want them', async (t) => {
  const system = await startCommandLine(t);
  await system.send({ from: 'ann@home.test', to: 'bob@dest.test' });
  await system.rebound('suspend', '--tenant', 'acme', '--reason', 'a reason of many words, which is longer than a line', '--no-wait');
  const widest = (text: string): number =>
    Math.max(
      ...text
        .replace(/\u001b\[[?\d;]*[A-Za-z]/g, '')
        .split(/\r?\n/)
        .map(({ length }) => length),
    );
  for (const [env, hasColours] of [
    [{}, true],
    [{ NO_COLOR: '1' }, false],
  ] as const) {
    const top = rebound(t, system, ['top', '--once'], env, 60);
    assert.equal(await top.ended, 0);
    assert.match(top.text(), /suspend/);
    assert.ok(widest(top.text()) <= 60, top.text());
    assert.equal(/\u001b\[\d+m/.test(top.text()), hasColours);
  }
});

test('where it cannot draw, top prints one frame after another', async (t) => {
  const system = await startCommandLine(t, { deliveries: 0, bounces: false });
  const dumb = rebound(t, system, ['top', '--every', '200ms'], { TERM: 'dumb' });
  await dumb.until(/rebound relay\.test[^]*rebound relay\.test/);
  assert.ok(!dumb.text().includes('\u001b'));
  dumb.type('\u0003');
  assert.equal(await dumb.ended, 0);
  const once = await system.rebound('top', '--once');
  assert.equal(once.code, 0, once.stderr);
  assert.match(once.stdout, /^rebound relay\.test .* UTC {2}0 workers\nmail /);
  const json = await system.json<{ status: { hostname: string } }>('top', '--once');
  assert.equal(json.status.hostname, 'relay.test');
});

test('on a terminal somebody is asked before what cannot be undone', async (t) => {
  const system = await startCommandLine(t, { deliveries: 0, bounces: false });
  for (const [answer, words, code] of [
    ['n', /nothing was done/, 1],
    ['y', /drop domain dest\.test/, 0],
  ] as const) {
    const drop = rebound(t, system, ['drop', '--domain', 'dest.test', '--reason', 'test', '--no-wait']);
    await drop.until(/\[y\/N\] $/);
    drop.type(`${answer}\r`);
    await drop.until(words);
    assert.equal(await drop.ended, code);
  }
});
