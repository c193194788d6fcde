import { randomBytes } from 'node:crypto';
import type { Config } from '../../shared/core/config.ts';
import type { DispositionRecord } from '../../shared/core/disposition.ts';
import { whyNoReport } from '../../shared/core/dsn/eligible.ts';
import { generateRfc3464Message, type Report, type ReportParams } from '../../shared/core/dsn/generate.ts';
import { bounceSubscription } from '../../shared/core/subscriptions.ts';
import type { Context } from '../../shared/io/context.ts';
import { holderOf } from '../../shared/io/dispositions.ts';
import { newMessageId } from '../../shared/io/ids.ts';
import type { Pipeline } from '../../shared/io/pipeline.ts';
import type { SpoolStore } from '../../shared/io/spool-store.ts';

export interface ReportWorld extends Pick<Pipeline, 'queues' | 'spool' | 'intake'> {
  context: Context;
}

/** `sent`, `repeated` (it was sent before), `none` (nobody asked for it), or why there must be none. */
export type ReportOutcome = 'sent' | 'repeated' | 'none' | 'disabled' | NonNullable<ReturnType<typeof whyNoReport>>;

/** How long it is remembered that a disposition has its report. Seconds. */
const rememberedFor = 30 * 86_400;
/** Of a large original this much is read to find its header. Octets. */
const longestHeader = 256 * 1024;

/**
 * Makes the report of one disposition and reinjects it, at most once whatever crashes or repeats: the mark that it was
 * sent is written in the transaction that queues it. With it the original is let go of.
 */
export async function reportOn(record: DispositionRecord, world: ReportWorld): Promise<ReportOutcome> {
  const outcome = await makeReport(record, world);
  if (outcome !== 'sent') await releaseOriginal(record, world);
  return outcome;
}

async function makeReport(record: DispositionRecord, world: ReportWorld): Promise<ReportOutcome> {
  const { context, spool, intake } = world;
  const { config, redis } = context;
  if (!config.bounce.enabled) return 'disabled';
  const mark = redis.key(`report:${record.event_id}`);
  const [marks, original] = await Promise.all([redis.client.exists(mark), readOriginal(record, spool, config.bounce.originalLimit)]);
  if (marks === 1) return 'repeated';
  const reason = whyNoReport(record, original ? headerOf(original) : undefined);
  if (reason) return reason;
  const report = generateRfc3464Message(paramsOf(config), original, record, {
    now: Date.now(),
    messageId: newMessageId(),
    boundary: randomBytes(16).toString('hex'),
  });
  if (!report) return 'none';
  const draft = spool.draft(newMessageId());
  await draft.write(Buffer.from(report.content));
  await intake.receive(
    { envelope: envelopeOf(report), content: draft, info: { protocol: 'Report', peer: null, isTrusted: true } },
    (tx) => {
      tx.redis.set(mark, draft.id, 'EX', rememberedFor);
      spool.release(tx, record.id, holderOf(bounceSubscription.queue, record.event_id));
    },
  );
  return 'sent';
}

async function releaseOriginal(record: DispositionRecord, { queues, spool }: ReportWorld): Promise<void> {
  const tx = queues.begin();
  spool.release(tx, record.id, holderOf(bounceSubscription.queue, record.event_id));
  await tx.exec();
}

/** The original, or of one that is too large to return at least its header; undefined when it is gone. */
async function readOriginal(record: DispositionRecord, spool: SpoolStore, limit: number): Promise<Uint8Array | undefined> {
  const content = await spool.read(record.id);
  if (!content || Buffer.isBuffer(content)) return content;
  const parts: Buffer[] = [];
  let size = 0;
  const wanted = Math.max(longestHeader, limit + 1);
  for await (const chunk of content) {
    parts.push(chunk);
    size += chunk.length;
    if (size >= wanted) break;
  }
  return Buffer.concat(parts);
}

const headerOf = (original: Uint8Array): string => {
  const text = Buffer.from(original.buffer, original.byteOffset, Math.min(original.length, longestHeader)).toString('latin1');
  const end = text.indexOf('\r\n\r\n');
  return end < 0 ? text : text.slice(0, end + 2);
};

/** RFC 3464 §2.2.2: a name that is no host name of the DNS is not called one. */
export function paramsOf({ bounce, hostname }: Config): ReportParams {
  return {
    include_original_message: bounce.includeOriginal,
    enable_bounce: true,
    enable_expiration: true,
    enable_delay: true,
    enable_success: true,
    reporting_mta: { mta_type: hostname.includes('.') ? 'dns' : 'x-local-hostname', name: hostname },
    original_limit: bounce.originalLimit,
    ...(bounce.from && { from: bounce.from }),
  };
}

/** RFC 3461 §6.1: null reverse-path, and no report about the report. */
const envelopeOf = (report: Report) => ({
  sender: report.sender,
  recipients: [{ address: report.recipient, notify: ['NEVER' as const] }],
  smtpUtf8: report.smtpUtf8,
  eightBit: report.eightBit,
});
