import type { WriteStream } from 'node:tty';
import { styleText } from 'node:util';
import { printable, printableJson } from '../../../shared/core/printable.ts';

export type Style = Parameters<typeof styleText>[0];

export interface Column<Row> {
  title: string;
  /** Numbers stand to the right. Whatever strangers wrote is made harmless here. */
  value: (row: Row) => string | number;
  style?: (row: Row) => Style | undefined;
  /** It is not cut: an id that is to be copied. */
  isWhole?: true;
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

/** Aligned columns under their titles. Where a line would be too wide, the widest texts are cut, then the last columns left out. */
export function renderTable<Row>(columns: readonly Column<Row>[], rows: readonly Row[], paper: Paper): string[] {
  const cells = columns.map((column) => {
    const values = rows.map((row) => column.value(row));
    const isNumber = values.some((value) => typeof value === 'number');
    const texts = values.map((value) => (typeof value === 'number' ? value.toLocaleString('en') : printable(value, longestCell)));
    const width = Math.max(column.title.length, ...texts.map(({ length }) => length));
    return { column, texts, isNumber, width, isFixed: isNumber || column.isWhole === true };
  });
  const shown = fit(cells, paper.width);
  const write = (textOf: (cell: (typeof cells)[number]) => string, styleOf: (column: Column<Row>) => Style | undefined): string =>
    shown
      .map(({ cell, width }, n) => {
        const text = textOf(cell);
        const cut = text.length > width ? `${text.slice(0, width - 1)}…` : text;
        const isLast = n === shown.length - 1;
        return colour(cell.isNumber ? cut.padStart(width) : isLast ? cut : cut.padEnd(width), styleOf(cell.column), paper);
      })
      .join(gap)
      .trimEnd();
  return [
    write(
      ({ column }) => column.title,
      () => 'dim',
    ),
    ...rows.map((row, at) =>
      write(
        ({ texts }) => texts[at] ?? '',
        ({ style }) => style?.(row),
      ),
    ),
  ];
}

/** The columns that have room, with their widths. */
function fit<Cell extends { width: number; isFixed: boolean }>(cells: readonly Cell[], width: number): { cell: Cell; width: number }[] {
  const least = ({ width: needed, isFixed }: Cell): number => (isFixed ? needed : Math.min(needed, narrowest));
  const sum = (widths: readonly number[]): number => widths.reduce((all, one) => all + one, gap.length * (widths.length - 1));
  let count = cells.length;
  while (count > 1 && sum(cells.slice(0, count).map(least)) > width) count -= 1;
  const shown = cells.slice(0, count).map((cell) => ({ cell, width: cell.width }));
  let excess = sum(shown.map((one) => one.width)) - width;
  while (excess > 0) {
    const [widest] = shown.filter(({ cell, width: now }) => now > least(cell)).toSorted((a, b) => b.width - a.width);
    if (!widest) break;
    widest.width -= 1;
    excess -= 1;
  }
  return shown;
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
