import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '../../shared/io/log.ts';

export interface ChildOptions {
  name: string;
  /** Arguments of Node: the file and what follows. */
  args: readonly string[];
  env: NodeJS.ProcessEnv;
  /** Put in front of lines for people; lines of JSON carry their own name. */
  prefix: string;
  /** After SIGTERM; then SIGKILL. Milliseconds. */
  killAfter: number;
  log: Logger;
}

export interface Supervised {
  readonly name: string;
  /** Where the child can be reached, once it said it is ready; undefined when it ended before it ever was. */
  readonly ready: Promise<string | undefined>;
  /** Tells the child to read again what it can (SIGHUP). */
  reload(): void;
  /** Ends the child and resolves when it is gone, with false when it had to be killed. Without an order it is started again. */
  stop(): Promise<boolean>;
}

const firstDelay = 500;
const maxDelay = 30_000;
/** A child that lived this long is started again at once. Milliseconds. */
const healthyAfter = 60_000;

/** Runs one child process and starts it again when it dies, waiting longer each time. */
export function supervise(options: ChildOptions): Supervised {
  const { name, log } = options;
  const stopping = new AbortController();
  let child = launch(options);
  const ready = firstReady(child);

  const watch = async (): Promise<void> => {
    let startedAt = Date.now();
    let delayMs = firstDelay;
    await exitOf(child);
    if ((await ready) === undefined) return; // it never worked: that is told, not tried again
    while (!stopping.signal.aborted) {
      delayMs = Date.now() - startedAt > healthyAfter ? firstDelay : Math.min(delayMs * 2, maxDelay);
      log.error({ event: 'child_died', child: name, exitCode: child.exitCode, signal: child.signalCode, restartInMs: delayMs });
      await sleep(delayMs, undefined, { signal: stopping.signal }).catch(() => undefined);
      if (stopping.signal.aborted) return;
      startedAt = Date.now();
      child = launch(options);
      await exitOf(child);
    }
  };
  const watching = watch();
  return {
    name,
    ready,
    // Before it is ready a child may not listen yet, and would be ended by it; it has just read everything.
    reload: () => void ready.then((place) => place !== undefined && child.kill('SIGHUP')),
    stop: async () => {
      stopping.abort();
      const isClean = await end(child, options.killAfter);
      await watching;
      return isClean;
    },
  };
}

/** In a process group of its own, so that Ctrl-C reaches only the parent, which stops the children in their order. */
function launch({ args, env, prefix }: ChildOptions): ChildProcess {
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', ...args], {
    env,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  passOn(child.stdout, process.stdout, prefix);
  passOn(child.stderr, process.stderr, prefix);
  return child;
}

function passOn(from: Readable | null, to: Writable, prefix: string): void {
  if (!from) return;
  createInterface({ input: from, crlfDelay: Infinity }).on('line', (line) => {
    to.write(line.startsWith('{') ? `${line}\n` : `${prefix}${line}\n`);
  });
}

/** The child's own words of where it listens; undefined when it ended first. */
function firstReady(child: ChildProcess): Promise<string | undefined> {
  return new Promise((resolve) => {
    child.on('message', (message) => {
      if (typeof message === 'object' && message !== null && 'ready' in message) resolve(String(message.ready));
    });
    child.once('exit', () => resolve(undefined));
    child.once('error', () => resolve(undefined));
  });
}

async function end(child: ChildProcess, killAfter: number): Promise<boolean> {
  if (hasEnded(child)) return true;
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), killAfter);
  await exitOf(child);
  clearTimeout(timer);
  // One that had no time yet to listen for SIGTERM was ended by it all the same.
  return child.signalCode !== 'SIGKILL';
}

async function exitOf(child: ChildProcess): Promise<void> {
  if (!hasEnded(child)) await once(child, 'exit');
}

const hasEnded = (child: ChildProcess): boolean => child.exitCode !== null || child.signalCode !== null;
