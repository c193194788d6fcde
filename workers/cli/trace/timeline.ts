import { parseResponse, recipientsOf, type DispositionRecord } from '../../../shared/core/disposition.ts';
import { suppressionWords } from '../../../shared/core/dsn/report-policy.ts';
import { formatDuration } from '../../../shared/core/duration.ts';
import { printable } from '../../../shared/core/printable.ts';
import { replyWireLines } from '../../../shared/core/reply.ts';
import type { Answer } from '../../../shared/io/client.ts';
import { colour, type Paper, type Style } from '../api/table.ts';
import { agoOf, inOf } from '../api/times.ts';
import { wrapped } from './wrap.ts';

export type Message = Answer<'message'>;
/** By event. */
export type Conversations = ReadonlyMap<string, Answer<'conversation'>>;

/** Longer than what any reply is kept as: nothing that a server said is cut here. */
const longest = 150_000;
const mostNamed = 10;
const indent = '    ';
const deep = '        ';

/** What happened to a message: what it is, then for each recipient his events in their order. */
export function timelineLines(message: Message, conversations: Conversations, paper: Paper, now: number): string[] {
  const byId = new Map(message.records.map((record) => [record.event_id, record]));
  const groups = Map.groupBy(message.timeline, ({ events, state, job }) => JSON.stringify([events, state, job]));
  const lines = headLines(message, paper, now);
  for (const group of groups.values()) {
    const [{ state, events, job } = { state: 'unknown' as const, events: [], job: undefined }] = group;
    lines.push(
      '',
      `${colour(namesOf(group.map(({ recipient }) => recipient)), 'bold', paper)}  ${colour(stateWords[state], stateStyles[state], paper)}`,
    );
    for (const event of events) {
      const record = byId.get(event);
      if (record) lines.push(...eventLines(record, message, conversations, paper));
    }
    lines.push(
      ...jobLines(
        message.jobs.find(({ id }) => id === job),
        paper,
        now,
      ),
    );
  }
  const holders = message.held_by.filter((queue) => queue !== 'bounces');
  if (message.held_by.includes('bounces')) lines.push('', 'its report is still to be made');
  if (holders.length > 0) lines.push('', `its content is held by ${holders.map((queue) => printable(queue, 100)).join(', ')}`);
  if (!message.complete) lines.push('', 'not all of the log could be searched: there may be more');
  return lines;
}

/** Events one after the other, with their recipients: what `--follow` adds. */
export function eventWithNames(record: DispositionRecord, message: Message, conversations: Conversations, paper: Paper): string[] {
  return ['', colour(namesOf(recipientsOf(record)), 'bold', paper), ...eventLines(record, message, conversations, paper)];
}

function headLines({ id, envelope, report_on, redelivered_from }: Message, paper: Paper, now: number): string[] {
  const lines = [`${colour('message', 'dim', paper)} ${colour(id, 'bold', paper)}`];
  if (!envelope) return [...lines, 'nothing tells its envelope any more'];
  const { sender, recipients, size, received, protocol, peer, user, message_id } = envelope;
  const facts: [string, string][] = [
    ['from', printable(sender, 400) || '<>'],
    ['to', namesOf(recipients)],
    ['received', `${timeOf(received)} (${agoOf(received, now)} ago)${protocol === null ? '' : ` by ${printable(protocol, 40)}`}`],
  ];
  if (peer) facts.push(['client', `${printable(peer.name, 300)} [${printable(peer.addr, 100)}]${peer.is_secure ? ', TLS' : ''}`]);
  if (user !== undefined) facts.push(['login', printable(user, 200)]);
  facts.push(['size', `${size.toLocaleString('en')} octets`]);
  if (message_id !== undefined) facts.push(['Message-ID', printable(message_id, 400)]);
  if (report_on !== null) facts.push(['a report on', report_on]);
  if (redelivered_from !== null)
    facts.push([
      'again for',
      `${redelivered_from.message}${redelivered_from.replay === undefined ? '' : `, by the replay ${printable(redelivered_from.replay, 64)}`}`,
    ]);
  return [
    ...lines,
    ...facts.flatMap(([name, text]) => wrapped(text, `${colour(name.padEnd(11), 'dim', paper)} `, ' '.repeat(12), paper, 12)),
  ];
}

