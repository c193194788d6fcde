import { execFile } from 'node:child_process';
import { access, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** What the type checker says of a policy file: its findings, each `file:line:column: text`; undefined when it is not installed. */
export async function checkPolicyTypes(file: string): Promise<string[] | undefined> {
  const compiler = join(root, 'node_modules/typescript/bin/tsc');
  const isInstalled = await access(compiler).then(
    () => true,
    () => false,
  );
  if (!isInstalled) return undefined;
  const folder = await mkdtemp(join(tmpdir(), 'rebound-policy-'));
  try {
    await writeFile(join(folder, 'tsconfig.json'), JSON.stringify(tsconfigFor(file)));
    const output = await runCompiler(compiler, ['--project', folder, '--pretty', 'false']);
    return output
      .split('\n')
      .filter((line) => line.trim() !== '')
      .map((line) =>
        line.replace(/^([^(\s][^(]*)\((\d+),(\d+)\): error /, (_, path: string, row, column) => `${resolve(path)}:${row}:${column}: `),
      );
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const root = fileURLToPath(new URL('../..', import.meta.url));
const timeout = 60_000;

/** Our own rules, so that a policy is held to what its examples are held to; 'rebound' is found from everywhere. */
const tsconfigFor = (file: string): unknown => ({
  extends: join(root, 'tsconfig.json'),
  compilerOptions: {
    // Files outside a package are modules too, and what is not used yet is no mistake.
    module: 'preserve',
    moduleDetection: 'force',
    noUnusedLocals: false,
    noUnusedParameters: false,
    allowJs: true,
    paths: { rebound: [join(root, 'shared/io/policy-api.ts')] },
    typeRoots: [join(root, 'node_modules/@types')],
  },
  files: [file],
  include: [],
});

function runCompiler(compiler: string, args: readonly string[]): Promise<string> {
  return new Promise((done, fail) => {
    execFile(process.execPath, [compiler, ...args], { timeout }, (error, stdout, stderr) => {
      // Findings are exit code 1 or 2; what has no exit code did not run to its end.
      if (error && typeof error.code !== 'number') fail(error);
      else done(stdout || (error ? stderr : ''));
    });
  });
}
