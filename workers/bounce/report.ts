import { randomBytes } from 'node:crypto';
import type { Config } from '../../shared/core/config.ts';
import type { DispositionRecord } from '../../shared/core/disposition.ts';
import { whyNoReport } from '../../shared/core/dsn/eligible.ts';
import { whyAgainstPolicy, type ReportPolicy, type Suppression } from '../../shared/core/dsn/report-policy.ts';
import { generateRfc3464Message, type Report, type ReportParams } from '../../shared/core/dsn/generate.ts';
import { bounceSubscription } from '../../shared/core/subscriptions.ts';
import type { Context } from '../../shared/io/context.ts';
import { newMessageId } from '../../shared/io/ids.ts';
import { holderOf } from '../../shared/io/original-holds.ts';
import type { Pipeline } from '../../shared/io/pipeline.ts';
import { formatReportMark, markLifetime, readReportMarks, reportMarkKey } from '../../shared/io/report-marks.ts';
import type { SpoolStore } from '../../shared/io/spool-store.ts';
import { giveBackToLimits, takeFromLimits } from './report-limits.ts';

export interface ReportWorld extends Pick<Pipeline, 'queues' | 'spool' | 'intake'> {
  context: Context;
  isOwnDomain: ReportPolicy['isOwnDomain'];
}

/** `sent`, `repeated` (it was sent before), or why there is none. */
export type ReportOutcome = 'sent' | 'repeated' | Suppression;

/** Of a large original this much is read to find its header. Octets. */
const longestHeader = 256 * 1024;

/**
 * Makes the report of one disposition and reinjects it, once under crashes and repeats: the mark that it was
 * sent is written in the transaction that queues it. With it the original is let go of. A report that is not made leaves
 * its reason as the mark; replayed, such a disposition is judged anew.
 */
export async function reportOn(record: DispositionRecord, world: ReportWorld): Promise<ReportOutcome> {
  const outcome = await makeReport(record, world);
  if (outcome !== 'sent') await releaseOriginal(record, outcome, world);
  return outcome;
}

async function makeReport(record: DispositionRecord, world: ReportWorld): Promise<ReportOutcome> {
  const { context, spool } = world;
  const { config, redis } = context;
  if (!config.bounce.enabled) return 'disabled';
  const [marks, original] = await Promise.all([
    readReportMarks(redis, [record.event_id]),
    readOriginal(record, spool, config.bounce.originalLimit),
  ]);
  if (marks.get(record.event_id)?.kind === 'sent') return 'repeated';
  const header = original ? headerOf(original) : undefined;
  const reason = whyNoReport(record, header) ?? whyAgainstPolicy(record, header, policyOf(world));
  if (reason) return reason;
  const report = generateRfc3464Message(paramsOf(config), original, record, {
    now: Date.now(),
    messageId: newMessageId(),
    boundary: randomBytes(16).toString('hex'),
  });
  if (!report) return 'none';
  const limit = await takeFromLimits(record.sender, redis, config.bounce);
  if (limit) return limit;
  try {
    await reinject(report, record, world);
  } catch (error) {
    // That this fails too is no news: a count that is one too high ends with its window.
    await giveBackToLimits(record.sender, redis).catch(() => undefined);
    throw error;
  }
  return 'sent';
}

async function reinject(report: Report, record: DispositionRecord, { context, spool, intake }: ReportWorld): Promise<void> {
  const draft = spool.draft(newMessageId());
  await draft.write(Buffer.from(report.content));
  await intake.receive(
    { envelope: envelopeOf(report), content: draft, info: { protocol: 'Report', peer: null, isTrusted: true } },
    (tx) => {
      const mark = formatReportMark({ kind: 'sent', message: draft.id });
      tx.redis.set(reportMarkKey(context.redis, record.event_id), mark, 'EX', markLifetime);
      spool.release(tx, record.id, holderOf(bounceSubscription.queue, record.event_id));
    },
  );
}

async function releaseOriginal(record: DispositionRecord, outcome: ReportOutcome, world: ReportWorld): Promise<void> {
  const { context, queues, spool } = world;
  const tx = queues.begin();
  if (outcome !== 'sent' && outcome !== 'repeated') {
    const mark = formatReportMark({ kind: 'suppressed', reason: outcome });
    tx.redis.set(reportMarkKey(context.redis, record.event_id), mark, 'EX', markLifetime);
  }
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

const policyOf = ({ context: { config }, isOwnDomain }: ReportWorld): ReportPolicy => ({
  rules: config.bounce.suppress,
  maxHops: config.bounce.maxHops,
  isOwnDomain,
});

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
