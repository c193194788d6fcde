import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, readFileSync } from 'node:fs';
import { chmod, cp, mkdir, mkdtemp, readFile, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { dkimSettings, pemOf, rsaKey, storeFiles } from '../support/dkim-keys.ts';

// Set-up and launcher, on a copy of the files they touch and with a PATH that holds only what each case gives it. npm is a
// script that notes how it was called: what the registry delivers is not what is tested here. The whole of it, with the
// real npm, an empty cache, an old Node and no Redis, was run by hand.

const root = fileURLToPath(new URL('../..', import.meta.url));
const tools = ['sh', 'dirname', 'cmp', 'cp', 'rm', 'mkdir', 'uname', 'id', 'cat', 'readlink', 'env'];
const oldNode = '#!/bin/sh\n[ "$1" = --version ] || exit 1\necho v18.0.0\n';
const npm = `#!/bin/sh
echo "in $(pwd): npm $*; node $(node --version)" >>"$NPM_CALLS"
[ -z "$NPM_FAILS" ] || exit 1
case $1 in
  config) echo /machine/npmrc ;;
  ci) echo 'words of npm'; echo "npmrc $npm_config_globalconfig" >>"$NPM_CALLS"; mkdir -p node_modules/bullmq ;;
  install)
    case " $* " in *" --no-save "*) mkdir -p node_modules/.bin; cp "$NODE_TO_INSTALL" node_modules/.bin/node ;; esac ;;
esac
`;

interface Machine {
  checkout: string;
  /** How npm was called, one line each. */
  npmCalls: () => Promise<string[]>;
  run: (
    script: string,
    args?: string[],
    cwd?: string,
    env?: Record<string, string>,
  ) => { status: number | null; stdout: string; stderr: string };
}

/** A copy of the checkout without packages, on a machine with these programs. */
async function machine(t: TestContext, programs: { node?: 'new' | 'old'; npm?: boolean; redis?: boolean }): Promise<Machine> {
  const home = await realpath(await mkdtemp(join(tmpdir(), 'rebound-setup-')));
  t.after(() => rm(home, { recursive: true, force: true }));
  const checkout = join(home, 'check out');
  const bin = join(home, 'bin');
  await mkdir(bin);
  for (const path of ['infra', 'package.json', 'package-lock.json']) await cp(join(root, path), join(checkout, path), { recursive: true });
  for (const tool of tools) await symlink(spawnSync('which', [tool], { encoding: 'utf8' }).stdout.trim(), join(bin, tool));
  const script = async (name: string, text: string): Promise<void> => {
    await writeFile(join(bin, name), text);
    await chmod(join(bin, name), 0o755);
  };
  // The wrapper stands for a Node that set-up installs; it is executed from another place than the real one.
  await script('node-to-install', `#!/bin/sh\nexec '${process.execPath}' "$@"\n`);
  if (programs.node === 'new') await symlink(process.execPath, join(bin, 'node'));
  if (programs.node === 'old') await script('node', oldNode);
  if (programs.npm) await script('npm', npm);
  if (programs.redis) await script('redis-server', '#!/bin/sh\n');
  const calls = join(home, 'npm-calls');
  return {
    checkout,
    npmCalls: async () => (existsSync(calls) ? (await readFile(calls, 'utf8')).trim().split('\n') : []),
    run: (file, args = [], cwd = home, extra = {}) => {
      const env = { PATH: bin, HOME: home, NPM_CALLS: calls, NODE_TO_INSTALL: join(bin, 'node-to-install'), ...extra };
      return spawnSync(join(bin, 'sh'), [join(checkout, file), ...args], { cwd, env, encoding: 'utf8' });
    },
  };
}

test('a machine with a new Node and Redis gets the packages of the lock, and nothing on standard output', async (t) => {
  const { run, npmCalls, checkout } = await machine(t, { node: 'new', npm: true, redis: true });
  const { status, stdout, stderr } = run('infra/setup.sh');
  assert.equal(status, 0, stderr);
  assert.equal(stdout, '');
  assert.match(stderr, /setup: installing npm packages\nwords of npm/);
  const calls = await npmCalls();
  assert.equal(calls.filter((call) => call.includes('npm ci ')).length, 1);
  assert.ok(calls.some((call) => call.startsWith(`in ${checkout}: npm ci --ignore-scripts`)));
  assert.ok(!existsSync(join(checkout, '.node')));
});

test('repeated, set-up does nothing and says nothing', async (t) => {
  const { run, npmCalls } = await machine(t, { node: 'new', npm: true, redis: true });
  run('infra/setup.sh');
  const before = await npmCalls();
  assert.deepEqual(pick(run('infra/setup.sh')), { status: 0, stdout: '', stderr: '' });
  assert.deepEqual(await npmCalls(), before);
});

test('a changed lock has the packages installed again', async (t) => {
  const { run, npmCalls, checkout } = await machine(t, { node: 'new', npm: true, redis: true });
  run('infra/setup.sh');
  await writeFile(join(checkout, 'package-lock.json'), '{}');
  assert.equal(run('infra/setup.sh').status, 0);
  assert.equal((await npmCalls()).filter((call) => call.includes('npm ci ')).length, 2);
});

test('a machine with an old Node gets one in .node, and the packages are installed under that', async (t) => {
  const { run, npmCalls, checkout } = await machine(t, { node: 'old', npm: true, redis: true });
  const { status, stderr } = run('infra/setup.sh');
  assert.equal(status, 0, stderr);
  assert.match(stderr, /setup: installing Node\.js 24 into \.node \(the system's is v18\.0\.0\)/);
  const calls = await npmCalls();
  assert.ok(calls.some((call) => call.startsWith(`in ${join(checkout, '.node')}: npm install --no-save`) && /node-\S+@24;/.test(call)));
  assert.ok(calls.some((call) => call.includes('npm ci ') && call.endsWith(`node ${process.version}`)));
  assert.ok(calls.includes('npmrc /machine/npmrc'), 'the npmrc of the machine counts under the new Node too');
  assert.equal(run('infra/node', ['-p', '1 + 1']).stdout, '2\n');
});

test('without npm and a new Node the message says where Node is to be had', async (t) => {
  const { run } = await machine(t, { node: 'old' });
  const { status, stderr } = run('infra/setup.sh');
  assert.equal(status, 1);
  assert.match(stderr, /Node\.js 22\.19 or newer is needed.*https:\/\/nodejs\.org/);
});

test('when npm fails set-up fails, and tries again the next time', async (t) => {
  const { run, npmCalls } = await machine(t, { node: 'new', npm: true, redis: true });
  assert.equal(run('infra/setup.sh', [], undefined, { NPM_FAILS: '1' }).status, 1);
  assert.equal(run('infra/setup.sh').status, 0);
  assert.equal((await npmCalls()).filter((call) => call.includes('npm ci ')).length, 1);
});

test('where no Redis can be installed the message says what to run', async (t) => {
  const { run } = await machine(t, { node: 'new', npm: true });
  const { status, stderr } = run('infra/setup.sh');
  assert.equal(status, 1);
  assert.match(
    stderr,
    /redis-server \(or valkey-server\) is needed and could not be installed from here\. Run this, then set-up again: {2}install Redis/,
  );
});

test('with REDIS_URL no Redis program is needed', async (t) => {
  const { run } = await machine(t, { node: 'new', npm: true });
  const { status, stderr } = run('infra/setup.sh', [], undefined, { REDIS_URL: 'redis://elsewhere' });
  assert.equal(status, 0);
  assert.match(stderr, /REDIS_URL is used/);
});

test('the launcher says that set-up has not been run', async (t) => {
  const { run } = await machine(t, { node: 'new' });
  const { status, stderr } = run('infra/rebound');
  assert.equal(status, 1);
  assert.match(stderr, /^rebound: set-up has not been run: npm --prefix '.*check out' run setup\n$/);
});

test('the launcher refuses an old Node in one line', async (t) => {
  const { run, checkout } = await machine(t, { node: 'old' });
  await mkdir(join(checkout, 'node_modules', 'bullmq'), { recursive: true });
  const { status, stderr } = run('infra/rebound');
  assert.equal(status, 1);
  assert.match(stderr, /^rebound: Node\.js 22\.19 or newer is needed: run "npm run setup".*\n$/);
});

const oldAndNew: [version: string, isEnough: boolean][] = [
  ['20.20.2', false],
  ['22.17.9', false],
  ['22.19.0', true],
  ['23.0.0', true],
  ['24.1.0', true],
];
for (const [version, isEnough] of oldAndNew) {
  test(`Node ${version} is ${isEnough ? 'new enough' : 'too old'}`, () => {
    const condition = /node -e '(.*)' 2/.exec(readFileSync(join(root, 'infra/node'), 'utf8'))?.[1] ?? '';
    const code = condition.replace('process.versions.node', JSON.stringify(version));
    assert.notEqual(code, condition);
    assert.equal(spawnSync(process.execPath, ['-e', code]).status === 0, isEnough);
  });
}

test('the launcher is found through links, from any folder', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'rebound-link-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  await symlink(join(root, 'infra/rebound'), join(folder, 'one'));
  await symlink('one', join(folder, 'two'));
  const { stdout, status } = spawnSync(join(folder, 'two'), ['--version'], { cwd: '/', encoding: 'utf8' });
  assert.equal(status, 0);
  assert.equal(stdout, `${packageJson().version}\n`);
});

const calls: [args: string[], status: number, stream: 'stdout' | 'stderr', says: RegExp][] = [
  [['--help'], 0, 'stdout', /^Usage: rebound <command>[^]*\n {2}start +run the whole system[^]*\n {2}ingress /],
  [['start', '--help'], 0, 'stdout', /^Usage: rebound start \[--config <file>\]\n\nRun the whole system/],
  [['hash-password', '--help'], 0, 'stdout', /^Usage: rebound hash-password\n/],
  [[], 2, 'stderr', /^rebound: expected a command; see "rebound --help"\n$/],
  [['strat'], 2, 'stderr', /^rebound: unknown command "strat"; did you mean "start"\?; see "rebound --help"\n$/],
  [['toString'], 2, 'stderr', /^rebound: unknown command "toString"/],
  [['start', '--fast'], 2, 'stderr', /^rebound: Unknown option '--fast'; see "rebound start --help"\n$/],
  [['ingress', 'extra'], 2, 'stderr', /^rebound: Unexpected argument 'extra'[^\n]*\n$/],
  [['config'], 2, 'stderr', /^rebound: expected "config check", "config show" or "config dkim"; see "rebound config --help"\n$/],
  [['config', 'check', '--config', '/nowhere.json'], 1, 'stdout', /^\/nowhere\.json: cannot be read: ENOENT/],
  [['bounce', '--config', '/nowhere.json'], 1, 'stderr', /^rebound: the configuration has a mistake\n {2}\/nowhere\.json: cannot be read/],
];
for (const [args, status, stream, says] of calls) {
  test(`rebound ${args.join(' ')} ends with ${status}`, () => {
    const result = spawnSync(join(root, 'infra/rebound'), args, { cwd: tmpdir(), encoding: 'utf8' });
    assert.equal(result.status, status, result.stderr);
    assert.match(result[stream], says);
    assert.equal(result[stream === 'stdout' ? 'stderr' : 'stdout'], '');
  });
}

test('a role without a Redis says in one line what to do', async (t) => {
  const dataDir = await mkdtemp(join(tmpdir(), 'rebound-none-'));
  t.after(() => rm(dataDir, { recursive: true, force: true }));
  const env = { ...process.env, REBOUND_DATA_DIR: dataDir, REDIS_URL: '' };
  const { status, stderr } = spawnSync(join(root, 'infra/rebound'), ['bounce'], { cwd: tmpdir(), env, encoding: 'utf8' });
  assert.equal(status, 1);
  assert.equal(stderr, 'rebound: there is no Redis: set REDIS_URL, or use "rebound start", which brings its own\n');
});

test('the hash of a password is of the password', async () => {
  const { verifyPassword } = await import('../../shared/io/password.ts');
  const { stdout, status } = spawnSync(join(root, 'infra/rebound'), ['hash-password'], { input: 'pass word\nmore\n', encoding: 'utf8' });
  assert.equal(status, 0);
  assert.equal(await verifyPassword('pass word', stdout.trim()), true);
  assert.equal(await verifyPassword('password', stdout.trim()), false);
});

test('config show hides secrets', () => {
  const env = { ...process.env, REBOUND_ADMIN_PASSWORD: 'hush', REDIS_URL: 'redis://:hush@elsewhere' };
  const { stdout } = spawnSync(join(root, 'infra/rebound'), ['config', 'show'], { cwd: tmpdir(), env, encoding: 'utf8' });
  const shown = JSON.parse(stdout) as { admin: unknown; redis: unknown };
  assert.partialDeepStrictEqual(shown, { admin: { password: '[hidden]' }, redis: { url: 'redis://[hidden]@elsewhere' } });
  assert.doesNotMatch(stdout, /hush/);
});

test('config check looks into key files, and config dkim prints what the DNS must say of them', async (t) => {
  const settings = await dkimSettings(t, 'example.com');
  const runWith = (verb: string, dkim: unknown) =>
    spawnSync(join(root, 'infra/rebound'), ['config', verb], {
      cwd: tmpdir(),
      env: { ...process.env, REBOUND_HOSTNAME: 'mx.example.com', REBOUND_BOUNCE_DKIM: JSON.stringify(dkim) },
      encoding: 'utf8',
    });
  assert.deepEqual(pick(runWith('check', settings)), { status: 0, stdout: 'The configuration is valid.\n', stderr: '' });
  const printed = runWith('dkim', settings);
  assert.match(
    printed.stdout,
    /^rsa1\._domainkey\.example\.com\. IN TXT \( "v=DKIM1; k=rsa; p=[^\n]* \)\ned1\._domainkey\.example\.com\. /,
  );
  for (const [, part = ''] of printed.stdout.matchAll(/"([^"]*)"/g)) assert.ok(part.length <= 255);

  const missing = [...settings, { domain: 'example.com', selector: 'x', keyFile: '/nowhere/key.pem' }];
  const refused = runWith('check', missing);
  assert.equal(refused.status, 1);
  assert.match(refused.stdout, /^bounce\.dkim\.2\.keyFile = "\/nowhere\/key\.pem": cannot be read: ENOENT[^\n]*\n$/);
  assert.match(runWith('dkim', missing).stderr, /^rebound: the configuration has a mistake\n {2}bounce\.dkim\.2\.keyFile/);
  assert.match(runWith('dkim', []).stderr, /^rebound: there are no keys/);

  const [keyFile] = await storeFiles(t, [pemOf(rsaKey(1024))]);
  const warned = runWith('check', [{ domain: 'example.com', selector: 's', keyFile }]);
  assert.deepEqual([warned.status, warned.stdout], [0, 'The configuration is valid.\n']);
  assert.match(warned.stderr, /^rebound: bounce\.dkim\.0\.keyFile = .*1024 bits/);
});

test('the scripts of package.json and the CI script run files that exist', () => {
  const { scripts, bin } = packageJson();
  for (const script of Object.values(scripts)) {
    for (const [, file = ''] of script.matchAll(/\b((?:infra|node_modules)\/\S+)/g)) assert.ok(existsSync(join(root, file)), file);
  }
  for (const file of [bin.rebound, 'infra/node', 'infra/setup.sh', '.ci/run']) accessSync(join(root, file), constants.X_OK);
});

test('the lock knows every optional package of every platform: without, `npm ci` refuses it', () => {
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { optionalDependencies?: Record<string, string> }>;
  };
  for (const [path, { optionalDependencies = {} }] of Object.entries(packages)) {
    for (const name of Object.keys(optionalDependencies)) {
      assert.ok(
        packages[`node_modules/${name}`] ?? packages[`${path}/node_modules/${name}`],
        `${name}, wanted by ${path}, is not in the lock`,
      );
    }
  }
});

interface PackageJson {
  version: string;
  scripts: Record<string, string>;
  bin: { rebound: string };
}
const packageJson = (): PackageJson => JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as PackageJson;
const pick = ({ status, stdout, stderr }: { status: number | null; stdout: string; stderr: string }): object => ({
  status,
  stdout,
  stderr,
});
