import type { ReadStream, WriteStream } from 'node:tty';
import { paperOf, type Paper } from './table.ts';

/** A terminal that is drawn on as a whole, in its alternate screen; one that cannot gets one frame after another. */
export interface LiveScreen {
  draw(frame: (paper: Paper, height: number) => readonly string[]): void;
  /** Each key as it is pressed. */
  onKey(listener: (key: string) => void): void;
  onResize(listener: () => void): void;
  /** The terminal is as it was before. */
  close(): void;
}

const begin = '\u001b[?1049h\u001b[?25l\u001b[?7l';
const end = '\u001b[?7h\u001b[?25h\u001b[?1049l';
const home = '\u001b[H';
const clearLine = '\u001b[K';
const clearBelow = '\u001b[J';

export function openLiveScreen(input: ReadStream, output: WriteStream, env: NodeJS.ProcessEnv): LiveScreen {
  const isLive = output.isTTY === true && env['TERM'] !== 'dumb';
  const listeners = new Set<(key: string) => void>();
  if (!isLive) {
    return {
      draw: (frame) => void output.write(`${frame(paperOf(output, env), Infinity).join('\n')}\n\n`),
      onKey: () => undefined,
      onResize: () => undefined,
      close: () => undefined,
    };
  }
  let isOpen = true;
  const close = (): void => {
    if (!isOpen) return;
    isOpen = false;
    output.write(end);
    if (!input.isTTY) return;
    input.setRawMode(false);
    input.pause();
  };
  // Whatever ends the process: an error, a second signal.
  process.once('exit', close);
  output.write(begin);
  if (input.isTTY) {
    input.setRawMode(true);
    input.on('data', (data: Buffer) => {
      for (const key of data.toString('latin1')) for (const listener of listeners) listener(key);
    });
  }
  return {
    draw: (frame) => {
      if (!isOpen) return;
      const height = output.rows || 24;
      const lines = frame(paperOf(output, env), height).slice(0, height);
      // In one write, so that no half of a frame is seen.
      output.write(home + lines.map((line) => line + clearLine).join('\r\n') + clearBelow);
    },
    onKey: (listener) => void listeners.add(listener),
    onResize: (listener) => void output.on('resize', listener),
    close,
  };
}
