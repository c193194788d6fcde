import { parseDate } from '../date.ts';
import { fieldTextUtf8, readFields, valuesOf } from '../dsn/field.ts';
import { readMta } from '../dsn/parse.ts';

/** A feedback report (RFC 5965) with the field names of the original's log records. Fields that may repeat are lists. */
export interface FeedbackReport {
  /** `abuse`, `fraud`, `virus`, `not-spam`, `other`..., lower case; empty when the report does not say. */
  feedback_type: string;
  user_agent: string;
  version: string;
  /** RFC 3339. */
  arrival_date: string | null;
  incidents: number | null;
  original_envelope_id: string | null;
  original_mail_from: string | null;
  reporting_mta: { mta_type: string; name: string } | null;
  source_ip: string | null;
  authentication_results: string[];
  original_rcpt_to: string[];
  reported_domain: string[];
  reported_uri: string[];
  /** Other fields, by lower-case name. */
  extensions: Record<string, string[]>;
  /** The header of the message complained of, at most its first 4,096 characters. */
  original_message: string | null;
  supplemental_trace: null;
}

// A record lies in memory with hundreds of thousands of others: the words of a stranger get a bounded part of it.
const longestValue = 1000;
const longestOriginal = 4096;
const mostValues = 20;
const mostExtensions = 50;

const known = new Set([
  'feedback-type',
  'user-agent',
  'version',
  'arrival-date',
  'received-date',
  'incidents',
  'original-envelope-id',
  'original-mail-from',
  'reporting-mta',
  'source-ip',
  'authentication-results',
  'original-rcpt-to',
  'reported-domain',
  'reported-uri',
]);

/** Reads the message/feedback-report part, liberal in everything: a field that is not there is null, or an empty list. */
export function parseFeedback(text: string, originalHeader: string | undefined): FeedbackReport {
  const fields = readFields(text, 2000);
  const all = (name: string): string[] =>
    valuesOf(fields, name)
      .map((value) => fieldTextUtf8(value, longestValue))
      .filter((value) => value !== '')
      .slice(0, mostValues);
  const first = (name: string): string | undefined => all(name)[0];
  const mta = first('Reporting-MTA');
  const host = mta === undefined ? undefined : readMta(mta);
  const incidents = /^\d{1,9}/.exec(first('Incidents') ?? '')?.[0];
  // RFC 5965 §3.2: Received-Date is the old name of Arrival-Date.
  const arrival = parseDate(first('Arrival-Date') ?? first('Received-Date') ?? '');
  return {
    feedback_type: (first('Feedback-Type') ?? '').toLowerCase(),
    user_agent: first('User-Agent') ?? '',
    version: first('Version') ?? '',
    arrival_date: arrival === undefined ? null : new Date(arrival).toISOString(),
    incidents: incidents === undefined ? null : Number(incidents),
    original_envelope_id: first('Original-Envelope-Id') ?? null,
    original_mail_from: mapped(first('Original-Mail-From'), bareAddress),
    reporting_mta: host ? { mta_type: host.type, name: host.value } : null,
    source_ip: first('Source-IP') ?? null,
    authentication_results: all('Authentication-Results'),
    original_rcpt_to: all('Original-Rcpt-To').map(bareAddress),
    reported_domain: all('Reported-Domain'),
    reported_uri: all('Reported-URI'),
    extensions: extensionsOf(fields.filter(({ name }) => !known.has(name.toLowerCase()))),
    original_message: originalHeader === undefined ? null : originalHeader.slice(0, longestOriginal),
    supplemental_trace: null,
  };
}

/** Without the angle brackets that some put around it, and without `rfc822;`. */
export function bareAddress(text: string): string {
  const address = text.replace(/^rfc822[ \t]*;[ \t]*/i, '').trim();
  return address.startsWith('<') && address.endsWith('>') ? address.slice(1, -1) : address;
}

const mapped = (text: string | undefined, read: (text: string) => string): string | null => (text === undefined ? null : read(text));

function extensionsOf(fields: readonly { name: string; value: string }[]): Record<string, string[]> {
  const found = new Map<string, string[]>();
  for (const { name, value } of fields) {
    const key = name.toLowerCase().slice(0, 100);
    const values = found.get(key) ?? [];
    if (!found.has(key) && found.size === mostExtensions) continue;
    if (values.length < mostValues) found.set(key, [...values, fieldTextUtf8(value, longestValue)]);
  }
  // By way of a map: a field called `__proto__` is a key like any other.
  return Object.fromEntries(found);
}
