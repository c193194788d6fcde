import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkConfig } from '../../shared/core/config-check.ts';
import { describeSettings, envName, hideSecrets } from '../../shared/core/config-describe.ts';
import { configSchema, type ConfigInput } from '../../shared/core/config.ts';
import { nearest } from '../../shared/core/nearest.ts';

test('nothing configured is a valid configuration without contradictions', () => {
  assert.deepEqual(checkConfig(configSchema.parse({})), []);
});

const units: [input: ConfigInput, read: (config: ReturnType<typeof configSchema.parse>) => unknown, want: unknown][] = [
  [{ retry: { interval: '90s' } }, (c) => c.retry.interval, 90_000],
  [{ retry: { interval: 1500 } }, (c) => c.retry.interval, 1500],
  [{ ingress: { maxSize: '10MB' } }, (c) => c.ingress.maxSize, 10_485_760],
  [{ queues: { 'example.com': { maxAge: '1d' } } }, (c) => c.queues['example.com'], { maxAge: 86_400_000 }],
  [
    { outbound: { routes: { '*': { host: 'relay.test' } } } },
    (c) => c.outbound.routes['*'],
    { host: 'relay.test', port: 25, protocol: 'smtp', user: '', password: '' },
  ],
];
for (const [input, read, want] of units) {
  test(`${JSON.stringify(input)} is read as ${JSON.stringify(want)}`, () => assert.deepEqual(read(configSchema.parse(input)), want));
}

const refused: ConfigInput[] = [
  { retry: { interval: 'soon' } },
  { retry: { interval: -1 } },
  { ingress: { maxSize: '10 apples' } },
  { ingress: { port: 65_536 } },
  { ingress: { trusted: ['10.0.0.0/40'] } },
  { hostname: 'not a host' },
  { redis: { prefix: 'a b' } },
  { delivery: { sites: { 'mx.test': { rate: 'fast' } } } },
];
for (const input of refused) test(`${JSON.stringify(input)} is refused`, () => assert.equal(configSchema.safeParse(input).success, false));

const withTls = { key: 'key.pem', cert: 'cert.pem' };
const user = { name: 'ann', password: 'secret' };
const signing = (
  domain: string,
  bounce: Pick<NonNullable<ConfigInput['bounce']>, 'from' | 'tenants'> = {},
  ...more: string[]
): ConfigInput => ({
  hostname: 'mx.example.com',
  bounce: { ...bounce, dkim: [domain, ...more].map((name) => ({ domain: name, selector: 's', keyFile: 'k.pem' })) },
});

