import { isInNetworks, parseCidr, parseIp } from './cidr.ts';
import type { Config } from './config.ts';
import { doesAlign } from './dkim.ts';
import { mailboxProblem, readMailbox, type NamedMailbox } from './mailbox.ts';
import { hookName } from './subscriptions.ts';
import { parseHostPort, parseStaticRoutes } from './static-route.ts';

/** Settings that are right one by one and wrong together. `keys`: those involved, the one to change first. */
export interface Contradiction {
  keys: string[];
  /** What is wrong and how to make it right, in one line. */
  message: string;
}

/** Everything about a valid configuration that cannot work, or that nobody means. */
export function checkConfig(config: Config): Contradiction[] {
  return [
    checkRedis,
    checkTls,
    checkAdmin,
    checkSchedules,
    checkOutbound,
    checkNames,
    checkReports,
    checkWebhooks,
    checkTracing,
    checkArchive,
    checkMinima,
  ].flatMap((check) => check(config));
}

// A URL may hold a password: the message does not repeat it.
function checkRedis({ redis }: Config): Contradiction[] {
  if (redis.url === '' || /^(?:rediss?|redis-sentinel|redis-cluster):\/\/[^\s/]+|^unix:\/\/\/./.test(redis.url)) return [];
  const forms =
    'redis://host:6379, rediss://host:6379, unix:///path, redis-sentinel://a:26379,b:26379/master, redis-cluster://a:7000,b:7000';
  return [{ keys: ['redis.url'], message: `expected one of the forms ${forms}` }];
}

function checkTls({ ingress }: Config): Contradiction[] {
  const found: Contradiction[] = [];
  const { key, cert } = ingress.tls;
  if (key && !cert) found.push({ keys: ['ingress.tls.cert', 'ingress.tls.key'], message: 'a certificate is needed with ingress.tls.key' });
  if (cert && !key) found.push({ keys: ['ingress.tls.key', 'ingress.tls.cert'], message: 'a private key is needed with ingress.tls.cert' });
  const hasTls = key !== '' && cert !== '';
  if (ingress.tlsPort > 0 && !key && !cert) {
    found.push({ keys: ['ingress.tlsPort', 'ingress.tls.key', 'ingress.tls.cert'], message: 'needs ingress.tls.key and ingress.tls.cert' });
  }
  if (ingress.tlsPort > 0 && ingress.tlsPort === ingress.port) {
    found.push({ keys: ['ingress.tlsPort', 'ingress.port'], message: 'must be another port than ingress.port' });
  }
  if (ingress.users.length > 0 && !hasTls && !ingress.allowPlainAuth) {
    found.push({
      keys: ['ingress.users', 'ingress.allowPlainAuth', 'ingress.tls.key', 'ingress.tls.cert'],
      message: 'nobody could log in: give ingress.tls.key and ingress.tls.cert, or set ingress.allowPlainAuth to true',
    });
  }
  return found;
}

const loopback = ['127.0.0.0/8', '::1/128'].flatMap((text) => parseCidr(text) ?? []);

function checkAdmin({ admin }: Config): Contradiction[] {
  const isLocal = admin.host === 'localhost' || isInNetworks(admin.host, loopback);
  const users = [...(admin.password ? [admin.user] : []), ...admin.users.map(({ name }) => name)];
  const twice = (names: string[], key: string): Contradiction[] => {
    const name = repeated(names);
    return name === undefined ? [] : [{ keys: [key], message: `"${name}" stands there twice` }];
  };
  const found = [
    ...twice(users, 'admin.users'),
    ...twice(
      admin.tokens.map(({ name }) => name),
      'admin.tokens',
    ),
  ];
  if (isLocal || users.length + admin.tokens.length > 0) return found;
  return [
    {
      keys: ['admin.password', 'admin.users', 'admin.tokens', 'admin.host'],
      message: `a password is needed because admin.host (${admin.host}) can be reached from other machines`,
    },
  ];
}