function eventLines(record: DispositionRecord, message: Message, conversations: Conversations, paper: Paper): string[] {
  const { type, event_id, event_time, created_time, num_attempts, peer_address: peer, response, next_attempt } = record;
  const after = Math.max(0, Date.parse(event_time) - Date.parse(created_time));
  const attempt = num_attempts > 0 && type !== 'Reception' ? `attempt ${num_attempts}` : '';
  const tls = record.tls_protocol_version === undefined ? '' : `${record.tls_protocol_version} ${record.tls_cipher ?? ''}`.trim();
  const place = type === 'Reception' ? '' : record.site;
  const facts = [attempt, peer && type !== 'Reception' ? `${peer.name} [${peer.addr}]` : '', tls, place].filter((fact) => fact !== '');
  const lines = [
    ...wrapped(
      printable(facts.join('  '), 2000),
      `${indent}${timeOf(event_time)}  ${colour(`+${formatDuration(after)}`.padEnd(9), 'dim', paper)} ${colour(printable(type, 30).padEnd(16), styleOf(record), paper)}  `,
      deep,
      paper,
      indent.length + 55,
    ),
  ];
  if (response.content !== '' || (response.lines ?? []).length > 0) {
    const said = replyWireLines(parseResponse(response));
    const whose = response.local ? ' (no remote server said this)' : response.command ? ` (to ${printable(response.command, 20)})` : '';
    for (const [n, line] of said.entries())
      lines.push(...wrapped(`${printable(line, longest)}${n === said.length - 1 ? whose : ''}`, deep, deep, paper, deep.length));
  }
  if (next_attempt !== undefined)
    lines.push(`${deep}${colour(`next attempt ${timeOf(new Date(next_attempt).toISOString())}`, 'dim', paper)}`);
  const report = message.reports.find((one) => one.event_id === event_id);
  if (report) lines.push(...wrapped(reportWords(report), deep, deep, paper, deep.length));
  const again = message.redelivered.find((one) => one.event_id === event_id);
  if (again) lines.push(`${deep}delivered again as message ${printable(again.message, 64)}`);
  const conversation = conversations.get(event_id);
  if (!conversation && message.conversations.includes(event_id))
    lines.push(`${deep}${colour('its SMTP conversation is kept: --conversation', 'dim', paper)}`);
  if (conversation) for (const line of conversation.lines) lines.push(...conversationLine(line, paper));
  return lines;
}

function conversationLine({ at, direction, text }: Answer<'conversation'>['lines'][number], paper: Paper): string[] {
  const sign = signs[direction];
  const prefix = `${deep}${colour(at.slice(11, 23), 'dim', paper)} ${colour(sign, signStyles[direction], paper)} `;
  return wrapped(printable(text, 1000), prefix, ' '.repeat(deep.length + 15), paper, deep.length + 15);
}

/** Who speaks: the client to the server, the server to the client, nobody. */
export const signs = { client: '>', server: '<', note: '*' } as const;
export const signStyles: Record<keyof typeof signs, Style> = { client: 'cyan', server: 'green', note: 'dim' };

function jobLines(job: Message['jobs'][number] | undefined, paper: Paper, now: number): string[] {
  if (!job) return [];
  const words =
    job.state === 'active'
      ? 'is being tried just now'
      : job.next_attempt === undefined
        ? 'waits for its turn'
        : `is tried again ${inOf(job.next_attempt, now)}, ${timeOf(job.next_attempt)}`;
  const place = printable(job.lane.replaceAll(';', ':'), 400);
  const { order } = job;
  return [
    `${indent}${colour(`${words}, in ${place}`, 'yellow', paper)}`,
    ...(order
      ? wrapped(
          `but ${orderWords[order.kind]} until ${order.expires === null ? 'that is ended' : timeOf(order.expires)}, by order ${order.id}: ${printable(order.reason, 400)}`,
          indent,
          indent,
          paper,
          indent.length,
        )
      : []),
  ];
}

const orderWords = { suspend: 'suspended', hold: 'held' } as const;

function reportWords({ outcome, message, reason }: Message['reports'][number]): string {
  if (outcome === 'sent') return `its sender was told: message ${printable(message ?? '?', 64)}`;
  const words = new Map<string, string>(Object.entries(suppressionWords)).get(reason ?? '');
  return `no report: ${words ?? printable(reason ?? '?', 200)}`;
}

const stateWords: Record<Message['timeline'][number]['state'], string> = {
  waiting: 'waits',
  delayed: 'waits for its next attempt',
  active: 'is being tried',
  delivered: 'delivered',
  bounced: 'bounced',
  expired: 'expired',
  'admin-bounced': 'ended by a person',
  unknown: 'nothing is known of its end',
};
const stateStyles: Partial<Record<Message['timeline'][number]['state'], Style>> = {
  waiting: 'yellow',
  delayed: 'yellow',
  active: 'yellow',
  delivered: 'green',
  bounced: 'red',
  expired: 'red',
  'admin-bounced': 'red',
};

function styleOf({ type }: DispositionRecord): Style | undefined {
  if (type === 'Delivery') return 'green';
  if (type === 'TransientFailure' || type === 'Delayed') return 'yellow';
  return type === 'Reception' ? undefined : 'red';
}

/** `2026-11-22 06:01:02.123Z` */
const timeOf = (time: string): string => printable(time, 30).replace('T', ' ');

function namesOf(addresses: readonly string[]): string {
  const names = addresses.slice(0, mostNamed).map((address) => printable(address, 400));
  return `${names.join(', ')}${addresses.length > mostNamed ? ` and ${addresses.length - mostNamed} more` : ''}`;
}