const contradictions: [what: string, input: ConfigInput, key: string | undefined][] = [
  ['an admin listener beyond loopback without a password', { admin: { host: '0.0.0.0' } }, 'admin.password'],
  ['an admin listener on every address without a password', { admin: { host: '::' } }, 'admin.password'],
  ['an admin listener on a name that may be anywhere', { admin: { host: 'box.lan' } }, 'admin.password'],
  ['an admin listener beyond loopback with a password', { admin: { host: '0.0.0.0', password: 'x' } }, undefined],
  ['an admin listener on localhost', { admin: { host: 'localhost' } }, undefined],
  ['an admin listener on ::1', { admin: { host: '::1' } }, undefined],
  ['a key without a certificate', { ingress: { tls: { key: 'key.pem' } } }, 'ingress.tls.cert'],
  ['a certificate without a key', { ingress: { tls: { cert: 'cert.pem' } } }, 'ingress.tls.key'],
  ['a key with its certificate', { ingress: { tls: withTls } }, undefined],
  ['a TLS port without a certificate', { ingress: { tlsPort: 4650 } }, 'ingress.tlsPort'],
  ['one port for both listeners', { ingress: { tlsPort: 2525, tls: withTls } }, 'ingress.tlsPort'],
  ['logins that are never offered', { ingress: { users: [user] } }, 'ingress.users'],
  ['logins over TLS', { ingress: { users: [user], tls: withTls } }, undefined],
  ['logins in clear, as asked for', { ingress: { users: [user], allowPlainAuth: true } }, undefined],
  ['a longest wait below the first', { retry: { interval: '1h', maxInterval: '1m' } }, 'retry.maxInterval'],
  ['a queue whose longest wait is below its first', { queues: { 'a.test': { interval: '9h' } } }, 'queues.a.test.maxInterval'],
  ['no wait at all', { retry: { interval: 0 } }, 'retry.interval'],
  ['a lock that is gone before it is renewed', { delivery: { lockDuration: '10ms' } }, 'delivery.lockDuration'],
  ['a key of the domain of reports', signing('mx.example.com'), undefined],
  ['a key of a domain above it, in capitals', signing('Example.COM'), undefined],
  ['a key of the domain of bounce.from', signing('other.test', { from: 'Help Desk <help@mail.other.test>' }), undefined],
  ['a key of a stranger', signing('other.test'), 'bounce.dkim'],
  ['a key of a domain that only ends like it', signing('ample.com'), 'bounce.dkim'],
  ['a key of a domain below it', signing('a.mx.example.com'), 'bounce.dkim'],
  ['a key of a top-level domain', signing('com'), 'bounce.dkim'],
  ['a key of the host while reports are from elsewhere', signing('example.com', { from: 'help@other.test' }), 'bounce.dkim'],
  ['two keys of one name', signing('example.com', {}, 'EXAMPLE.com'), 'bounce.dkim'],
  ['a tenant whose reports are from an address', { bounce: { tenants: { acme: { from: 'Acme <help@acme.test>' } } } }, undefined],
  ['a tenant whose reports are from no address', { bounce: { tenants: { acme: { from: 'Help Desk' } } } }, 'bounce.tenants.acme.from'],
  ['a key for each author', signing('example.com', { tenants: { acme: { from: 'help@acme.test' } } }, 'acme.test'), undefined],
  [
    'a tenant that no key signs for',
    signing('example.com', { tenants: { acme: { from: 'help@acme.test' }, own: { language: 'de' } } }),
    'bounce.tenants.acme.from',
  ],
  ['a key for tenants alone', signing('acme.test', { tenants: { acme: { from: 'help@acme.test' } } }), 'bounce.from'],
  ['a report domain of its own', { hostname: 'mx.example.com', ingress: { reports: { to: ['bounces.example.com'] } } }, undefined],
  [
    'the own host as a report domain',
    { hostname: 'mx.example.com', ingress: { reports: { to: ['MX.example.com.'] } } },
    'ingress.reports.to',
  ],
  [
    'the postmaster as an address for reports',
    { hostname: 'mx.example.com', ingress: { reports: { to: ['postmaster@mx.example.com'] } } },
    'ingress.reports.to',
  ],
  [
    'the author of reports as an address for them',
    { bounce: { from: 'Help@x.test' }, ingress: { reports: { to: ['help@x.test'] } } },
    'ingress.reports.to',
  ],
  [
    "the domain of a tenant's author as a report domain",
    { bounce: { tenants: { acme: { from: 'help@acme.test' } } }, ingress: { reports: { to: ['acme.test'] } } },
    'ingress.reports.to',
  ],
  ['an author without an address', { bounce: { from: 'Help Desk' } }, 'bounce.from'],
  ['an author without a domain', { bounce: { from: 'postmaster' } }, 'bounce.from'],
  ['an author who is not ASCII', { bounce: { from: 'hilfe@b\u00fccher.example' } }, 'bounce.from'],
  ['an author with more than an address', { bounce: { from: 'help@x.test, me@x.test' } }, 'bounce.from'],
  ['an author with a bracket too many', { bounce: { from: 'a@b.example>' } }, 'bounce.from'],
  ['two authors, one with a name', { bounce: { from: 'a@b.example, Me <me@b.example>' } }, 'bounce.from'],
  ['an author with an open quote', { bounce: { from: '"Help <help@x.test>' } }, 'bounce.from'],
  ['an author with a name in quotes', { bounce: { from: '"Help, Desk" <help@x.test>' } }, undefined],
  ['an author with a name', { bounce: { from: 'Help <help@x.test>' } }, undefined],
  ['no time to connect', { outbound: { timeouts: { connect: 0 } } }, 'outbound.timeouts.connect'],
  ['a Redis URL of no known form', { redis: { url: 'localhost:6379' } }, 'redis.url'],
  ['a Redis URL without a host', { redis: { url: 'redis://' } }, 'redis.url'],
  ['a cluster', { redis: { url: 'redis-cluster://a:7000,b:7000' } }, undefined],
  ['a socket', { redis: { url: 'unix:///run/redis.sock' } }, undefined],
  [
    'a webhook',
    { webhooks: { crm: { url: 'https://crm.test/in?key=1', secret: 's', headers: { Authorization: 'Bearer t' } } } },
    undefined,
  ],
  ['a webhook on this machine', { webhooks: { 'a-b_1': { url: 'http://127.0.0.1:8000' } } }, undefined],
  ['a webhook that is no web address', { webhooks: { crm: { url: 'ftp://crm.test/' } } }, 'webhooks.crm.url'],
  ['a webhook with a login in its address', { webhooks: { crm: { url: 'https://a:b@crm.test/' } } }, 'webhooks.crm.url'],
  ['a webhook whose name is no queue name', { webhooks: { 'a:b': { url: 'http://crm.test/' } } }, 'webhooks.a:b'],
  ['a collector of traces', { tracing: { endpoint: 'http://127.0.0.1:4318' } }, undefined],
  ['a collector that is no web address', { tracing: { endpoint: 'grpc://a:4317' } }, 'tracing.endpoint'],
  ['a collector whose address cannot be read', { tracing: { endpoint: 'http://[' } }, 'tracing.endpoint'],
  ['a field of two lines for the collector', { tracing: { headers: { A: 'b\r\nC: d' } } }, 'tracing.headers'],
  ['no bucket', { archive: { driver: 's3' } }, 'archive.s3.bucket'],
  ['a login in the address', { archive: { driver: 's3', s3: { bucket: 'abc', endpoint: 'http://a:b@c' } } }, 'archive.s3.endpoint'],
  ['a key without its secret', { archive: { driver: 's3', s3: { bucket: 'abc', accessKeyId: 'a' } } }, 'archive.s3.secretAccessKey'],
  ['a secret without its key', { archive: { driver: 's3', s3: { bucket: 'abc', secretFile: 'a' } } }, 'archive.s3.accessKeyId'],
  ['no time for storage', { archive: { driver: 's3', s3: { bucket: 'abc', timeout: 5 } } }, 'archive.s3.timeout'],
  ['two secrets', { webhooks: { crm: { url: 'http://crm.test/', secret: 'a', secretFile: 'b' } } }, 'webhooks.crm.secretFile'],
  ['a field of two lines', { webhooks: { crm: { url: 'http://crm.test/', headers: { A: 'b\r\nC: d' } } } }, 'webhooks.crm.headers'],
  ['a field of our own', { webhooks: { crm: { url: 'http://crm.test/', headers: { 'Rebound-Signature': 'x' } } } }, 'webhooks.crm.headers'],
  ['a webhook whose address cannot be read', { webhooks: { crm: { url: 'http://[crm/' } } }, 'webhooks.crm.url'],
  ['a day for a webhook to answer', { webhooks: { crm: { url: 'http://crm.test/', timeout: '1d' } } }, 'webhooks.crm.timeout'],
  ['a day for a batch to fill', { webhooks: { crm: { url: 'http://crm.test/', batchWait: '1d' } } }, 'webhooks.crm.batchWait'],
  ['no time for a webhook', { webhooks: { crm: { url: 'http://crm.test/', timeout: 0 } } }, 'webhooks.crm.timeout'],
];
for (const [what, input, key] of contradictions) {
  test(`${what} is ${key === undefined ? 'accepted' : `a mistake of ${key}`}`, () => {
    assert.deepEqual(
      checkConfig(configSchema.parse(input)).map(({ keys }) => keys[0]),
      key === undefined ? [] : [key],
    );
  });
}

