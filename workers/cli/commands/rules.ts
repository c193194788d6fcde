import { parseArgs } from 'node:util';
import { parseDuration } from '../../../shared/core/duration.ts';
import { parseReply, replyOnOneLine, type Reply } from '../../../shared/core/reply.ts';
import { responseLine } from '../../../shared/core/rules/response-line.ts';
import type { Rule, RuleSet } from '../../../shared/core/rules/rule-file.ts';
import { judgeByRules, type RuleVerdict, type StatusChange } from '../../../shared/core/rules/verdict.ts';
import { loadConfig } from '../../../shared/io/config-load.ts';
import { textLoad } from '../../../shared/io/json-load.ts';
import { loadRuleFile } from '../../../shared/io/rule-file.ts';
import { backtestRemote } from '../api/backtest.ts';
import { apiHelp, apiOptions, isThroughApi, openApi, type ApiFlags } from '../api/connect.ts';
import { Failure, UsageError, type Help } from '../command.ts';
import type { Backtest } from '../../../shared/io/backtest.ts';

export const help: Help = {
  usage:
    'test <file> --response <text> [--domain <name>] [--site <name>] [--json] | backtest <file> [--since <time>] [--json] | show [--json]',
  summary: 'try a rule file on a response, or on what servers said in the past',
  options: [
    ['test <file>', 'say which rule matches and what becomes of the response. Exit code 1 when none matches'],
    ['--response <text>', 'what the server said, such as "452 4.2.2 over quota"; \\r\\n between its lines'],
    ['--domain <name>', 'the domain of the recipient, for rules that name one'],
    ['--site <name>', 'the site, as the dashboard shows it'],
    ['backtest <file>', 'read the disposition log, with --url that of the admin role, and say what the rules would have changed'],
    ['--since <time>', 'how far back, such as 90m, 24h or 7d (24h)'],
    ['show', 'the files that each delivery process goes by, and how often they decided: asked of the API'],
    ...apiHelp,
  ],
  notes: 'Rule files are described in docs/rules.md.',
};

const text = { type: 'string' } as const;

export async function run(args: string[]): Promise<number> {
  const options = {
    response: text,
    domain: text,
    site: text,
    since: text,
    ...apiOptions,
  } as const;
  const { values, positionals } = parseArgs({ args, options, allowPositionals: true });
  const [verb, file, ...others] = positionals;
  const { response, domain, site, since, config, json } = values;
  if (verb === 'test' && file !== undefined && others.length === 0 && since === undefined) {
    if (response === undefined) throw new UsageError('"rules test" needs --response <text>');
    return test(file, { response, domain: domain ?? '', site: site ?? '' }, config, json);
  }
  if (verb === 'backtest' && file !== undefined && others.length === 0 && [response, domain, site].every((value) => value === undefined)) {
    // A bare number could be anything.
    const age = /^\s*\d*\s*$/.test(since ?? '24h') ? undefined : parseDuration(since ?? '24h');
    if (age === undefined) throw new UsageError(`"${since}" is no time such as 24h`);
    if (isThroughApi(values, process.env)) return backtestThroughApi(file, since ?? '24h', values);
    return backtest(file, age, config, json);
  }
  if (verb === 'show' && file === undefined) return (await import('../api/in-force.ts')).showRules(await openApi(values), json);
  throw new UsageError('expected "rules test <file> --response <text>", "rules backtest <file>" or "rules show"');
}

async function test(
  file: string,
  asked: { response: string; domain: string; site: string },
  config: string | undefined,
  json: boolean,
): Promise<number> {
  const rules = await readRules(file);
  const { responseLineBreaks } = (await settings(config)).delivery;
  const reply = parseAnswer(asked.response);
  const verdict = judgeByRules(rules, reply, asked, responseLineBreaks);
  const seen = responseLine(reply, responseLineBreaks);
  const isMatch = verdict.status !== undefined || verdict.classRule !== undefined;
  process.stdout.write(json ? `${JSON.stringify(verdictAsJson(seen, verdict), null, 2)}\n` : tellVerdict(seen, verdict, file));
  return isMatch ? 0 : 1;
}

async function backtest(file: string, age: number, config: string | undefined, json: boolean): Promise<number> {
  const rules = await readRules(file);
  const all = await settings(config);
  // Loaded when they are needed: with them comes BullMQ.
  const [{ openRedis }, { openLog }, { openArchiveStore }, { findRedisUrl }, { warn, warnOfMissingArchive }, past] = await Promise.all([
    import('../../../shared/io/redis.ts'),
    import('../../../shared/io/log.ts'),
    import('../../../shared/io/archive.ts'),
    import('../redis-url.ts'),
    import('../log/warn.ts'),
    import('../../../shared/io/backtest.ts'),
  ]);
  const silent = openLog({ level: 'silent', format: 'json' });
  const redis = await openRedis(await findRedisUrl(all), { ...all.redis, requireDurable: false }, silent);
  try {
    const source = { redis, archive: openArchiveStore(all) };
    await warnOfMissingArchive(source);
    const now = Date.now();
    const onDamage = ({ segment, problem }: { segment: string; problem: string }): void => warn(`${segment} is passed over: ${problem}`);
    const result = await past.backtest(source, past.rulesJudge(rules, all.delivery.responseLineBreaks), {
      since: Math.max(now - age, 0),
      until: now + 1,
      onDamage,
    });
    process.stdout.write(json ? `${JSON.stringify(result, null, 2)}\n` : tellBacktest(result));
    return 0;
  } finally {
    await redis.close();
  }
}

