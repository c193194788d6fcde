import { styleText } from 'node:util';
import { kinds } from './batch.ts';
import type { Counts } from './ledger.ts';

/** A line for a terminal: its plain text, and the same with colours. */
export interface Line {
  plain: string;
  styled: string;
}

export type Style = Parameters<typeof styleText>[0];

/** A part of a line. */
export const span = (text: string, style?: Style): Line => ({
  plain: text,
  styled: style === undefined ? text : styleText(style, text, { validateStream: false }),
});
export const line = (...parts: readonly Line[]): Line => ({
  plain: parts.map(({ plain }) => plain).join(''),
  styled: parts.map(({ styled }) => styled).join(''),
});

const columns: readonly { name: keyof Counts; width: number; style: Style }[] = [
  { name: 'sent', width: 6, style: 'bold' },
  { name: 'delivered', width: 11, style: 'green' },
  { name: 'deferred', width: 10, style: 'yellow' },
  { name: 'bounced', width: 9, style: 'red' },
  { name: 'expired', width: 9, style: 'magenta' },
  { name: 'reports', width: 9, style: 'cyan' },
];
const firstWidth = 24;
const rule = (): Line => span(`  ${'─'.repeat(firstWidth + columns.reduce((sum, { width }) => sum + width, 0) - 2)}`, 'dim');

/** The table: a row for each kind of message, and their sum. 78 characters wide. */
export function renderTable(rows: readonly Counts[], total: Counts): Line[] {
  const head = line(
    span('  what happens'.padEnd(firstWidth), 'dim'),
    ...columns.map(({ name, width }) => span(name.padStart(width), 'dim')),
  );
  const body = rows.map((row, kind) => renderRow(kinds[kind] ?? '', row));
  return [head, rule(), ...body, rule(), renderRow('all', total)];
}

function renderRow(what: string, counts: Counts): Line {
  return line(
    span(`  ${what}`.padEnd(firstWidth)),
    ...columns.map(({ name, width, style }) =>
      counts[name] === 0 ? span('·'.padStart(width), 'dim') : span(String(counts[name]).padStart(width), style),
    ),
  );
}

const barWidth = 46;

/** `progress` from 0 to 1; the words stand to the right of the bar. */
export function renderBar(progress: number, words: string): Line {
  const full = Math.floor(progress * barWidth);
  return line(
    span('  '),
    span('━'.repeat(full), progress >= 1 ? 'green' : 'blue'),
    span('━'.repeat(barWidth - full), 'dim'),
    span(`  ${words}`),
  );
}