const settings = describeSettings();

test('every setting has a description, a default and a variable of its own', () => {
  for (const setting of settings) {
    assert.ok(setting.description, `${setting.key} has no description`);
    assert.notEqual(setting.default, 'null', `${setting.key} has no default`);
    assert.match(setting.expected, /^expected /);
  }
  assert.equal(new Set(settings.map(({ env }) => env)).size, settings.length);
});

test('the defaults keep the times and limits of RFC 5321 (rules 17, 18, 19)', () => {
  const { retry, ingress, bounce, outbound } = configSchema.parse({});
  const minute = 60_000;
  const { greeting, command, data, block, final } = outbound.timeouts;
  assert.deepEqual(
    [greeting, command, data, block, final],
    [5, 5, 2, 3, 10].map((n) => n * minute),
    '§4.5.3.2',
  );
  assert.ok(retry.interval >= 30 * minute && retry.maxInterval >= retry.interval, '§4.5.4.1');
  assert.ok(retry.maxAge >= 4 * 24 * 60 * minute, '§4.5.4.1');
  assert.ok(ingress.maxHops >= 100 && bounce.maxHops >= 100, '§6.3');
});

test('the defaults that are shown are the defaults that hold', () => {
  const shown: Record<string, unknown> = {};
  for (const { key, default: text } of settings) {
    const path = key.split('.');
    let parent = shown;
    for (const name of path.slice(0, -1)) parent = (parent[name] ??= {}) as Record<string, unknown>;
    parent[path.at(-1) ?? ''] = JSON.parse(text);
  }
  assert.deepEqual(configSchema.parse(shown), configSchema.parse({}));
});

