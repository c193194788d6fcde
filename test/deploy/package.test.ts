import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join, relative } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { bounceRecord, startTestAdmin } from '../support/admin.ts';
import { startRegistry } from '../support/registry.ts';

// What a user gets who installs the package: npm packs a copy of this checkout, and installs that into an empty project.

const root = fileURLToPath(new URL('../../', import.meta.url));
let home = '';
/** The project that has installed the package. */
let project = '';
/** The files of the package. */
let files: string[] = [];
let version = '';

before(async () => {
  home = await mkdtemp(join(tmpdir(), 'rebound-package-'));
  const checkout = join(home, 'checkout');
  project = join(home, 'project');
  await mkdir(checkout);
  await mkdir(project);
  const { overrides, devDependencies, ...manifest } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as {
    version: string;
    overrides: object;
    devDependencies: Record<string, string>;
  };
  version = manifest.version;
  const left = ['node_modules', '.git', '.node', '.tools', 'dist', 'data', 'test'];
  for (const name of await readdir(root)) {
    if (!left.includes(name)) await cp(join(root, name), join(checkout, name), { recursive: true });
  }
  for (const name of ['node_modules', '.node']) await symlink(join(root, name), join(checkout, name));
  const packed = await run('npm', ['pack', '--pack-destination', home], checkout);
  assert.equal(packed.code, 0, packed.out + packed.err);

  const registry = await startRegistry();
  try {
    // The registry has one version of nodemailer, as the checkout.
    await writeFile(join(project, 'package.json'), JSON.stringify({ name: 'project', private: true, type: 'module', overrides }));
    const packages = [
      join(home, `rebound-${version}.tgz`),
      ...['typescript', '@types/node'].map((name) => `${name}@${devDependencies[name]}`),
    ];
    const options = ['--registry', registry.url, '--cache', join(home, 'cache'), '--no-audit', '--no-fund', '--ignore-scripts'];
    const installed = await run('npm', ['install', ...options, ...packages], project);
    assert.equal(installed.code, 0, installed.err);
  } finally {
    await registry.close();
  }
  const own = join(project, 'node_modules/rebound');
  files = (await readdir(own, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map((entry) => relative(own, join(entry.parentPath, entry.name)));
  for (const [name, text] of await examples()) await writeFile(join(project, name), text);
});

after(() => rm(home, { recursive: true, force: true }));

interface Ended {
  code: number;
  out: string;
  err: string;
}

/** Nothing of the settings, and nothing of npm that runs this test, gets to the program. */
const inherited = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !/^(?:npm_|REBOUND_|REDIS_URL$|NODE_OPTIONS$)/.test(name)),
);

function run(program: string, args: string[], cwd = project, env: Record<string, string> = {}): Promise<Ended> {
  const own = join(project, 'node_modules/.bin');
  // This Node before any other of the machine; a proxy is not for what is here.
  const path = [own, dirname(process.execPath), process.env['PATH']].join(delimiter);
  const options = { cwd, env: { ...inherited, PATH: path, NO_PROXY: '127.0.0.1', no_proxy: '127.0.0.1', ...env }, timeout: 120_000 };
  return new Promise((resolve) => {
    execFile(program, args, options, (error, out, err) => {
      resolve({
        code: error === null ? 0 : typeof error.code === 'number' ? error.code : -1,
        out,
        err: error ? `${error.message}\n${err}` : err,
      });
    });
  });
}

/** The examples of docs/library.md by the name in their first line. */
async function examples(): Promise<[name: string, text: string][]> {
  const document = await readFile(join(root, 'docs/library.md'), 'utf8');
  return [...document.matchAll(/^```ts\n\/\/ (\S+)\n([^]*?)^```$/gm)].map(([, name = '', text = '']) => [name, text]);
}

