import { Worker, type Job } from 'bullmq';
import { inboundQueue, type InboundJob } from '../../shared/core/inbound/job.ts';
import { feedbackRecord, oobRecords, unreadableRecord } from '../../shared/core/inbound/records.ts';
import type { Reading } from '../../shared/core/inbound/read-mail.ts';
import type { DispositionRecord } from '../../shared/core/disposition.ts';
import { unreachable } from '../../shared/core/unreachable.ts';
import { closeWorker } from '../../shared/io/close-worker.ts';
import type { Context } from '../../shared/io/context.ts';
import { openMailReader, type MailReader, type Unreadable } from '../../shared/io/mail-reader.ts';
import { holderOf } from '../../shared/io/original-holds.ts';
import type { Pipeline } from '../../shared/io/pipeline.ts';
import { canonicalAddress } from '../../shared/io/report-addresses.ts';
import { openSentIndex, type SentIndex } from '../../shared/io/sent-index.ts';
import { takeUnmatched } from './unmatched-limit.ts';

/** Processes that read at the same time. */
const readers = 2;
/** A message whose reader took its whole process with it is not given to a fourth. */
const mostCrashes = 3;
/** What our own Received field and the limits of before a change of settings may add. Octets. */
const slack = 64 * 1024;

interface InboundWorld extends Pick<Pipeline, 'queues' | 'spool' | 'dispositions'> {
  context: Context;
}

interface ReadingWorld extends InboundWorld {
  reader: MailReader;
  sentIndex: SentIndex;
}

/** What was counted of one message: a line of the metric each. */
interface Count {
  kind: string;
  match?: string;
  count: number;
}

/**
 * Reads what comes to the addresses for reports: late bounces become OOB records, complaints Feedback records. Nothing is
 * ever sent in answer (RFC 5321 §4.5.5, RFC 3834 §2).
 */
export async function startInbound(world: InboundWorld & { reader?: MailReader }): Promise<{ close(): Promise<void> }> {
  const { config, redis, log } = world.context;
  const reader = world.reader ?? openMailReader();
  const reading: ReadingWorld = { ...world, reader, sentIndex: openSentIndex(redis) };
  const worker = new Worker<InboundJob, Count[]>(inboundQueue, (job) => readInbound(job, reading), {
    connection: redis.duplicate() as never,
    prefix: redis.prefix,
    concurrency: readers,
    lockDuration: config.delivery.lockDuration,
    stalledInterval: config.delivery.sweepInterval,
    maxStalledCount: 1_000_000_000,
  });
  worker.on('error', (error) => log.warn({ event: 'inbound_worker_error', error: error.message }));
  worker.on('failed', (job, error) => log.error({ event: 'inbound_failed', messageId: job?.data.message, error: String(error) }));
  await worker.waitUntilReady();
  return {
    close: async () => {
      await closeWorker(worker, world.context).finally(() => reader.close());
    },
  };
}

/**
 * The records and the release of the content are one transaction: a message whose content is gone was read before, and
 * is not read again.
 */
async function readInbound({ data: job, stalledCounter }: Job<InboundJob, Count[]>, world: ReadingWorld): Promise<Count[]> {
  const { context, queues, spool, dispositions } = world;
  const content = await contentOf(job, world);
  if (content === 'gone') return [];
  const reading: Reading | Unreadable =
    stalledCounter > mostCrashes
      ? { kind: 'unreadable', why: 'fault', words: `its reader ended ${stalledCounter} times` }
      : content === 'too-large'
        ? { kind: 'unreadable', why: 'memory', words: 'it is too large' }
        : await world.reader.read(content);
  const judged = await judge(reading, job, world);
  const { records, counts } = (await hasRoom(judged.records, context)) ? judged : withoutUnmatched(judged);
  const tx = queues.begin();
  for (const record of records) dispositions.publish(tx, record);
  spool.release(tx, job.message, holderOf(inboundQueue, job.message));
  await tx.exec();
  for (const { kind, match = '', count } of counts) context.metrics.inbound.inc({ kind, match }, count);
  context.log.info({ event: 'inbound', messageId: job.message, sender: job.sender, recipients: job.recipients.slice(0, 5), counts });
  return counts;
}