const described: [key: string, want: Partial<(typeof settings)[number]>][] = [
  ['ingress.maxSize', { env: 'REBOUND_INGRESS_MAX_SIZE', reads: 'text', default: '"25MB"', isSecret: false }],
  ['ingress.port', { reads: 'number', default: '2525', expected: 'expected a whole number from 0 to 65535' }],
  ['ingress.trusted', { reads: 'list', default: '["127.0.0.0/8","::1/128"]' }],
  ['ingress.users', { reads: 'json', isSecret: true }],
  ['outbound.routes', { reads: 'json', isSecret: true }],
  ['webhooks', { reads: 'json', default: '{}', isSecret: true }],
  ['admin.password', { env: 'REBOUND_ADMIN_PASSWORD', isSecret: true }],
  ['redis.requireDurable', { reads: 'boolean', expected: 'expected true or false' }],
  ['log.level', { expected: 'expected one of "silent", "error", "warn", "info", "debug"' }],
];
for (const [key, want] of described) {
  test(`${key} is described`, () =>
    assert.partialDeepStrictEqual(
      settings.find((setting) => setting.key === key),
      want,
    ));
}

test('the variable of a key is in capitals, words divided', () => {
  assert.equal(envName('ingress.maxConnectionsPerAddress'), 'REBOUND_INGRESS_MAX_CONNECTIONS_PER_ADDRESS');
});

test('secrets are hidden wherever they are', () => {
  const shown = hideSecrets({
    admin: { password: 'one' },
    ingress: { users: [{ name: 'ann', password: 'two' }] },
    redis: { url: 'redis://:three@host:6379' },
    outbound: { routes: { 'a.test': { host: 'b', password: '' } } },
    webhooks: { crm: { url: 'https://crm.test/hook/four?key=five', secret: 'six', headers: { Authorization: 'seven' } } },
    tracing: { headers: { 'x-key': 'eight' } },
  });
  assert.deepEqual(shown, {
    admin: { password: '[hidden]' },
    ingress: { users: [{ name: 'ann', password: '[hidden]' }] },
    redis: { url: 'redis://[hidden]@host:6379' },
    outbound: { routes: { 'a.test': { host: 'b', password: '' } } },
    webhooks: { crm: { url: 'https://crm.test/[hidden]', secret: '[hidden]', headers: '[hidden]' } },
    tracing: { headers: '[hidden]' },
  });
});

const near: [text: string, want: string | undefined][] = [
  ['strat', 'start'],
  ['Start', 'start'],
  ['ingres', 'ingress'],
  ['deliver', 'delivery'],
  ['frobnicate', undefined],
  ['x', undefined],
];
for (const [text, want] of near) {
  test(`"${text}" is ${want === undefined ? 'like nothing' : `like "${want}"`}`, () =>
    assert.equal(nearest(text, ['start', 'ingress', 'delivery']), want));
}

test('a label of a selector has 63 characters at most (RFC 1035 2.3.4)', () => {
  const dkim = (selector: string): unknown => ({ bounce: { dkim: [{ domain: 'x.test', selector, keyFile: 'k' }] } });
  assert.ok(configSchema.safeParse(dkim(`${'s'.repeat(63)}.${'t'.repeat(63)}`)).success);
  assert.ok(!configSchema.safeParse(dkim('s'.repeat(64))).success);
});
