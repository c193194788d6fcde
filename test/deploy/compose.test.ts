import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Redis } from 'ioredis';
import { parse } from 'yaml';
import { describeSettings } from '../../shared/core/config-describe.ts';
import { configSchema } from '../../shared/core/config.ts';
import { parseDuration } from '../../shared/core/duration.ts';
import { loadConfig } from '../../shared/io/config-load.ts';
import { startHealth } from '../../shared/io/health.ts';
import { roles } from '../../workers/cli/roles.ts';
import { rulesSchema } from '../../workers/sink/main.ts';

// The container files. No container engine was available where this was written: no image has been built and no container
// started by these tests. They check what can be checked without one: that the files say what the code expects, that every
// command and variable in them exists, that the roles' settings load, and, with a redis-server of this machine, that the
// command of the redis service gives a durable Redis.

interface Service {
  image?: string;
  build?: { context: string; dockerfile: string };
  command: string[];
  environment?: Record<string, string>;
  ports?: string[];
  volumes?: string[];
  container_name?: string;
  depends_on?: Record<string, { condition: string }>;
  healthcheck?: { test: string[] };
  stop_grace_period?: string;
  init?: boolean;
  profiles?: string[];
  entrypoint?: string[];
}

const root = fileURLToPath(new URL('../..', import.meta.url));
const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const { services, volumes } = parse(read('docker-compose.yml'), { merge: true }) as {
  services: Record<string, Service>;
  volumes: Record<string, unknown>;
};
const ours = roles.map((role) => [role, services[role]] as const);

/** `${NAME:-default}` and `${NAME:?message}` as compose fills them in. */
function fillIn(text: string, env: Record<string, string> = {}): string {
  return text.replace(/\$\{(\w+)(?::([-?])([^}]*))?\}/g, (_, name: string, kind: string | undefined, rest: string) => {
    if (env[name]) return env[name];
    if (kind === '?') throw new Error(rest);
    return kind === '-' ? rest : '';
  });
}

test('there is a service per role and one for Redis; all others only with their profile', () => {
  const byProfile = (wanted: string | undefined): string[] =>
    Object.keys(services)
      .filter((name) => services[name]?.profiles?.[0] === wanted)
      .toSorted();
  assert.deepEqual(byProfile(undefined), ['redis', ...roles].toSorted());
  assert.deepEqual(byProfile('monitoring'), ['grafana', 'prometheus']);
  assert.deepEqual(byProfile('demo'), ['sender', 'sink']);
});

test('images of others have a version', () => {
  for (const { image = '', build } of Object.values(services)) assert.ok(build !== undefined || /:v?\d+(\.\d+)*$/.test(image), image);
});

for (const [role, service] of ours) {
  test(`the command of ${role} is one of the command line`, () => {
    const { status, stdout } = spawnSync('sh', [join(root, 'infra/rebound'), ...(service?.command ?? []), '--help'], { encoding: 'utf8' });
    assert.equal(status, 0);
    assert.match(stdout, new RegExp(`^Usage: rebound ${role}`));
  });

  test(`the settings of ${role} are known and load`, async () => {
    const known = new Set([...describeSettings().map(({ env }) => env), 'REDIS_URL']);
    const env = Object.entries(service?.environment ?? {}).map(
      ([name, text]) => [name, fillIn(text, { REBOUND_ADMIN_PASSWORD: 'x' })] as const,
    );
    for (const [name] of env) assert.ok(known.has(name), `${name} is no setting`);
    const config = await loadConfig({ env: { ...imageEnv(), ...Object.fromEntries(env) }, folder: tmpdir() });
    assert.equal(config.redis.url, 'redis://redis:6379');
    assert.equal(config.redis.requireDurable, true);
  });

  test(`${role} waits for Redis and is given time to finish its work`, () => {
    assert.equal(service?.depends_on?.['redis']?.condition, 'service_healthy');
    assert.equal(service?.init, true);
    assert.ok((parseDuration(service?.stop_grace_period ?? '') ?? 0) > configSchema.parse({}).shutdownTimeout);
  });

  test(`${role} shares the folder of the disk spool`, () => {
    assert.deepEqual(service?.volumes, [`spool:${imageEnv()['REBOUND_DATA_DIR']}`]);
    assert.ok('spool' in volumes);
  });
}

