import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';

// The rules of .oxlintrc.json that keep the layers apart: each is seen to fire, and to leave in peace what is allowed.

const root = fileURLToPath(new URL('../..', import.meta.url));

/** What the linter says of one file at this place of the tree. */
async function lint(t: TestContext, path: string, code: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'rebound-lint-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  await cp(join(root, '.oxlintrc.json'), join(folder, '.oxlintrc.json'));
  await mkdir(dirname(join(folder, path)), { recursive: true });
  await writeFile(join(folder, path), code);
  const { stdout, status, error } = spawnSync(process.execPath, [join(root, 'node_modules/oxlint/bin/oxlint'), '.'], {
    cwd: folder,
    encoding: 'utf8',
  });
  if (error) throw error;
  assert.ok(status === 0 || status === 1, stdout);
  return stdout;
}

const use = (module: string): string => `import * as it from '${module}';\nexport const x = it;\n`;

const refused: [path: string, code: string, because: RegExp][] = [
  ['shared/core/a.ts', use('node:fs'), /shared\/core is pure/],
  ['shared/core/a.ts', use('bullmq'), /shared\/core is pure/],
  ['shared/core/a.ts', use('zod-to-something'), /shared\/core is pure/],
  ['shared/core/a.ts', use('re2js-other'), /shared\/core is pure/],
  ['shared/core/a.ts', use('lru-cache'), /shared\/core is pure/],
  ['shared/core/a.ts', use('../io/log.ts'), /shared\/core imports only shared\/core/],
  ['shared/core/dsn/a.ts', use('../../io/log.ts'), /shared\/core imports only shared\/core/],
  ['shared/core/dsn/a.ts', use('../../../workers/cli/main.ts'), /shared\/core imports only shared\/core/],
  ['shared/core/a.ts', 'export const now = (): number => Date.now();\n', /time is an argument/],
  ['shared/core/a.ts', 'export const dice = (): number => Math.random();\n', /chance is an argument/],
  ['shared/core/a.ts', 'export const env = (): unknown => process.env;\n', /no-restricted-globals/],
  ['shared/core/a.ts', "export const bytes = (): unknown => Buffer.from('');\n", /no-restricted-globals/],
  ['shared/io/a.ts', use('../../workers/delivery/main.ts'), /shared\/io imports shared\/io and shared\/core/],
  ['shared/io/a.ts', use('../../test/support/relay.ts'), /shared\/io imports shared\/io and shared\/core/],
  ['workers/ingress/a.ts', use('../delivery/session.ts'), /workers do not import each other/],
  ['workers/admin/routes/a.ts', use('../../bounce/report.ts'), /workers do not import each other/],
  ['workers/bounce/a.ts', use('../cli/main.ts'), /workers do not import each other/],
  ['workers/cli/a.ts', use('../../test/support/relay.ts'), /nothing imports test/],
  ['workers/delivery/a.ts', use('../../test/support/relay.ts'), /nothing imports test/],
];
for (const [path, code, because] of refused) {
  test(`${path} may not hold: ${code.split('\n')[0]}`, async (t) => assert.match(await lint(t, path, code), because));
}

const allowed: [path: string, code: string][] = [
  ['shared/core/a.ts', use('zod')],
  ['shared/core/a.ts', use('re2js')],
  ['shared/core/dsn/a.ts', use('../reply.ts')],
  ['shared/io/a.ts', use('../core/reply.ts')],
  ['shared/io/a.ts', use('node:fs')],
  ['workers/ingress/a.ts', use('../../shared/io/log.ts')],
  ['workers/admin/routes/a.ts', use('../board.ts')],
  ['workers/cli/commands/a.ts', use('../../delivery/main.ts')],
  ['test/io/a.test.ts', use('../../workers/delivery/session.ts')],
];
for (const [path, code] of allowed) {
  test(`${path} may hold: ${code.split('\n')[0]}`, async (t) => assert.match(await lint(t, path, code), /Found 0 warnings and 0 errors/));
}
