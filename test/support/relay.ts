import type { TestContext } from 'node:test';
import { cleanUp } from './cleanup.ts';
import nodemailer from 'nodemailer';
import { configSchema, type Config, type ConfigInput } from '../../shared/core/config.ts';
import { recipientsOf, type DispositionRecord, type RecordType } from '../../shared/core/disposition.ts';
import { subscriptionsOf, type Subscription } from '../../shared/core/subscriptions.ts';
import { openContext, type Context } from '../../shared/io/context.ts';
import { startSink, type Sink, type SinkOptions } from '../../shared/io/sink-server.ts';
import { run as runBounce } from '../../workers/bounce/main.ts';
import { run as runDelivery } from '../../workers/delivery/main.ts';
import { run as runIngress } from '../../workers/ingress/main.ts';
import { startRedis, type TestRedis } from './redis.ts';

export interface RelayOptions {
  config?: ConfigInput;
  sink?: SinkOptions;
  /** Arguments of redis-server. */
  redis?: string[];
  /** Another server than that: of a cluster or a sentinel. */
  redisUrl?: string;
  /** Delivery workers in this process. Default 1. */
  deliveries?: number;
  /** Default true. */
  bounces?: boolean;
  /** Besides those of the settings. */
  subscriptions?: readonly Subscription[];
}

export interface Relay {
  /** The port that clients send to. */
  port: number;
  sink: Sink;
  redis: TestRedis;
  config: Config;
  /** The ingress worker's: its Redis fails fast. */
  context: Context;
  /** A context of the test's own. */
  observer: Context;
  /** Sends over SMTP with nodemailer; rejects when every recipient was refused. */
  send(mail: Mail): Promise<{ response: string; rejected: string[] }>;
  /** All records so far, in their order. */
  records(type?: RecordType): Promise<DispositionRecord[]>;
  /** The first `count` records that fit, once there are so many. Rejects after thirty seconds, naming what is there. */
  until(fits: (record: DispositionRecord) => boolean, count?: number): Promise<DispositionRecord[]>;
  /** Keys of messages, jobs and spool that are left. */
  leftovers(): Promise<string[]>;
  startDelivery(): Promise<{ close(): Promise<void> }>;
  startBounce(): Promise<{ close(): Promise<void> }>;
}

export interface Mail {
  from: string;
  to: string | string[];
  text?: string;
  raw?: string | Buffer;
  dsn?: { notify?: string | string[]; ret?: string; envid?: string; orcpt?: string };
}

const patience = 30_000;

/** The whole system in this process, on its own Redis and a sink that is the destination of every domain; closed after the test. */
export async function startRebound(t: TestContext, options: RelayOptions = {}): Promise<Relay> {
  const redis = await startRedis(t, ...(options.redis ?? []));
  const sink = await startSink(options.sink);
  cleanUp(t, () => sink.close());
  const config = testConfig(redis.dir, sink.port, options.config);
  const subscriptions = [...subscriptionsOf(config), ...(options.subscriptions ?? [])];
  const open = async (role: string): Promise<Context> => {
    const context = await openContext(config, options.redisUrl ?? redis.url, `${role}-test`, {
      failFast: role === 'ingress',
      policy: role !== 'observer',
      subscriptions,
    });
    cleanUp(t, () => context.close());
    return context;
  };
  const observer = await open('observer');
  const context = await open('ingress');
  const ingress = await runIngress(context);
  cleanUp(t, () => ingress.close());
  const startDelivery = async (): Promise<{ close(): Promise<void> }> => {
    const worker = await runDelivery(await open('delivery'));
    cleanUp(t, () => worker.close());
    return worker;
  };
  const startBounce = async (): Promise<{ close(): Promise<void> }> => {
    const worker = await runBounce(await open('bounce'));
    cleanUp(t, () => worker.close());
    return worker;
  };
  for (let n = 0; n < (options.deliveries ?? 1); n++) await startDelivery();
  if (options.bounces ?? true) await startBounce();
  const records = (type?: RecordType) => readRecords(observer, type);
  return {
    port: ingress.port,
    sink,
    redis,
    config,
    context,
    observer,
    records,
    startDelivery,
    startBounce,
    send: (mail) => sendMail(ingress.port, mail),
    until: async (fits, count = 1) => {
      const deadline = Date.now() + patience;
      for (;;) {
        const all = await records();
        const found = all.filter(fits);
        if (found.length >= count) return found.slice(0, count);
        if (Date.now() > deadline) {
          const seen = all.map((r) => `${r.type} ${recipientsOf(r).join(',')} ${r.response.code} ${r.response.content}`);
          throw new Error(`only ${found.length} of ${count} records after ${patience} ms; there are:\n${seen.join('\n')}`);
        }
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    },
    leftovers: async () => {
      const keys = await observer.redis.client.keys('*');
      return keys.filter((key) => /spool:|->[^:]*:[0-9a-f]{32}/.test(key)).sort();
    },
  };
}

/** Short times, and one static route to the sink unless DNS servers are given; `overrides` go deep. */
export function testConfig(dataDir: string, sinkPort: number, overrides: ConfigInput = {}): Config {
  const base: ConfigInput = {
    hostname: 'relay.test',
    dataDir,
    ingress: { port: 0 },
    delivery: { lockDuration: 2000, sweepInterval: 500 },
    outbound: overrides.outbound?.dnsServers ? { port: sinkPort, allowPrivate: true } : { routes: { '*': `127.0.0.1:${sinkPort}` } },
    bounce: { hold: '300ms' },
    retry: { interval: '200ms', maxInterval: '1s', maxAge: '1h', jitter: 0 },
    spool: { minFreeDisk: 0 },
    log: { level: (process.env['REBOUND_TEST_LOG'] ?? 'silent') as 'silent' },
    shutdownTimeout: '3s',
  };
  return configSchema.parse(merge(base, overrides));
}

function merge(base: unknown, over: unknown): unknown {
  if (!isPlain(base) || !isPlain(over)) return over === undefined ? base : over;
  return Object.fromEntries([...new Set([...Object.keys(base), ...Object.keys(over)])].map((key) => [key, merge(base[key], over[key])]));
}

const isPlain = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);

async function readRecords(context: Context, type?: RecordType): Promise<DispositionRecord[]> {
  const entries = await context.redis.client.xrange(context.redis.key('log'), '-', '+');
  const all = entries.map(([, fields]) => JSON.parse(fields[1] ?? '{}') as DispositionRecord);
  return type ? all.filter((record) => record.type === type) : all;
}

async function sendMail(port: number, mail: Mail): Promise<{ response: string; rejected: string[] }> {
  const transport = nodemailer.createTransport({ host: '127.0.0.1', port, secure: false, ignoreTLS: true, name: 'client.test' });
  try {
    const info = await transport.sendMail({
      envelope: { from: mail.from, to: mail.to, ...(mail.dsn && { dsn: mail.dsn }) } as never,
      raw:
        mail.raw ??
        `From: ${mail.from}\r\nTo: ${String(mail.to)}\r\nSubject: test\r\nMessage-ID: <m1@client.test>\r\n\r\n${mail.text ?? 'hello'}\r\n`,
    });
    return { response: info.response, rejected: info.rejected.map(String) };
  } finally {
    transport.close();
  }
}
