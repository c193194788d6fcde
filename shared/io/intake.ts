import type { Envelope } from '../core/envelope.ts';
import { recordBase, deliveryJob, domainOf, groupRecipients, recipientField, type ReceivedMessage } from '../core/reception.ts';
import { originalRecipient } from '../core/dsn/recipient.ts';
import { laneName, parseLaneName } from '../core/lane.ts';
import { messageIdHeader } from '../core/log-filter.ts';
import { formatQueueName, type QueueName } from '../core/queue-name.ts';
import { inboundQueue, type InboundJob } from '../core/inbound/job.ts';
import type { Reply } from '../core/reply.ts';
import { formatResponse, timeFields, type DispositionRecord } from '../core/disposition.ts';
import type { Context } from './context.ts';
import { subscriberOptions, type Dispositions } from './dispositions.ts';
import { newMessageId } from './ids.ts';
import type { Lanes } from './lanes.ts';
import { holderOf } from './original-holds.ts';
import type { QueueSettings } from './queue-settings.ts';
import type { Queues, Transaction } from './queues.ts';
import { withTimeout } from './with-timeout.ts';
import type { Router } from './router.ts';
import { reportAddresses } from './report-addresses.ts';
import { openSentIndex } from './sent-index.ts';
import { refusalOf, type SpoolStore } from './spool-store.ts';
import type { SpoolDraft } from './spool.ts';

/** How a message came in; goes into its records and into Received-From-MTA of reports. */
export interface ReceptionInfo {
  /** `ESMTP`, `HTTP`, `Hook`, `Redelivery` or `Report`. */
  protocol: string;
  /** The client: HELO name and address. */
  peer: { name: string; address: string } | null;
  /** True for trusted networks, authenticated users and our own reports: success reports may be asked for. */
  isTrusted: boolean;
  user?: string;
  sessionId?: string;
  tls?: { protocol: string; cipher: string };
}

export interface Reception {
  envelope: Envelope;
  content: SpoolDraft;
  info: ReceptionInfo;
  tenant?: string;
  campaign?: string;
  /** Decides lane and route in place of the recipients' domains. */
  routingDomain?: string;
  /** The value of its Message-ID, for those who look for it. */
  messageId?: string | undefined;
  /** Further values for `meta` of its records. */
  meta?: Readonly<Record<string, unknown>>;
}

export interface Rejection {
  sender: string;
  recipients: string[];
  reply: Reply;
  info: ReceptionInfo;
}

/** The one way into the queue, for SMTP and for reports. */
export interface Intake {
  /** Starts the look-up of a recipient's mail exchangers, so that it runs while the content arrives. */
  prepare(domain: string): void;
  /**
   * Makes spool entry and jobs durable, all or nothing; resolves then. Rejects with SmtpRefusal (451, 452) when Redis
   * is away or full, at once or after `redis.timeout` at the latest. All or nothing is in the queue then; only when
   * the answer of a commit was lost with the connection may it be all, and the client's retry a second copy.
   * `also` may add to the transaction what must happen with it.
   */
  receive(reception: Reception, also?: (tx: Transaction) => void): Promise<void>;
  /** Records a refused command or message; never rejects and is never waited for. */
  reject(rejection: Rejection): void;
}

export interface IntakeDeps {
  context: Context;
  queues: Queues;
  spool: SpoolStore;
  lanes: Lanes;
  dispositions: Dispositions;
  router: Router;
  queueSettings: QueueSettings;
}

/** Rejection records on their way to Redis at once; further ones are only counted. */
const mostRecording = 64;

