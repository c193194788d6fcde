import { request, type IncomingHttpHeaders } from 'node:http';
import type { TestContext } from 'node:test';
import { configSchema, type ConfigInput } from '../../shared/core/config.ts';
import { timeFields, type DispositionRecord } from '../../shared/core/disposition.ts';
import { recordBase } from '../../shared/core/reception.ts';
import { openContext, type Context } from '../../shared/io/context.ts';
import { newMessageId } from '../../shared/io/ids.ts';
import { openPipeline, type Pipeline } from '../../shared/io/pipeline.ts';
import { run } from '../../workers/admin/main.ts';
import { cleanUp } from './cleanup.ts';
import { startRedis, type TestRedis } from './redis.ts';

export interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  text: string;
  /** Of a JSON answer. */
  json: Record<string, unknown>;
}

export interface Ask {
  method?: string;
  headers?: Record<string, string>;
  body?: string | Buffer;
  /** The address to come from. */
  from?: string;
}

export interface TestAdmin {
  port: number;
  redis: TestRedis;
  context: Context;
  pipeline: Pipeline;
  ask(path: string, options?: Ask): Promise<Answer>;
  /** A POST of JSON. */
  post(path: string, body: unknown, headers?: Record<string, string>): Promise<Answer>;
  publish(...records: DispositionRecord[]): Promise<void>;
  /** A message for each recipient, in the lane of his domain; resolves with their ids. */
  queue(...recipients: string[]): Promise<string[]>;
  /** Another admin worker on the same Redis. */
  another(): Promise<{ ask: TestAdmin['ask']; post: TestAdmin['post']; close(): Promise<void> }>;
  /** Ends the first one. */
  close(): Promise<void>;
}

/** An admin worker on a Redis of its own; nobody delivers what is queued. */
export async function startTestAdmin(
  t: TestContext,
  config: ConfigInput = {},
  streamTimes?: { heartbeat: number; patience: number },
): Promise<TestAdmin> {
  const redis = await startRedis(t);
  const settings = configSchema.parse({
    dataDir: redis.dir,
    hostname: 'relay.test',
    log: { level: process.env['REBOUND_TEST_LOG'] ?? 'silent' },
    spool: { minFreeDisk: 0 },
    outbound: { routes: { '*': '127.0.0.1:1' } },
    ...config,
    admin: { port: 0, ...config.admin },
  });
  const open = async (name: string, failFast: boolean): Promise<Context> => {
    const context = await openContext(settings, redis.url, name, { failFast });
    cleanUp(t, () => context.close());
    return context;
  };
  const own = await open('test', false);
  const pipeline = openPipeline(own);
  cleanUp(t, () => pipeline.close());
  const context = await open('admin-test', true);
  const start = async (other: Context): Promise<Awaited<ReturnType<TestAdmin['another']>> & { port: number }> => {
    const worker = await run(other, streamTimes);
    let closing: Promise<void> | undefined;
    const close = (): Promise<void> => (closing ??= worker.close());
    cleanUp(t, close);
    const ask: TestAdmin['ask'] = (path, options = {}) => send(worker.port, path, options);
    const post: TestAdmin['post'] = (path, body, headers) =>
      ask(path, { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(body) });
    return { port: worker.port, ask, post, close };
  };
  const worker = await start(context);
  return {
    port: worker.port,
    redis,
    context,
    pipeline,
    ask: worker.ask,
    post: worker.post,
    close: worker.close,
    another: async () => start(await open('admin-other', true)),
    publish: async (...records) => {
      const tx = pipeline.queues.begin();
      for (const record of records) pipeline.dispositions.publish(tx, record);
      await tx.exec();
    },
    queue: async (...recipients) => {
      const ids: string[] = [];
      for (const address of recipients) {
        const draft = pipeline.spool.draft(newMessageId());
        await draft.write(Buffer.from('Subject: x\r\n\r\nx\r\n'));
        const envelope = { sender: 'ann@home.test', recipients: [{ address }], smtpUtf8: false, eightBit: false };
        await pipeline.intake.receive({ envelope, content: draft, info: { protocol: 'ESMTP', peer: null, isTrusted: true } });
        ids.push(draft.id);
      }
      return ids;
    },
  };
}

let events = 0;

/** A bounce, with anything of it replaced. */
export const bounceRecord = (changes: Partial<DispositionRecord> = {}): DispositionRecord => {
  const id = changes.id ?? newMessageId();
  const envelope = { sender: 'ann@home.test', recipients: [], smtpUtf8: false, eightBit: false };
  return {
    type: 'Bounce',
    event_id: `${id}.0.${++events}.b`,
    ...recordBase(
      { id, envelope, size: 17, created: Date.now(), reception: { reception_protocol: 'ESMTP', meta: { trusted: true } } },
      'node',
    ),
    recipient: 'bob@dest.test',
    queue: 'dest.test',
    site: 'default->dest.test',
    response: { code: 550, enhanced_code: { class: 5, subject: 1, detail: 1 }, content: 'no such user', command: 'RCPT' },
    peer_address: { name: 'mx.dest.test', addr: '192.0.2.1' },
    ...timeFields(Date.now()),
    num_attempts: 1,
    delivery_protocol: 'ESMTP',
    ...changes,
  };
};

export const basic = (login: string): Record<string, string> => ({ authorization: `Basic ${Buffer.from(login).toString('base64')}` });
export const bearer = (token: string): Record<string, string> => ({ authorization: `Bearer ${token}` });

/** `fetch` does not let a test choose the Host field or the address it comes from. */
function send(port: number, path: string, { method = 'GET', headers = {}, body, from }: Ask): Promise<Answer> {
  return new Promise((resolve, reject) => {
    // Node frames no body of a DELETE by itself.
    const framed = body === undefined ? headers : { ...headers, 'content-length': String(Buffer.byteLength(body)) };
    const options = { host: '127.0.0.1', port, path, method, headers: framed, agent: false, ...(from && { localAddress: from }) };
    const call = request(options, (response) => {
      const parts: Buffer[] = [];
      response.on('data', (part: Buffer) => parts.push(part));
      response.on('end', () => {
        const text = Buffer.concat(parts).toString();
        const isJson = /json/.test(response.headers['content-type'] ?? '');
        const json = (isJson ? JSON.parse(text) : {}) as Record<string, unknown>;
        resolve({ status: response.statusCode ?? 0, headers: response.headers, text, json });
      });
      response.on('error', reject);
    });
    call.on('error', reject);
    call.end(body);
  });
}
