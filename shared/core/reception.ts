import type { DeliveryJob } from './delivery-job.ts';
import { timeFields, type DispositionRecord } from './disposition.ts';
import type { Envelope, Recipient } from './envelope.ts';
import { formatQueueName } from './queue-name.ts';

/** Recipients of one message that go to one domain by one lane. */
export interface LaneGroup {
  lane: string;
  domain: string;
  recipients: Recipient[];
}

/** Divides recipients by domain, and into groups of at most `limit`; the lane of each domain is given. */
export function groupRecipients(recipients: readonly Recipient[], laneOf: (domain: string) => string, limit: number): LaneGroup[] {
  const groups = new Map<string, LaneGroup[]>();
  for (const recipient of recipients) {
    const domain = domainOf(recipient.address);
    const ofDomain = groups.get(domain) ?? [];
    groups.set(domain, ofDomain);
    const last = ofDomain.at(-1);
    if (last && last.recipients.length < limit) last.recipients.push(recipient);
    else ofDomain.push({ lane: laneOf(domain), domain, recipients: [recipient] });
  }
  return [...groups.values()].flat();
}

/** The domain of a mailbox, lower case, without a trailing dot; empty for `postmaster` alone. */
export function domainOf(address: string): string {
  const at = address.lastIndexOf('@');
  return at < 0
    ? ''
    : address
        .slice(at + 1)
        .toLowerCase()
        .replace(/\.$/, '');
}

export interface ReceivedMessage {
  id: string;
  envelope: Envelope;
  size: number;
  /** Epoch ms. */
  created: number;
  tenant?: string;
  campaign?: string;
  routingDomain?: string;
  reception: DeliveryJob['reception'];
  trace?: string;
}

/** The job of one group. */
export function deliveryJob(message: ReceivedMessage, group: LaneGroup, source: string): DeliveryJob {
  const { id, envelope, size, created, tenant, campaign, routingDomain } = message;
  return {
    message: id,
    envelope: { ...envelope, recipients: group.recipients },
    size,
    created,
    queue: formatQueueName({
      domain: group.domain,
      ...(tenant && { tenant }),
      ...(campaign && { campaign }),
      ...(routingDomain && { routingDomain }),
    }),
    domain: group.domain,
    ...(routingDomain && { routingDomain }),
    source,
    attempts: 0,
    ...(envelope.recipients.length > group.recipients.length && { others: true }),
    reception: message.reception,
    ...(message.trace && { trace: message.trace }),
  };
}

/** What every record tells of its message. */
export function recordBase(
  message: { id: string; envelope: Envelope; size: number; created: number; reception: DeliveryJob['reception'] },
  nodeid: string,
): Pick<
  DispositionRecord,
  | 'id'
  | 'sender'
  | 'size'
  | 'created'
  | 'created_time'
  | 'nodeid'
  | 'meta'
  | 'headers'
  | 'feedback_report'
  | 'reception_protocol'
  | 'bounce_classification'
  | 'egress_pool'
  | 'egress_source'
  | 'source_address'
  | 'session_id'
> {
  const created = timeFields(message.created);
  const { reception_protocol, session_id, meta } = message.reception;
  return {
    id: message.id,
    sender: message.envelope.sender,
    size: message.size,
    created: created.timestamp,
    created_time: created.event_time,
    nodeid,
    meta,
    headers: {},
    feedback_report: null,
    reception_protocol,
    ...(session_id && { session_id }),
    bounce_classification: 'Uncategorized',
    egress_pool: null,
    egress_source: null,
    source_address: null,
  };
}

/** `recipient` of a record. */
export const recipientField = (recipients: readonly Recipient[]): string | string[] => {
  const addresses = recipients.map((r) => r.address);
  return addresses.length === 1 && addresses[0] !== undefined ? addresses[0] : addresses;
};
