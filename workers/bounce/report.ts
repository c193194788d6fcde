import { randomBytes } from 'node:crypto';
import type { Config } from '../../shared/core/config.ts';
import type { DispositionRecord } from '../../shared/core/disposition.ts';
import { whyNoReport } from '../../shared/core/dsn/eligible.ts';
import {
  stillHolds,
  whyAgainstPolicy,
  type OptionalRule,
  type ReportPolicy,
  type Suppression,
} from '../../shared/core/dsn/report-policy.ts';
import { generateRfc3464Message, type Report } from '../../shared/core/dsn/generate.ts';
import { minimalReport, readableRecord } from '../../shared/core/dsn/minimal.ts';
import { actionOf } from '../../shared/core/dsn/action.ts';
import { describeReport, rewordReport } from '../../shared/core/policy/report-created.ts';
import { bounceSubscription } from '../../shared/core/subscriptions.ts';
import { reportSettingsOf, tenantOf } from '../../shared/core/tenant-reports.ts';
import type { Context } from '../../shared/io/context.ts';
import type { DkimSigner } from '../../shared/io/dkim.ts';
import type { Claim } from '../../shared/io/gathered.ts';
import { newMessageId } from '../../shared/io/ids.ts';
import { holderOf } from '../../shared/io/original-holds.ts';
import type { Pipeline } from '../../shared/io/pipeline.ts';
import { paramsOf } from '../../shared/io/report-params.ts';
import { formatReportMark, markLifetime, readReportMarks, reportMarkKey, type ReportMark } from '../../shared/io/report-marks.ts';
import type { Transaction } from '../../shared/io/queues.ts';
import type { SpoolStore } from '../../shared/io/spool-store.ts';
import { ContentGone } from '../../shared/io/spool-tier.ts';
import type { LoadedTemplates } from '../../shared/io/template-load.ts';
import { giveBackToLimits, takeFromLimits } from './report-limits.ts';

export interface ReportWorld extends Pick<Pipeline, 'queues' | 'spool' | 'intake'> {
  context: Context;
  isOwnDomain: ReportPolicy['isOwnDomain'];
  templates: LoadedTemplates;
  /** Absent where reports are not signed. */
  sign?: DkimSigner;
  isReadHere: ReportPolicy['isReadHere'];
}

/**
 * `sent`, `gathered` (told in the report of another outcome of the message), `repeated` (it was told before), `unknown` (a replay
 * of what is older than our memory), or why there is none.
 */
export type ReportOutcome = 'sent' | 'gathered' | 'repeated' | 'unknown' | Suppression;

/** How records of a replay are told: their mark, and what is written in the transaction in which an outcome becomes so. */
export interface Retelling {
  /** Under which name it is remembered that a record was told: its event id, or one of the replay's own to tell it once more. */
  markOf(record: DispositionRecord): string;
  /** It is told though nobody remembers any more whether it was. */
  isForced: boolean;
  note(tx: Transaction, outcome: ReportOutcome): void;
}

interface Telling {
  claim?: Claim | undefined;
  retelling?: Retelling | undefined;
}

/** Of a large original this much is read to find its header. Octets. */
const longestHeader = 256 * 1024;

/**
 * Makes the report of dispositions of one message and reinjects it, once under crashes and repeats: the marks that it was
 * sent are written in the transaction that queues it. With it the original is let go of. A disposition that is not told leaves
 * its reason as its mark; replayed, it is judged anew. What became of each, by event id.
 */
export async function reportOn(
  records: readonly DispositionRecord[],
  world: ReportWorld,
  { claim, retelling }: { claim?: Claim; retelling?: Retelling } = {},
): Promise<Map<string, ReportOutcome>> {
  const outcomes = new Map<string, ReportOutcome>();
  const { due, original } = await examine(records, world, outcomes, retelling);
  for (const group of together(due, world.context.config)) {
    const outcome = await makeReport(group, original, world, { claim, retelling });
    for (const [n, record] of group.entries()) outcomes.set(record.event_id, outcome === 'sent' && n > 0 ? 'gathered' : outcome);
  }
  const untold = records.filter(({ event_id }) => !['sent', 'gathered'].includes(outcomes.get(event_id) ?? ''));
  if (untold.length > 0) await letGo(untold, outcomes, world, { claim, retelling });
  return outcomes;
}

