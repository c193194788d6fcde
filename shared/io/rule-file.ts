import { stat } from 'node:fs/promises';
import { joinRules, parseRules, type RuleSet } from '../core/rules/rule-file.ts';
import type { Logger } from './log.ts';
import type { Metrics } from './metrics.ts';
import { textLoad } from './json-load.ts';

/** The rule files of a process, read again when they change. */
export interface RuleFiles {
  /** The rules of all files, those of the first file first; undefined when no file is named. */
  readonly current: RuleSet | undefined;
  /** The files in force, and how many rules each has. */
  loaded(): { file: string; rules: number }[];
  close(): void;
}

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
export async function loadRuleFile(path: string): Promise<RuleSet> {
  const rules = parseRules(await textLoad(path));
  if (!('problems' in rules)) return rules;
  throw new RuleFileError(rules.problems.map(({ line, message }) => `${path}:${line}: ${message}`).join('\n'));
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
      return { path, mark, rules: await loadRuleFile(path) };
    }),
  );
  let current = joinRules(files.map(({ rules }) => rules));
  metrics.ruleLoads.inc({ result: 'loaded' }, files.length);
  for (const { path, rules } of files) log.info({ event: 'rules_loaded', file: path, rules: rules.rules.length });

  const look = async (): Promise<void> => {
    for (const file of files) {
      const mark = await markOf(file.path);
      if (mark === file.mark) continue;
      file.mark = mark;
      try {
        file.rules = await loadRuleFile(file.path);
        current = joinRules(files.map(({ rules }) => rules));
        metrics.ruleLoads.inc({ result: 'loaded' });
        log.info({ event: 'rules_loaded', file: file.path, rules: file.rules.rules.length });
      } catch (error) {
        metrics.ruleLoads.inc({ result: 'failed' });
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
    loaded: () => files.map(({ path, rules }) => ({ file: path, rules: rules.rules.length })),
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
