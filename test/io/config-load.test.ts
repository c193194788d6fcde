import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { configSchema } from '../../shared/core/config.ts';
import { ConfigError, loadConfig, type ConfigSource } from '../../shared/io/config-load.ts';

/** An empty folder, with these files. */
async function folderWith(t: TestContext, files: Record<string, string> = {}): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'rebound-config-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
  return folder;
}

/** Every complaint as one line, the folder left out. */
async function problemsOf(source: ConfigSource): Promise<string[]> {
  const error = await loadConfig(source).then(
    () => assert.fail('the configuration was accepted'),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof ConfigError);
  return error.message.split('\n').map((line) => line.replaceAll(`${source.folder}/`, ''));
}

test('without a file and variables all defaults hold', async (t) => {
  assert.deepEqual(await loadConfig({ env: { HOME: '/root' }, folder: await folderWith(t) }), configSchema.parse({}));
});

const values: [variable: string, text: string, key: string, want: unknown][] = [
  ['REBOUND_HOSTNAME', 'mx.example.com', 'hostname', 'mx.example.com'],
  ['REBOUND_INGRESS_PORT', '25', 'ingress.port', 25],
  ['REBOUND_INGRESS_PORT', '', 'ingress.port', 2525],
  ['REBOUND_INGRESS_MAX_SIZE', '1MB', 'ingress.maxSize', 1_048_576],
  ['REBOUND_INGRESS_MAX_SIZE', '1000', 'ingress.maxSize', 1000],
  ['REBOUND_RETRY_INTERVAL', '30s', 'retry.interval', 30_000],
  ['REBOUND_RETRY_JITTER', '0.1', 'retry.jitter', 0.1],
  ['REBOUND_BOUNCE_ENABLED', 'false', 'bounce.enabled', false],
  ['REBOUND_BOUNCE_ENABLED', '0', 'bounce.enabled', false],
  ['REBOUND_BOUNCE_ENABLED', 'Yes', 'bounce.enabled', true],
  ['REBOUND_INGRESS_TRUSTED', '10.0.0.0/8, ::1', 'ingress.trusted', ['10.0.0.0/8', '::1']],
  ['REBOUND_INGRESS_TRUSTED', '', 'ingress.trusted', []],
  ['REBOUND_INGRESS_TLS_PORT', '0', 'ingress.tlsPort', 0],
  ['REBOUND_OUTBOUND_ROUTES', '{"*": "relay.test:2525"}', 'outbound.routes', { '*': 'relay.test:2525' }],
  ['REBOUND_ADMIN_PASSWORD', '0123', 'admin.password', '0123'],
  ['REBOUND_OUTBOUND_TIMEOUTS_DATA', '1m', 'outbound.timeouts.data', 60_000],
  ['REDIS_URL', 'redis://r:6379', 'redis.url', 'redis://r:6379'],
  ['REDIS_URL', '', 'redis.url', ''],
];
for (const [variable, text, key, want] of values) {
  test(`${variable}='${text}' makes ${key} ${JSON.stringify(want)}`, async (t) => {
    const config: unknown = await loadConfig({ env: { [variable]: text }, folder: await folderWith(t) });
    assert.deepEqual(
      key.split('.').reduce((value, name) => (value as Record<string, unknown>)[name], config),
      want,
    );
  });
}

test('a file is laid over the defaults, variables over the file', async (t) => {
  const folder = await folderWith(t, { 'rebound.json': '{"ingress": {"port": 1, "banner": "Hi"}, "redis": {"url": "redis://file"}}' });
  const config = await loadConfig({ env: { REBOUND_INGRESS_PORT: '2', REDIS_URL: 'redis://env' }, folder });
  assert.equal(config.ingress.port, 2);
  assert.equal(config.ingress.banner, 'Hi');
  assert.equal(config.redis.url, 'redis://env');
});

test('REBOUND_REDIS_URL goes before REDIS_URL', async (t) => {
  const config = await loadConfig({ env: { REDIS_URL: 'redis://a', REBOUND_REDIS_URL: 'redis://b' }, folder: await folderWith(t) });
  assert.equal(config.redis.url, 'redis://b');
});

test('a TypeScript file is imported', async (t) => {
  const folder = await folderWith(t, { 'rebound.config.ts': `const port: number = 1000 + 1;\nexport default { ingress: { port } };\n` });
  assert.equal((await loadConfig({ env: {}, folder })).ingress.port, 1001);
});

