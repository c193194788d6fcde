import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { configSchema, type ConfigInput } from '../../shared/core/config.ts';
import type { DeliveryJob } from '../../shared/core/delivery-job.ts';
import type { DispositionRecord, RecordType } from '../../shared/core/disposition.ts';
import { openContext, type Context } from '../../shared/io/context.ts';
import { openSpool } from '../../shared/io/spool-store.ts';
import { run } from '../../workers/ingress/main.ts';
import { selfSigned } from './certificate.ts';
import { startRedis, type TestRedis } from './redis.ts';
import { openDialogue, type Dialogue, type DialogueOptions } from './smtp-dialogue.ts';

/** An ingress worker on a Redis of its own; nobody delivers what it queues. */
export interface TestIngress {
  port: number;
  tlsPort: number | undefined;
  context: Context;
  redis: TestRedis;
  /** Connects from an address that is trusted (127.0.0.1) or not (any other of 127.0.0.0/8). */
  connect(options?: Partial<DialogueOptions>): Promise<Dialogue>;
  /** The same, after greeting and EHLO. */
  greeted(options?: Partial<DialogueOptions>): Promise<Dialogue>;
  /** Sends one message from a trusted client; the reply to its content. */
  submit(content: string | Buffer, mail?: string): Promise<string>;
  /** What is queued, by message. */
  queued(): Promise<{ job: DeliveryJob; content: string }[]>;
  records(type?: RecordType): Promise<DispositionRecord[]>;
  /** Open connections as the ingress counts them. */
  open(): Promise<number>;
  /** Resolves when no more than `left` connections are open. */
  idle(left?: number): Promise<void>;
  close(): Promise<void>;
}

/** The part of a test context that is used: `after` of node:test serves a whole file. */
interface Scope {
  after(work: () => Promise<void>): void;
}

export async function startTestIngress(t: Scope, ingress: ConfigInput['ingress'] = {}, more: ConfigInput = {}): Promise<TestIngress> {
  const closers: (() => Promise<void>)[] = [];
  // Before that of Redis, which must be there while the ingress closes.
  t.after(async () => {
    for (const close of closers.reverse()) await close();
  });
  const redis = await startRedis(t as never);
  const config = configSchema.parse({
    hostname: 'relay.test',
    dataDir: redis.dir,
    outbound: { routes: { '*': '127.0.0.1:1' } },
    spool: { minFreeDisk: 0 },
    log: { level: process.env['REBOUND_TEST_LOG'] ?? 'silent' },
    shutdownTimeout: '3s',
    ...more,
    ingress: { port: 0, trusted: ['127.0.0.1/32'], greetingDelay: 0, ...ingress },
  });
  const context = await openContext(config, redis.url, 'ingress-test', { failFast: true, policy: true });
  closers.push(() => context.close());
  const server = await run(context);
  const spool = openSpool(context.redis, config, context.log);
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => (closing ??= server.close());
  closers.push(() => spool.close(), close);
  const connect = async (options: Partial<DialogueOptions> = {}): Promise<Dialogue> => {
    const dialogue = await openDialogue({ port: server.port, ...options });
    closers.push(() => Promise.resolve(dialogue.destroy()));
    return dialogue;
  };
  const greeted = async (options?: Partial<DialogueOptions>): Promise<Dialogue> => {
    const dialogue = await connect(options);
    await dialogue.expect([
      [undefined, '220 '],
      ['EHLO client.test', '250-'],
    ]);
    return dialogue;
  };
  const open = async (): Promise<number> => (await context.metrics.openConnections.get()).values[0]?.value ?? 0;
  const client = context.redis.client;
  return {
    port: server.port,
    tlsPort: server.tlsPort,
    context,
    redis,
    connect,
    greeted,
    submit: async (content, mail = 'MAIL FROM:<ann@home.test>') => {
      const dialogue = await greeted();
      await dialogue.expect([
        [mail, '250 2.1.0'],
        ['RCPT TO:<bob@dest.test>', '250 2.1.5'],
        ['DATA', '354 '],
      ]);
      dialogue.send(content);
      const reply = await dialogue.reply();
      dialogue.destroy();
      return reply;
    },
    queued: async () => {
      const keys = (await client.keys('*')).filter((key) => /->.*:[0-9a-f]{32}\.\d+$/.test(key)).sort();
      return Promise.all(
        keys.map(async (key) => {
          const job = JSON.parse((await client.hget(key, 'data')) ?? '') as DeliveryJob;
          return { job, content: await readAll(await spool.read(job.message)) };
        }),
      );
    },
    records: async (type) => {
      const entries = await client.xrange(context.redis.key('log'), '-', '+');
      const all = entries.map(([, fields]) => JSON.parse(fields[1] ?? '{}') as DispositionRecord);
      return all.filter((record) => type === undefined || record.type === type);
    },
    open,
    idle: async (left = 0) => {
      while ((await open()) > left) await new Promise((resolve) => setTimeout(resolve, 5));
    },
    close,
  };
}

/** Files of a key and a self-signed certificate, removed after the test. */
export async function certificateFiles(t: Scope): Promise<{ key: string; cert: string }> {
  const dir = await mkdtemp(join(tmpdir(), 'rebound-test-'));
  t.after(() => rm(dir, { recursive: true, force: true }));
  const files = { key: join(dir, 'key.pem'), cert: join(dir, 'cert.pem') };
  const { key, cert } = selfSigned('relay.test');
  await Promise.all([writeFile(files.key, key), writeFile(files.cert, cert)]);
  return files;
}

async function readAll(content: Buffer | AsyncIterable<Buffer> | undefined): Promise<string> {
  if (content === undefined) return '(gone)';
  const parts: Buffer[] = Buffer.isBuffer(content) ? [content] : [];
  if (!Buffer.isBuffer(content)) for await (const part of content) parts.push(part);
  return Buffer.concat(parts).toString('latin1');
}