function checkSchedules(config: Config): Contradiction[] {
  const found: Contradiction[] = [];
  const schedules = Object.entries(config.queues).map(
    ([name, queue]) => [`queues.${name}`, { ...config.retry, ...withoutUndefined(queue) }] as const,
  );
  for (const [key, schedule] of [['retry', config.retry] as const, ...schedules]) {
    if (schedule.interval < 1) found.push({ keys: [`${key}.interval`], message: 'must be more than 0' });
    if (schedule.maxInterval < schedule.interval) {
      found.push({
        keys: [`${key}.maxInterval`, `${key}.interval`, ...(key === 'retry' ? [] : ['retry.interval', 'retry.maxInterval'])],
        message: `must not be less than ${key}.interval`,
      });
    }
  }
  return found;
}

function checkOutbound({ outbound, delivery }: Config): Contradiction[] {
  const found: Contradiction[] = [];
  try {
    parseStaticRoutes(outbound.routes, outbound.tls);
  } catch (error) {
    found.push({ keys: ['outbound.routes'], message: (error as Error).message.replace(/^outbound\.routes: /, '') });
  }
  for (const server of outbound.dnsServers) {
    const name = parseHostPort(server)?.name ?? server;
    if (!parseIp(name))
      found.push({ keys: ['outbound.dnsServers'], message: `"${server}" is no address such as 192.0.2.53 or 192.0.2.53:5353` });
  }
  for (const { name, address } of outbound.sources) {
    if (address && !parseIp(address)) found.push({ keys: ['outbound.sources'], message: `"${address}" of "${name}" is no address` });
  }
  for (const [site, { rate }] of Object.entries(delivery.sites)) {
    if (rate?.startsWith('0/')) found.push({ keys: [`delivery.sites.${site}.rate`], message: 'must be more than 0' });
  }
  return found;
}

function checkNames({ outbound, ingress, admin }: Config): Contradiction[] {
  const found: Contradiction[] = [];
  const source = repeated(outbound.sources.map(({ name }) => name));
  if (source) found.push({ keys: ['outbound.sources'], message: `"${source}" stands there twice` });
  const user = repeated(ingress.users.map(({ name }) => name));
  if (user) found.push({ keys: ['ingress.users'], message: `"${user}" stands there twice` });
  if (admin.port > 0 && admin.port === ingress.port)
    found.push({ keys: ['admin.port', 'ingress.port'], message: 'must be another port than ingress.port' });
  return found;
}

const repeated = (names: string[]): string | undefined => names.find((name, i) => names.indexOf(name) !== i);