const named: [how: string, source: Omit<ConfigSource, 'folder'>][] = [
  ['the command line', { file: 'other.json', env: { REBOUND_CONFIG: 'missing.json' } }],
  ['REBOUND_CONFIG', { env: { REBOUND_CONFIG: 'other.json' } }],
];
for (const [how, source] of named) {
  test(`a file named by ${how} is read instead of rebound.json`, async (t) => {
    const folder = await folderWith(t, { 'rebound.json': '{"hostname": "no.test"}', 'other.json': '{"hostname": "yes.test"}' });
    assert.equal((await loadConfig({ ...source, folder })).hostname, 'yes.test');
  });
}

const mistakes: [what: string, files: Record<string, string>, env: Record<string, string>, want: string[]][] = [
  [
    'every mistake at once, each by its origin',
    { 'rebound.json': '{"hostname": "-", "ingress": {"port": "x"}, "log": {"level": "loud"}}' },
    { REBOUND_RETRY_INTERVAL: 'soon', REBOUND_INGRESS_MAX_SIZE: '-1', REBOUND_ADMIN_HOST: '0.0.0.0' },
    [
      'rebound.json: hostname = "-": expected a host name',
      'rebound.json: ingress.port = "x": expected a whole number from 0 to 65535',
      'REBOUND_INGRESS_MAX_SIZE = "-1": expected a size such as 65536, "64KB", "25MB"',
      'REBOUND_RETRY_INTERVAL = "soon": expected a duration such as "500ms", "90s", "20m", "7d"',
      'rebound.json: log.level = "loud": expected one of "silent", "error", "warn", "info", "debug"',
      'admin.password (REBOUND_ADMIN_PASSWORD): a password is needed because admin.host (0.0.0.0) can be reached from other machines',
    ],
  ],
  [
    'a number out of its bounds',
    {},
    { REBOUND_INGRESS_PORT: '70000' },
    ['REBOUND_INGRESS_PORT = 70000: expected a whole number from 0 to 65535'],
  ],
  ['a word for a number', {}, { REBOUND_INGRESS_PORT: 'smtp' }, ['REBOUND_INGRESS_PORT = "smtp": expected a whole number from 0 to 65535']],
  ['a word for a truth', {}, { REBOUND_BOUNCE_ENABLED: 'maybe' }, ['REBOUND_BOUNCE_ENABLED = "maybe": expected true or false']],
  [
    'one entry of a list',
    {},
    { REBOUND_INGRESS_TRUSTED: '10.0.0.0/8,lan' },
    ['REBOUND_INGRESS_TRUSTED.1 = "lan": expected a network such as "10.0.0.0/8" or "::1/128"'],
  ],
  ['JSON that is none', {}, { REBOUND_QUEUES: '{oops' }, ['REBOUND_QUEUES = "{oops": expected a JSON object']],
  ['JSON of another kind', {}, { REBOUND_QUEUES: '[]' }, ['REBOUND_QUEUES = []: expected a JSON object']],
  [
    'secret JSON that is none',
    {},
    { REBOUND_INGRESS_USERS: '[{"password": "secret"' },
    ['REBOUND_INGRESS_USERS: expected a JSON array of objects'],
  ],
  [
    'an unknown variable',
    {},
    { REBOUND_INGRES_PORT: '1' },
    ['REBOUND_INGRES_PORT: there is no such setting; did you mean REBOUND_INGRESS_PORT?'],
  ],
  ['a variable like no other', {}, { REBOUND_FROBNICATE_THE_THING: '1' }, ['REBOUND_FROBNICATE_THE_THING: there is no such setting']],
  [
    'unknown keys',
    { 'rebound.json': '{"ingres": {}, "ingress": {"prot": 1}}' },
    {},
    [
      'rebound.json: ingress.prot: there is no such setting; did you mean port?',
      'rebound.json: ingres: there is no such setting; did you mean ingress?',
    ],
  ],
  [
    'a section that is none',
    { 'rebound.json': '{"ingress": 5}' },
    { REBOUND_INGRESS_PORT: '1' },
    ['rebound.json: ingress = 5: expected object'],
  ],
  ['a broken file', { 'rebound.json': '{"admin": {"password": "secret",}}' }, {}, ['rebound.json: is not valid JSON at position 32']],
  ['a file of something else', { 'rebound.json': '[]' }, {}, ['rebound.json: expected an object of settings']],
  [
    'a module without a default',
    { 'rebound.config.ts': 'export const port = 1;' },
    {},
    ['rebound.config.ts: expected an object of settings'],
  ],
  [
    'two files',
    { 'rebound.json': '{}', 'rebound.config.ts': 'export default {};' },
    {},
    ['rebound.json, rebound.config.ts: both exist: remove one, or name one with --config'],
  ],
  [
    'a wrong route',
    {},
    { REBOUND_OUTBOUND_ROUTES: '{"a.test": {"host": "b", "port": 0, "password": "secret"}, "c.test": 5}' },
    ['REBOUND_OUTBOUND_ROUTES.a.test.port = 0: expected number to be >=1', 'REBOUND_OUTBOUND_ROUTES.c.test = 5: expected string or object'],
  ],
  [
    'a secret of the wrong type',
    { 'rebound.json': '{"admin": {"password": 12345}}' },
    {},
    ['rebound.json: admin.password = [hidden]: expected text'],
  ],
  [
    'a contradiction between file and variable',
    { 'rebound.json': '{"ingress": {"tls": {"key": "key.pem"}}}' },
    { REBOUND_INGRESS_TLS_PORT: '4650' },
    ['ingress.tls.cert (REBOUND_INGRESS_TLS_CERT): a certificate is needed with ingress.tls.key'],
  ],
];
for (const [what, files, env, want] of mistakes) {
  test(`told: ${what}`, async (t) => {
    const problems = await problemsOf({ env, folder: await folderWith(t, files) });
    assert.deepEqual(problems, want);
    assert.doesNotMatch(problems.join(), /secret/);
  });
}

