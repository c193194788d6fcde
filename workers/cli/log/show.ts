import type { WriteStream } from 'node:tty';
import { recipientsOf } from '../../../shared/core/disposition.ts';
import type { LogEntry } from '../../../shared/core/log-entry.ts';
import { timeOfLogId } from '../../../shared/core/log-id.ts';
import { printable, printableJson } from '../../../shared/core/printable.ts';

/** The record and its `log_id`, as one line that can steer no terminal and has the same value. */
export const entryAsJson = ({ at, record }: LogEntry): string => printableJson(JSON.stringify({ ...record, log_id: at }));

/** A line for people: time (UTC), type, code, from, to, site, words; on a terminal no wider than it. */
export function entryAsRow(stream: Partial<WriteStream>): (entry: LogEntry) => string {
  return ({ at, record }) => {
    const { type, sender, site, response } = record;
    const e = response.enhanced_code;
    const code = `${response.code} ${e ? `${e.class}.${e.subject}.${e.detail}` : ''}`;
    const [recipient = '', ...others] = recipientsOf(record);
    const cells = [
      timeOf(at),
      printable(type, 20).padEnd(16),
      printable(code, 12).padEnd(9),
      `${printable(sender, addressLength) || '<>'} -> ${printable(recipient, addressLength)}${others.length > 0 ? ` +${others.length}` : ''}`,
      printable(site || '-', addressLength),
      printable(response.content, 500),
    ];
    const row = cells.join('  ');
    return stream.isTTY && stream.columns !== undefined && row.length > stream.columns ? `${row.slice(0, stream.columns - 1)}…` : row;
  };
}

const addressLength = 80;

/** The greatest time that a Date can have, in epoch ms: an id may have been given by hand. */
const latest = 8.64e15;
const timeOf = (at: string): string => new Date(Math.min(timeOfLogId(at), latest)).toISOString().slice(0, 19).replace('T', ' ');