test('the package holds the program in JavaScript with its types, its documents and examples, and no tests', () => {
  for (const path of ['package.json', 'README.md', 'LICENSE', 'CHANGELOG.md', 'docs/library.md', 'infra/redis/redis.conf', 'infra/rebound'])
    assert.ok(files.includes(path), path);
  for (const path of ['dist/shared/io/library.js', 'dist/shared/io/library.d.ts', 'dist/workers/cli/main.js'])
    assert.ok(files.includes(path), path);
  const known =
    /^(?:dist\/(?:shared|workers)\/|docs\/[\w-]+\.md$|infra\/(?:examples\/|redis\/redis\.conf$|rebound$|node$)|[A-Z]+(?:\.md)?$|package\.json$)/;
  assert.deepEqual(
    files.filter((path) => !known.test(path)),
    [],
  );
  assert.deepEqual(
    files.filter((path) => path.startsWith('dist/') && /(?<!\.d)\.ts$/.test(path)),
    [],
    'Node does not run these',
  );
});

test('all that is read beside a module, not imported, is in the package', async () => {
  const besides: string[] = [];
  for (const folder of ['shared', 'workers']) {
    for (const path of await readdir(join(root, folder), { recursive: true, withFileTypes: true })) {
      if (path.isFile() && !path.name.endsWith('.ts')) besides.push(`dist${join(path.parentPath, path.name).slice(root.length - 1)}`);
    }
  }
  assert.ok(besides.length > 0);
  assert.deepEqual(
    besides.filter((path) => !files.includes(path)),
    [],
  );
});

test('no module of the package looks for TypeScript, or for packages, at a place that only the checkout has', async () => {
  const found: string[] = [];
  for (const path of files.filter((path) => path.startsWith('dist/') && path.endsWith('.js'))) {
    const text = await readFile(join(project, 'node_modules/rebound', path), 'utf8');
    for (const [line] of text.matchAll(/^.*new URL\(.*(?:\.ts\b|node_modules).*$/gm)) found.push(`${path}: ${line.trim()}`);
  }
  assert.deepEqual(found, []);
});

test('importing the library loads nothing of the servers, starts nothing, and lets the program end', async () => {
  const script = `import { registerHooks } from 'node:module';
    const urls = [];
    registerHooks({ load: (url, context, next) => (urls.push(url), next(url, context)) });
    const names = Object.keys(await import('rebound'));
    console.log(JSON.stringify({ urls, names, open: process.getActiveResourcesInfo() }));`;
  const { code, out, err } = await run(process.execPath, ['--input-type=module', '--eval', script]);
  assert.equal(code, 0, err);
  const { urls, names, open } = JSON.parse(out) as { urls: string[]; names: string[]; open: string[] };
  const packages = new Set(
    urls.filter((url) => url.startsWith('file:')).map((url) => /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url)?.[1]),
  );
  assert.deepEqual(packages, new Set(['rebound', 'zod', 'lru-cache', 're2js']));
  const servers = urls.filter((url) => /^node:(?:net|http2?|tls|https|cluster|child_process)$/.test(url) || url.includes('/dist/workers/'));
  assert.deepEqual(servers, []);
  // What writes to a pipe is the console.
  assert.deepEqual(
    open.filter((what) => what !== 'PipeWrap'),
    [],
  );
  assert.deepEqual(names, [
    'ApiError',
    'ApiUnreachable',
    'ReboundClient',
    'definePolicy',
    'generateRfc3464Message',
    'injectMessage',
    'jsonLoad',
    'memoize',
    'parseMime',
    'parseRfc3464',
    'regexSetMap',
    'reject',
    'withText',
  ]);
});

test('nothing of the package can be imported but the library and its package.json', async () => {
  const script = `import('rebound/dist/shared/io/redis.js').catch((error) => console.log(error.code))`;
  assert.equal((await run(process.execPath, ['--eval', script])).out, 'ERR_PACKAGE_PATH_NOT_EXPORTED\n');
});

