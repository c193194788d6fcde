import { createInterface } from 'node:readline/promises';
import { Interrupted } from '../command.ts';

/** Asks on standard error; anything but y and yes is no. Rejects with Interrupted at Ctrl-C, and when the signal is aborted. */
export async function confirm(question: string, signal: AbortSignal): Promise<boolean> {
  const asking = createInterface({ input: process.stdin, output: process.stderr });
  const stopped = new AbortController();
  // On a terminal readline takes Ctrl-C as a key: no signal comes of it.
  asking.once('SIGINT', () => stopped.abort());
  try {
    const answer = await asking.question(`${question} [y/N] `, { signal: AbortSignal.any([signal, stopped.signal]) });
    return /^y(es)?$/i.test(answer.trim());
  } catch (error) {
    if (signal.aborted || stopped.signal.aborted) throw new Interrupted('nothing was done');
    // The end of input (Ctrl-D) is no answer.
    if (error instanceof Error && error.name === 'AbortError') return false;
    throw error;
  } finally {
    asking.close();
  }
}
