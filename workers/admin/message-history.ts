import type { Endpoints } from '../../shared/core/api/endpoints.ts';
import { recipientsOf, type DispositionRecord, type RecordType } from '../../shared/core/disposition.ts';
import { compareLogIds, lastLogIdBefore } from '../../shared/core/log-id.ts';
import { messageIdOf, wordsNeeded, type LogFilter } from '../../shared/core/log-filter.ts';
import { openArchiveStore, readArchive } from '../../shared/io/archive.ts';
import type { Context } from '../../shared/io/context.ts';
import { readRecords } from '../../shared/io/record-reader.ts';
import type { RedisLink } from '../../shared/io/redis.ts';
import type { z } from 'zod';
import type { MessageJob } from './message-jobs.ts';
import type { Entry, RecordLog } from './record-log.ts';

type Answer = z.input<Endpoints['message']['answer']>;
type Found = z.input<Endpoints['findMessages']['answer']>['messages'][number];

/** How long the archive is searched for one request. Milliseconds. */
const patience = 5000;
/** The clock of the server that made an id may be ahead of that of Redis. Milliseconds. */
const clockSkew = 5000;

/** All records of a message, oldest first, from log and archive; `isComplete` is false when not all of them could be searched. */
export async function historyOf(
  id: string,
  { config }: Pick<Context, 'config'>,
  log: RecordLog,
): Promise<{ records: DispositionRecord[]; isComplete: boolean }> {
  // The log first: what leaves it meanwhile was archived before.
  const recent = await log.ofMessage(id);
  const all = new Map(recent.entries.map((entry): [string, Entry] => [entry.at, entry]));
  let { isComplete } = recent;
  if (config.archive.enabled) {
    const end = Date.now() + patience;
    const query = {
      after: lastLogIdBefore(Math.max(0, Number.parseInt(id.slice(0, 12), 16) - clockSkew)),
      before: undefined,
      order: 'oldest',
      words: wordsNeeded({ message: id }),
      onDamage: () => (isComplete = false),
    } as const;
    for await (const { entries } of readArchive(openArchiveStore(config), query)) {
      for (const entry of entries) if (entry.record.id === id) all.set(entry.at, entry);
      if (Date.now() > end) {
        isComplete = false;
        break;
      }
    }
  }
  const records = [...all.values()].sort((a, b) => compareLogIds(a.at, b.at)).map(({ record }) => record);
  return { records, isComplete };
}

/** The newest messages of which a record fits, by the newest such record of each. */
export async function findHistories(
  { redis, config }: Pick<Context, 'redis' | 'config'>,
  filter: LogFilter,
  limit: number,
): Promise<{ messages: Found[]; complete: boolean }> {
  const source = { redis, ...(config.archive.enabled && { archive: openArchiveStore(config) }) };
  const signal = AbortSignal.timeout(patience);
  const messages = new Map<string, Found>();
  let isDamaged = false;
  const reading = readRecords(source, { filter, order: 'newest', signal, onDamage: () => (isDamaged = true) });
  for await (const { record } of reading) {
    if (record.id === '' || messages.has(record.id)) continue;
    messages.set(record.id, found(record));
    if (messages.size >= limit) break;
  }
  return { messages: [...messages.values()], complete: !signal.aborted && !isDamaged };
}

const mostNamed = 10;

function found(record: DispositionRecord): Found {
  const messageId = messageIdOf(record);
  return {
    id: record.id,
    sender: record.sender,
    recipients: recipientsOf(record).slice(0, mostNamed),
    received: record.created_time,
    size: record.size,
    ...(messageId !== undefined && { message_id: messageId }),
    last: { type: record.type, time: record.event_time, code: record.response.code, content: record.response.content },
  };
}

/** The envelope of a message, and how it came in; null when nothing tells it. */
export function envelopeOf(records: readonly DispositionRecord[], jobs: readonly MessageJob[]): Answer['envelope'] {
  const reception = records.find(({ type }) => type === 'Reception');
  const first = reception ?? records[0];
  if (!first) {
    const [job] = jobs;
    if (!job) return null;
    const recipients = jobs.flatMap(({ data }) => data.envelope.recipients.map(({ address }) => address));
    const { envelope, size, created, reception: came } = job.data;
    return { sender: envelope.sender, recipients, size, received: new Date(created).toISOString(), protocol: came.reception_protocol };
  }
  const messageId = reception && messageIdOf(reception);
  const user = first.meta['authn_id'];
  return {
    sender: first.sender,
    recipients: reception ? recipientsOf(reception) : [...new Set(records.flatMap(recipientsOf))],
    size: first.size,
    received: first.created_time,
    protocol: first.reception_protocol,
    ...(reception?.peer_address && { peer: reception.peer_address }),
    ...(typeof user === 'string' && { user }),
    ...(messageId !== undefined && { message_id: messageId }),
  };
}

const ends: Partial<Record<RecordType, Answer['timeline'][number]['state']>> = {
  Delivery: 'delivered',
  Bounce: 'bounced',
  Expiration: 'expired',
  AdminBounce: 'admin-bounced',
};

/** Of each recipient what happened to him, and what is still to do. */
export function timelineOf(
  recipients: readonly string[],
  records: readonly DispositionRecord[],
  jobs: readonly MessageJob[],
): Answer['timeline'] {
  const eventsOf = new Map(recipients.map((recipient): [string, DispositionRecord[]] => [recipient, []]));
  for (const record of records) for (const recipient of recipientsOf(record)) eventsOf.get(recipient)?.push(record);
  const jobOf = new Map(jobs.flatMap((job) => job.data.envelope.recipients.map(({ address }) => [address, job] as const)));
  return [...eventsOf].map(([recipient, events]) => {
    const job = jobOf.get(recipient);
    const end = events.findLast(({ type }) => ends[type] !== undefined);
    return {
      recipient,
      state: job?.state ?? (end && ends[end.type]) ?? 'unknown',
      events: events.map(({ event_id }) => event_id),
      ...(job && { job: job.id }),
    };
  });
}

/** The messages in which failures of this one were delivered again (`rebound replay --to redeliver`). */
export async function redeliveriesOf(redis: RedisLink, eventIds: readonly string[]): Promise<Answer['redelivered']> {
  if (eventIds.length === 0) return [];
  const marks = await redis.client.mget(eventIds.map((eventId) => redis.key(`redelivered:${eventId}`)));
  return eventIds.flatMap((event_id, n) => (typeof marks[n] === 'string' ? [{ event_id, message: marks[n] }] : []));
}
