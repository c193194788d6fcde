import { classifyBounce } from '../bounce-class.ts';
import { formatResponse, timeFields, type DispositionRecord, type RecordType } from '../disposition.ts';
import { fieldTextUtf8 } from '../dsn/field.ts';
import { formatQueueName } from '../queue-name.ts';
import { domainOf } from '../reception.ts';
import { localReply, type Reply } from '../reply.ts';
import type { InboundJob } from './job.ts';
import { matchMessage, type CanonicalAddress, type FoundMessages, type Match } from './match.ts';
import type { BounceReading, FailedRecipient, FeedbackReading } from './read-mail.ts';

export interface InboundRecords {
  records: DispositionRecord[];
  /** Failed recipients that no record was made of: repetitions, those that nobody sent to after the first one, and those beyond what is read. */
  dropped: number;
}

/** What a record needs beside the report. */
export interface RecordSource {
  job: InboundJob;
  nodeid: string;
  canonical: CanonicalAddress;
}

const monthMs = 30 * 86_400_000;

/**
 * One OOB record for each failed recipient that matches, and one for all that do not: anybody can write a report of a
 * thousand. The same report gives the same event ids.
 */
export function oobRecords(reading: BounceReading, found: FoundMessages, { job, nodeid, canonical }: RecordSource): InboundRecords {
  const seen = new Set<string>();
  const records: DispositionRecord[] = [];
  let unmatched = 0;
  for (const [n, failed] of reading.failed.entries()) {
    const original = failed.originalRecipient?.value || undefined;
    const final = failed.finalRecipient?.value || undefined;
    const match = matchMessage(found, { ...(original && { original }), addresses: final ? [final] : [] }, canonical);
    const recipient = match.by === 'none' ? (original ?? final) : match.recipient;
    const key = `${match.by === 'none' ? '' : match.message.id} ${recipient}`;
    if (seen.has(key) || (match.by === 'none' && ++unmatched > 1)) continue;
    seen.add(key);
    const reply = replyOf(failed);
    records.push({
      ...base('OOB', `${job.message}.o${n}`, match, { job, nodeid, forwarded: reading.forwarded }),
      recipient: recipient ?? [],
      response: formatResponse(reply),
      peer_address: job.peer && { ...job.peer, name: reading.reportingMta?.value ?? job.peer.name },
      ...timeFields(timeOf(failed, match, job)),
      bounce_classification: classify(reply),
    });
  }
  return { records, dropped: (reading.actions['failed'] ?? 0) - records.length };
}

/** The record of a complaint. */
export function feedbackRecord(
  reading: FeedbackReading,
  found: FoundMessages,
  { job, nodeid, canonical }: RecordSource,
): DispositionRecord {
  const { report } = reading;
  const told = report.original_rcpt_to;
  const match = matchMessage(found, { addresses: told }, canonical);
  const recipient = match.by === 'none' ? (told.length === 1 && told[0] !== undefined ? told[0] : told) : match.recipient;
  const record = base('Feedback', `${job.message}.f`, match, { job, nodeid, forwarded: reading.forwarded });
  return {
    ...record,
    ...(match.by === 'none' && report.original_mail_from !== null && { sender: report.original_mail_from }),
    recipient,
    response: { code: 250, enhanced_code: null, content: '', command: null },
    peer_address: job.peer,
    ...timeFields(job.created),
    feedback_report: report,
  };
}

/** The record of a message that could not be read; nothing more becomes of it. */
export function unreadableRecord(why: string, { job, nodeid }: Omit<RecordSource, 'canonical'>): DispositionRecord {
  return {
    ...base('Rejection', `${job.message}.u`, { by: 'none' }, { job, nodeid }),
    id: job.message,
    sender: job.sender,
    recipient: job.recipients.length === 1 && job.recipients[0] !== undefined ? job.recipients[0] : job.recipients,
    response: formatResponse(localReply(554, '5.6.0', `The report could not be read: ${why}`)),
    peer_address: job.peer,
    ...timeFields(job.created),
  };
}

function base(
  type: Extract<RecordType, 'OOB' | 'Feedback' | 'Rejection'>,
  eventId: string,
  match: Match,
  { job, nodeid, forwarded }: { job: InboundJob; nodeid: string; forwarded?: true | undefined },
) {
  const message = match.by === 'none' ? undefined : match.message;
  const created = timeFields(message?.created ?? job.created);
  return {
    type,
    event_id: eventId,
    id: message?.id ?? '',
    // Of an unmatched one the address that it came to, which is all there is of its sender.
    sender: message?.sender ?? job.recipients[0] ?? '',
    queue: match.by === 'none' ? '' : queueOf(match),
    site: '',
    size: message?.size ?? 0,
    created: created.timestamp,
    created_time: created.event_time,
    num_attempts: 0,
    bounce_classification: 'Uncategorized',
    egress_pool: null,
    egress_source: null,
    source_address: null,
    feedback_report: null,
    meta: job.reception.meta,
    headers: {},
    delivery_protocol: null,
    reception_protocol: job.reception.reception_protocol,
    nodeid,
    inbound: {
      id: job.message,
      matched: match.by,
      ...(match.by === 'none' && match.mismatch && { mismatch: { id: match.mismatch.id, matched: match.mismatch.by } }),
      reverse_path: job.sender,
      ...(forwarded && { forwarded }),
    },
  };
}

function queueOf({ message: { tenant, campaign }, recipient }: Extract<Match, { message: unknown }>): string {
  return formatQueueName({ domain: domainOf(recipient), ...(tenant && { tenant }), ...(campaign && { campaign }) });
}

/**
 * The reply that the report tells of, as far as it does. RFC 3464 §2.3.3: a failed one with a status of 4.x.x is final,
 * but says nothing lasting of the address.
 */
function replyOf({ diagnostic, status }: FailedRecipient): Reply {
  const text = diagnostic?.value ?? '';
  const [, basic, own, words = ''] = /^(?:([45]\d\d)(?:[ -]|$))?[ ]*(?:([245]\.\d{1,3}\.\d{1,3})(?:[ ]+|$))?(.*)$/s.exec(text) ?? [];
  const isSmtp = diagnostic?.type === 'smtp' && basic !== undefined;
  const enhanced = status ?? (isSmtp ? own : undefined);
  return {
    code: isSmtp ? Number(basic) : status?.startsWith('4.') ? 450 : 550,
    ...(enhanced && { enhanced }),
    lines: [fieldTextUtf8(isSmtp ? words : text, 1000)],
  };
}

/** RFC 3463 §2: of a detail that is not known the subject still tells what it is about. */
const subjects: Readonly<Record<string, string>> = {
  1: 'InvalidRecipient',
  2: 'InactiveMailbox',
  4: 'RoutingErrors',
  7: 'PolicyRelated',
};

function classify(reply: Reply): string {
  const label = classifyBounce(reply);
  const [klass, subject = '', detail] = (reply.enhanced ?? '').split('.');
  if (label !== 'Uncategorized' || klass !== '5' || detail === '0') return label;
  return subjects[subject] ?? label;
}

/** Last-Attempt-Date, where it can be true: a clock that is wrong, or a liar, must not put records at the end of time. */
function timeOf({ lastAttemptDate }: FailedRecipient, match: Match, { created }: InboundJob): number {
  const earliest = match.by === 'none' ? created - monthMs : match.message.created;
  return lastAttemptDate !== undefined && lastAttemptDate >= earliest && lastAttemptDate <= created ? lastAttemptDate : created;
}
