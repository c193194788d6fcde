import { parseResponse, recipientsOf, type DispositionRecord } from '../../../shared/core/disposition.ts';
import { originalReply, replyOnOneLine } from '../../../shared/core/reply.ts';
import { parseQueueName } from '../../../shared/core/queue-name.ts';
import type { LineBreaks } from '../../../shared/core/rules/response-line.ts';
import { judgeByRules, type RuleVerdict } from '../../../shared/core/rules/verdict.ts';
import type { Rule, RuleSet } from '../../../shared/core/rules/rule-file.ts';
import type { LogFilter } from '../../../shared/core/log-filter.ts';
import { readRecords, type ReadOptions, type RecordSource } from '../../../shared/io/record-reader.ts';

/** Responses that one rule would have changed in the same way at one site. */
export interface BacktestRow {
  rule: Pick<Rule, 'number' | 'line' | 'match'>;
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

/** Rules, sites and changes are counted apart up to here, so that memory stays what it is. */
const maxRows = 10_000;

const types = new Set<DispositionRecord['type']>(['TransientFailure', 'Bounce', 'Expiration']);
const rejecting = new Set<string | null>(['MAIL', 'RCPT', 'DATA', '.']);

/**
 * Reads the log and its archive from `since` to `until` (epoch ms) and says what the rules would have changed. Nothing is
 * written.
 */
export async function backtest(
  source: RecordSource,
  rules: RuleSet,
  { onDamage, ...time }: { since: number; until: number } & Pick<ReadOptions, 'onDamage'>,
  lineBreaks: LineBreaks,
): Promise<Backtest> {
  const rows = new Map<string, BacktestRow>();
  const total: Backtest = { responses: 0, changed: 0, oldest: null, rows: [], others: 0 };
  for await (const record of rejections(source, time, onDamage ? { onDamage } : {})) {
    total.responses += 1;
    total.oldest ??= record.event_time;
    const reply = originalReply(parseResponse(record.response));
    const site = record.site.slice(record.site.indexOf('->') + 2);
    const verdict = judgeByRules(rules, reply, { domain: parseQueueName(record.queue).domain, site }, lineBreaks);
    const changes = changesOf(verdict, reply.code);
    if (changes.length > 0) total.changed += 1;
    for (const { rule, change } of changes) {
      const key = `${rule.number} ${site} ${change}`;
      const row = rows.get(key);
      const recipients = recipientsOf(record);
      if (row) {
        row.responses += 1;
        row.recipients += recipients.length;
      } else if (rows.size < maxRows) {
        rows.set(key, {
          rule: { number: rule.number, line: rule.line, match: rule.match },
          site,
          change,
          responses: 1,
          recipients: recipients.length,
          example: { response: replyOnOneLine(reply), recipient: recipients[0] ?? '', time: record.event_time },
        });
      } else total.others += 1;
    }
  }
  return { ...total, rows: [...rows.values()].toSorted((a, b) => b.responses - a.responses || a.rule.number - b.rule.number) };
}

function changesOf({ status, classRule, bounceClass, builtinClass }: RuleVerdict, code: number): { rule: Rule; change: string }[] {
  const found: { rule: Rule; change: string }[] = [];
  if (status && status.change !== 'none') {
    const words = { bounce: ': bounce instead of retry', retry: ': retry instead of bounce', code: '' }[status.change];
    found.push({ rule: status.rule, change: `${code} -> ${status.reply.code}${words}` });
  }
  if (classRule && bounceClass !== builtinClass) found.push({ rule: classRule, change: `class ${bounceClass} instead of ${builtinClass}` });
  return found;
}

/** What servers said against a message since then, of log and archive; a page is all that is held of them. */
async function* rejections(
  source: RecordSource,
  filter: LogFilter,
  options: Pick<ReadOptions, 'onDamage'>,
): AsyncGenerator<DispositionRecord> {
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