test('delivery can be scaled: no name and no port of its own', () => {
  assert.equal(services['delivery']?.container_name, undefined);
  assert.equal(services['delivery']?.ports, undefined);
});

test('SMTP and the dashboard are published on loopback unless one says otherwise', () => {
  assert.deepEqual(
    services['ingress']?.ports?.map((port) => fillIn(port)),
    ['127.0.0.1:2525:2525'],
  );
  assert.deepEqual(
    services['ingress']?.ports?.map((port) => fillIn(port, { SMTP_PUBLISH: '0.0.0.0' })),
    ['0.0.0.0:2525:2525'],
  );
  assert.deepEqual(services['admin']?.ports, ['127.0.0.1:8080:8080']);
  assert.equal(services['redis']?.ports, undefined);
});

test('nothing of the profiles is published beyond loopback', () => {
  for (const name of ['prometheus', 'grafana', 'sink', 'sender']) {
    for (const port of services[name]?.ports ?? []) assert.match(port, /^127\.0\.0\.1:\d+:\d+$/);
  }
});

test('Grafana has no password of its own making', () => {
  const env = services['grafana']?.environment ?? {};
  assert.throws(() => fillIn(env['GF_SECURITY_ADMIN_PASSWORD'] ?? ''), /set REBOUND_ADMIN_PASSWORD/);
  assert.equal(env['GF_AUTH_ANONYMOUS_ENABLED'], 'false');
});

test('what the profiles mount and run is there', () => {
  for (const name of ['prometheus', 'grafana']) {
    for (const volume of services[name]?.volumes ?? []) {
      const [from = '', to] = volume.split(':');
      assert.ok(from.startsWith('./') ? existsSync(join(root, from)) : from in volumes, from);
      assert.ok(to?.startsWith('/'));
    }
  }
  assert.match(services['prometheus']?.command.join(' ') ?? '', /--config\.file=\/etc\/prometheus\/prometheus\.yml /);
  const sink = services['sink']?.command ?? [];
  assert.equal(sink[0], 'sink');
  assert.ok(existsSync(join(root, sink[sink.indexOf('--rules') + 1] ?? '')));
  assert.ok(existsSync(join(root, services['sender']?.entrypoint?.[1] ?? '')));
});

test('Prometheus scrapes every role where its container listens', () => {
  const { scrape_configs: jobs } = parse(read('infra/prometheus/prometheus.yml')) as {
    scrape_configs: { job_name: string; dns_sd_configs: { names: string[]; port: number }[] }[];
  };
  assert.deepEqual(
    jobs.map(({ job_name, dns_sd_configs }) => [job_name, dns_sd_configs[0]?.names, dns_sd_configs[0]?.port]),
    roles.map((role) => [`rebound-${role}`, [role], Number(imageEnv()['REBOUND_HEALTH_PORT'])]),
  );
});

test('the demo refuses some of what its sender sends', () => {
  const { rcpt } = rulesSchema.parse(JSON.parse(read('infra/examples/sink.json')));
  for (const address of Object.keys(rcpt as object)) assert.ok(read('infra/examples/send-mail.ts').includes(`'${address}'`), address);
});

test('the dashboard does not start without a password', () => {
  assert.throws(() => fillIn(services['admin']?.environment?.['REBOUND_ADMIN_PASSWORD'] ?? ''), /set REBOUND_ADMIN_PASSWORD/);
});

test('the command of the redis service gives a durable Redis that keeps its data and never evicts', async (t) => {
  const [program = '', ...args] = services['redis']?.command ?? [];
  const dir = await temporaryFolder(t);
  const mounts = { '/etc/rebound/redis.conf': join(root, 'infra/redis/redis.conf'), '/data': dir };
  assert.deepEqual(services['redis']?.volumes, ['./infra/redis/redis.conf:/etc/rebound/redis.conf:ro', 'redis:/data']);
  const here = args.map((arg) => mounts[arg as keyof typeof mounts] ?? arg).map((arg) => (arg === '0.0.0.0' ? '127.0.0.1' : arg));
  const socket = join(dir, 's');
  const server = spawn(program, [...here, '--port', '0', '--unixsocket', socket], { stdio: 'ignore' });
  t.after(async () => {
    server.kill();
    if (server.exitCode === null) await once(server, 'exit');
  });
  const client = new Redis({ path: socket, retryStrategy: () => 20, maxRetriesPerRequest: null });
  t.after(() => client.disconnect());
  client.on('error', () => undefined);
  const wanted = { appendonly: 'yes', appendfsync: 'always', 'maxmemory-policy': 'noeviction', save: '' };
  for (const [name, value] of Object.entries(wanted)) assert.deepEqual(await client.config('GET', name), [name, value]);
});

