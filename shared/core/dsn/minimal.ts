import { isFormattableDate } from '../date.ts';
import { recordTypes, type DispositionRecord } from '../disposition.ts';
import type { Notify } from '../envelope.ts';
import type { ReportedAction } from './action.ts';
import { composeReport } from './compose.ts';
import { subjects } from './describe.ts';
import { fieldTextUtf8 } from './field.ts';
import { author, hostOf, type Report, type ReportParams, type ReportWorld } from './generate.ts';
import { tellable } from './outcomes.ts';
import { finalRecipient, withoutSourceRoute } from './recipient.ts';

// RFC 5321 §6.1: who accepted a message must tell of its failure. When the full report cannot be made, a fault of ours or
// a record that an older version wrote otherwise, this one is: few fields, none of them believed to be of its kind.

/** What a record surely says, each field of its kind; what is not is as if it were absent. */
export function readableRecord(record: DispositionRecord): DispositionRecord | undefined {
  const given = record as unknown as Fields;
  const type = recordTypes.find((name) => name === given['type']);
  const recipient = [given['recipient']].flat().filter(isText);
  if (!type || recipient.length === 0) return undefined;
  const response = fieldsOf(given['response']);
  const dsn = fieldsOf(given['dsn']);
  const code = Number(response['code']);
  return {
    ...nothing,
    type,
    event_id: textOf(given['event_id']),
    id: textOf(given['id']),
    queue: textOf(given['queue']),
    sender: textOf(given['sender']),
    recipient,
    response: { code: code >= 200 && code <= 599 ? code : 500, enhanced_code: null, content: '', command: null },
    meta: fieldsOf(given['meta']),
    delivery_protocol: isText(given['delivery_protocol']) ? given['delivery_protocol'] : null,
    reception_protocol: isText(given['reception_protocol']) ? given['reception_protocol'] : null,
    dsn: {
      recipients: [dsn['recipients']]
        .flat()
        .map(fieldsOf)
        .flatMap(({ address, notify }) => (isText(address) ? [{ address, ...wishOf(notify) }] : [])),
      ...(dsn['relayed'] === true && { relayed: true }),
    },
    ...(given['delay_warning'] === true && { delay_warning: true }),
  };
}

/** The shortest report that is one (RFC 3464 §2), of `readableRecord`s of one message; undefined when there is nothing to report. */
export function minimalReport(params: ReportParams, records: readonly DispositionRecord[], world: ReportWorld): Report | undefined {
  const outcomes = tellable(records);
  const [first] = outcomes;
  const to = withoutSourceRoute(first?.record.sender ?? '');
  if (!first || to === '') return undefined;
  const name = hostOf(params);
  const composed = composeReport({
    date: isFormattableDate(world.now) ? world.now : 0,
    from: author(params, '"Mail Delivery Subsystem"'),
    to,
    subject: subjects[first.action],
    messageId: `<${world.messageId}@${name}>`,
    text: `${outcomes.map(({ action, recipients }) => listOf(words[action], recipients)).join('')}No more can be said of it here. For help, write to postmaster@${name}.\r\n`,
    message: { reportingMta: { type: name.includes('.') ? 'dns' : 'x-local-hostname', value: name } },
    recipients: outcomes.flatMap(({ record, action, recipients }) =>
      recipients.map(({ address }) => ({ finalRecipient: finalRecipient(address), action, status: statusOf(record, action) })),
    ),
    boundary: world.boundary,
  });
  return { sender: '', recipient: to, ...composed };
}

type Fields = Record<string, unknown>;

/** What such a report does not tell. */
const nothing = {
  queue: '',
  site: '',
  size: 0,
  peer_address: null,
  timestamp: Number.NaN,
  event_time: '',
  created: Number.NaN,
  created_time: '',
  num_attempts: 0,
  bounce_classification: '',
  egress_pool: null,
  egress_source: null,
  source_address: null,
  feedback_report: null,
  headers: {},
  nodeid: '',
};

const words: Readonly<Record<ReportedAction, string>> = {
  failed: 'Your message could not be delivered to the following addresses:',
  delayed: 'Your message could not yet be delivered to the following addresses, and will be tried again:',
  delivered: 'Your message was delivered to the following addresses:',
  relayed: 'Your message was passed on for the following addresses:',
};

const listOf = (sentence: string, recipients: readonly { address: string }[]): string =>
  [sentence, ...recipients.map(({ address }) => `  ${fieldTextUtf8(address)}`), ''].map((line) => `${line}\r\n`).join('');

function statusOf({ type, response }: DispositionRecord, action: ReportedAction): string {
  if (action === 'delivered' || action === 'relayed') return '2.0.0';
  const isTemporary = action === 'delayed' || type === 'Expiration' || (response.code >= 400 && response.code < 500);
  return isTemporary ? '4.0.0' : '5.0.0';
}

const isText = (value: unknown): value is string => typeof value === 'string';
const textOf = (value: unknown): string => (isText(value) ? value : '');
const fieldsOf = (value: unknown): Fields => (typeof value === 'object' && value !== null ? (value as Fields) : {});

/** NOTIFY as a list, or as the words with commas that it is in SMTP. */
function wishOf(notify: unknown): { notify?: Notify[] } {
  const given = [notify].flat().filter(isText);
  return given.length === 0 ? {} : { notify: given.flatMap((text) => text.split(',')) as Notify[] };
}
