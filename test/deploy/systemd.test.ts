import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describeSettings } from '../../shared/core/config-describe.ts';
import { configSchema } from '../../shared/core/config.ts';
import { roles } from '../../workers/cli/roles.ts';
import { startRole } from '../support/processes.ts';
import { startRedis } from '../support/redis.ts';
import { testConfig } from '../support/relay.ts';

// The units. No systemd can be run by these tests: they hold the files against the program and, where systemd-analyze is
// there, against systemd's own reading of them. A systemd started in a namespace for this would empty /tmp: never do that.

const run = promisify(execFile);
const root = fileURLToPath(new URL('../../', import.meta.url));
const read = (name: string): string => readFileSync(`${root}infra/systemd/${name}`, 'utf8');
/** All values of a key, in their order. */
const valuesOf = (text: string, key: string): string[] =>
  [...text.matchAll(new RegExp(`^${key}=(.*)$`, 'gm'))].map(([, value]) => value ?? '');
const unit = read('rebound@.service');

test('a unit runs the role that its instance names; what follows a hyphen is only a number', async (t) => {
  const [command = ''] = valuesOf(unit, 'ExecStart');
  const folder = await temporaryFolder(t);
  const program = join(folder, 'rebound');
  await writeFile(program, '#!/bin/sh\necho "$@"\n');
  await chmod(program, 0o755);
  for (const role of roles) {
    for (const instance of [role, `${role}-2`]) {
      const script = /^\/bin\/sh -c '(.*)' rebound %i$/.exec(command)?.[1] ?? '';
      // What systemd makes of it: %% is %, $$ is $ (systemd.service(5)).
      const text = script.replaceAll('%%', '%').replaceAll('$$', '$').replace('/opt/rebound/infra/rebound', program);
      const { stdout } = await run('/bin/sh', ['-c', text, 'rebound', instance]);
      assert.equal(stdout, `${role}\n`);
    }
  }
  assert.ok(existsSync(`${root}infra/rebound`));
});

test('a role is given the time that it needs to finish its work', () => {
  const seconds = Number(valuesOf(unit, 'TimeoutStopSec')[0]);
  assert.ok(seconds * 1000 > configSchema.parse({}).shutdownTimeout);
});

test('every variable that the unit sets is a setting', () => {
  const known = new Set(describeSettings().map(({ env }) => env));
  const names = valuesOf(unit, 'Environment').flatMap((value) => value.split(' ').map((pair) => pair.split('=')[0] ?? ''));
  assert.deepEqual(
    names.filter((name) => name.startsWith('REBOUND_') && name !== 'REBOUND_CONFIG' && !known.has(name)),
    [],
  );
  assert.ok(names.includes('REBOUND_CONFIG'));
});

test('the port of mail needs one capability, and only with its file', () => {
  assert.deepEqual(valuesOf(unit, 'CapabilityBoundingSet'), ['']);
  const dropIn = read('port-25.conf');
  assert.deepEqual(valuesOf(dropIn, 'CapabilityBoundingSet'), ['', 'CAP_NET_BIND_SERVICE']);
  assert.deepEqual(valuesOf(dropIn, 'AmbientCapabilities'), ['CAP_NET_BIND_SERVICE']);
});

test('the user of the unit is made by the file for sysusers', () => {
  const [user = ''] = valuesOf(unit, 'User');
  assert.match(read('sysusers.conf'), new RegExp(`^u ${user} `, 'm'));
});

test('a role tells its supervisor when it can work', async (t) => {
  const redis = await startRedis(t);
  const folder = await temporaryFolder(t);
  // In the place of systemd's own program: what it is called with is what is to be seen.
  await writeFile(join(folder, 'systemd-notify'), `#!/bin/sh\necho "$NOTIFY_SOCKET $@" >> ${folder}/told\n`);
  await chmod(join(folder, 'systemd-notify'), 0o755);
  const before = { ...process.env };
  process.env['PATH'] = `${folder}${delimiter}${before['PATH']}`;
  process.env['NOTIFY_SOCKET'] = '/run/systemd/notify';
  t.after(() => {
    process.env['PATH'] = before['PATH'];
    delete process.env['NOTIFY_SOCKET'];
  });
  const role = await startRole(t, 'bounce', redis, testConfig(redis.dir, 1));
  while (!existsSync(`${folder}/told`)) {
    assert.equal(role.child.exitCode, null, role.log());
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assert.equal(await role.terminate(), 0);
  assert.equal(readFileSync(`${folder}/told`, 'utf8'), '/run/systemd/notify --ready --status=bounce at work\n');
});

// Not on every machine: what it checks are files that do not change with the machine.
const analyze = ['/usr/bin/systemd-analyze', '/bin/systemd-analyze'].find((path) => existsSync(path));

test(`systemd reads the units without a complaint${analyze ? '' : ' (no systemd-analyze here: only their form is looked at)'}`, async (t) => {
  for (const name of ['rebound@.service', 'rebound.target']) assert.match(read(name), /^\[Unit\]$[^]*^\[Install\]$/m);
  if (!analyze) return;
  const folder = await temporaryFolder(t);
  const files = await install(folder);
  const { stdout, stderr } = await run(analyze, ['verify', '--recursive-errors=no', ...files]);
  // Of our files alone: other units of the machine may have faults of their own.
  const complaints = `${stdout}${stderr}`.split('\n').filter((line) => line.includes(folder));
  assert.deepEqual(complaints, []);
});

test('systemd finds the units well protected', async (t) => {
  for (const setting of ['NoNewPrivileges=yes', 'ProtectSystem=strict', 'PrivateTmp=yes', 'SystemCallFilter=@system-service'])
    assert.ok(unit.includes(`\n${setting}\n`), setting);
  if (!analyze) return;
  const [service = ''] = await install(await temporaryFolder(t));
  const child = spawn(analyze, ['security', '--offline=true', '--threshold=25', '--no-pager', service], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const [code] = (await once(child, 'close')) as [number];
  assert.equal(code, 0, output.split('\n').slice(-3).join('\n'));
});

/** The units as they would be installed, with a program that exists: `verify` looks for it. */
async function install(folder: string): Promise<string[]> {
  mkdirSync(`${folder}/rebound@ingress.service.d`);
  await writeFile(`${folder}/rebound@ingress.service`, unit);
  await writeFile(`${folder}/rebound.target`, read('rebound.target'));
  await writeFile(`${folder}/rebound@ingress.service.d/port-25.conf`, read('port-25.conf'));
  return [`${folder}/rebound@ingress.service`, `${folder}/rebound.target`];
}

async function temporaryFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'rebound-systemd-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}