// As for webhooks: what cannot be a request would throw at the first of them.
function checkTracing({ tracing }: Config): Contradiction[] {
  const found: Contradiction[] = [];
  const { endpoint, headers } = tracing;
  if (endpoint !== '' && (!/^https?:\/\/[^\s/?#@]+(?:[/?]\S*)?$/i.test(endpoint) || !URL.canParse(endpoint)))
    found.push({
      keys: ['tracing.endpoint'],
      message: 'expected http://... or https://...; a login goes into tracing.headers, as Authorization',
    });
  for (const [field, value] of Object.entries(headers)) {
    if (!/^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/.test(field) || !/^[\t\x20-\x7e]*$/.test(value))
      found.push({ keys: ['tracing.headers'], message: 'names and values of one line of ASCII' });
  }
  return found;
}

// Credentials may come from the environment of the admin role alone, so only what is given in part is wrong.
function checkArchive({ archive: { driver, s3 } }: Config): Contradiction[] {
  if (driver === 'disk') return [];
  const found: Contradiction[] = [];
  const complain = (key: string, message: string, ...others: string[]): void =>
    void found.push({ keys: [key, ...others].map((name) => `archive.${name}`), message });
  if (s3.bucket === '') complain('s3.bucket', 'is needed with archive.driver s3', 'driver');
  if (s3.endpoint !== '' && (!/^https?:\/\/[^\s/?#@]+(?:\/[A-Za-z0-9._~/-]*)?$/i.test(s3.endpoint) || !URL.canParse(s3.endpoint)))
    complain('s3.endpoint', 'expected http://... or https://... without login and query');
  const secrets = [s3.secretAccessKey, s3.secretFile].filter((secret) => secret !== '').length;
  if (secrets === 2) complain('s3.secretFile', 'give one of secretAccessKey and secretFile', 's3.secretAccessKey');
  if (s3.accessKeyId !== '' && secrets === 0)
    complain('s3.secretAccessKey', 'is needed with archive.s3.accessKeyId, or archive.s3.secretFile', 's3.accessKeyId');
  if (s3.accessKeyId === '' && secrets > 0) complain('s3.accessKeyId', 'is needed with its secret', 's3.secretAccessKey', 's3.secretFile');
  if (s3.timeout < 100 || s3.timeout > longestWait) complain('s3.timeout', 'must be from 100 (ms) to 1h');
  return found;
}

// A URL may hold a secret: no message repeats it.
function checkWebhooks({ webhooks }: Config): Contradiction[] {
  return Object.entries(webhooks).flatMap(([name, webhook]) => {
    const found: Contradiction[] = [];
    const complain = (key: string, message: string): void =>
      void found.push({ keys: [key === '' ? `webhooks.${name}` : `webhooks.${name}.${key}`], message });
    if (!hookName.test(name)) complain('', 'a name is up to 40 letters, digits, "-" or "_"');
    if (!/^https?:\/\/[^\s/?#@]+(?:[/?#]\S*)?$/i.test(webhook.url) || !URL.canParse(webhook.url))
      complain('url', 'expected http://... or https://...; a login goes into headers, as Authorization');
    if (webhook.secret && webhook.secretFile) complain('secretFile', 'give one of secret and secretFile');
    if (webhook.timeout < 100 || webhook.timeout > longestWait) complain('timeout', 'must be from 100 (ms) to 1h');
    if (webhook.batchWait > longestWait) complain('batchWait', 'must be 1h at most');
    if (webhook.maxAge < 1000) complain('maxAge', 'must be at least 1000');
    for (const [field, value] of Object.entries(webhook.headers)) {
      if (!/^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/.test(field) || !/^[\t\x20-\x7e]*$/.test(value))
        complain('headers', 'names and values of one line of ASCII');
      if (ownFields.test(field)) complain('headers', `${field.toLowerCase()} is written by Rebound`);
    }
    return found;
  });
}

/** A timer takes no more than 24 days; nobody means an hour. Milliseconds. */
const longestWait = 3_600_000;

const ownFields = /^(?:host|connection|content-type|content-length|transfer-encoding|expect|rebound-signature|idempotency-key)$/i;

function checkReports({ bounce, hostname, ingress }: Config): Contradiction[] {
  const tenants = Object.entries(bounce.tenants).flatMap(([name, { from }]) =>
    from ? [{ key: `bounce.tenants.${name}.from`, from }] : [],
  );
  const given = [...(bounce.from ? [{ key: 'bounce.from', from: bounce.from }] : []), ...tenants];
  const wrong = given.flatMap(({ key, from }) => {
    const message = mailboxProblem(from);
    return message ? [{ keys: [key], message }] : [];
  });
  // Without bounce.from the host itself is the author.
  const authors = [{ key: 'bounce.from', from: bounce.from || `mailer-daemon@${hostname}` }, ...tenants].flatMap(({ key, from }) => {
    const author = readMailbox(from);
    return author ? [{ key, author }] : [];
  });
  return [...wrong, ...checkKeys(bounce.dkim, authors), ...checkReportAddresses(ingress.reports.to, hostname, authors)];
}

interface Author {
  key: string;
  author: NamedMailbox;
}

/** Each key must be of use for some author, and where there are keys no author may be without. */
function checkKeys(keys: Config['bounce']['dkim'], authors: readonly Author[]): Contradiction[] {
  const useless = keys.filter(({ domain }) => !authors.some(({ author }) => doesAlign(author.domain, domain)));
  const found = useless.map(({ domain }) => ({
    keys: ['bounce.dkim', 'bounce.from', 'hostname', 'bounce.tenants'],
    message: `a signature of ${domain} says nothing for reports from ${authors.map(({ author }) => author.address).join(', ')} (DMARC): use a key of the domain of one of them or of a domain above it, or set bounce.from to an address of ${domain}`,
  }));
  // A key of the wrong domain and an author without a key are one mistake more often than two.
  if (found.length === 0 && keys.length > 0) {
    const unsigned = authors.filter(({ author }) => !keys.some(({ domain }) => doesAlign(author.domain, domain)));
    for (const { key, author } of unsigned) {
      found.push({
        keys: [key, 'bounce.dkim', 'hostname'],
        message: `no key signs reports from ${author.address}: bounce.dkim needs one of ${author.domain} or of a domain above it`,
      });
    }
  }
  const twice = repeated(keys.map(({ domain, selector }) => `${selector}._domainkey.${domain}`.toLowerCase()));
  return twice ? [...found, { keys: ['bounce.dkim'], message: `${twice} stands there twice: each key has a selector of its own` }] : found;
}

/** Reports tell people to write to their author and to `postmaster` of the host: what they write must not be read as reports. */
function checkReportAddresses(entries: readonly string[], hostname: string, authors: readonly Author[]): Contradiction[] {
  const people = [`postmaster@${hostname}`, ...authors.map(({ author }) => author.address)].map((address) => address.toLowerCase());
  return entries.flatMap((entry) => {
    const name = entry.toLowerCase().replace(/\.$/, '');
    const answered = people.find((address) => address === name || address.endsWith(`@${name}`));
    const message = `"${entry}" would swallow what people answer to reports, at ${answered}: use a domain for return paths alone`;
    return answered === undefined ? [] : [{ keys: ['ingress.reports.to', 'bounce.from', 'hostname', 'bounce.tenants'], message }];
  });
}

type Schedule = Config['retry'];
const withoutUndefined = (queue: Config['queues'][string]): Partial<Schedule> =>
  Object.fromEntries(Object.entries(queue).filter(([, value]) => value !== undefined));

/** Below these a part would fail at everything it does. Milliseconds. */
const minima: readonly (readonly [key: string, least: number, read: (config: Config) => number])[] = [
  ['redis.timeout', 100, (c) => c.redis.timeout],
  ['ingress.maxSize', 1, (c) => c.ingress.maxSize],
  ['ingress.reports.maxSize', 1, (c) => c.ingress.reports.maxSize],
  ['ingress.idleTimeout', 100, (c) => c.ingress.idleTimeout],
  ['ingress.dataDeadline', 100, (c) => c.ingress.dataDeadline],
  ['ingress.sessionDeadline', 100, (c) => c.ingress.sessionDeadline],
  // BullMQ renews a lock at half its life.
  ['delivery.lockDuration', 1000, (c) => c.delivery.lockDuration],
  ['delivery.sweepInterval', 100, (c) => c.delivery.sweepInterval],
  ['delivery.rulesInterval', 10, (c) => c.delivery.rulesInterval],
  ['bounce.limitWindow', 1000, (c) => c.bounce.limitWindow],
  ['policy.timeout', 10, (c) => c.policy.timeout],
  ['log.maxAge', 60_000, (c) => c.log.maxAge],
  ['archive.maxAge', 60_000, (c) => c.archive.maxAge],
  ['outbound.dnsTimeout', 100, (c) => c.outbound.dnsTimeout],
  ['outbound.timeouts.connect', 100, (c) => c.outbound.timeouts.connect],
  ['outbound.timeouts.greeting', 100, (c) => c.outbound.timeouts.greeting],
  ['outbound.timeouts.command', 100, (c) => c.outbound.timeouts.command],
  ['outbound.timeouts.data', 100, (c) => c.outbound.timeouts.data],
  ['outbound.timeouts.block', 100, (c) => c.outbound.timeouts.block],
  ['outbound.timeouts.final', 100, (c) => c.outbound.timeouts.final],
];

const checkMinima = (config: Config): Contradiction[] =>
  minima.filter(([, least, read]) => read(config) < least).map(([key, least]) => ({ keys: [key], message: `must be at least ${least}` }));
