import type { FeedbackReport } from '../../../shared/core/inbound/feedback.ts';
import { formatDate } from '../../../shared/core/date.ts';
import { fieldTextUtf8 } from '../../../shared/core/dsn/field.ts';
import type { ParsedRecipient, ParsedReport } from '../../../shared/core/dsn/parse.ts';
import type { ExtensionField, Typed } from '../../../shared/core/dsn/report.ts';

type Row = [name: string, value: string | undefined];

/** What a report says, for people: the fields by their names in RFC 3464. Nothing in it can steer a terminal. */
export function tellReport(report: ParsedReport): string {
  const groups = [messageRows(report), ...report.recipients.map(recipientRows), returnedRows(report)];
  const words = report.text?.split(/\r\n|[\r\n]/).map((line) => `  ${fieldTextUtf8(line)}`.trimEnd()) ?? [];
  const text = words.join('\n').trim() === '' ? [] : [`Text:\n${words.join('\n').trimEnd()}`];
  return `${[...groups.map(table).filter((group) => group !== ''), ...text].join('\n\n')}\n`;
}

/** What a complaint says (RFC 5965), by the names of its fields. */
export function tellFeedback(report: FeedbackReport): string {
  const lists = (name: string, values: readonly string[]): Row[] => values.map((value) => [name, value]);
  const rows: Row[] = [
    ['Feedback-Type', report.feedback_type || undefined],
    ['User-Agent', report.user_agent || undefined],
    ['Version', report.version || undefined],
    ['Arrival-Date', report.arrival_date === null ? undefined : formatDate(Date.parse(report.arrival_date))],
    ['Incidents', report.incidents?.toString()],
    ['Original-Envelope-Id', report.original_envelope_id ?? undefined],
    ['Original-Mail-From', report.original_mail_from ?? undefined],
    ['Reporting-MTA', report.reporting_mta ? `${report.reporting_mta.mta_type}; ${report.reporting_mta.name}` : undefined],
    ['Source-IP', report.source_ip ?? undefined],
    ...lists('Authentication-Results', report.authentication_results),
    ...lists('Original-Rcpt-To', report.original_rcpt_to),
    ...lists('Reported-Domain', report.reported_domain),
    ...lists('Reported-URI', report.reported_uri),
    ...Object.entries(report.extensions).flatMap(([name, values]) => lists(name, values)),
  ];
  const header = report.original_message?.trimEnd().split(/\r\n|[\r\n]/) ?? [];
  const returned =
    header.length === 0 ? [] : [`Header of the message:\n${header.map((line) => `  ${fieldTextUtf8(line)}`.trimEnd()).join('\n')}`];
  return `${[table(rows), ...returned].join('\n\n')}\n`;
}

/** The same of a delivery report for programs: the names of `ParsedReport`, times in RFC 3339, of the returned content only its size in octets. */
export function reportAsJson({ arrivalDate, recipients, returned, ...rest }: ParsedReport): string {
  return jsonForTerminal({
    ...rest,
    ...time('arrivalDate', arrivalDate),
    recipients: recipients.map(({ lastAttemptDate, willRetryUntil, ...others }) => ({
      ...others,
      ...time('lastAttemptDate', lastAttemptDate),
      ...time('willRetryUntil', willRetryUntil),
    })),
    ...(returned && { returned: { kind: returned.kind, messageId: returned.messageId, sizeBytes: returned.content.length } }),
  });
}

/** JSON of what strangers wrote. */
export function jsonForTerminal(value: unknown): string {
  const json = JSON.stringify(value, null, 2);
  // JSON leaves DEL and the C1 controls as they are, and to some terminals these are commands.
  return `${json.replace(/[\u007f-\u009f]/g, (char) => `\\u00${char.charCodeAt(0).toString(16)}`)}\n`;
}

function messageRows(report: ParsedReport): Row[] {
  return [
    ['Original-Envelope-Id', report.originalEnvelopeId],
    ['Reporting-MTA', typed(report.reportingMta)],
    ['DSN-Gateway', typed(report.dsnGateway)],
    ['Received-From-MTA', typed(report.receivedFromMta)],
    ['Arrival-Date', dated(report.arrivalDate)],
    ...extensionRows(report.extensions),
  ];
}

function recipientRows(recipient: ParsedRecipient): Row[] {
  return [
    ['Original-Recipient', typed(recipient.originalRecipient)],
    ['Final-Recipient', typed(recipient.finalRecipient)],
    ['Action', recipient.action],
    ['Status', recipient.status],
    ['Remote-MTA', typed(recipient.remoteMta)],
    ['Diagnostic-Code', typed(recipient.diagnostic)],
    ['Last-Attempt-Date', dated(recipient.lastAttemptDate)],
    ['Final-Log-ID', recipient.finalLogId],
    ['Will-Retry-Until', dated(recipient.willRetryUntil)],
    ...extensionRows(recipient.extensions),
  ];
}

function returnedRows({ returned }: ParsedReport): Row[] {
  if (!returned) return [];
  const what = returned.kind === 'message' ? 'the whole message' : 'the header of the message';
  return [
    ['Returned', `${what}, ${returned.content.length} octets`],
    ['Message-ID', returned.messageId],
  ];
}

const extensionRows = (extensions: readonly ExtensionField[]): Row[] => extensions.map(({ name, value }) => [name, value]);
const typed = (value: Typed | undefined): string | undefined => value && `${value.type}; ${value.value}`;
const dated = (at: number | undefined): string | undefined => (at === undefined ? undefined : formatDate(at));

function table(rows: readonly Row[]): string {
  return rows
    .flatMap(([name, value]) => (value === undefined ? [] : [`${`${fieldTextUtf8(name)}:`.padEnd(22)}${fieldTextUtf8(value, 8192)}`]))
    .join('\n');
}

const time = (key: string, at: number | undefined) => (at === undefined ? {} : { [key]: new Date(at).toISOString() });
