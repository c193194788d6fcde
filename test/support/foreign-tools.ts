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
const env = {
  ...process.env,
  LD_LIBRARY_PATH: `${unpacked}usr/lib/postfix:${unpacked}usr/lib/${machine}-linux-gnu`,
  PERL5LIB: `${unpacked}usr/share/perl5`,
  PYTHONPATH: `${unpacked}usr/lib/python3/dist-packages`,
  PYTHONDONTWRITEBYTECODE: '1',
};
const run = promisify(execFile);

/** A program that no one here wrote, installed or unpacked by `infra/test-tools.sh`. */
export interface ForeignTool {
  run(...args: string[]): Promise<{ stdout: string; stderr: string }>;
  /** The same with a text on its standard input. */
  feed(input: string, ...args: string[]): Promise<{ stdout: string; stderr: string }>;
  start(t: TestContext, ...args: string[]): ChildProcess;
}

/** Undefined where it cannot be had; on CI that is a failure, elsewhere the test says so. */
export function findTool(t: TestContext, name: 'swaks' | 'smtp-source' | 'smtp-sink' | 'promtool'): ForeignTool | undefined {
  const path = folders.map((folder) => join(folder, name)).find((candidate) => existsSync(candidate));
  if (!path) {
    explainAbsence(t, name);
    return undefined;
  }
  return {
    run: (...args) => run(path, args, { env, maxBuffer: 10_000_000 }),
    feed: (input, ...args) => {
      const running = run(path, args, { env, maxBuffer: 10_000_000 });
      running.child.stdin?.on('error', () => undefined).end(input);
      return running;
    },
    start: (context, ...args) => {
      const child = spawn(path, args, { env, stdio: 'ignore' });
      cleanUp(context, () => child.kill('SIGKILL'));
      return child;
    },
  };
}

// Debian's packages are for Debian's Python.
const python = existsSync('/usr/bin/python3') ? '/usr/bin/python3' : 'python3';
const readers = {
  'Python’s email package': { program: python, probe: ['-c', 'import email.policy'], script: 'read-email.py' },
  dkimpy: { program: python, probe: ['-c', 'import dkim, nacl.signing'], script: 'verify-dkim.py' },
  'flufl.bounce': { program: python, probe: ['-c', 'import flufl.bounce'], script: 'read-flufl.py' },
  'Mail::DeliveryStatus::BounceParser': {
    program: 'perl',
    probe: ['-MMail::DeliveryStatus::BounceParser', '-MJSON::PP', '-e', '1'],
    script: 'read-bounceparser.pl',
  },
} as const;
export type ReaderName = keyof typeof readers;

/** A reader of messages that no one here wrote: takes files, gives what it read of each as JSON. */
export type ForeignReader = (files: readonly string[]) => Promise<unknown[]>;

/** Like `findTool`. */
export async function findReader(t: TestContext, name: ReaderName): Promise<ForeignReader | undefined> {
  const { program, probe, script } = readers[name];
  const works = await run(program, probe, { env }).then(
    () => true,
    () => false,
  );
  if (!works) {
    explainAbsence(t, name);
    return undefined;
  }
  const path = fileURLToPath(new URL(`readers/${script}`, import.meta.url));
  return async (files) => {
    const { stdout } = await run(program, [path, ...files], { env, maxBuffer: 10_000_000 });
    return stdout
      .trimEnd()
      .split('\n')
      .map((line): unknown => JSON.parse(line));
  };
}

/** A failure on CI; elsewhere the test says that it was left out. */
export function explainAbsence(t: TestContext, name: string): void {
  if (process.env['CI']) throw new Error(`${name} is missing; infra/test-tools.sh should have fetched it`);
  t.skip(`${name} is not on this machine and could not be fetched`);
}
