import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { joinRules, parseRules, type Rule, type RuleSet } from '../core/rules/rule-file.ts';
import type { Logger } from './log.ts';
import type { Metrics } from './metrics.ts';
import { textLoad } from './json-load.ts';

/** The rule files of a process, read again when they change. */
export interface RuleFiles {
  /** The rules of all files, those of the first file first; undefined when no file is named. */
  readonly current: RuleSet | undefined;
  /** The files in force. */
  loaded(): LoadedRuleFile[];
  close(): void;
}

export interface LoadedRuleFile {
  file: string;
  /** Their number. */
  rules: number;
  /** Of its content: the same on all machines. */
  version: string;
  /** When it was loaded; RFC 3339. Hits count from then on. */
  since: string;
  /** How often a rule of it decided, of a status or of a class. */
  hits: number;
  /** The rules that decided most often. */
  top: { rule: number; line: number; match: string; hits: number }[];
  /** Why the version that is there now is not the one in force. */
  error: { time: string; message: string } | null;
}

/** What every process says of itself every few seconds stays small. */
const mostTop = 20;
const longestMatch = 120;
const longestError = 1000;

/** A rule file that cannot be used; the message has a line `file:line: what` for each mistake. */
export class RuleFileError extends Error {
  override readonly name = 'RuleFileError';
}

interface RuleFilesOptions {
  paths: readonly string[];
  /** How often the files are looked at. Milliseconds. */
  interval: number;
  log: Logger;
  metrics: Pick<Metrics, 'ruleLoads'>;
}

/** Reads one rule file. Rejects with RuleFileError, or JsonFileError when it cannot be read at all. */
export const loadRuleFile = async (path: string): Promise<RuleSet> => (await loadVersion(path)).rules;

interface Version {
  rules: RuleSet;
  version: string;
  since: string;
  hits: Map<Rule, number>;
  error: LoadedRuleFile['error'];
}

async function loadVersion(path: string): Promise<Version> {
  const text = await textLoad(path);
  const rules = parseRules(text);
  const version = createHash('sha256').update(text).digest('hex').slice(0, 12);
  if (!('problems' in rules)) return { ...counted(rules), version, since: new Date().toISOString(), error: null };
  throw new RuleFileError(rules.problems.map(({ line, message }) => `${path}:${line}: ${message}`).join('\n'));
}

/** The same rules, which count how often each decides. */
function counted(set: RuleSet): Pick<Version, 'rules' | 'hits'> {
  const hits = new Map<Rule, number>();
  const count = (rule: Rule | undefined): Rule | undefined => {
    if (rule) hits.set(rule, (hits.get(rule) ?? 0) + 1);
    return rule;
  };
  return {
    hits,
    rules: {
      rules: set.rules,
      status: (response, place) => count(set.status(response, place)),
      bounceClass: (response, place) => count(set.bounceClass(response, place)),
    },
  };
}

function describe(file: string, { rules, version, since, hits, error }: Version): LoadedRuleFile {
  const most = [...hits].toSorted(([, a], [, b]) => b - a).slice(0, mostTop);
  return {
    file,
    rules: rules.rules.length,
    version,
    since,
    hits: [...hits.values()].reduce((sum, n) => sum + n, 0),
    top: most.map(([{ number, line, match }, n]) => ({ rule: number, line, match: match.slice(0, longestMatch), hits: n })),
    error,
  };
}

/**
 * Reads the files and watches them. Rejects when one cannot be used: a process that starts has no older rules to go by.
 * Later a file that is gone, half written or wrong leaves the rules as they were, and is told of once.
 */
export async function openRuleFiles({ paths, interval, log, metrics }: RuleFilesOptions): Promise<RuleFiles> {
  if (paths.length === 0) return { current: undefined, loaded: () => [], close: () => undefined };
  const files = await Promise.all(
    paths.map(async (path) => {
      // The mark is taken before the text: a change in between is seen as one at the next look.
      const mark = await markOf(path);
      return { path, mark, current: await loadVersion(path) };
    }),
  );
  let current = joinRules(files.map((file) => file.current.rules));
  metrics.ruleLoads.inc({ result: 'loaded' }, files.length);
  // From the start: Prometheus sees no increase in what begins with its first one.
  metrics.ruleLoads.inc({ result: 'failed' }, 0);
  for (const file of files) log.info({ event: 'rules_loaded', file: file.path, rules: file.current.rules.rules.length });

  const look = async (): Promise<void> => {
    for (const file of files) {
      const mark = await markOf(file.path);
      if (mark === file.mark) continue;
      file.mark = mark;
      try {
        file.current = await loadVersion(file.path);
        current = joinRules(files.map((one) => one.current.rules));
        metrics.ruleLoads.inc({ result: 'loaded' });
        log.info({ event: 'rules_loaded', file: file.path, rules: file.current.rules.rules.length });
      } catch (error) {
        metrics.ruleLoads.inc({ result: 'failed' });
        file.current.error = { time: new Date().toISOString(), message: (error as Error).message.slice(0, longestError) };
        log.error({ event: 'rules_not_loaded', file: file.path, error: (error as Error).message }, 'the rules of before stay in force');
      }
    }
  };
  let isLooking = false;
  const timer = setInterval(() => {
    if (isLooking) return;
    isLooking = true;
    look()
      .catch((error: unknown) => log.error({ event: 'rules_not_loaded', error: String(error) }))
      .finally(() => (isLooking = false));
  }, interval);
  timer.unref();
  return {
    get current() {
      return current;
    },
    loaded: () => files.map((file) => describe(file.path, file.current)),
    close: () => clearInterval(timer),
  };
}

/** Changes whenever the file does: written to, replaced, gone, there again. */
async function markOf(path: string): Promise<string> {
  try {
    const { ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
    return `${ino} ${size} ${mtimeNs} ${ctimeNs}`;
  } catch (error) {
    return String((error as NodeJS.ErrnoException).code);
  }
}
