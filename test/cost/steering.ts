/**
 * What orders cost: `node test/cost/steering.ts [jobs]`. Time to look one message up, without orders and with 100 suspensions of other
 * domains; and a bounce of so many waiting jobs (100,000) in a lane that delivers one an hour, with the memory of the process that carries it out.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { spawn } from 'node:child_process';
import { configSchema } from '../../shared/core/config.ts';
import type { DeliveryJob } from '../../shared/core/delivery-job.ts';
import { openOrderBook, type Order } from '../../shared/core/order.ts';
import { openContext } from '../../shared/io/context.ts';
import { findServerProgram } from '../../shared/io/embedded-redis.ts';
import { newMessageId } from '../../shared/io/ids.ts';
import { giveOrder, readOrder } from '../../shared/io/order-store.ts';
import { openPipeline } from '../../shared/io/pipeline.ts';
import { run } from '../../workers/delivery/main.ts';

const jobs = Number(process.argv[2] ?? 100_000);
const order = (changes: Partial<Order>): Order => ({
  id: newMessageId(),
  kind: 'suspend',
  criteria: { everything: true },
  reason: 'a measurement',
  who: 'cost',
  created: Date.now(),
  expires: null,
  ...changes,
});

function lookUps(): void {
  const envelope = { sender: 'ann@home.test', recipients: [{ address: 'bob@dest.test' }], smtpUtf8: false, eightBit: false };
  const reception = { reception_protocol: 'ESMTP', meta: {} };
  const job: DeliveryJob = {
    message: newMessageId(),
    envelope,
    size: 10,
    created: Date.now(),
    queue: 'acme@dest.test',
    domain: 'dest.test',
    source: 'default',
    attempts: 0,
    reception,
  };
  const others = Array.from({ length: 100 }, (_, n) => order({ criteria: { domain: `d${n}.test` } }));
  for (const [words, orders] of [
    ['no order', []],
    ['100 suspensions of other domains', others],
  ] as const) {
    const book = openOrderBook(orders);
    const rounds = 1_000_000;
    for (const isMeasured of [false, true]) {
      const from = performance.now();
      for (let n = 0; n < rounds; n++) {
        if (book.orders.length > 0) {
          book.orderFor(job, 'default->mx.dest.test', 1);
          book.suspensionOf('default->mx.dest.test', 1);
        }
      }
      if (isMeasured) console.log(`${words}: ${(((performance.now() - from) * 1000) / rounds).toFixed(3)} microseconds a message`);
    }
  }
}

async function walk(): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), 'rebound-cost-'));
  const socket = join(dir, 'redis.sock');
  const server = spawn(findServerProgram(), [
    '--port',
    '0',
    '--unixsocket',
    socket,
    '--dir',
    dir,
    '--save',
    '',
    '--appendonly',
    'yes',
    '--appendfsync',
    'always',
  ]);
  await new Promise((resolve) => setTimeout(resolve, 1000));
  try {
    const config = configSchema.parse({
      dataDir: dir,
      log: { level: 'silent' },
      spool: { minFreeDisk: 0 },
      outbound: { routes: { '*': '127.0.0.1:1' } },
      delivery: { sites: { '127.0.0.1:1': { rate: '1/h' } } },
    });
    const context = await openContext(config, `unix://${socket}`, 'cost');
    const pipeline = openPipeline(context);
    const put = async (domain: string): Promise<void> => {
      const content = pipeline.spool.draft(newMessageId());
      await content.write(Buffer.alloc(1000, 'x'));
      const envelope = { sender: 'ann@home.test', recipients: [{ address: `bob@${domain}` }], smtpUtf8: false, eightBit: false };
      await pipeline.intake.receive({ envelope, content, info: { protocol: 'ESMTP', peer: null, isTrusted: true } });
    };
    for (let n = 0; n < jobs; n += 200) await Promise.all(Array.from({ length: 200 }, (_, i) => put(i % 2 ? 'a.test' : 'b.test')));
    console.log(`${jobs} jobs wait`);
    const worker = await run(await openContext(config, `unix://${socket}`, 'cost-delivery'));
    const measure = async (words: string, changes: Partial<Order>): Promise<void> => {
      globalThis.gc?.();
      const before = process.memoryUsage().rss;
      let most = 0;
      const timer = setInterval(() => (most = Math.max(most, process.memoryUsage().rss)), 100);
      const given = order({ kind: 'bounce', created: Date.now(), expires: Date.now(), report: false, ...changes });
      const from = performance.now();
      await giveOrder(given, false, context.redis, pipeline.queues);
      for (;;) {
        const state = await readOrder(given.id, context.redis);
        if (state?.ended) {
          clearInterval(timer);
          const seconds = ((performance.now() - from) / 1000).toFixed(1);
          const rss = [before, most].map((octets) => Math.round(octets / 1e6));
          console.log(`${words}: ${state.messages.done} done, ${seconds} s with both walks, memory ${rss[0]} to ${rss[1]} MB`);
          return;
        }
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    };
    await measure('bounce that fits none', { criteria: { domain: 'c.test' } });
    await measure('bounce of half of them', { criteria: { domain: 'a.test' } });
    await measure('drop of the rest', { kind: 'drop', criteria: { everything: true } });
    await worker.close();
    await pipeline.close();
    await context.close();
  } finally {
    server.kill();
    await rm(dir, { recursive: true, force: true });
  }
}

lookUps();
await walk();
process.exit(0);