export function openIntake(deps: IntakeDeps): Intake {
  const { context, queues, spool, lanes, dispositions, router, queueSettings } = deps;
  const { config, metrics, redis, instance, log } = context;
  let recording = 0;
  const isForReports = reportAddresses(config.ingress.reports.to);
  const sentIndex = openSentIndex(redis);
  const nextSource = roundRobin(config.outbound.sources.map((source) => source.name));

  /** The lane of a queue: that of its site, or one of its domain's name when the look-up takes too long or failed. */
  const laneOf = async (queue: QueueName, turn: string): Promise<string> => {
    const target = queue.routingDomain ?? queue.domain;
    const [source = turn, route] = await Promise.all([
      queueSettings.source(formatQueueName(queue)),
      withTimeout(router.route(target), config.ingress.lookupTimeout).catch(() => undefined),
    ]);
    return laneName(source, route?.kind === 'hosts' ? route.site : target);
  };

  return {
    prepare: (domain) => void router.route(domain),
    receive: async ({ envelope, content, info, tenant, campaign, routingDomain, meta, messageId }, also) => {
      const created = Date.now();
      const source = nextSource();
      const relayed = envelope.recipients.filter((r) => !isForReports(r.address));
      const domains = [...new Set(relayed.map((r) => domainOf(r.address)))];
      const names = { ...(tenant && { tenant }), ...(campaign && { campaign }), ...(routingDomain && { routingDomain }) };
      const [lanesFound] = await Promise.all([
        Promise.all(domains.map((domain) => laneOf({ domain, ...names }, source))),
        spool.seal(content),
      ]);
      const laneByDomain = new Map(domains.map((domain, i) => [domain, lanesFound[i]]));
      const message: ReceivedMessage = {
        id: content.id,
        envelope,
        size: content.size,
        created,
        ...names,
        reception: receptionFields(info, meta),
      };
      const groups = groupRecipients(
        relayed,
        (domain) => laneByDomain.get(domain) ?? laneName(source, domain),
        config.delivery.recipientsPerTransaction,
      );
      const isRead = relayed.length < envelope.recipients.length;
      const tx = queues.begin();
      // First, because a full Redis refuses this plain write, and with it the whole transaction.
      spool.commit(tx, content, [...groups.map((_, n) => jobId(content.id, n)), ...(isRead ? [holderOf(inboundQueue, content.id)] : [])]);
      for (const [n, group] of groups.entries()) {
        tx.add(group.lane, {
          id: jobId(content.id, n),
          name: 'message',
          data: deliveryJob(message, group, parseLaneName(group.lane)?.source ?? source),
        });
      }
      for (const lane of new Set(groups.map((group) => group.lane))) lanes.wake(tx, lane);
      if (isRead) {
        const data = inboundJob(message, envelope.recipients.map((r) => r.address).filter(isForReports), info);
        tx.add(inboundQueue, { id: content.id, name: 'message', data, opts: subscriberOptions });
      }
      // What a stranger sends under such a return path is not ours, and must not count as sent.
      if (groups.length > 0 && info.isTrusted && isForReports(envelope.sender)) {
        const recipients = relayed.map((r) => r.address);
        const originals = relayed.map(({ orcpt }) => (orcpt && originalRecipient(orcpt)?.value) ?? '');
        const sent = { id: content.id, sender: envelope.sender, recipients, created, size: content.size };
        const names = originals.some((original) => original !== '') && { originals };
        sentIndex.add(tx, { ...sent, ...names, ...(tenant && { tenant }), ...(campaign && { campaign }) }, envelope);
      }
      const isOneGroup = groups.length === 1 && !isRead;
      const record = receptionRecord(message, isOneGroup ? groups[0] : undefined, instance, info);
      dispositions.publish(tx, messageId === undefined ? record : { ...record, headers: { [messageIdHeader]: messageId } });
      also?.(tx);
      try {
        await withTimeout(tx.exec(), config.redis.timeout);
      } catch (error) {
        metrics.redisErrors.inc({ operation: 'receive' });
        if (wasRefused(error)) spool.reclaim(content);
        else redis.suspect();
        throw refusalOf(error);
      }
      metrics.received.inc({ protocol: info.protocol });
      metrics.receivedBytes.inc(content.size);
    },
    reject: (rejection) => {
      // The client has its reply; a flood of refusals must not stand in front of the mail that waits for Redis.
      if (!redis.isReady || recording >= mostRecording) return;
      recording++;
      const tx = queues.begin();
      dispositions.publish(tx, rejectionRecord(rejection, instance));
      tx.exec()
        .catch((error: unknown) => log.debug({ event: 'rejection_not_recorded', error: String(error) }))
        .finally(() => recording--);
    },
  };
}

function inboundJob(message: ReceivedMessage, recipients: string[], { peer }: ReceptionInfo): InboundJob {
  const { id, envelope, size, created, reception } = message;
  return {
    message: id,
    sender: envelope.sender,
    recipients,
    size,
    created,
    peer: peer && { name: peer.name, addr: peer.address },
    reception,
  };
}

/** The id of a message's n-th lane job, and its name as a holder of the spool entry. */
const jobId = (message: string, n: number): string => `${message}.${n}`;

/** Did the server answer, so that surely nothing was done? */
const wasRefused = (error: unknown): boolean => error instanceof Error && error.name === 'ReplyError';

function roundRobin(names: readonly string[]): () => string {
  let next = 0;
  return () => names[next++ % names.length] ?? 'default';
}

function receptionFields(info: ReceptionInfo, meta: Reception['meta'] = {}): ReceivedMessage['reception'] {
  return {
    reception_protocol: info.protocol,
    ...(info.sessionId && { session_id: info.sessionId }),
    meta: { ...meta, ...receptionMeta(info) },
  };
}

/** `meta` of the records of a message, as far as its reception decides it. */
export const receptionMeta = (info: ReceptionInfo): Record<string, unknown> => ({
  ...(info.peer && { received_from: info.peer.address, ehlo_domain: info.peer.name }),
  ...(info.user && { authn_id: info.user }),
  ...(info.isTrusted && { trusted: true }),
});

function receptionRecord(
  message: ReceivedMessage,
  group: { domain: string } | undefined,
  nodeid: string,
  info: ReceptionInfo,
): DispositionRecord {
  const queue = group ? deliveryJob(message, { lane: '', domain: group.domain, recipients: [] }, '').queue : '';
  return {
    type: 'Reception',
    event_id: `${message.id}.r`,
    ...recordBase(message, nodeid),
    recipient: recipientField(message.envelope.recipients),
    queue,
    site: '',
    response: { code: 250, enhanced_code: null, content: '', command: null },
    peer_address: info.peer && { name: info.peer.name, addr: info.peer.address, ...(info.tls && { is_secure: true }) },
    ...timeFields(message.created),
    num_attempts: 0,
    delivery_protocol: null,
    ...(info.tls && { tls_protocol_version: info.tls.protocol, tls_cipher: info.tls.cipher }),
  };
}

function rejectionRecord({ sender, recipients, reply, info }: Rejection, nodeid: string): DispositionRecord {
  const now = Date.now();
  const nothing = { id: '', envelope: { sender, recipients: [], smtpUtf8: false, eightBit: false }, size: 0, created: now };
  return {
    type: 'Rejection',
    event_id: `${newMessageId(now)}.j`,
    ...recordBase({ ...nothing, reception: receptionFields(info) }, nodeid),
    recipient: recipientField(recipients.map((address) => ({ address }))),
    queue: '',
    site: '',
    response: formatResponse(reply),
    peer_address: info.peer && { name: info.peer.name, addr: info.peer.address },
    ...timeFields(now),
    num_attempts: 0,
    delivery_protocol: null,
  };
}
