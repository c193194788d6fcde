import type { DispositionRecord } from './disposition.ts';
import { isLogId } from './log-id.ts';

/** A record and its place in the disposition log. */
export interface LogEntry {
  /** `<epoch ms>-<number>`; also the cursor to go on from. */
  at: string;
  record: DispositionRecord;
}

/** Reads what a stream entry holds; undefined for what somebody else put there. What every reader relies on is looked at, no more. */
export function parseRecordText(text: string | undefined): DispositionRecord | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text ?? '');
  } catch {
    return undefined;
  }
  return isRecord(value) ? value : undefined;
}

/** A line of the archive: the record with its id in front, on one line. `text` is what the record was parsed from. */
export function formatLogLine({ at, record }: LogEntry, text: string): string {
  const json = /[\r\n]/.test(text) ? JSON.stringify(record) : text.trim();
  return `${lineStart}${at}",${json.slice(1)}`;
}

/** Reads a line of the archive; undefined when it is none. */
export function parseLogLine(line: string): LogEntry | undefined {
  const at = line.slice(lineStart.length, line.indexOf('"', lineStart.length));
  if (!line.startsWith(lineStart) || !isLogId(at)) return undefined;
  const record = parseRecordText(`{${line.slice(lineStart.length + at.length + 2)}`);
  return record && { at, record };
}

const lineStart = '{"log_id":"';

function isRecord(value: unknown): value is DispositionRecord {
  if (!isObject(value)) return false;
  const { type, recipient, sender, response } = value;
  return (
    typeof type === 'string' &&
    typeof sender === 'string' &&
    (typeof recipient === 'string' || (Array.isArray(recipient) && recipient.every((item) => typeof item === 'string'))) &&
    isObject(response) &&
    typeof response['content'] === 'string'
  );
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);
