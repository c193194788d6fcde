import assert from 'node:assert/strict';
import { mkdtemp, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { pino } from 'pino';
import { regexSetMap } from '../../shared/core/rules/regex-set.ts';
import { JsonFileError, jsonLoad } from '../../shared/io/json-load.ts';
import { memoize } from '../../shared/io/memoize.ts';
import { openMetrics } from '../../shared/io/metrics.ts';
import { openRuleFiles, RuleFileError, type RuleFiles } from '../../shared/io/rule-file.ts';
import { cleanUp } from '../support/cleanup.ts';

const place = { domain: 'd.test', site: 's.test' };

async function tempFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'rebound-rules-'));
  cleanUp(t, () => rm(folder, { recursive: true, force: true }));
  return folder;
}

interface Watched {
  files: RuleFiles;
  log: Record<string, unknown>[];
  code(response: string): number | null | undefined;
  loads(result: 'loaded' | 'failed'): Promise<number>;
}

async function watch(t: TestContext, ...paths: string[]): Promise<Watched> {
  const log: Record<string, unknown>[] = [];
  const metrics = openMetrics();
  cleanUp(t, () => metrics.registry.clear());
  const write = (line: string): void => void log.push(JSON.parse(line) as Record<string, unknown>);
  const files = await openRuleFiles({ paths, interval: 20, log: pino({ level: 'info' }, { write }), metrics });
  cleanUp(t, () => files.close());
  return {
    files,
    log,
    code: (response) => files.current?.status(response, place)?.code,
    loads: async (result) => (await metrics.ruleLoads.get()).values.find(({ labels }) => labels.result === result)?.value ?? 0,
  };
}

async function until(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (!(await isSo())) {
    if (Date.now() > deadline) throw new Error(`not within 20 s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

test('a file that is replaced is read again', async (t) => {
  const path = join(await tempFolder(t), 'rules.json');
  await writeFile(path, '{"quota": 550}');
  const watched = await watch(t, path);
  assert.equal(watched.code('quota'), 550);
  await writeFile(`${path}.new`, '{"quota": 551}');
  await rename(`${path}.new`, path);
  await until('the new rules', () => watched.code('quota') === 551);
  await writeFile(path, '{"quota": 552}');
  await until('the rules written in place', () => watched.code('quota') === 552);
});

const breakages: [name: string, harm: (path: string) => Promise<void>, says: RegExp][] = [
  ['deleted', (path) => rm(path), /cannot be read: ENOENT/],
  ['half written', (path) => truncate(path, 20), /rules\.json:\d+: column \d+: .*never closed/],
  ['emptied', (path) => truncate(path, 0), /text ends/],
  ['wrong', (path) => writeFile(path, '{"quota": 550,\n "(?=x)": 550}'), /rules\.json:2: rule 2, .*look-ahead/],
  ['not text', (path) => writeFile(path, Buffer.from([0xff, 0xfe, 0x00])), /cannot be read: .*utf-8/i],
];
for (const [name, harm, says] of breakages) {
  test(`a file that is ${name} while it is in use leaves the old rules, says so, and is read again when it is right`, async (t) => {
    const path = join(await tempFolder(t), 'rules.json');
    await writeFile(path, '{"quota": 550, "full": 551}');
    const watched = await watch(t, path);
    await harm(path);
    await until('it is counted', async () => (await watched.loads('failed')) === 1);
    const told = watched.log.find(({ event }) => event === 'rules_not_loaded');
    assert.match(String(told?.['error']), says);
    assert.equal(told?.['file'], path);
    assert.deepEqual([watched.code('quota'), watched.code('full')], [550, 551]);
    await writeFile(path, '{"quota": 452}');
    await until('the mended rules', () => watched.code('quota') === 452);
    assert.equal(watched.code('full'), undefined);
  });
}

test('a file that was broken at the start is an error that names each mistake', async (t) => {
  const path = join(await tempFolder(t), 'rules.json');
  await writeFile(path, '{"a": 200,\n"b(": 500}');
  await assert.rejects(watch(t, path), (error) => {
    assert.ok(error instanceof RuleFileError);
    assert.deepEqual(
      error.message.split('\n').map((line) => line.slice(path.length, path.length + 12)),
      [':1: rule 1: ', ':2: rule 2, '],
    );
    return true;
  });
  await assert.rejects(watch(t, `${path}.none`), JsonFileError);
});

test('of two files one may break while the other changes', async (t) => {
  const folder = await tempFolder(t);
  const [a, b] = [join(folder, 'a.json'), join(folder, 'b.json')];
  await Promise.all([writeFile(a, '{"x": 550}'), writeFile(b, '{"y": 550}')]);
  const watched = await watch(t, a, b);
  await writeFile(a, 'oops');
  await writeFile(b, '{"x": 451, "y": 552}');
  await until('the change', () => watched.code('y') === 552);
  assert.equal(watched.code('x'), 550);
});

test('a file that stays broken is told of once', async (t) => {
  const folder = await tempFolder(t);
  const [a, b] = [join(folder, 'a.json'), join(folder, 'b.json')];
  await Promise.all([writeFile(a, '{"x": 550}'), writeFile(b, '{"y": 550}')]);
  const watched = await watch(t, a, b);
  await rm(a);
  // Each change that is seen in the second file is a further look at the first.
  for (const code of [551, 552, 553]) {
    await writeFile(`${b}.new`, `{"y": ${code}}`);
    await rename(`${b}.new`, b);
    await until('the change', () => watched.code('y') === code);
  }
  assert.deepEqual([await watched.loads('failed'), watched.log.filter(({ event }) => event === 'rules_not_loaded').length], [1, 1]);
});

test('without files there are no rules and nothing to watch', async (t) => {
  assert.equal((await watch(t)).files.current, undefined);
});

test('jsonLoad names file, line and column', async (t) => {
  const folder = await tempFolder(t);
  const path = join(folder, 'x.json');
  await writeFile(path, '{ // ours\n "a": 1,\n}');
  assert.deepEqual(await jsonLoad(path), { a: 1 });
  await writeFile(path, '{\n "a" 1}');
  await assert.rejects(jsonLoad(path), (error) => error instanceof JsonFileError && error.message === `${path}:2:6: expected ":"`);
  await assert.rejects(jsonLoad(folder), /cannot be read: /);
});

test('the classifier of the documentation picks its file up again, and keeps the old one when the new one is broken', async (t) => {
  t.mock.timers.enable({ apis: ['Date'], now: 1_000_000 });
  const path = join(await tempFolder(t), 'dsn_rewrite.json');
  await writeFile(path, '{"4\\\\.2\\\\.2 .*over quota": 500}');
  const failures: string[] = [];
  const classifier = memoize(async () => regexSetMap((await jsonLoad(path)) as Record<string, number>), {
    name: 'dsn_rewrite',
    ttl: '5 minutes',
    capacity: 1,
    onError: ({ error }) => failures.push(String(error)),
  });
  const code = async () => (await classifier()).get('452 4.2.2 mailbox over quota');
  assert.equal(await code(), 500);
  await writeFile(path, '{"quota": 501}');
  assert.equal(await code(), 500);
  t.mock.timers.tick(300_000);
  assert.equal(await code(), 501);
  await writeFile(path, '{"quota(": 502}');
  t.mock.timers.tick(300_000);
  assert.equal(await code(), 501);
  assert.match(failures[0] ?? '', /PatternError: rule 1 \(line 1\), "quota\(": missing closing/);
  await writeFile(path, '{"quota": 503}');
  t.mock.timers.tick(300_000);
  assert.equal(await code(), 503);
});
