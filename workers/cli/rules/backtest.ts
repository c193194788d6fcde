import { parseResponse, recipientsOf, type DispositionRecord } from '../../../shared/core/disposition.ts';
import { originalReply, replyOnOneLine } from '../../../shared/core/reply.ts';
import { parseQueueName } from '../../../shared/core/queue-name.ts';
import type { LineBreaks } from '../../../shared/core/rules/response-line.ts';
import { judgeByRules, type RuleVerdict } from '../../../shared/core/rules/verdict.ts';
import type { Rule, RuleSet } from '../../../shared/core/rules/rule-file.ts';
import type { RedisLink } from '../../../shared/io/redis.ts';

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
  /** Most frequent first. */
  rows: BacktestRow[];
  /** Changed responses that are in no row: there were too many rows. */
  others: number;
}

/** Records asked for at once. */
const pageSize = 500;
/** Rules, sites and changes are counted apart up to here, so that memory stays what it is. */
const maxRows = 10_000;

const types = new Set<DispositionRecord['type']>(['TransientFailure', 'Bounce', 'Expiration']);
const rejecting = new Set<string | null>(['MAIL', 'RCPT', 'DATA', '.']);

/** Reads the log from `since` (epoch ms) to what is its end now, and says what the rules would have changed. Nothing is written. */
export async function backtest(redis: RedisLink, rules: RuleSet, since: number, lineBreaks: LineBreaks): Promise<Backtest> {
  const rows = new Map<string, BacktestRow>();
  const total: Backtest = { responses: 0, changed: 0, rows: [], others: 0 };
  for await (const record of rejections(redis, since)) {
    total.responses += 1;
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

/** What servers said against a message since then; the page in hand is all that is held of the log. */
async function* rejections(redis: RedisLink, since: number): AsyncGenerator<DispositionRecord> {
  const key = redis.key('log');
  const [last] = await redis.client.xrevrange(key, '+', '-', 'COUNT', 1);
  if (!last) return;
  const [end] = last;
  for (let from = String(since); ;) {
    const page = await redis.client.xrange(key, from, end, 'COUNT', pageSize);
    for (const [, fields] of page) {
      const record = parseRecord(fields[fields.indexOf('r') + 1]);
      if (record && types.has(record.type) && !record.response.local && rejecting.has(record.response.command)) yield record;
    }
    const next = page.at(-1)?.[0];
    if (next === undefined || page.length < pageSize) return;
    from = `(${next}`;
  }
}

/** An entry that somebody else put there is passed over. */
function parseRecord(text: string | undefined): DispositionRecord | undefined {
  try {
    const record = JSON.parse(text ?? '') as DispositionRecord;
    const isWhole =
      typeof record.response.code === 'number' && typeof record.response.content === 'string' && typeof record.queue === 'string';
    return isWhole && typeof record.site === 'string' && recipientsOf(record).length > 0 ? record : undefined;
  } catch {
    return undefined;
  }
}