test('the types of the library are found by tsc with strict and without skipLibCheck, with and without the types of Node', async () => {
  const uses = `import { definePolicy, generateRfc3464Message, parseRfc3464, ReboundClient, type DispositionRecord, type ParsedReport } from 'rebound';
const client = new ReboundClient({ token: 'x' });
export const lanes: Promise<number> = client.status().then(({ queue }) => queue.lanes);
export const parsed: ParsedReport | undefined = parseRfc3464(new Uint8Array());
export default definePolicy((policy) => policy.on('smtp_server_rewrite_response', (status) => status));
export const record = {} as DispositionRecord;
// @ts-expect-error -- octets, not text
parseRfc3464('text');
// @ts-expect-error -- no such event
definePolicy((policy) => policy.on('smtp_server_rewrite_respons', () => 1));
// @ts-expect-error -- no such handler
definePolicy((policy) => policy.on('smtp_server_rewrite_response', (status: string) => status));
// @ts-expect-error -- no such option
export const misspelt = new ReboundClient({ tokn: 'x' });
// @ts-expect-error -- no such operation
export const unknown = client.stats();
// @ts-expect-error -- without its parameters
export const incomplete = client.message();
// @ts-expect-error -- no such field
export const field = client.status().then(({ queues }) => queues);
// @ts-expect-error -- without reporting_mta
generateRfc3464Message({ include_original_message: 'No' }, undefined, record);
`;
  await writeFile(join(project, 'uses.ts'), uses);
  const readme = /^(?: {4}.*\n|\n)*^ {4}import .* from 'rebound';\n(?: {4}.*\n|\n)*/m.exec(await readFile(join(root, 'README.md'), 'utf8'));
  await writeFile(join(project, 'readme.ts'), `const octets = new Uint8Array();\n${readme?.[0] ?? 'the README has no example'}`);
  const options = { module: 'nodenext', target: 'es2024', strict: true, skipLibCheck: false, noEmit: true };
  const programs = {
    'tsconfig.json': { compilerOptions: { ...options, types: ['node'] }, include: ['*.ts'] },
    'tsconfig.bare.json': { compilerOptions: { ...options, types: [] }, files: ['uses.ts'] },
  };
  for (const [name, program] of Object.entries(programs)) {
    await writeFile(join(project, name), JSON.stringify(program));
    assert.deepEqual(await run('tsc', ['--project', name, '--pretty', 'false']), { code: 0, out: '', err: '' });
  }
});

test('the examples of docs/library.md work against an admin role, as they stand', async (t) => {
  const admin = await startTestAdmin(t);
  await admin.publish(bounceRecord({ sender: 'ann@home.test', recipient: 'bob@dest.test' }));
  const env = { REBOUND_URL: `http://127.0.0.1:${admin.port}` };
  const status = await run(process.execPath, ['--disable-warning=ExperimentalWarning', 'status.ts'], project, env);
  assert.deepEqual([status.code, status.err], [0, '']);
  assert.match(status.out, /^relay\.test: 0 messages wait in 0 lanes\nqueued as [0-9a-f]{32}\n404: .+\n$/);
  const report = await run(process.execPath, ['--disable-warning=ExperimentalWarning', 'report.ts'], project, env);
  assert.deepEqual([report.code, report.err], [0, '']);
  assert.match(report.out, /^to ann@home\.test, \d{3,} octets\nbob@dest\.test: failed 5\.1\.1\n$/);
});

test('the process that reads mail of strangers is found in the package', async () => {
  const reader = pathToFileURL(join(project, 'node_modules/rebound/dist/shared/io/mail-reader.js')).href;
  const script = `import { openMailReader } from ${JSON.stringify(reader)};
    const reader = openMailReader();
    console.log(JSON.stringify(await reader.read(new TextEncoder().encode('Subject: x\\r\\n\\r\\nx\\r\\n'))));
    await reader.close();`;
  const { code, out, err } = await run(process.execPath, ['--input-type=module', '--eval', script]);
  assert.equal(code, 0, err);
  assert.equal(typeof JSON.parse(out), 'object');
  assert.doesNotMatch(out, /unreadable/i);
});

