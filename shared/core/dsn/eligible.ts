import { recipientsOf, type DispositionRecord } from '../disposition.ts';
import type { Recipient } from '../envelope.ts';
import { actionOf, isWanted } from './action.ts';
import { parseContentType } from './content-type.ts';
import { readFields, valuesOf, type ReadField } from './field.ts';
import { withoutSourceRoute } from './recipient.ts';

/**
 * Why no report may be made of a record, whatever the settings are; what they may add is in `report-policy.ts`.
 * `not-a-failure`: nothing has finally failed, and there is neither a delay nor a success to tell (`actionOf`). `protocol`: it was not mail that failed. `own-report`: it is a report of
 * ours. `null-sender`: there is nobody to tell. `mailer-daemon`: another system's daemon. `notify`: the sender wants to
 * hear of no recipient. `delivery-report`: the message is a report itself. `auto-response-suppress`: its sender asked
 * for none in its header. `order`: an operator ended it and wanted none.
 */
export type WhyNoReport =
  | 'not-a-failure'
  | 'order'
  | 'protocol'
  | 'own-report'
  | 'null-sender'
  | 'mailer-daemon'
  | 'notify'
  | 'delivery-report'
  | 'auto-response-suppress';

/** A null protocol is a refusal of our own before any connection (a null MX): the sender hears of it too. */
const protocols: readonly (string | null)[] = ['ESMTP', 'LMTP', null];

/** Names under which mail systems send to each other; `postmaster` is a person (RFC 5321 §4.5.1) and hears of its failures. */
const daemon = /^"?(?:mailer[-_.]?daemon|mail[-_.]?daemon|double-bounce)(?:\+[^@]*)?"?(?:@|$)/i;

/** May the sender be told? `header`: of the message, each octet or character as it is, or its fields; if it is there. */
export function whyNoReport(record: DispositionRecord, header: string | readonly ReadField[] | undefined): WhyNoReport | undefined {
  if (actionOf(record) === undefined) return 'not-a-failure';
  if (record.order?.report === false) return 'order';
  if (record.type === 'Bounce' && !protocols.includes(record.delivery_protocol)) return 'protocol';
  if (record.reception_protocol === 'Report') return 'own-report';
  // RFC 5321 §4.5.5, RFC 3461 §5.2: never a report about what has no sender.
  const returnPath = withoutSourceRoute(record.sender).trim();
  if (returnPath === '') return 'null-sender';
  if (daemon.test(returnPath)) return 'mailer-daemon';
  if (reportedRecipients(record).length === 0) return 'notify';
  if (header === undefined) return undefined;
  return whyNoReportByHeader(typeof header === 'string' ? readFields(header, 2000) : header, record);
}

/** The recipients that the sender wants to hear of (RFC 3461 §5.2.8); none of a record that is not reported. */
export function reportedRecipients(record: DispositionRecord): Recipient[] {
  const action = actionOf(record);
  return action ? withRequests(record).filter(({ notify }) => isWanted(notify, action)) : [];
}

function withRequests(record: DispositionRecord): Recipient[] {
  const requests = record.dsn?.recipients ?? [];
  const byAddress = new Map(requests.map((request) => [request.address, request]));
  return recipientsOf(record).map((address, i) => {
    const request = requests[i]?.address === address ? requests[i] : byAddress.get(address);
    const notify = request?.notify?.map((word) => word.toUpperCase()) as Recipient['notify'];
    return { address, ...(notify && { notify }), ...(request?.orcpt && { orcpt: request.orcpt }) };
  });
}

function whyNoReportByHeader(fields: readonly ReadField[], record: DispositionRecord): WhyNoReport | undefined {
  const { type, parameters } = parseContentType(valuesOf(fields, 'Content-Type')[0] ?? '');
  const reportType = parameters.get('report-type') ?? 'delivery-status';
  if (type === 'multipart/report' && reportType.toLowerCase() === 'delivery-status') return 'delivery-report';
  const suppressed = valuesOf(fields, 'X-Auto-Response-Suppress').flatMap((value) => value.toLowerCase().split(/[\s,;]+/));
  // MS-OXCMAIL 2.2.3.2.14: NDR is what did not arrive (yet), DR what did.
  const word = record.type === 'Delivery' ? 'dr' : 'ndr';
  return suppressed.includes('all') || suppressed.includes(word) ? 'auto-response-suppress' : undefined;
}
