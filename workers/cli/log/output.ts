import { once } from 'node:events';
import type { Writable } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { LogEntry } from '../../../shared/core/log-entry.ts';
import { Failure } from '../command.ts';

/** Lines for people or programs, no faster than they are taken. */
export interface Output {
  write(entry: LogEntry): Promise<void>;
  print(line: string): Promise<void>;
  /** Aborted when there is nothing more to be written: whoever reads has gone, or `stop` was called. */
  readonly signal: AbortSignal;
  /** The reader has gone (`| head`). */
  readonly isBroken: boolean;
  stop(): void;
  /** Resolves once everything is written; throws Failure when it could not be. */
  end(): Promise<void>;
}

export function openOutput(stream: Writable, format: (entry: LogEntry) => string): Output {
  const ended = new AbortController();
  let isBroken = false;
  let problem: Error | undefined;
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') isBroken = true;
    else problem ??= error;
    ended.abort();
  });
  const print = async (line: string): Promise<void> => {
    if (ended.signal.aborted || stream.write(`${line}\n`)) return;
    await once(stream, 'drain', { signal: ended.signal }).catch(() => undefined);
  };
  return {
    write: (entry) => print(format(entry)),
    print,
    signal: ended.signal,
    get isBroken() {
      return isBroken;
    },
    stop: () => ended.abort(),
    end: async () => {
      await nextTurn(); // in which the last write may fail
      if (problem) throw new Failure(`cannot write the output: ${problem.message}`);
    },
  };
}
