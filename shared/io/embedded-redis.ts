import { spawn, type ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { accessSync, constants, realpathSync } from 'node:fs';
import { chmod, lstat, mkdir, open, readFile, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { delimiter, dirname, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Logger } from './log.ts';
import { packageRoot } from './own-files.ts';

/**
 * A Redis of our own for one machine without one: a child process on a Unix socket in the data folder, with the
 * durability of `infra/redis/redis.conf`. It lives as long as this process, however that ends; its data stays.
 */
export interface EmbeddedRedis {
  /** `unix:///path/of/the/socket` */
  readonly url: string;
  /** Ends Redis, with all data on disk. Everything that uses it must be closed before. */
  close(): Promise<void>;
}

/** The embedded Redis cannot be had; the message is for people. */
export class EmbeddedRedisError extends Error {
  override readonly name = 'EmbeddedRedisError';
}

/**
 * Starts Redis on the data of `dataDir` and resolves when it answers. When it dies it is started again, and clients find
 * it at the same socket. Rejects with EmbeddedRedisError when there is no server program, when another Rebound
 * uses the folder, or when Redis refuses its data.
 */
export async function startEmbeddedRedis({ dataDir, log }: { dataDir: string; log: Logger }): Promise<EmbeddedRedis> {
  const program = findServerProgram();
  const folder = join(resolve(dataDir), 'redis');
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await chmod(folder, 0o700);
  } catch (error) {
    throw new EmbeddedRedisError(`the data folder ${resolve(dataDir)} cannot be used: ${(error as Error).message}`);
  }
  const socket = socketPath(dataDir);
  await makePrivate(dirname(socket));
  const unlock = await lockStart(folder);
  let child: ChildProcess;
  try {
    await assertUnused(socket, dataDir);
    await rm(socket, { force: true });
    child = await launch(program, folder, socket);
  } finally {
    await unlock();
  }
  log.debug({ event: 'embedded_redis_started', socket });

  let isClosing = false;
  const watch = async (): Promise<void> => {
    let delayMs = firstRestartDelay;
    for (;;) {
      const since = Date.now();
      await exitOf(child);
      if (isClosing) return;
      delayMs = Date.now() - since > maxRestartDelay ? firstRestartDelay : Math.min(delayMs * 2, maxRestartDelay);
      log.error({ event: 'embedded_redis_died', exitCode: child.exitCode, signal: child.signalCode, restartInMs: delayMs });
      await sleep(delayMs);
      if (isClosing) return;
      child = await launch(program, folder, socket).catch((error: unknown) => {
        log.error({ event: 'embedded_redis_start_failed', error: String(error) });
        return child;
      });
      if (isClosing) await end(child);
    }
  };
  const watching = watch();
  return {
    url: `unix://${socket}`,
    close: async () => {
      isClosing = true;
      await end(child);
      await watching;
    },
  };
}

/** Where the embedded Redis of a data folder is reached while it runs. */
export const embeddedRedisUrl = (dataDir: string): string => `unix://${socketPath(dataDir)}`;

/** Does a Redis answer there, even if only that it is still loading its data? */
export async function doesRedisAnswer(url: string): Promise<boolean> {
  return (await ping(url.replace(/^unix:\/\//, ''))) !== undefined;
}

/** Doubled after each further death. Milliseconds. */
const firstRestartDelay = 50;
const maxRestartDelay = 10_000;
/** Longest time until a started Redis says anything at all; loading its data may take longer than that. Milliseconds. */
const firstAnswer = 20_000;
/** A Rebound that was killed takes its Redis along within this time. Milliseconds. */
const otherGone = 3000;
const pingTimeout = 1000;
// sockaddr_un.sun_path holds 104 bytes on macOS and 108 on Linux.
const maxSocketPath = 100;

function socketPath(dataDir: string): string {
  const path = join(realPath(dataDir), 'redis', 'redis.sock');
  if (Buffer.byteLength(path) <= maxSocketPath) return path;
  const name = createHash('sha256').update(path).digest('hex').slice(0, 16);
  return join(realPath(tmpdir()), `rebound-${name}`, 'redis.sock');
}

/** The same folder must give the same socket by whatever links it is reached. */
function realPath(folder: string): string {
  try {
    return realpathSync(folder);
  } catch {
    return resolve(folder);
  }
}

/** The server program of this machine, Redis or Valkey. Throws EmbeddedRedisError when there is none. */
export function findServerProgram(): string {
  const folders = (process.env['PATH'] ?? '').split(delimiter).filter(Boolean);
  for (const name of ['redis-server', 'valkey-server']) {
    const found = folders.map((folder) => join(folder, name)).find(isExecutable);
    if (found) return found;
  }
  throw new EmbeddedRedisError(
    'neither redis-server nor valkey-server is installed: run "npm run setup", or set REDIS_URL to a Redis you have',
  );
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** In a shared temporary folder someone else may have made the folder before us: theirs is not used. */
async function makePrivate(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const info = await lstat(folder);
  const { uid } = userInfo();
  if (!info.isDirectory() || (uid >= 0 && info.uid !== uid)) {
    throw new EmbeddedRedisError(`${folder} belongs to someone else; remove it, or use a shorter dataDir`);
  }
  await chmod(folder, 0o700);
}

/**
 * Two starts at the same moment must not both find the socket silent and write to the same files. The lock is held only
 * until Redis answers; from then on its socket is the lock.
 */
async function lockStart(folder: string): Promise<() => Promise<void>> {
  const path = join(folder, 'starting');
  for (let tries = 0; ; tries++) {
    try {
      const file = await open(path, 'wx', 0o600);
      await file.write(String(process.pid));
      await file.close();
      return () => rm(path, { force: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    const pid = Number(await readFile(path, 'utf8').catch(() => '0'));
    if (tries > 0 || isAlive(pid)) {
      throw new EmbeddedRedisError(
        `another Rebound (process ${pid}) is just starting on this data folder; if that is not so, remove ${path}`,
      );
    }
    await rm(path, { force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    return pid > 0 && process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

async function assertUnused(socket: string, dataDir: string): Promise<void> {
  const until = Date.now() + otherGone;
  while ((await ping(socket)) !== undefined) {
    if (Date.now() > until) {
      throw new EmbeddedRedisError(
        `another Rebound already runs on the data folder ${resolve(dataDir)}; stop it first, or set dataDir (REBOUND_DATA_DIR) to another folder`,
      );
    }
    await sleep(50);
  }
}

// The shell ends Redis when the pipe to us closes, so that Redis never outlives us, not even after a SIGKILL. Descriptor 3
// is that pipe: the standard input of a background command is /dev/null.
const keeper = 'exec 3<&0 </dev/null; "$@" 3<&- & redis=$!; { cat <&3 >/dev/null; kill $redis; } 2>/dev/null & wait $redis';

/** Resolves when the new Redis answers with its data loaded. It has a process group of its own: Ctrl-C does not reach it. */
async function launch(program: string, folder: string, socket: string): Promise<ChildProcess> {
  const settings = fileURLToPath(new URL('infra/redis/redis.conf', packageRoot));
  const logFile = join(folder, 'redis.log');
  const own = [
    '--port',
    '0',
    '--unixsocket',
    socket,
    '--unixsocketperm',
    '700',
    '--dir',
    folder,
    '--logfile',
    logFile,
    '--daemonize',
    'no',
  ];
  const child = spawn('/bin/sh', ['-c', keeper, 'redis-keeper', program, settings, ...own], {
    detached: true,
    stdio: ['pipe', 'ignore', 'pipe'],
    cwd: folder,
  });
  let words = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (words = (words + text).slice(-2000)));
  child.stdin?.on('error', () => undefined);
  // Neither the pipes nor the child keep a finished program from ending.
  child.once('exit', () => child.stdin?.destroy());
  const start = Date.now();
  for (let answer = await ping(socket); answer !== 'ready'; answer = await ping(socket)) {
    if (child.exitCode !== null || child.signalCode !== null) {
      throw new EmbeddedRedisError(`Redis did not start: ${words.trim() || (await lastLines(logFile)) || `exit code ${child.exitCode}`}`);
    }
    if (answer === undefined && Date.now() - start > firstAnswer) {
      await end(child);
      throw new EmbeddedRedisError(`Redis does not answer at ${socket}; see ${logFile}`);
    }
    await sleep(10);
  }
  return child;
}

const lastLines = async (path: string): Promise<string> => {
  const text = await readFile(path, 'utf8').catch(() => '');
  return text.trim().split('\n').slice(-3).join(' | ');
};

/** Closes the pipe, upon which the shell ends Redis with SIGTERM: it writes everything and goes. */
async function end(child: ChildProcess): Promise<void> {
  child.stdin?.destroy();
  await exitOf(child);
}

async function exitOf(child: ChildProcess): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
}

/** `ready`, `loading`, or undefined when nobody answers. */
function ping(socket: string): Promise<'ready' | 'loading' | undefined> {
  return new Promise((resolved) => {
    const connection = connect(socket);
    const settle = (answer: 'ready' | 'loading' | undefined): void => {
      connection.destroy();
      resolved(answer);
    };
    connection.setTimeout(pingTimeout, () => settle('loading'));
    connection.once('error', () => settle(undefined));
    connection.once('close', () => settle(undefined));
    connection.once('data', (data) => settle(data.toString().startsWith('+PONG') ? 'ready' : 'loading'));
    connection.write('PING\r\n');
  });
}