async function backtestThroughApi(file: string, since: string, flags: ApiFlags & { json: boolean }): Promise<number> {
  // Mistakes are told with their file and line, as here.
  await readRules(file);
  const result = await backtestRemote(await openApi(flags), await textLoad(file), since);
  process.stdout.write(flags.json ? `${JSON.stringify(result, null, 2)}\n` : tellBacktest(result));
  return 0;
}

const settings = (file: string | undefined): ReturnType<typeof loadConfig> =>
  loadConfig({ ...(file !== undefined && { file }), env: process.env });

async function readRules(file: string): Promise<RuleSet> {
  try {
    return await loadRuleFile(file);
  } catch (error) {
    throw new Failure((error as Error).message, { cause: error });
  }
}

/** `550-5.1.1 first\r\n550 5.1.1 last`, and the same without code on the further lines, as rules see it. */
function parseAnswer(response: string): Reply {
  const lines = response.split(/\\r\\n|\r?\n/);
  const code = /^\d{3}/.exec(response)?.[0] ?? '';
  const reply = parseReply(lines.map((line) => (/^\d{3}(?:[- ]|$)/.test(line) ? line : `${code} ${line}`)));
  if (!reply) throw new UsageError(`"${response.slice(0, 80)}" is no response such as "550 5.1.1 no such user"`);
  if (reply.code < 400) throw new UsageError(`"${response.slice(0, 80)}" is no rejection: rules are asked about codes from 400 on`);
  return reply;
}

const outcomes: Record<StatusChange, string> = {
  bounce: 'the message bounces at once, instead of being tried again',
  retry: 'the message is tried again, instead of bouncing',
  code: 'the same becomes of the message',
  none: 'the status stays',
};

const show = ({ number, line, match }: Rule): string => `rule ${number} (line ${line}) ${JSON.stringify(match)}`;
const place = ({ number, line, match }: Rule): Pick<Rule, 'number' | 'line' | 'match'> => ({ number, line, match });

function tellVerdict(response: string, { status, refused, classRule, bounceClass, builtinClass }: RuleVerdict, file: string): string {
  const lines = [`response: ${printable(response)}`];
  if (status) {
    lines.push(`status:   ${show(status.rule)}`);
    if (status.change !== 'none') lines.push(`          ${printable(replyOnOneLine(status.reply))}`);
    lines.push(`          ${refused === undefined ? outcomes[status.change] : `refused: ${refused}; the status stays`}`);
  } else lines.push(`status:   no rule of ${file} matches; the status stays`);
  lines.push(`class:    ${bounceClass}, by ${classRule ? `${show(classRule)}; built in: ${builtinClass}` : 'the built-in rules'}`);
  return `${lines.join('\n')}\n`;
}

function verdictAsJson(response: string, { status, refused, classRule, bounceClass, builtinClass }: RuleVerdict) {
  return {
    response,
    matches: status !== undefined || classRule !== undefined,
    status: status
      ? {
          rule: place(status.rule),
          change: status.change,
          code: status.reply.code,
          enhanced: status.reply.enhanced ?? null,
          response: replyOnOneLine(status.reply),
          ...(refused !== undefined && { refused }),
        }
      : null,
    class: { rule: classRule ? place(classRule) : null, label: bounceClass, builtin: builtinClass },
  };
}

function tellBacktest({ responses, changed, oldest, rows, others }: Backtest): string {
  const from = oldest === null ? '' : ` (the oldest of ${oldest})`;
  const lines = [`${responses} rejections by servers in this time${from}, ${changed} of them would have been changed.`];
  for (const { rule, site, change, responses: count, recipients, example } of rows) {
    lines.push('', `${count} responses (${recipients} recipients) at ${printable(site)}: ${change}`);
    lines.push(`  rule ${rule.number} (line ${rule.line}) ${JSON.stringify(rule.match)}`);
    lines.push(`  for example ${example.time} ${printable(example.recipient)}: ${printable(example.response)}`);
  }
  if (others > 0) lines.push('', `${others} more, of rules and sites that are not listed.`);
  return `${lines.join('\n')}\n`;
}

/** A server's words must not steer the terminal. */
const printable = (words: string): string => words.replace(/[\u0000-\u001f\u007f-\u009f]/g, '?');