test('the health of Redis is asked with its own tool', () =>
  assert.deepEqual(services['redis']?.healthcheck?.test, ['CMD', 'redis-cli', 'ping']));

// ---- The image ----

/** The instructions of the Dockerfile, continued lines joined, comments left out. */
const instructions = read('infra/docker/Dockerfile')
  .replaceAll('\\\n', ' ')
  .split('\n')
  .filter((line) => /^[A-Z]/.test(line))
  .map((line) => ({ name: line.split(' ')[0] ?? '', rest: line.replace(/^\S+\s+/, '') }));
const all = (name: string): string[] => instructions.filter((i) => i.name === name).map(({ rest }) => rest);
const sources = all('COPY').flatMap((rest) => rest.split(/\s+/).slice(0, -1));

function imageEnv(): Record<string, string> {
  const pairs = all('ENV').flatMap((rest) => rest.split(/\s+/).map((pair) => pair.split('=') as [string, string]));
  return Object.fromEntries(pairs.filter(([name]) => name.startsWith('REBOUND_')));
}

test('compose builds the one Dockerfile there is', () => {
  for (const [, service] of ours) assert.deepEqual(service?.build, { context: '.', dockerfile: 'infra/docker/Dockerfile' });
});

test('every file that the image copies exists and is sent to the engine', () => {
  const sent = read('.dockerignore')
    .split('\n')
    .filter((line) => line.startsWith('!'))
    .map((line) => line.slice(1));
  for (const source of sources) {
    assert.ok(existsSync(join(root, source)), `${source} does not exist`);
    assert.ok(sent.includes(source.replace(/^\.\//, '')), `${source} is not in .dockerignore`);
  }
});

test('the programs that the image runs are in it', () => {
  const inImage = (path: string): boolean =>
    existsSync(join(root, path)) && sources.some((source) => path.startsWith(source.replace(/^\.\//, '')));
  const entry = JSON.parse(all('ENTRYPOINT')[0] ?? '[]') as string[];
  assert.equal(entry[0], 'node');
  assert.ok(inImage(entry.at(-1) ?? ''));
  const health = /CMD (\[.*\])/.exec(all('HEALTHCHECK')[0] ?? '');
  assert.ok(inImage((JSON.parse(health?.[1] ?? '[]') as string[]).at(-1) ?? ''));
});

test('the Node of the image is one that package.json allows', () => {
  const major = Number(/^node:(\d+)/.exec(all('FROM')[0] ?? '')?.[1]);
  const least = Number(/>=(\d+)/.exec((JSON.parse(read('package.json')) as { engines: { node: string } }).engines.node)?.[1]);
  assert.ok(major > least);
});

test('the roles do not run as root', () => assert.deepEqual(all('USER'), ['node']));

test('what runs in the image needs no package that only development has', () => {
  const { dependencies } = JSON.parse(read('package.json')) as { dependencies: Record<string, string> };
  for (const folder of ['shared', 'workers']) {
    for (const name of readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'))) {
      for (const [, module = ''] of read(join(folder, name)).matchAll(/^(?:import|export|\}).*? from '([^'.][^']*)';$/gm)) {
        const packageName = module
          .split('/')
          .slice(0, module.startsWith('@') ? 2 : 1)
          .join('/');
        assert.ok(module.startsWith('node:') || packageName in dependencies, `${folder}/${name} imports ${module}`);
      }
    }
  }
});

test('the health check of the image follows the health of the role', async (t) => {
  const listener = await startHealth(
    { host: '127.0.0.1', port: 0 },
    { isReady: () => Promise.resolve(false), metrics: () => Promise.resolve('') },
  );
  t.after(() => listener.close());
  const check = async (port: number): Promise<unknown> => {
    const env = { ...process.env, REBOUND_HEALTH_PORT: String(port) };
    const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', join(root, 'infra/docker/healthcheck.ts')], { env });
    const [code] = (await once(child, 'exit')) as [number];
    return code;
  };
  assert.equal(await check(listener.port), 0);
  await listener.close();
  assert.equal(await check(listener.port), 1);
});

async function temporaryFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'rebound-compose-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}