test('the command tells its version and what it can do', async () => {
  assert.deepEqual(await run('rebound', ['--version']), { code: 0, out: `${version}\n`, err: '' });
  const help = await run('rebound', ['--help']);
  assert.equal(help.code, 0, help.err);
  assert.match(help.out, /^Usage: rebound <command>/);
});

test('the command checks policies with the types of the project, and finds rebound for one that lies anywhere', async () => {
  const checked = await run('rebound', ['policy', 'check', 'policy.ts', '--json']);
  assert.equal(checked.code, 0, checked.err);
  assert.partialDeepStrictEqual(JSON.parse(checked.out), { ok: true, events: ['smtp_server_rewrite_response'], areTypesChecked: true });
  const [, policy = ''] = (await examples()).find(([name]) => name === 'policy.ts') ?? [];
  await writeFile(join(project, 'wrong.ts'), policy.replace('`thank you', '/thank you/, `'));
  const wrong = await run('rebound', ['policy', 'check', 'wrong.ts']);
  assert.equal(wrong.code, 1);
  assert.match(wrong.out + wrong.err, /wrong\.ts:\d+:\d+: .*TS\d+/);
  await rm(join(project, 'wrong.ts'));
  // As with a global installation: neither rebound nor a compiler can be found from there.
  const elsewhere = await mkdtemp(join(home, 'elsewhere-'));
  await writeFile(join(elsewhere, 'policy.ts'), policy);
  const args = ['smtp_server_rewrite_response', '--args', '[250, "2.0.0 Ok", "DATA"]', join(elsewhere, 'policy.ts')];
  const called = await run('rebound', ['policy', 'run', ...args], elsewhere);
  assert.deepEqual([called.code, JSON.parse(called.out)], [0, [250, 'thank you\n2.0.0 Ok']], called.err);
});

test('the demo of the package accounts for every message', async () => {
  const { code, out, err } = await run('rebound', ['demo', '--json', '--exit'], home, { TMPDIR: home });
  assert.equal(code, 0, err);
  const { sent, delivered, bounced, expired } = JSON.parse(out) as Record<string, number>;
  assert.deepEqual({ sent, delivered, bounced, expired }, { sent: 40, delivered: 27, bounced: 16, expired: 3 });
});

test('start runs every role of the package with its own Redis, serves the pages, and ends with SIGTERM', async (t) => {
  const dataDir = join(home, 'data');
  const env = {
    REBOUND_DATA_DIR: dataDir,
    REBOUND_INGRESS_PORT: '0',
    REBOUND_ADMIN_PORT: '0',
    REBOUND_POLICY_FILE: join(project, 'policy.ts'),
  };
  const path = [dirname(process.execPath), process.env['PATH']].join(delimiter);
  const child = spawn(join(project, 'node_modules/.bin/rebound'), ['start'], { cwd: home, env: { ...inherited, PATH: path, ...env } });
  const exited = once(child, 'close');
  t.after(async () => {
    child.kill('SIGTERM');
    await exited;
  });
  let err = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
  const place = await new Promise<string>((resolve, reject) => {
    let out = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      out += text;
      const [, url] = /^ {2}admin +(http:\S+)$/m.exec(out) ?? [];
      if (url !== undefined && /^ {2}redis /m.test(out)) resolve(url);
    });
    void exited.then(() => reject(new Error(err)));
  });
  const page = await (await fetch(place)).text();
  const linked = [...page.matchAll(/"(\/[\w./-]+\.(?:css|js|mjs|svg))"/g)].map(([, path]) => String(path));
  assert.ok(linked.length > 0, page);
  for (const path of linked) assert.equal((await fetch(new URL(path, place))).status, 200, path);
  child.kill('SIGTERM');
  assert.deepEqual(await exited, [0, null], err);
});