async function contentOf(job: InboundJob, { context, spool }: ReadingWorld): Promise<Uint8Array | 'gone' | 'too-large'> {
  const content = await spool.read(job.message);
  if (content === undefined) return 'gone';
  const limit = context.config.ingress.reports.maxSize + slack;
  if (Buffer.isBuffer(content)) return content.length > limit ? 'too-large' : content;
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of content) {
    size += part.length;
    if (size > limit) return 'too-large';
    parts.push(part);
  }
  return Buffer.concat(parts);
}

interface Judged {
  records: DispositionRecord[];
  counts: Count[];
}

async function judge(reading: Reading | Unreadable, job: InboundJob, { context, sentIndex }: ReadingWorld): Promise<Judged> {
  const source = { job, nodeid: context.instance, canonical: canonicalAddress };
  switch (reading.kind) {
    case 'bounce': {
      const found = await sentIndex.find({ returnPaths: job.recipients, ids: reading.ids, ...pick(reading) });
      const { records, dropped } = oobRecords(reading, found, source);
      const { failed: _, ...others } = reading.actions;
      const counts = [
        ...records.map((record) => ({ kind: 'bounce', match: record.inbound?.matched ?? 'none', count: 1 })),
        ...(dropped > 0 ? [{ kind: 'bounce', match: 'dropped', count: dropped }] : []),
        ...Object.entries(others).map(([kind, count]) => ({ kind, count })),
      ];
      return { records, counts: counts.length > 0 ? summed(counts) : [{ kind: 'other', count: 1 }] };
    }
    case 'feedback': {
      const from = reading.report.original_mail_from;
      const returnPaths = [...job.recipients, ...(from ? [from] : [])];
      const found = await sentIndex.find({ returnPaths, ids: reading.ids, ...pick(reading) });
      const record = feedbackRecord(reading, found, source);
      return { records: [record], counts: [{ kind: 'feedback', match: record.inbound?.matched ?? 'none', count: 1 }] };
    }
    case 'unreadable': {
      const why = reading.words ?? (reading.why === 'time' ? 'it took too long' : 'it needs too much memory');
      return { records: [unreadableRecord(why, source)], counts: [{ kind: 'unreadable', match: reading.why, count: 1 }] };
    }
    case 'disposition':
    case 'auto-reply':
    case 'other':
      return { records: [], counts: [{ kind: reading.kind, count: 1 }] };
    default:
      return unreachable(reading);
  }
}

/** Is there room for what matches nothing? A report has one such record at most. */
const hasRoom = async (records: readonly DispositionRecord[], { redis }: Context): Promise<boolean> =>
  !records.some(isUnmatched) || takeUnmatched(redis);

function withoutUnmatched({ records, counts }: Judged): Judged {
  const matched = records.filter((record) => !isUnmatched(record));
  const dropped = counts.map((one) => (one.match === 'none' ? { ...one, match: 'dropped' } : one));
  return { records: matched, counts: summed(dropped) };
}

const isUnmatched = ({ inbound }: DispositionRecord): boolean => inbound?.matched === 'none';

const pick = ({ envelopeId }: { envelopeId?: string }): { envelopeId?: string } => (envelopeId === undefined ? {} : { envelopeId });

function summed(counts: readonly Count[]): Count[] {
  const sums = new Map<string, Count>();
  for (const { kind, match, count } of counts) {
    const key = `${kind} ${match ?? ''}`;
    sums.set(key, { kind, ...(match !== undefined && { match }), count: (sums.get(key)?.count ?? 0) + count });
  }
  return [...sums.values()];
}
