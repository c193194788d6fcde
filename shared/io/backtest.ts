import { parseResponse, recipientsOf, type DispositionRecord } from '../core/disposition.ts';
import type { LogFilter } from '../core/log-filter.ts';
import { parseQueueName } from '../core/queue-name.ts';
import { originalReply, replyOnOneLine, type Reply } from '../core/reply.ts';
import type { LineBreaks } from '../core/rules/response-line.ts';
import type { Place, Rule, RuleSet } from '../core/rules/rule-file.ts';
import { judgeByRules } from '../core/rules/verdict.ts';
import { readRecords, type ReadOptions, type RecordSource } from './record-reader.ts';

/** Responses that one rule would have changed in the same way at one site. */
export interface BacktestRow {
  rule: Change['rule'];
  site: string;
  /** In a few words: `452 -> 550: bounce instead of retry`, `class QuotaIssues instead of Uncategorized`. */
  change: string;
  responses: number;
  recipients: number;
  /** One of them, as the server said it. */
  example: { response: string; recipient: string; time: string };
}

export interface Backtest {
  /** Rejections by servers that were looked at, and how many of them would have been changed. */
  responses: number;
  changed: number;
  /** The time of the oldest of them (RFC 3339). */
  oldest: string | null;
  /** Most frequent first. */
  rows: BacktestRow[];
  /** Changed responses that are in no row: there were too many rows. */
  others: number;
}

/** A rejection as rules see it. */
export interface Rejected {
  reply: Reply;
  place: Place;
}

/** What one rule would have made of a rejection. */
export interface Change {
  rule: Pick<Rule, 'number' | 'line' | 'match'>;
  change: string;
}

/** What rules make of rejections, in their order; undefined when nothing more is to be known. */
export type RulesJudge = (rejections: readonly Rejected[]) => Promise<Change[][] | undefined>;

export interface BacktestOptions extends Pick<ReadOptions, 'onDamage' | 'order' | 'signal'> {
  /** Epoch ms. */
  since: number;
  until: number;
  /** Rejections at most. */
  most?: number;
}

/** Rules, sites and changes are counted apart up to here, so that memory stays what it is. */
const maxRows = 10_000;
/** Rejections that are judged together. */
const batchSize = 100;

const types = new Set<DispositionRecord['type']>(['TransientFailure', 'Bounce', 'Expiration']);
const rejecting = new Set<string | null>(['MAIL', 'RCPT', 'DATA', '.']);

export const rulesJudge =
  (rules: RuleSet, lineBreaks: LineBreaks): RulesJudge =>
  (rejections) =>
    Promise.resolve(rejections.map((rejected) => changesOf(rejected, rules, lineBreaks)));

/**
 * Reads the log and its archive and says what the rules would have changed. Nothing is written.
 */
export async function backtest(source: RecordSource, judge: RulesJudge, options: BacktestOptions): Promise<Backtest> {
  const { since, until, most = Infinity, ...reading } = options;
  const rows = new Map<string, BacktestRow>();
  const total: Backtest = { responses: 0, changed: 0, oldest: null, rows: [], others: 0 };
  const add = (record: DispositionRecord, { reply, place }: Rejected, changes: readonly Change[]): void => {
    total.responses += 1;
    if (total.oldest === null || record.event_time < total.oldest) total.oldest = record.event_time;
    if (changes.length > 0) total.changed += 1;
    const recipients = recipientsOf(record);
    for (const { rule, change } of changes) {
      const key = `${rule.number} ${place.site} ${change}`;
      const row = rows.get(key);
      if (row) {
        row.responses += 1;
        row.recipients += recipients.length;
      } else if (rows.size < maxRows) {
        const example = { response: replyOnOneLine(reply), recipient: recipients[0] ?? '', time: record.event_time };
        rows.set(key, { rule, site: place.site, change, responses: 1, recipients: recipients.length, example });
      } else total.others += 1;
    }
  };
  let batch: DispositionRecord[] = [];
  const flush = async (): Promise<boolean> => {
    const rejections = batch.map(rejectedOf);
    const changes = rejections.length > 0 ? await judge(rejections) : [];
    for (const [n, record] of batch.entries()) {
      const [rejected, some] = [rejections[n], changes?.[n]];
      if (rejected && some) add(record, rejected, some);
    }
    batch = [];
    return changes !== undefined && total.responses < most;
  };
  for await (const record of rejectionsOf(source, { since, until }, reading)) {
    batch.push(record);
    if (batch.length >= Math.min(batchSize, most - total.responses) && !(await flush())) break;
  }
  await flush();
  return { ...total, rows: [...rows.values()].toSorted((a, b) => b.responses - a.responses || a.rule.number - b.rule.number) };
}

function rejectedOf({ response, site, queue }: DispositionRecord): Rejected {
  return {
    reply: originalReply(parseResponse(response)),
    place: { domain: parseQueueName(queue).domain, site: site.slice(site.indexOf('->') + 2) },
  };
}

function changesOf({ reply, place }: Rejected, rules: RuleSet, lineBreaks: LineBreaks): Change[] {
  const { status, classRule, bounceClass, builtinClass } = judgeByRules(rules, reply, place, lineBreaks);
  const found: Change[] = [];
  const nameOf = ({ number, line, match }: Rule): Change['rule'] => ({ number, line, match });
  if (status && status.change !== 'none') {
    const words = { bounce: ': bounce instead of retry', retry: ': retry instead of bounce', code: '' }[status.change];
    found.push({ rule: nameOf(status.rule), change: `${reply.code} -> ${status.reply.code}${words}` });
  }
  if (classRule && bounceClass !== builtinClass)
    found.push({ rule: nameOf(classRule), change: `class ${bounceClass} instead of ${builtinClass}` });
  return found;
}

/** What servers said against a message since then, of log and archive; a page is all that is held of them. */
async function* rejectionsOf(source: RecordSource, filter: LogFilter, options: ReadOptions): AsyncGenerator<DispositionRecord> {
  for await (const { record } of readRecords(source, { ...options, filter: { ...filter, types: [...types] } })) {
    if (isWhole(record) && !record.response.local && rejecting.has(record.response.command)) yield record;
  }
}

/** An entry that somebody else put there is passed over. */
const isWhole = ({ response, queue, site, recipient }: Partial<DispositionRecord>): boolean =>
  typeof response?.code === 'number' &&
  typeof response.content === 'string' &&
  typeof queue === 'string' &&
  typeof site === 'string' &&
  recipient !== undefined &&
  recipientsOf({ recipient }).length > 0;
