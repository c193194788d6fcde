import type { WriteStream } from 'node:tty';
import { styleText } from 'node:util';
import { printable, printableJson } from '../../../shared/core/printable.ts';

export type Style = Parameters<typeof styleText>[0];

export interface Column<Row> {
  title: string;
  /** Numbers stand to the right. Whatever strangers wrote is made harmless here. */
  value: (row: Row) => string | number;
  style?: (row: Row) => Style | undefined;
}

/** What can be shown. */
export interface Paper {
  /** Characters of a line; Infinity where lines may be of any length. */
  width: number;
  hasColours: boolean;
}

/** A terminal has its width, and colours unless NO_COLOR or a dumb one forbids them. */
export function paperOf(stream: Partial<WriteStream>, env: NodeJS.ProcessEnv): Paper {
  if (!stream.isTTY) return { width: Infinity, hasColours: false };
  const hasColours = !env['NO_COLOR'] && env['TERM'] !== 'dumb' && stream.hasColors?.() === true;
  return { width: stream.columns || 80, hasColours };
}

const gap = '  ';
/** A cell is cut to no less than this for the sake of a narrow terminal. */
const narrowest = 8;
const longestCell = 500;

/** Aligned columns under their titles. Where a line would be too wide, the widest texts are cut. */
export function renderTable<Row>(columns: readonly Column<Row>[], rows: readonly Row[], paper: Paper): string[] {
  const cells = rows.map((row) => columns.map(({ value }) => value(row)));
  const texts = cells.map((line) =>
    line.map((cell) => (typeof cell === 'number' ? cell.toLocaleString('en') : printable(cell, longestCell))),
  );
  const isNumber = columns.map((_, n) => cells.some((line) => typeof line[n] === 'number'));
  const needed = columns.map(({ title }, n) => Math.max(title.length, ...texts.map((line) => line[n]?.length ?? 0)));
  const widths = fit(needed, isNumber, paper.width);
  const write = (line: readonly string[], styles: readonly (Style | undefined)[]): string =>
    line
      .map((text, n) => {
        const width = widths[n] ?? 0;
        const cut = text.length > width ? `${text.slice(0, width - 1)}…` : text;
        const isLast = n === line.length - 1;
        const padded = isNumber[n] ? cut.padStart(width) : isLast ? cut : cut.padEnd(width);
        return colour(padded, styles[n], paper);
      })
      .join(gap)
      .trimEnd();
  const head = write(
    columns.map(({ title }) => title),
    columns.map(() => 'dim'),
  );
  return [
    head,
    ...texts.map((line, at) =>
      write(
        line,
        columns.map(({ style }) => style?.(rows[at] as Row)),
      ),
    ),
  ];
}

/** Numbers keep their width; of the texts the widest gives way first. */
function fit(needed: readonly number[], isNumber: readonly boolean[], width: number): number[] {
  const widths = [...needed];
  const sum = (): number => widths.reduce((all, one) => all + one, gap.length * (widths.length - 1));
  while (sum() > width) {
    let widest = -1;
    for (const [n, one] of widths.entries()) if (!isNumber[n] && one > narrowest && one > (widths[widest] ?? 0)) widest = n;
    if (widest < 0) break;
    const next = Math.max(narrowest, ...widths.filter((one, n) => n !== widest && !isNumber[n] && one < (widths[widest] ?? 0)));
    widths[widest] = Math.max(next, (widths[widest] ?? 0) - (sum() - width), narrowest);
    if (widths[widest] === next && sum() > width && next > narrowest) widths[widest] = next - 1;
  }
  return widths;
}

export const colour = (text: string, style: Style | undefined, { hasColours }: Paper): string =>
  hasColours && style !== undefined ? styleText(style, text, { validateStream: false }) : text;

/** A foreign text as a line of its own, cut to the width. */
export const lineOf = (text: string, { width }: Paper): string => printable(text, Math.min(width, 2000));

/** Lines on standard output. Whoever reads may go away (`| head`). */
export function print(lines: readonly string[]): void {
  if (lines.length > 0) process.stdout.write(`${lines.join('\n')}\n`);
}

/** One line that can steer no terminal and has the same value. */
export const printJson = (value: unknown): void => print([printableJson(JSON.stringify(value))]);
