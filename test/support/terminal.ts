import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { cleanUp } from './cleanup.ts';

export interface Terminal {
  /** All that the terminal got so far. */
  text(): string;
  /** Resolves once `pattern` is there; rejects when the command ends before. */
  until(pattern: RegExp): Promise<void>;
  type(keys: string): void;
  /** Resolves with the exit code. */
  ended: Promise<number | null>;
}

const program = fileURLToPath(new URL('terminal.py', import.meta.url));

/** A command in a terminal of its own (python3 has one to lend). */
export function startTerminal(
  t: TestContext,
  command: readonly string[],
  { columns = 100, rows = 30, env }: { columns?: number; rows?: number; env: NodeJS.ProcessEnv },
): Terminal {
  const child: ChildProcess = spawn('python3', [program, String(columns), String(rows), ...command], {
    env: { ...env, TERM: env['TERM'] ?? 'xterm-256color' },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  cleanUp(t, () => child.kill('SIGKILL'));
  let text = '';
  let isOver = false;
  let look = (): void => undefined;
  child.stdin?.on('error', () => undefined);
  child.stdout?.setEncoding('utf8').on('data', (part: string) => {
    text += part;
    look();
  });
  const ended = once(child, 'close').then(() => {
    isOver = true;
    look();
    return child.exitCode;
  });
  return {
    text: () => text,
    type: (keys) => void child.stdin?.write(keys),
    ended,
    until: (pattern) =>
      new Promise((resolve, reject) => {
        look = () => {
          if (pattern.test(text)) resolve();
          else if (isOver) reject(new Error(`it ended without ${String(pattern)}: ${JSON.stringify(text.slice(-2000))}`));
        };
        look();
      }),
  };
}
