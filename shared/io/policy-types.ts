import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';

/**
 * What the type checker says of a policy file: its findings, each `file:line:column: text`; undefined when typescript and
 * @types/node are installed neither with us nor beside the file.
 */
export async function checkPolicyTypes(file: string): Promise<string[] | undefined> {
  const typescript = findPackage('typescript', file);
  const nodeTypes = findPackage('@types/node', file);
  if (typescript === undefined || nodeTypes === undefined) return undefined;
  const folder = await mkdtemp(join(tmpdir(), 'rebound-policy-'));
  try {
    await writeFile(join(folder, 'tsconfig.json'), JSON.stringify(tsconfigFor(file, nodeTypes)));
    const output = await runCompiler(join(typescript, 'bin/tsc'), ['--project', folder, '--pretty', 'false']);
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

/** The folder of an installed package: ours, which a checkout has, before that of the policy. */
function findPackage(name: string, file: string): string | undefined {
  for (const from of [import.meta.url, resolve(file)]) {
    try {
      return dirname(createRequire(from).resolve(`${name}/package.json`));
    } catch {
      // Not there.
    }
  }
  return undefined;
}

const timeout = 60_000;

/** Our own rules, so that a policy is held to what its examples are held to; 'rebound' is found from everywhere. */
const tsconfigFor = (file: string, nodeTypes: string): unknown => ({
  compilerOptions: {
    target: 'es2024',
    lib: ['es2024', 'esnext.array', 'esnext.disposable'],
    // Files outside a package are modules too.
    module: 'preserve',
    moduleDetection: 'force',
    noEmit: true,
    allowImportingTsExtensions: true,
    allowJs: true,
    // What Node runs as it is.
    erasableSyntaxOnly: true,
    verbatimModuleSyntax: true,
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    noImplicitOverride: true,
    noPropertyAccessFromIndexSignature: true,
    noFallthroughCasesInSwitch: true,
    skipLibCheck: true,
    // library.ts, or library.d.ts in a built package.
    paths: { rebound: [join(import.meta.dirname, 'library')] },
    types: ['node'],
    typeRoots: [dirname(nodeTypes)],
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