/** Says of each record that is not to be told why; `due` are the others. */
async function examine(
  records: readonly DispositionRecord[],
  world: ReportWorld,
  outcomes: Map<string, ReportOutcome>,
  retelling: Retelling | undefined,
): Promise<{ due: DispositionRecord[]; original?: Uint8Array | undefined }> {
  const { config, redis } = world.context;
  const [first] = records;
  if (!first || !reportSettingsOf(config.bounce, first).enabled) {
    for (const { event_id } of records) outcomes.set(event_id, 'disabled');
    return { due: [] };
  }
  const markOf = (record: DispositionRecord): string => retelling?.markOf(record) ?? record.event_id;
  const [marks, original] = await Promise.all([
    readReportMarks(redis, records.map(markOf)),
    readOriginal(first, world.spool, config.bounce.originalLimit),
  ]);
  const header = original ? headerOf(original) : undefined;
  const policy = policyOf(world);
  const whyNot = (record: DispositionRecord): Suppression | undefined => whyNotTold(record, header, config, policy);
  const due = records.flatMap((record) => {
    const mark = marks.get(markOf(record));
    const known = whatIsKnown(record, mark, retelling) ?? (header === undefined ? keptReason(mark, config.bounce.suppress) : undefined);
    const { outcome, tellable } = known ? { outcome: known } : judge(record, whyNot, world);
    if (outcome) outcomes.set(record.event_id, outcome);
    return tellable ? [tellable] : [];
  });
  return { due, original };
}

/** What the mark of a record says already. */
function whatIsKnown(
  record: DispositionRecord,
  mark: ReportMark | undefined,
  retelling: Retelling | undefined,
): 'repeated' | 'unknown' | undefined {
  if (mark?.kind === 'sent') return 'repeated';
  // A mark would be gone by now.
  const isForgotten = !mark && Date.now() / 1000 - record.timestamp >= markLifetime;
  return retelling && !retelling.isForced && isForgotten ? 'unknown' : undefined;
}

/** With the original gone its header cannot be asked again: what it said before holds. */
const keptReason = (mark: ReportMark | undefined, rules: readonly OptionalRule[]): Suppression | undefined =>
  mark?.kind === 'suppressed' ? stillHolds(mark.reason, rules) : undefined;

/** Why a record is not told, or the record to tell: itself, or what can be read of it where it is not of its kind. */
function judge(
  record: DispositionRecord,
  whyNot: (record: DispositionRecord) => Suppression | undefined,
  world: ReportWorld,
): { outcome?: Suppression; tellable?: DispositionRecord } {
  let tellable: DispositionRecord | undefined = record;
  let outcome: Suppression | undefined;
  try {
    outcome = whyNot(record);
  } catch (error) {
    noteMinimal([record], error, world);
    tellable = readableRecord(record);
    outcome = tellable ? whyNot(tellable) : 'none';
  }
  return outcome ? { outcome } : { ...(tellable && { tellable }) };
}

/** One report for all, or one for each action (`bounce.mixed`). */
function together(records: readonly DispositionRecord[], { bounce }: Config): readonly (readonly DispositionRecord[])[] {
  if (records.length === 0) return [];
  return bounce.mixed ? [records] : [...Map.groupBy(records, actionOf).values()];
}

async function makeReport(
  records: readonly DispositionRecord[],
  original: Uint8Array | undefined,
  world: ReportWorld,
  telling: Telling,
): Promise<ReportOutcome> {
  const { config, redis } = world.context;
  const report = writeReport(records, original, world);
  if (!report) return 'none';
  const limit = await takeFromLimits(report.recipient, redis, config.bounce);
  if (limit) return limit;
  try {
    await reinject(await reworded(report, records, world), records, world, telling);
  } catch (error) {
    // That this fails too is no news: a count that is one too high ends with its window.
    await giveBackToLimits(report.recipient, redis).catch(() => undefined);
    throw error;
  }
  return 'sent';
}

/** The report in full, or short where that cannot be made (RFC 5321 §6.1: it may not be lost). */
function writeReport(records: readonly DispositionRecord[], original: Uint8Array | undefined, world: ReportWorld): Report | undefined {
  const params = paramsOf(world.context.config, records[0], world.templates);
  const unstable = { now: Date.now(), messageId: newMessageId(), boundary: randomBytes(16).toString('hex') };
  try {
    return generateRfc3464Message(params, original, records, unstable);
  } catch (error) {
    noteMinimal(records, error, world);
    return minimalReport(
      params,
      records.flatMap((record) => readableRecord(record) ?? []),
      unstable,
    );
  }
}

function noteMinimal(records: readonly DispositionRecord[], error: unknown, { context: { log, metrics } }: ReportWorld): void {
  metrics.reportFaults.inc({ fault: 'minimal' });
  log.error({ event: 'report_minimal', dispositionId: records[0]?.event_id, messageId: records[0]?.id, err: error });
}

/** With the words that the policy wants. */
async function reworded(report: Report, records: readonly DispositionRecord[], { context: { policy } }: ReportWorld): Promise<Report> {
  const handler = policy.handlerOf('report_created');
  const [first, ...others] = records;
  if (!handler || !first) return report;
  const wanted = rewordReport(report, await handler(describeReport(report, tenantOf(first)), [first, ...others]));
  if (!wanted) return report;
  if ('report' in wanted) return wanted.report;
  policy.complain('report_created', wanted.problem);
  return report;
}

