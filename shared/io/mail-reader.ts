import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Reading } from '../core/inbound/read-mail.ts';
import { moduleBeside } from './own-files.ts';

/** `time`, `memory`: it used up a limit, twice. `fault`: the parser gave up, or failed. */
export interface Unreadable {
  kind: 'unreadable';
  why: 'time' | 'memory' | 'fault';
  words?: string;
}

/**
 * Reads mail of strangers in processes of their own, so that a message that the parser chokes on takes down nothing but its
 * reader. A thread would not do: V8 ends the whole process when a thread passes its memory limit inside one built-in
 * function, such as the split of a text of ten million lines.
 */
export interface MailReader {
  /**
   * When its process ends or takes too long, another one gets a second try: it may be the machine that is short of
   * memory or time, and not the message that takes too much. Rejects only when no process can be started.
   */
  read(content: Uint8Array): Promise<Reading | Unreadable>;
  close(): Promise<void>;
}

export interface ReaderLimits {
  timeoutMs: number;
  /** Of the heap; the octets of the message come on top. */
  memoryMb: number;
}

/** A report is read in milliseconds; a machine that is hard pressed may need a hundred times as long. */
const defaults: ReaderLimits = { timeoutMs: 10_000, memoryMb: 256 };
const startTimeoutMs = 60_000;

/** A process for each call at the same time, started when it is first needed and kept for the next. */
export function openMailReader(limits: ReaderLimits = defaults): MailReader {
  const all = new Set<ChildProcess>();
  const idle = new Set<ChildProcess>();
  const start = async (): Promise<ChildProcess> => {
    const child = fork(fileURLToPath(moduleBeside('mail-reader-process', import.meta.url)), [], {
      execArgv: [`--max-old-space-size=${limits.memoryMb}`, '--disable-warning=ExperimentalWarning'],
      // No passwords of ours in the environment of a program that strangers write the input of.
      env: {},
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    });
    all.add(child);
    child.once('exit', () => {
      all.delete(child);
      idle.delete(child);
    });
    // A message that cannot be sent any more is seen by the exit of the process; an idle one does not keep ours.
    child.on('error', () => undefined).unref();
    child.channel?.unref();
    const { failure } = await answerOf(child, startTimeoutMs);
    if (!failure) return child;
    child.kill('SIGKILL');
    throw new Error(`the process that reads mail did not start: ${failure.words ?? failure.why}`);
  };
  const readWith = async (child: ChildProcess, content: Uint8Array): Promise<Outcome> => {
    const answering = answerOf(child, limits.timeoutMs);
    child.send(content);
    const outcome = await answering;
    if (outcome.failure) child.kill('SIGKILL');
    else idle.add(child);
    return outcome;
  };
  return {
    read: async (content) => {
      const [waiting] = idle;
      if (waiting) idle.delete(waiting);
      const first = await readWith(waiting ?? (await start()), content);
      const { answer, failure } = first.failure ? await readWith(await start(), content) : first;
      return failure ?? (answer as Reading | Unreadable);
    },
    close: async () => {
      await Promise.all(
        [...all].map(async (child) => {
          const ended = once(child, 'exit');
          child.ref();
          child.kill('SIGKILL');
          await ended;
        }),
      );
    },
  };
}

interface Outcome {
  answer?: unknown;
  failure?: Unreadable;
}

/** The next message of the process, or why there will be none: then it is of no more use. */
function answerOf(child: ChildProcess, timeoutMs: number): Promise<Outcome> {
  return new Promise((resolve) => {
    const settle = (outcome: Outcome): void => {
      clearTimeout(timer);
      child.off('message', answered).off('exit', ended);
      resolve(outcome);
    };
    const answered = (answer: unknown): void => settle({ answer });
    const fail = (why: Unreadable['why'], words?: string): void =>
      settle({ failure: { kind: 'unreadable', why, ...(words && { words }) } });
    // V8 aborts at its limit; a SIGKILL is not ours, so most likely the system's, short of memory.
    const ended = (code: number | null, signal: string | null): void => {
      if (signal === null) fail('fault', `its reader ended with ${code}`);
      else fail('memory', signal === 'SIGKILL' ? 'its reader was killed by the system' : undefined);
    };
    const timer = setTimeout(() => fail('time'), timeoutMs);
    child.on('message', answered).on('exit', ended);
  });
}
