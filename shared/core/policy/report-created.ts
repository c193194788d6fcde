import type { DispositionRecord } from '../disposition.ts';
import { parseMime } from '../dsn/mime.ts';
import type { Report } from '../dsn/generate.ts';
import { readSubject, withSubject } from '../dsn/with-subject.ts';
import { withText } from '../dsn/with-text.ts';
import { typeNameOf } from './define.ts';

/** What people will read of a report. */
export interface CreatedReport {
  readonly subject: string;
  /** The human-readable part; its lines end with CRLF. */
  readonly text: string;
  /** That it is written in: `en`, `de`. */
  readonly language: string;
  /** Whom it goes to: the return path of the message. */
  readonly recipient: string;
  readonly tenant?: string;
}

/** Another text, another subject, both, or nothing: what is absent stays. */
export type ReportCreatedResult = void | undefined | null | string | { readonly subject?: string | null; readonly text?: string | null };

/** Called when a report was made, before it is signed. `records`: what it tells, one or more of one message. */
export type ReportCreated = (
  report: CreatedReport,
  records: readonly [DispositionRecord, ...DispositionRecord[]],
) => ReportCreatedResult | Promise<ReportCreatedResult>;

/** A report as the handler sees it. */
export function describeReport(report: Report, tenant: string | undefined): CreatedReport {
  const { body, language } = parseMime(report.content).simpleStructure().textPart;
  return {
    subject: readSubject(report),
    text: body,
    language: language ?? 'en',
    recipient: report.recipient,
    ...(tenant !== undefined && { tenant }),
  };
}

/** The report with the words that a handler wants; undefined: as it is; `problem`: why what it returned cannot be used. */
export function rewordReport(report: Report, result: unknown): { report: Report } | { problem: string } | undefined {
  if (result === undefined || result === null) return undefined;
  const wanted: unknown = typeof result === 'string' ? { text: result } : result;
  if (typeof wanted !== 'object' || wanted === null || Array.isArray(wanted))
    return { problem: `expected a text, or an object with "text" and "subject", found ${typeNameOf(result)}` };
  const { text, subject, ...more } = wanted as { text?: unknown; subject?: unknown };
  const [unknownName] = Object.keys(more);
  if (unknownName !== undefined) return { problem: `expected "text" and "subject", found ${JSON.stringify(unknownName.slice(0, 100))}` };
  const problem =
    problemOf('text', text, longestText, /[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]/) ??
    problemOf('subject', subject, longestSubject, /[\p{Cc}\u2028\u2029]/u);
  if (problem !== undefined) return { problem };
  const titled = typeof subject === 'string' ? withSubject(report, subject) : report;
  return { report: typeof text === 'string' ? withText(titled, () => ended(text)) : titled };
}

/** Characters: nobody reads more, and the whole is held in memory. */
const longestText = 100_000;
const longestSubject = 300;

function problemOf(name: string, value: unknown, longest: number, forbidden: RegExp): string | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'string') return `expected text as "${name}", found ${typeNameOf(value)}`;
  if (value.trim() === '') return `"${name}" is empty`;
  if (value.length > longest) return `"${name}" has more than ${longest} characters`;
  return forbidden.test(value) || !value.isWellFormed() ? `"${name}" holds control characters` : undefined;
}

/** The last line too has its end: a reader shows it, and a program that joins texts needs no care. */
const ended = (text: string): string => (/[\r\n]$/.test(text) ? text : `${text}\r\n`);
