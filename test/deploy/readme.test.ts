import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { builtinClasses } from '../../shared/core/rules/builtin-classes.ts';
import { loadRuleFile } from '../../shared/io/rule-file.ts';
import { suppressionWords } from '../../shared/core/dsn/report-policy.ts';

const run = promisify(execFile);
const root = fileURLToPath(new URL('../../', import.meta.url));

test('the tables of settings and metrics in the README are those of the program', async () => {
  await run(process.execPath, ['infra/settings-table.ts', '--check'], { cwd: root });
});

test('every rule of reports has its tests in the table of docs/report-rules.md, or a reason to have none', async () => {
  await run(process.execPath, ['infra/rule-table.ts', '--check'], { cwd: root });
});

test('every file and command that the documents name exists', async () => {
  const missing: string[] = [];
  const guides = (await readdir(`${root}docs`)).filter((name) => name.endsWith('.md')).map((name) => `docs/${name}`);
  for (const document of ['README.md', 'ARCHITECTURE.md', ...guides]) {
    const text = await readFile(root + document, 'utf8');
    for (const [, path] of text.matchAll(/`((?:workers|shared|infra|test)\/[\w./-]+\.\w+)`/g)) {
      await readFile(root + path).catch(() => missing.push(`${document}: ${path}`));
    }
    const scripts = Object.keys((JSON.parse(await readFile(`${root}package.json`, 'utf8')) as { scripts: object }).scripts);
    for (const [, script] of text.matchAll(/npm run (?:-s )?([a-z]+)/g))
      if (!scripts.includes(script ?? '')) missing.push(`${document}: npm run ${script}`);
  }
  assert.deepEqual(missing, []);
});

test('every reason to send no report has its row in the table of the reporting policy', async () => {
  const text = await readFile(`${root}docs/reporting-policy.md`, 'utf8');
  const rows = [...text.matchAll(/^\| `([a-z-]+)` \|/gm)].map(([, reason]) => String(reason));
  assert.deepEqual(rows.sort(), Object.keys(suppressionWords).sort());
});

test('every class that the built-in rules give has its row in the page about rules', async () => {
  const text = await readFile(`${root}docs/rules.md`, 'utf8');
  const rows = new Set([...text.matchAll(/^\| `([A-Za-z]+)` \|/gm)].map(([, label]) => label));
  assert.deepEqual(
    builtinClasses.map(([, label]) => label).filter((label) => !rows.has(label)),
    [],
  );
});

test('the example of a rule file can be used, and does what its comments say', async () => {
  const rules = await loadRuleFile(`${root}infra/examples/rules.json`);
  const place = { domain: 'a.partner.example', site: 'mx.example.net' };
  const code = (response: string) => rules.status(response, place)?.code;
  assert.equal(code('450 4.2.1 <jo@dest.test>: Recipient address rejected: this mailbox is inactive and has been disabled'), 500);
  assert.equal(code('452 4.2.2 Over quota'), 552);
  assert.equal(code('452 4.2.2 over quota, try again in an hour'), null);
  assert.equal(code('554 Too many connections'), 451);
  assert.equal(rules.bounceClass('550 see ticket 123456', place)?.class, 'PartnerPolicy');
});
