import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { cleanUp } from './cleanup.ts';
import { pino } from 'pino';
import { Redis } from 'ioredis';
import { configSchema } from '../../shared/core/config.ts';
import { findServerProgram } from '../../shared/io/embedded-redis.ts';
import { openRedis, type RedisLink, type RedisUse } from '../../shared/io/redis.ts';

export const silent = pino({ level: 'silent' });

export interface TestRedis {
  url: string;
  pid: number;
  dir: string;
  /** Ends the server as a crash would; data on disk stays. */
  kill(): Promise<void>;
  /** Starts it again on the same socket and data. */
  restart(): Promise<void>;
}

/** A redis-server of this test's own on a Unix socket; ended and removed after the test. */
export async function startRedis(t: TestContext, ...args: string[]): Promise<TestRedis> {
  const dir = await mkdtemp(join(tmpdir(), 'rebound-test-'));
  const socket = join(dir, 'redis.sock');
  const launch = async () => {
    const child = spawn(
      findServerProgram(),
      ['--port', '0', '--unixsocket', socket, '--dir', dir, '--save', '', '--loglevel', 'warning', ...args],
      {
        stdio: 'ignore',
      },
    );
    await untilAnswers(socket);
    return child;
  };
  let child = await launch();
  const kill = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  };
  cleanUp(t, async () => {
    await kill();
    await rm(dir, { recursive: true, force: true });
  });
  return {
    url: `unix://${socket}`,
    dir,
    get pid() {
      return child.pid ?? 0;
    },
    kill,
    restart: async () => {
      child = await launch();
    },
  };
}

async function untilAnswers(path: string): Promise<void> {
  const client = new Redis({ path, retryStrategy: () => 20, maxRetriesPerRequest: null } as never);
  client.on('error', () => undefined);
  await client.ping();
  client.disconnect();
}

/** A connection as a worker has it, closed after the test. */
export async function connectRedis(t: TestContext, url: string, use: RedisUse = {}): Promise<RedisLink> {
  const link = await openRedis(url, configSchema.parse({}).redis, silent, use);
  cleanUp(t, () => link.close());
  return link;
}
