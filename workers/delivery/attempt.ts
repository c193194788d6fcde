import { buffer } from 'node:stream/consumers';
import type { PathSettings } from '../../shared/core/config.ts';
import type { ConversationLine } from '../../shared/core/conversation.ts';
import type { DeliveryJob } from '../../shared/core/delivery-job.ts';
import { formatPeer, type DispositionRecord } from '../../shared/core/disposition.ts';
import { toSevenBit } from '../../shared/core/dsn/seven-bit.ts';
import { laneName } from '../../shared/core/lane.ts';
import type { Outcome, Peer } from '../../shared/core/outcome.ts';
import { isPermanent, localReply, type Reply } from '../../shared/core/reply.ts';
import type { Said } from '../../shared/io/conversations.ts';
import type { Transaction } from '../../shared/io/outbound.ts';
import { exactly } from '../../shared/io/whole-content.ts';
import type { HostsRoute, SiteLink } from './site-link.ts';
import type { World } from './world.ts';

/** As records name it. */
export type DeliveryProtocol = 'ESMTP' | 'LMTP';

/** What one attempt came to; `moved`: the domain belongs to another lane by now. */
export type AttemptResult =
  | {
      kind: 'outcomes';
      outcomes: Outcome[];
      peer: DispositionRecord['peer_address'];
      protocol?: DeliveryProtocol;
      tls?: Peer['tls'];
      /** What was said, when not all went well. */
      said?: Said;
      /** No connection was to be had; no server has seen the message. */
      isUnconnected?: boolean;
    }
  | { kind: 'moved'; lane: string };

/** After this many moves a job is delivered from the lane it is in. */
const maxMoves = 3;

/** The session that makes the attempt. */
export interface Session {
  lane: string;
  path: PathSettings;
  link: SiteLink;
  world: World;
  /** How long a failed connection answers for the whole lane. Milliseconds. */
  failureTtl: number;
}

/** Tries to deliver one lane job: route, connection, and as many transactions as it takes until every recipient was tried. */
export async function attempt(job: DeliveryJob, session: Session): Promise<AttemptResult> {
  const { lane, world } = session;
  const route = await world.router.route(job.routingDomain ?? job.domain);
  if (route.kind === 'failed') {
    return sameForAll(job, { kind: route.permanent ? 'refused' : 'failed', reply: route.reply });
  }
  const rightLane = laneName(job.source, route.site);
  if (rightLane !== lane && (job.moves ?? 0) < maxMoves) return { kind: 'moved', lane: rightLane };
  const content = await world.spool.read(job.message);
  if (!content) return sameForAll(job, { kind: 'refused', reply: lostContent });
  return deliver(job, route, content, session);
}

async function deliver(
  job: DeliveryJob,
  route: HostsRoute,
  firstContent: Transaction['content'],
  { link, path, world, failureTtl }: Session,
): Promise<AttemptResult> {
  const { recipients } = job.envelope;
  // A static route has one host; mail exchangers speak SMTP.
  const protocol = route.hosts[0]?.protocol === 'lmtp' ? 'LMTP' : 'ESMTP';
  const outcomes: Outcome[] = recipients.map(() => notReached);
  let pending = recipients.map((_, i) => i);
  let peer: Peer | undefined;
  const said: ConversationLine[] = [];
  let content: Transaction['content'] = firstContent;
  while (pending.length > 0) {
    const opened = await link.connection(route, job, path, failureTtl);
    if ('reply' in opened) {
      // What a server says to a connection is never the last word; our own verdict that no address may be used is.
      const kind = opened.reply.local && isPermanent(opened.reply) ? 'refused' : 'failed';
      for (const i of pending) outcomes[i] = { kind, reply: opened.reply };
      return {
        kind: 'outcomes',
        outcomes,
        peer: peer ? formatPeer(peer) : opened.peer,
        protocol,
        ...saidOf(said, opened.said),
        isUnconnected: !peer && kind === 'failed',
      };
    }
    peer = opened.connection.peer;
    const envelope = { ...job.envelope, recipients: pending.map((i) => recipients[i] ?? { address: '' }) };
    const transaction = { envelope, size: job.size, content };
    const mustBeSevenBit = isEightBitReport(job) && !opened.connection.takesEightBit;
    opened.transcript.begin(job);
    const results = await opened.connection.send(mustBeSevenBit ? await asSevenBitReport(transaction) : transaction);
    for (const [n, i] of pending.entries()) {
      const outcome = results[n] ?? notReached;
      outcomes[i] = { ...outcome, reply: opened.transcript.withoutLogin(outcome.reply) };
    }
    // Only then: a delivered message shall not pay for it.
    if (pending.some((i) => outcomes[i]?.kind !== 'accepted')) said.push(...opened.transcript.lines());
    const untried = pending.filter((i) => outcomes[i]?.kind === 'untried');
    // Only a connection that turned out to be dead is worth a second try without progress.
    if (untried.length === pending.length && (opened.isFresh || opened.connection.usable)) break;
    pending = untried;
    if (pending.length === 0 || Buffer.isBuffer(content)) continue;
    // The stream was used up by the transaction before.
    const again = await world.spool.read(job.message);
    if (!again) {
      for (const i of pending) outcomes[i] = { kind: 'refused', reply: lostContent };
      break;
    }
    content = again;
  }
  return {
    kind: 'outcomes',
    outcomes,
    peer: peer ? formatPeer(peer) : null,
    protocol,
    ...(peer?.tls && { tls: peer.tls }),
    ...saidOf(said, undefined),
  };
}

/** What was said before, and when connecting; that alone is shared with other messages of the lane. */
function saidOf(before: readonly ConversationLine[], connecting: Said | undefined): { said?: Said } {
  if (before.length > 0) return { said: { lines: [...before, ...(connecting?.lines ?? [])] } };
  return connecting ? { said: connecting } : {};
}

/** A report with a UTF-8 return path is none: SMTPUTF8 brings 8BITMIME with it (RFC 6531 §3.1), and it needs that anyway. */
const isEightBitReport = ({ envelope, reception }: DeliveryJob): boolean =>
  envelope.eightBit && !envelope.smtpUtf8 && reception.reception_protocol === 'Report';

/**
 * Nobody would hear of a report that cannot be sent (RFC 5321 §4.5.5): it is made to fit; the spool keeps it as it was.
 * Content that cannot be read is left to the client, which says so.
 */
async function asSevenBitReport(transaction: Transaction): Promise<Transaction> {
  const { envelope, size, content } = transaction;
  const whole = Buffer.isBuffer(content) ? content : await buffer(exactly(content, size)).catch(() => undefined);
  if (!whole) return transaction;
  const report = toSevenBit(whole);
  if (!report) return { ...transaction, content: whole };
  return { envelope: { ...envelope, eightBit: false }, size: report.length, content: Buffer.from(report) };
}

const notReached: Outcome = { kind: 'failed', reply: localReply(421, '4.4.2', 'The connection ended before this recipient was tried') };
const lostContent: Reply = localReply(554, '5.3.0', 'The content of this message is not in the spool any more');

const sameForAll = (job: DeliveryJob, outcome: Outcome): AttemptResult => ({
  kind: 'outcomes',
  outcomes: job.envelope.recipients.map(() => outcome),
  peer: null,
});
