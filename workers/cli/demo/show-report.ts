import { valuesOf } from '../../../shared/core/dsn/field.ts';
import { splitEntity } from '../../../shared/core/dsn/multipart.ts';
import type { ParsedRecipient, ParsedReport } from '../../../shared/core/dsn/parse.ts';
import type { Typed } from '../../../shared/core/dsn/report.ts';
import { line, span, type Line } from './table.ts';

const shownFields = ['From', 'To', 'Subject', 'Date'];

/** A report as its reader sees it: the main header fields, the text, and the fields that programs read. */
export function showReport(bytes: Uint8Array, report: ParsedReport): Line[] {
  const { fields } = splitEntity(bytes);
  const header = shownFields.flatMap((name) => valuesOf(fields, name).map((value) => field(name, value)));
  const text = (report.text ?? '').trim().split(/\r?\n/);
  return [
    span('  ┌─', 'dim'),
    ...header,
    edge,
    ...text.map((words) => line(edge, span(printable(words)))),
    ...report.recipients.flatMap((recipient) => [edge, ...status(recipient)]),
    ...(report.returned
      ? [edge, line(edge, span(`and the ${report.returned.kind === 'message' ? 'message' : 'header of the message'} itself`, 'dim'))]
      : []),
    span('  └─', 'dim'),
  ];
}

const status = (recipient: ParsedRecipient): Line[] =>
  [
    ['Final-Recipient', typed(recipient.finalRecipient)],
    ['Action', recipient.action],
    ['Status', recipient.status],
    ['Remote-MTA', typed(recipient.remoteMta)],
    ['Diagnostic-Code', typed(recipient.diagnostic)],
  ].flatMap(([name = '', value]) => (value === undefined ? [] : [field(name, value)]));

const typed = (value: Typed | undefined): string | undefined => value && `${value.type}; ${value.value}`;
const field = (name: string, value: string): Line => line(edge, span(`${name}: `, 'dim'), span(printable(value)));
const edge = span('  │ ', 'dim');

/** A terminal obeys control characters, and a report quotes what others wrote. */
export const printable = (text: string): string => text.replace(/[\u0000-\u001f\u007f-\u009f]/g, ' ');
