import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { findServerProgram } from '../../shared/io/embedded-redis.ts';
import { cleanUp } from './cleanup.ts';
import { freePort } from './ports.ts';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';

/** A cluster node also listens on its port plus 10000. */
async function clusterPort(): Promise<number> {
  const port = await freePort();
  return port > 55_000 ? clusterPort() : port;
}

async function launch(t: TestContext, dir: string, ...args: string[]): Promise<void> {
  const child = spawn(findServerProgram(), [...args, '--dir', dir, '--loglevel', 'warning'], { stdio: 'ignore' });
  cleanUp(t, async () => {
    if (child.exitCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  });
  await once(child, 'spawn');
}

async function answer(port: number, ready: (client: Redis) => Promise<boolean>): Promise<void> {
  const client = new Redis({ host: '127.0.0.1', port, retryStrategy: () => 50, maxRetriesPerRequest: null } as never);
  client.on('error', () => undefined);
  while (!(await ready(client).catch(() => false))) await sleep(50);
  client.disconnect();
}

async function folder(t: TestContext): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'rebound-topology-'));
  cleanUp(t, () => rm(dir, { recursive: true, force: true }));
  return dir;
}

/** Three masters that share the slots; the URL names one of them. */
export async function startCluster(t: TestContext): Promise<string> {
  const ports = [await clusterPort(), await clusterPort(), await clusterPort()];
  const ranges = [
    [0, 5460],
    [5461, 10_922],
    [10_923, 16_383],
  ] as const;
  for (const [i, port] of ports.entries()) {
    const dir = await folder(t);
    await launch(t, dir, '--port', String(port), '--bind', '127.0.0.1', '--cluster-enabled', 'yes', '--save', '');
    const [from, to] = ranges[i] ?? [0, 0];
    await answer(port, async (client) => {
      await client.call('CLUSTER', 'ADDSLOTSRANGE', from, to);
      if (i > 0) await client.call('CLUSTER', 'MEET', '127.0.0.1', ports[0] ?? 0);
      return true;
    });
  }
  for (const port of ports) await answer(port, async (client) => String(await client.call('CLUSTER', 'INFO')).includes('cluster_state:ok'));
  return `redis-cluster://127.0.0.1:${ports[0]},127.0.0.1:${ports[1]}`;
}

/** One master watched by one sentinel. */
export async function startSentinel(t: TestContext): Promise<string> {
  const dir = await folder(t);
  const [port, sentinelPort] = [await freePort(), await freePort()];
  await launch(t, dir, '--port', String(port), '--bind', '127.0.0.1', '--save', '');
  await answer(port, async (client) => (await client.ping()) === 'PONG');
  const file = join(dir, 'sentinel.conf');
  await writeFile(file, `port ${sentinelPort}\nbind 127.0.0.1\nsentinel monitor main 127.0.0.1 ${port} 1\n`);
  await launch(t, dir, file, '--sentinel');
  await answer(sentinelPort, async (client) =>
    String(await client.call('SENTINEL', 'get-master-addr-by-name', 'main')).includes(String(port)),
  );
  return `redis-sentinel://127.0.0.1:${sentinelPort}/main`;
}
