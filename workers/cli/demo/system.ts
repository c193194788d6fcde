import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { configSchema, type Config } from '../../../shared/core/config.ts';
import { openContext } from '../../../shared/io/context.ts';
import { startEmbeddedRedis } from '../../../shared/io/embedded-redis.ts';
import { startFakeDns } from '../../../shared/io/fake-dns.ts';
import { closeInOrder, type Step } from '../../../shared/io/lifecycle.ts';
import { openLog, type Logger } from '../../../shared/io/log.ts';
import type { RedisLink } from '../../../shared/io/redis.ts';
import { readVersion } from '../../../shared/io/version.ts';
import { announceWorker } from '../../../shared/io/worker-registry.ts';
import { Failure } from '../command.ts';
import { loadRole, roles } from '../roles.ts';
import { schedules } from './batch.ts';
import { startDestination, type Bookkeeper } from './destination.ts';
import { exchangerOf, slowDomain } from './places.ts';
import { ruleFile } from './rules.ts';

/** The whole product in this process, with a Redis of its own and one destination for all mail. */
export interface DemoSystem {
  smtpPort: number;
  dashboard: string;
  /** A connection of the onlooker's own. */
  redis: RedisLink;
  /** Ports that were wanted and are taken by others. */
  taken: number[];
  /** Closes everything in order and removes the data. */
  close(): Promise<void>;
}

export interface SystemOptions {
  /** Port for SMTP, where a certain one is wanted. */
  port: number | undefined;
  logLevel: Config['log']['level'];
  books: Bookkeeper;
}

const usualPorts = { smtp: 2525, admin: 8080 };
const host = '127.0.0.1';

/** Rejects with Failure when a port that was asked for is taken; what was started by then is closed again. */
export async function startSystem(options: SystemOptions): Promise<DemoSystem> {
  try {
    return await start(options, usualPorts);
  } catch (error) {
    // Another program was faster than we were after looking whether the ports are free.
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE' || options.port !== undefined) throw error;
    return start(options, { smtp: 0, admin: 0 });
  }
}

type Ports = typeof usualPorts;

async function start(options: SystemOptions, ports: Ports): Promise<DemoSystem> {
  const log = openLog({ level: options.logLevel, format: 'auto' }, { instance: 'demo' });
  const steps: Step[] = [];
  const opened: Opened = (name, thing, close) => {
    steps.unshift({ name, close: async () => void (await close()) });
    return thing;
  };
  const close = async (): Promise<void> => void (await closeInOrder(steps, stepTimeout, log));
  try {
    return { ...(await open(options, ports, log, opened)), close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Remembers how to close what was opened; the last one opened is closed first. */
type Opened = <T>(name: string, thing: T, close: () => Promise<unknown>) => T;

/** Milliseconds. */
const stepTimeout = 4000;

async function open(options: SystemOptions, ports: Ports, log: Logger, opened: Opened): Promise<Omit<DemoSystem, 'close'>> {
  const { port, logLevel, books } = options;
  const loading = Promise.all(roles.map((role) => loadRole[role]()));
  loading.catch(() => undefined); // looked at below
  const folder = await mkdtemp(join(tmpdir(), 'rebound-demo-'));
  opened('data', folder, () => rm(folder, { recursive: true, force: true }));
  const server = await startEmbeddedRedis({ dataDir: folder, log });
  opened('redis', server, () => server.close());
  const destination = await startDestination(books);
  opened('destination', destination, () => destination.close());
  // Each domain has an exchanger of its own name, so that each is a site with a lane; all of them are the one destination.
  const dns = await startFakeDns((name) => ({ mx: [[10, exchangerOf(name)]], a: [host] }));
  opened('dns', dns, () => dns[Symbol.asyncDispose]());
  const rules = join(folder, 'rules.json');
  await writeFile(rules, ruleFile);

  const smtp = await choosePort(port ?? ports.smtp, port !== undefined);
  const admin = await choosePort(ports.admin, false);
  const config = demoConfig({
    folder,
    rules,
    dnsServer: dns.server,
    sinkPort: destination.port,
    smtpPort: smtp.port,
    adminPort: admin.port,
    logLevel,
  });
  const onlooker = await openContext(config, server.url, 'demo');
  opened('onlooker', onlooker, () => onlooker.close());
  const places = new Map<string, string>();
  const modules = await loading;
  const version = await readVersion();
  // The last one in the order of stopping is started first: everything is there when mail may come in.
  for (const [n, role] of [...roles.entries()].reverse()) {
    const context = await openContext(config, server.url, `${role}-demo`);
    opened(`${role} redis`, context, () => context.close());
    const worker = await modules[n]?.run(context);
    if (!worker) continue;
    opened(role, worker, () => worker.close());
    const announced = await announceWorker(context, role, version, () => worker.loaded?.() ?? {});
    opened(`${role} announcement`, announced, () => announced.close());
    places.set(role, worker.describe ?? '');
  }
  // The first to be closed: a transaction with the slow site would be waited for.
  opened('slow transactions', destination, async () => destination.dropConnections());
  return {
    smtpPort: Number(new URL(places.get('ingress') ?? '').port),
    dashboard: places.get('admin') ?? '',
    redis: onlooker.redis,
    taken: [...smtp.taken, ...admin.taken],
  };
}

interface Choice {
  /** 0: the system chooses. */
  port: number;
  taken: number[];
}

async function choosePort(wanted: number, isRequired: boolean): Promise<Choice> {
  if (await isFree(wanted)) return { port: wanted, taken: [] };
  if (isRequired) throw new Failure(`port ${wanted} is taken; leave out --port, or name another one`);
  return { port: 0, taken: [wanted] };
}

async function isFree(port: number): Promise<boolean> {
  const probe = createServer();
  probe.listen(port, host);
  const isListening = await once(probe, 'listening').then(
    () => true,
    () => false,
  );
  if (isListening) await new Promise((resolve) => void probe.close(resolve));
  return isListening;
}

interface Places {
  folder: string;
  rules: string;
  dnsServer: string;
  sinkPort: number;
  smtpPort: number;
  adminPort: number;
  logLevel: Config['log']['level'];
}

/** Nobody's settings but the demo's own: no DNS but its own, no port 25, nothing leaves the machine. */
const demoConfig = ({ folder, rules, dnsServer, sinkPort, smtpPort, adminPort, logLevel }: Places): Config =>
  configSchema.parse({
    hostname: 'relay.home.example',
    dataDir: folder,
    ingress: { host, port: smtpPort },
    outbound: { dnsServers: [dnsServer], port: sinkPort, family: 'ipv4', allowPrivate: true, tls: 'disabled' },
    delivery: { sweepInterval: '1s', rules: [rules], sites: { [exchangerOf(slowDomain)]: { connections: 1 } } },
    spool: { minFreeDisk: 0 },
    admin: { host, port: adminPort },
    log: { level: logLevel },
    shutdownTimeout: '3s',
    ...schedules,
  });
