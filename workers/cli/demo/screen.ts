import { span, type Line } from './table.ts';

/** Where the demo shows itself: redrawn in place on a terminal, else one line after another. */
export interface Screen {
  readonly isLive: boolean;
  /** Adds lines that stay; what was drawn is left above them. */
  print(...lines: (Line | string)[]): void;
  /** Draws in place of what was drawn before. Without a terminal nothing is shown. */
  draw(lines: readonly Line[]): void;
  /** What was drawn stays as it is; the cursor is seen again. */
  keep(): void;
}

const hideCursor = '\u001b[?25l';
const showCursor = '\u001b[?25h';
const clearToEnd = '\u001b[K';

export function openScreen(stream: NodeJS.WriteStream, env: NodeJS.ProcessEnv): Screen {
  const isLive = stream.isTTY === true && env['TERM'] !== 'dumb';
  const hasColours = isLive && !env['NO_COLOR'] && stream.hasColors();
  let drawn = 0;

  /** A line that wraps would take two rows, and the next drawing would start too low. */
  const fit = ({ plain, styled }: Line): string => {
    const width = isLive ? stream.columns || 80 : Number.POSITIVE_INFINITY;
    if (plain.length >= width) return `${plain.slice(0, Math.max(0, width - 2))}…`;
    return hasColours ? styled : plain;
  };
  const keep = (): void => {
    if (drawn > 0) stream.write(showCursor);
    process.off('exit', keep);
    drawn = 0;
  };
  return {
    isLive,
    keep,
    print: (...lines) => {
      keep();
      for (const item of lines) {
        const { plain, styled } = typeof item === 'string' ? span(item) : item;
        stream.write(`${hasColours ? styled : plain}\n`);
      }
    },
    draw: (lines) => {
      if (!isLive) return;
      const up = drawn > 0 ? `\u001b[${drawn}A\r` : hideCursor;
      stream.write(up + lines.map((item) => `${fit(item)}${clearToEnd}\n`).join(''));
      // Whatever ends the process: a second signal, too.
      if (drawn === 0 && lines.length > 0) process.once('exit', keep);
      drawn = lines.length;
    },
  };
}
