import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { cleanUp } from './cleanup.ts';
import { fileURLToPath } from 'node:url';
import type { Config } from '../../shared/core/config.ts';
import type { Role } from '../../workers/cli/roles.ts';
import type { TestRedis } from './redis.ts';

export interface RoleProcess {
  child: ChildProcess;
  /** Its log so far. */
  log(): string;
  /** Ends it as a crash would. */
  kill(): Promise<void>;
  /** Asks it to drain; resolves with its exit code. */
  terminate(): Promise<number | null>;
}

const main = fileURLToPath(new URL('../../workers/cli/main.ts', import.meta.url));

/** One role as a process of its own, as an operator starts it; ended after the test. */
export async function startRole(t: TestContext, role: Role, redis: TestRedis, config: Config): Promise<RoleProcess> {
  const file = join(redis.dir, 'rebound.json');
  await writeFile(file, JSON.stringify({ ...config, log: { ...config.log, level: 'info', format: 'json' } }));
  const child = spawn(process.execPath, [main, role, '--config', file], {
    env: { ...process.env, REDIS_URL: redis.url },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let log = '';
  const read = (chunk: Buffer): void => {
    log += chunk.toString();
  };
  child.stdout.on('data', read);
  child.stderr.on('data', read);
  const exited = once(child, 'exit');
  const kill = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await exited;
  };
  cleanUp(t, kill);
  return {
    child,
    log: () => log,
    kill,
    terminate: async () => {
      child.kill('SIGTERM');
      await exited;
      return child.exitCode;
    },
  };
}
