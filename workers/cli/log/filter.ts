import type { ParseArgsOptionsConfig } from 'node:util';
import { filterFields, parseLogFilter, type FilterField, type LogFilter } from '../../../shared/core/log-filter.ts';
import { UsageError, type Help } from '../command.ts';

/** The flags that choose records, for `parseArgs`. */
export const filterOptions: ParseArgsOptionsConfig = Object.fromEntries(filterFields.map((field) => [field, { type: 'string' }]));

export const filterHelp: NonNullable<Help['options']> = [
  ['--since, --until <time>', 'how long ago ("90s", "2h", "7d") or a time as 2026-11-22T14:30:00Z: when it was logged'],
  ['--type <type>', 'Bounce, Delivery, ...; several with commas'],
  ['--recipient, --sender <address>', 'an address, or @example.org for all of a domain; of the sender <> for the null sender'],
  ['--domain <domain>', 'of a recipient'],
  ['--site <site>', 'a mail exchanger, or a lane such as "default->mx.example.org"'],
  ['--tenant, --campaign <name>', 'parts of the name of the queue'],
  ['--code <code>', '550, 5xx, 5.1.1; several with commas'],
  ['--class <class>', 'bounce_classification; several with commas'],
  ['--message <id>', 'the id of a message'],
  ['--text <text>', 'stands anywhere in the record, in any case'],
];

/** Throws UsageError that names each flag which cannot be read. */
export function readFilter(values: Partial<Record<FilterField, string>>): LogFilter {
  const result = parseLogFilter(values, Date.now());
  if ('filter' in result) return result.filter;
  throw new UsageError(result.problems.map(({ field, message }) => `--${field}: ${message}`).join(', '));
}