/** The content with its signatures in front; without them when they cannot be made, which is better than no report. */
async function signed(report: Report, records: readonly DispositionRecord[], { context, sign }: ReportWorld): Promise<Buffer> {
  const content = Buffer.from(report.content);
  if (!sign) return content;
  try {
    return Buffer.concat([Buffer.from(await sign(content, Date.now()), 'latin1'), content]);
  } catch (error) {
    context.metrics.reportFaults.inc({ fault: 'unsigned' });
    const [first] = records;
    context.log.error({ event: 'report_unsigned', dispositionId: first?.event_id, messageId: first?.id, error: String(error) });
    return content;
  }
}

async function reinject(
  report: Report,
  records: readonly DispositionRecord[],
  world: ReportWorld,
  { claim, retelling }: Telling,
): Promise<void> {
  const { context, spool, intake } = world;
  const draft = spool.draft(newMessageId());
  await draft.write(await signed(report, records, world));
  const mark = formatReportMark({ kind: 'sent', message: draft.id });
  await intake.receive(
    {
      envelope: envelopeOf(report),
      content: draft,
      info: { protocol: 'Report', peer: null, isTrusted: true },
      meta: { report_on: records[0]?.id },
    },
    (tx) => {
      for (const record of records) {
        const { id, event_id } = record;
        for (const name of new Set([event_id, retelling?.markOf(record) ?? event_id])) {
          tx.redis.set(reportMarkKey(context.redis, name), mark, 'EX', markLifetime);
        }
        spool.release(tx, id, holderOf(bounceSubscription.queue, event_id));
        retelling?.note(tx, 'sent');
      }
      claim?.remove(tx, records);
    },
  );
}

/** Lets go of the original of what is not told, and leaves the reasons. */
async function letGo(
  records: readonly DispositionRecord[],
  outcomes: ReadonlyMap<string, ReportOutcome>,
  { context, queues, spool }: ReportWorld,
  { claim, retelling }: Telling,
): Promise<void> {
  const tx = queues.begin();
  for (const { id, event_id } of records) {
    const reason = outcomes.get(event_id);
    // That there was a report stays known when none is sent now.
    if (reason && reason !== 'repeated' && reason !== 'unknown') {
      const mark = formatReportMark({ kind: 'suppressed', reason });
      if (retelling?.isForced || reason === 'disabled')
        tx.redis.set(reportMarkKey(context.redis, event_id), mark, 'EX', markLifetime, 'NX');
      else tx.redis.set(reportMarkKey(context.redis, event_id), mark, 'EX', markLifetime);
    }
    if (reason) retelling?.note(tx, reason);
    spool.release(tx, id, holderOf(bounceSubscription.queue, event_id));
  }
  claim?.remove(tx, records);
  await tx.exec();
}

/** The original, or of one that is too large to return at least its header; undefined when it is gone. */
async function readOriginal(record: DispositionRecord, spool: SpoolStore, limit: number): Promise<Uint8Array | undefined> {
  const content = await spool.read(record.id);
  if (!content || Buffer.isBuffer(content)) return content;
  const parts: Buffer[] = [];
  let size = 0;
  const wanted = Math.max(longestHeader, limit + 1);
  try {
    for await (const chunk of content) {
      parts.push(chunk);
      size += chunk.length;
      if (size >= wanted) break;
    }
  } catch (error) {
    if (!(error instanceof ContentGone)) throw error;
    return undefined;
  }
  return Buffer.concat(parts);
}

const headerOf = (original: Uint8Array): string => {
  const text = Buffer.from(original.buffer, original.byteOffset, Math.min(original.length, longestHeader)).toString('latin1');
  const end = text.indexOf('\r\n\r\n');
  return end < 0 ? text : text.slice(0, end + 2);
};

/** Why the settings and the rules want no report of a record; the limits are asked later. `header`: of the original, if it is there. */
export function whyNotTold(
  record: DispositionRecord,
  header: string | undefined,
  { bounce }: Config,
  policy: ReportPolicy,
): Suppression | undefined {
  if (!reportSettingsOf(bounce, record).enabled) return 'disabled';
  return whyNoReport(record, header) ?? whyAgainstPolicy(record, header, policy);
}

const policyOf = ({ context: { config }, isOwnDomain, isReadHere }: ReportWorld): ReportPolicy => ({
  rules: config.bounce.suppress,
  maxHops: config.bounce.maxHops,
  isOwnDomain,
  isReadHere,
});

/** RFC 3461 §6.1: null reverse-path, and no report about the report. */
const envelopeOf = (report: Report) => ({
  sender: report.sender,
  recipients: [{ address: report.recipient, notify: ['NEVER' as const] }],
  smtpUtf8: report.smtpUtf8,
  eightBit: report.eightBit,
});
