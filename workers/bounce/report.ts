import { randomBytes } from 'node:crypto';
import type { Config } from '../../shared/core/config.ts';
import type { DispositionRecord } from '../../shared/core/disposition.ts';
import { whyNoReport } from '../../shared/core/dsn/eligible.ts';
import { whyAgainstPolicy, type ReportPolicy, type Suppression } from '../../shared/core/dsn/report-policy.ts';
import { generateRfc3464Message, type Report, type ReportParams } from '../../shared/core/dsn/generate.ts';
import { minimalReport, readableRecord } from '../../shared/core/dsn/minimal.ts';
import { bounceSubscription } from '../../shared/core/subscriptions.ts';
import type { Context } from '../../shared/io/context.ts';
import type { DkimSigner } from '../../shared/io/dkim.ts';
import { holderOf } from '../../shared/io/dispositions.ts';
import { newMessageId } from '../../shared/io/ids.ts';
import type { Pipeline } from '../../shared/io/pipeline.ts';
import { formatReportMark, markLifetime, readReportMarks, reportMarkKey } from '../../shared/io/report-marks.ts';
import type { SpoolStore } from '../../shared/io/spool-store.ts';
import { giveBackToLimits, takeFromLimits } from './report-limits.ts';

export interface ReportWorld extends Pick<Pipeline, 'queues' | 'spool' | 'intake'> {
  context: Context;
  isOwnDomain: ReportPolicy['isOwnDomain'];
  /** Absent where reports are not signed. */
  sign?: DkimSigner;
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
  const report = writeReport(record, original, world);
  if (typeof report === 'string') return report;
  const limit = await takeFromLimits(report.recipient, redis, config.bounce);
  if (limit) return limit;
  try {
    await reinject(report, record, world);
  } catch (error) {
    // That this fails too is no news: a count that is one too high ends with its window.
    await giveBackToLimits(report.recipient, redis).catch(() => undefined);
    throw error;
  }
  return 'sent';
}

/** The report, or why there is none. One that cannot be made in full is made short (RFC 5321 §6.1: it may not be lost). */
function writeReport(record: DispositionRecord, original: Uint8Array | undefined, world: ReportWorld): Report | Suppression {
  const { config, log, metrics } = world.context;
  const params = paramsOf(config);
  const unstable = { now: Date.now(), messageId: newMessageId(), boundary: randomBytes(16).toString('hex') };
  const header = original ? headerOf(original) : undefined;
  const whyNot = (of: DispositionRecord): Suppression | undefined =>
    whyNoReport(of, header) ?? whyAgainstPolicy(of, header, policyOf(world));
  try {
    return whyNot(record) ?? generateRfc3464Message(params, original, record, unstable) ?? 'none';
  } catch (error) {
    const readable = readableRecord(record);
    const report = readable && (whyNot(readable) ?? minimalReport(params, readable, unstable));
    metrics.reportFaults.inc({ fault: 'minimal' });
    log.error({ event: 'report_minimal', dispositionId: record.event_id, messageId: record.id, err: error });
    return report ?? 'none';
  }
}

/** The content with its signatures in front; without them when they cannot be made, which is better than no report. */
async function signed(report: Report, record: DispositionRecord, { context, sign }: ReportWorld): Promise<Buffer> {
  const content = Buffer.from(report.content);
  if (!sign) return content;
  try {
    return Buffer.concat([Buffer.from(await sign(content, Date.now()), 'latin1'), content]);
  } catch (error) {
    context.metrics.reportFaults.inc({ fault: 'unsigned' });
    context.log.error({ event: 'report_unsigned', dispositionId: record.event_id, messageId: record.id, error: String(error) });
    return content;
  }
}

async function reinject(report: Report, record: DispositionRecord, world: ReportWorld): Promise<void> {
  const { context, spool, intake } = world;
  const draft = spool.draft(newMessageId());
  await draft.write(await signed(report, record, world));
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
    disclose_internals: bounce.discloseInternals,
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
