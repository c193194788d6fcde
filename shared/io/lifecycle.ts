import type { Logger } from './log.ts';

/** One thing to give back at the end. */
export interface Step {
  readonly name: string;
  close(): Promise<void>;
}

/**
 * Resolves with the reason when this process is asked to end: SIGTERM, SIGINT, SIGHUP (its terminal is gone), or the
 * process that started it is gone. A further signal, later than a second after the first, ends it at once with exit
 * code 1. A process without a terminal calls `reload` at SIGHUP instead.
 */
export function whenStopped(reload?: () => void): Promise<string> {
  return new Promise((resolve) => {
    let since = Infinity;
    const stop = (reason: string): void => {
      // npm passes on the SIGINT that the terminal has sent to us already: that is still the first one.
      if (reason !== parentGone && performance.now() - since > repeatWindow) process.exit(1);
      since = Math.min(since, performance.now());
      resolve(reason);
    };
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, stop);
    process.on('SIGHUP', (signal) => (reload && !hasTerminal() ? reload() : stop(signal)));
    if (process.channel) process.once('disconnect', () => stop(parentGone));
  });
}

const hasTerminal = (): boolean => process.stdin.isTTY || process.stdout.isTTY || process.stderr.isTTY;
/** Milliseconds. */
const repeatWindow = 1000;
const parentGone = 'parent gone';

/**
 * Closes in the order given; a step that fails or takes longer than `timeoutMs` is logged and the next one is begun.
 * Resolves with the exit code: 0 when all closed, else 1.
 */
export async function closeInOrder(steps: readonly Step[], timeoutMs: number, log: Logger): Promise<0 | 1> {
  let code: 0 | 1 = 0;
  for (const step of steps) {
    const problem = await closeWithin(step, timeoutMs);
    if (problem === undefined) continue;
    code = 1;
    log.error({ event: 'close_failed', step: step.name, error: problem });
  }
  return code;
}

async function closeWithin(step: Step, timeoutMs: number): Promise<string | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<string>((resolve) => {
    timer = setTimeout(() => resolve(`not finished after ${timeoutMs} ms`), timeoutMs);
  });
  const closed = step.close().then(
    () => undefined,
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  );
  try {
    return await Promise.race([closed, timeout]);
  } finally {
    clearTimeout(timer);
  }
}
