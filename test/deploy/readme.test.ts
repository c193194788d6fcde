import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { suppressionWords } from '../../shared/core/dsn/report-policy.ts';

const run = promisify(execFile);
const root = fileURLToPath(new URL('../../', import.meta.url));

test('the tables of settings and metrics in the README are those of the program', async () => {
  await run(process.execPath, ['infra/settings-table.ts', '--check'], { cwd: root });
});

test('every file and command that the documents name exists', async () => {
  const missing: string[] = [];
  for (const document of ['README.md', 'ARCHITECTURE.md', 'docs/reports.md', 'docs/reading-reports.md']) {
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
