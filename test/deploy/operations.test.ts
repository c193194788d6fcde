import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describeSettings } from '../../shared/core/config-describe.ts';

// docs/operations.md is read when something is on fire: what it tells to type must exist.

const run = promisify(execFile);
const root = fileURLToPath(new URL('../../', import.meta.url));
const text = readFileSync(`${root}docs/operations.md`, 'utf8');

/** Each `rebound <verb> ...` of the page, without its comment. */
const commands = [...text.matchAll(/(?:\$ |^ {4}|`)rebound ([a-z][a-z-]*)([^`\n]*)/gm)].map(([, verb = '', rest = '']) => ({
  verb,
  options: [...rest.replace(/"[^"]*"|\s#.*$/g, '').matchAll(/(?<=\s)--[a-z-]+/g)].map(([option]) => option),
}));

for (const verb of new Set(commands.map((command) => command.verb))) {
  test(`rebound ${verb}, with the options that the page uses, exists`, async () => {
    const { stdout } = await run('sh', [`${root}infra/rebound`, verb, '--help']);
    const options = new Set(commands.filter((command) => command.verb === verb).flatMap((command) => command.options));
    assert.match(stdout, new RegExp(`^Usage: rebound ${verb}\\b`));
    // "--since, --until <time>" is how a help names two.
    for (const option of options) assert.match(stdout, new RegExp(`(?:^|\\s|\\[)${option}\\b`, 'm'), `${verb} ${option}`);
  });
}

test('the page names the verbs that steer', () => {
  const named = new Set(commands.map(({ verb }) => verb));
  for (const verb of ['suspend', 'resume', 'retry', 'bounce', 'drop', 'hold', 'release', 'limits', 'lanes', 'replay', 'rules'])
    assert.ok(named.has(verb), verb);
});

test('every setting that the page names exists', () => {
  const settings = describeSettings();
  const groups = new Set(settings.map(({ key }) => key.split('.')[0] ?? ''));
  const known = new Set(settings.map(({ key }) => key));
  const named = [...text.matchAll(/`([a-z]+(?:\.[a-zA-Z]+)+)`/g)]
    .map(([, key = '']) => key)
    .filter((key) => groups.has(key.split('.')[0] ?? ''));
  // `redis.url` and others of this form in the table of the chart are values of it, or both.
  const ofChart = readFileSync(`${root}infra/helm/rebound/values.yaml`, 'utf8');
  const unknown = named.filter((key) => !known.has(key) && !ofChart.includes(`${key.split('.').at(-1)}:`));
  assert.deepEqual(unknown, []);
  assert.ok(named.length > 20);
  const variables = [...text.matchAll(/\bREBOUND_[A-Z_]+\b/g)].map(([name]) => name);
  const elsewhere = ['REBOUND_URL', 'REBOUND_TOKEN'];
  assert.deepEqual(
    variables.filter((name) => !elsewhere.includes(name) && !settings.some(({ env }) => env === name)),
    [],
  );
});

test('every metric that the page names exists', () => {
  const metrics = readFileSync(`${root}shared/io/metrics.ts`, 'utf8');
  const named = [...text.matchAll(/`(rebound_[a-z_]+)`/g)].map(([, name = '']) => name);
  assert.deepEqual(
    named.filter((name) => !metrics.includes(`'${name}'`)),
    [],
  );
  assert.ok(named.length > 1);
});

test('every link of the page leads somewhere', () => {
  const headings = new Set(
    [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
      heading
        .toLowerCase()
        .replace(/[^a-z0-9 -]/g, '')
        .replaceAll(' ', '-'),
    ),
  );
  for (const [, target = ''] of text.matchAll(/\]\(([^)]+)\)/g)) {
    const [file = '', anchor] = target.split('#');
    if (file) readFileSync(`${root}docs/${file}`);
    else assert.ok(headings.has(anchor ?? ''), target);
  }
});

test('there is a procedure for each thing that goes wrong', () => {
  const wanted = [
    'redis-full',
    'site-blocks-us',
    'report-storm',
    'stuck-lane',
    'wrong-rule',
    'redis-lost',
    'worker-keeps-dying',
    'disk-full',
  ];
  for (const name of wanted) assert.match(text, new RegExp(`^## ${name}$[^]*?\\nSeen: |^## ${name}$[^]*?\\n\\*\\*`, 'm'));
});