test('a file that is not there is named', async (t) => {
  const [problem] = await problemsOf({ file: 'nowhere.json', env: {}, folder: await folderWith(t) });
  assert.match(problem ?? '', /^nowhere\.json: cannot be read: ENOENT/);
});

test('a file cannot reach the prototype of objects', async (t) => {
  const folder = await folderWith(t, { 'rebound.json': '{"__proto__": {"polluted": true}}' });
  await loadConfig({ env: {}, folder }).catch(() => undefined);
  assert.equal(({} as Record<string, unknown>)['polluted'], undefined);
});

test('every file that settings name is relative to the configuration file, or to the folder when a variable names it', async (t) => {
  const settings = {
    ingress: { tls: { key: 'key.pem', cert: 'sub/cert.pem' } },
    delivery: { rules: ['rules.json', '/etc/rules.json'] },
    bounce: {
      template: 'own',
      tenants: { acme: { template: '../acme.txt' }, shop: { template: 'classic' }, news: { language: 'de' } },
      dkim: [{ domain: 'localhost', selector: 's', keyFile: 'dkim.pem' }],
    },
    webhooks: { crm: { url: 'http://crm.test/', secretFile: 'secret' }, other: { url: 'http://crm.test/' } },
    archive: { driver: 's3', s3: { bucket: 'logs', accessKeyId: 'a', secretFile: 's3-secret' } },
  };
  const folder = await folderWith(t, { 'rebound.json': JSON.stringify(settings) });
  const at = (name: string): string => join(folder, name);
  const file = at('rebound.json');
  const { ingress, delivery, bounce, webhooks, archive, dataDir } = await loadConfig({ env: {}, folder: '/', file });
  assert.deepEqual(ingress.tls, { key: at('key.pem'), cert: at('sub/cert.pem') });
  assert.deepEqual(delivery.rules, [at('rules.json'), '/etc/rules.json']);
  assert.equal(bounce.template, at('own'));
  assert.deepEqual(bounce.tenants, { acme: { template: at('../acme.txt') }, shop: { template: 'classic' }, news: { language: 'de' } });
  assert.equal(bounce.dkim[0]?.keyFile, at('dkim.pem'));
  assert.deepEqual([webhooks['crm']?.secretFile, webhooks['other']?.secretFile], [at('secret'), '']);
  assert.equal(archive.s3.secretFile, at('s3-secret'));
  assert.equal(dataDir, './data');
  const env = { REBOUND_DELIVERY_RULES: 'rules.json', REBOUND_BOUNCE_TEMPLATE: 'plain', REBOUND_INGRESS_TLS_KEY: 'key.pem' };
  const byVariables = await loadConfig({ env, folder: '/srv', file });
  assert.deepEqual([byVariables.delivery.rules, byVariables.bounce.template], [['/srv/rules.json'], 'plain']);
  assert.deepEqual(byVariables.ingress.tls, { key: '/srv/key.pem', cert: at('sub/cert.pem') });
});

test('the policy file is relative to the configuration file that names it, or to the folder when a variable does', async (t) => {
  const folder = await folderWith(t, { 'rebound.json': '{"policy": {"file": "./policy.ts"}}' });
  const policyFile = async (source: ConfigSource): Promise<string> => (await loadConfig(source)).policy.file;
  assert.equal(await policyFile({ env: {}, folder: '/', file: join(folder, 'rebound.json') }), join(folder, 'policy.ts'));
  assert.equal(await policyFile({ env: { REBOUND_POLICY_FILE: 'other.ts' }, folder }), join(folder, 'other.ts'));
  assert.equal(await policyFile({ env: { REBOUND_POLICY_FILE: '/etc/policy.ts' }, folder }), '/etc/policy.ts');
});
