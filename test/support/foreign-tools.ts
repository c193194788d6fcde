import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { cleanUp } from './cleanup.ts';

const unpacked = fileURLToPath(new URL('../../.tools/', import.meta.url));
const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', join(unpacked, 'usr/sbin'), join(unpacked, 'usr/bin')];
const machine = process.arch === 'arm64' ? 'aarch64' : 'x86_64';
const env = { ...process.env, LD_LIBRARY_PATH: `${unpacked}usr/lib/postfix:${unpacked}usr/lib/${machine}-linux-gnu` };
const run = promisify(execFile);

/** A mail program that no one here wrote, installed or unpacked by `infra/test-tools.sh`. */
export interface ForeignTool {
  run(...args: string[]): Promise<{ stdout: string; stderr: string }>;
  start(t: TestContext, ...args: string[]): ChildProcess;
}

/** Undefined where it cannot be had; on CI that is a failure, elsewhere the test says so. */
export function findTool(t: TestContext, name: 'swaks' | 'smtp-source' | 'smtp-sink'): ForeignTool | undefined {
  const path = folders.map((folder) => join(folder, name)).find((candidate) => existsSync(candidate));
  if (!path) {
    if (process.env['CI']) throw new Error(`${name} is missing; infra/test-tools.sh should have fetched it`);
    t.skip(`${name} is not on this machine and could not be fetched`);
    return undefined;
  }
  return {
    run: (...args) => run(path, args, { env, maxBuffer: 10_000_000 }),
    start: (context, ...args) => {
      const child = spawn(path, args, { env, stdio: 'ignore' });
      cleanUp(context, () => child.kill('SIGKILL'));
      return child;
    },
  };
}
