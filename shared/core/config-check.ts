import { isInNetworks, parseCidr } from './cidr.ts';
import type { Config } from './config.ts';

/** Settings that are right one by one and wrong together. `keys`: those involved, the one to change first. */
export interface Contradiction {
  keys: string[];
  /** What is wrong and how to make it right, in one line. */
  message: string;
}

/** Everything about a valid configuration that cannot work, or that nobody means. */
export function checkConfig(config: Config): Contradiction[] {
  return [...checkRedis(config), ...checkTls(config), ...checkAdmin(config), ...checkSchedules(config), ...checkMinima(config)];
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
  if (isLocal || admin.password) return [];
  return [
    {
      keys: ['admin.password', 'admin.host'],
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

type Schedule = Config['retry'];
const withoutUndefined = (queue: Config['queues'][string]): Partial<Schedule> =>
  Object.fromEntries(Object.entries(queue).filter(([, value]) => value !== undefined));

/** Below these a part would fail at everything it does. Milliseconds. */
const minima: readonly (readonly [key: string, least: number, read: (config: Config) => number])[] = [
  ['redis.timeout', 100, (c) => c.redis.timeout],
  ['ingress.maxSize', 1, (c) => c.ingress.maxSize],
  ['ingress.idleTimeout', 100, (c) => c.ingress.idleTimeout],
  ['ingress.dataDeadline', 100, (c) => c.ingress.dataDeadline],
  ['ingress.sessionDeadline', 100, (c) => c.ingress.sessionDeadline],
  // BullMQ renews a lock at half its life.
  ['delivery.lockDuration', 1000, (c) => c.delivery.lockDuration],
  ['delivery.sweepInterval', 100, (c) => c.delivery.sweepInterval],
  ['bounce.limitWindow', 1000, (c) => c.bounce.limitWindow],
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
