import { itemLinesOf, membersOf, parseJsonc } from './jsonc.ts';
import { compileRegexSet, type RegexSet } from './regex-set.ts';

/** What one rule says of the responses in which `match` is found. */
export interface Rule {
  /** Where it stands; both count from 1. */
  number: number;
  line: number;
  /** An RE2 pattern, searched for anywhere in the response. */
  match: string;
  /** The status to take in place of the server's, 400 to 599; null: leave it, whatever later rules say. */
  code?: number | null;
  /** The enhanced code that goes with `code`; without one, that of the server is brought into its class. */
  enhanced?: string;
  /** The bounce class: one of ours or a label of the author's. */
  class?: string;
  /** Only for these recipient domains, and only at these sites; a name that begins with `*` stands for all that end so. */
  domain?: string[];
  site?: string[];
  comment?: string;
}

/** A mistake in a rule file. */
export interface RuleProblem {
  line: number;
  /** What is wrong and what to do, with the rule's number where it is in one. */
  message: string;
}

/** Where a response was given; what rules and policy may decide by. */
export interface Place {
  domain: string;
  site: string;
}

/** Compiled rules: immutable. */
export interface RuleSet {
  readonly rules: readonly Rule[];
  /** The first rule that speaks of the status, and the first that speaks of the class, of a response on one line. */
  status(response: string, place: Place): Rule | undefined;
  bounceClass(response: string, place: Place): Rule | undefined;
}

const maxRules = 20_000;
const maxProblems = 20;
const names = ['match', 'code', 'enhanced', 'class', 'domain', 'site', 'comment'];

/**
 * Reads a rule file: an object of patterns, each with a code (`550`, `"550 5.2.2"`), a bounce class (`"QuotaIssues"`) or
 * null; or a list of rules. Gives the compiled rules, or every mistake (twenty at most) in the order of the file.
 */
export function parseRules(text: string): RuleSet | { problems: RuleProblem[] } {
  const json = parseJsonc(text);
  if ('problem' in json)
    return { problems: [{ line: json.problem.line, message: `column ${json.problem.column}: ${json.problem.message}` }] };
  const read = readRules(json.value);
  const problems = read.flatMap((rule) => ('problem' in rule ? [rule.problem] : []));
  if (!isRuleList(json.value)) problems.push({ line: 1, message: 'expected an object of patterns, or a list of rules' });
  if (read.length > maxRules) problems.push({ line: 1, message: `${read.length} rules are too many; at most ${maxRules}` });
  const rules = read.flatMap((rule) => ('problem' in rule ? [] : [rule]));
  const set = compileRules(rules);
  if (Array.isArray(set)) problems.push(...set);
  return problems.length > 0 || Array.isArray(set) ? { problems: problems.toSorted((a, b) => a.line - b.line).slice(0, maxProblems) } : set;
}

/** The rules of several files as one: those of the first file come first. */
export function joinRules(sets: readonly RuleSet[]): RuleSet {
  const firstOf = (look: (set: RuleSet) => Rule | undefined): Rule | undefined => {
    for (const set of sets) {
      const rule = look(set);
      if (rule) return rule;
    }
    return undefined;
  };
  return {
    rules: sets.flatMap((set) => set.rules),
    status: (response, place) => firstOf((set) => set.status(response, place)),
    bounceClass: (response, place) => firstOf((set) => set.bounceClass(response, place)),
  };
}

export function compileRules(rules: readonly Rule[]): RuleSet | RuleProblem[] {
  const ofStatus = rules.filter(({ code }) => code !== undefined);
  const ofClass = rules.filter((rule) => rule.class !== undefined);
  const problems: RuleProblem[] = [];
  const compile = (some: readonly Rule[]): RegexSet | undefined => {
    const set = compileRegexSet(some.map(({ match }) => match));
    if (!Array.isArray(set)) return set;
    for (const problem of set) {
      const rule = some[problem.rule - 1];
      // One rule may speak of both: its pattern is wrong once.
      if (rule && !problems.some(({ line }) => line === rule.line))
        problems.push({ line: rule.line, message: `rule ${rule.number}, ${JSON.stringify(rule.match.slice(0, 120))}: ${problem.message}` });
    }
    return undefined;
  };
  const [statusSet, classSet] = [compile(ofStatus), compile(ofClass)];
  if (!statusSet || !classSet) return problems;
  const finder =
    (set: RegexSet, some: readonly Rule[]) =>
    (response: string, place: Place): Rule | undefined =>
      some[set.first(response, (i) => isFor(some[i], place))];
  return { rules, status: finder(statusSet, ofStatus), bounceClass: finder(classSet, ofClass) };
}

function isFor(rule: Rule | undefined, place: Place): boolean {
  return (
    (rule?.domain?.some((name) => isNamed(name, place.domain)) ?? true) && (rule?.site?.some((name) => isNamed(name, place.site)) ?? true)
  );
}

function isNamed(name: string, actual: string): boolean {
  const [wanted, there] = [name.toLowerCase(), actual.toLowerCase()];
  return wanted.startsWith('*') ? there.endsWith(wanted.slice(1)) : there === wanted;
}

const isRuleList = (value: unknown): value is object => typeof value === 'object' && value !== null;

function readRules(value: unknown): (Rule | { problem: RuleProblem })[] {
  if (!isRuleList(value)) return [];
  if (Array.isArray(value)) return value.map((rule: unknown, i) => readRule(rule, i + 1, itemLinesOf(value)?.[i] ?? 1));
  return (membersOf(value) ?? []).map(({ key, value: said, line }, i) => readPair(key, said, i + 1, line));
}

/** `"pattern": 550`, `"pattern": "550 5.2.2"`, `"pattern": "QuotaIssues"`, `"pattern": null`. */
function readPair(match: string, said: unknown, number: number, line: number): Rule | { problem: RuleProblem } {
  const codes = typeof said === 'string' ? /^(\d{3})(?: (\d\.\d{1,3}\.\d{1,3}))?$/.exec(said) : null;
  if (codes) return readRule({ match, code: Number(codes[1]), ...(codes[2] !== undefined && { enhanced: codes[2] }) }, number, line);
  if (typeof said === 'string') return readRule({ match, class: said }, number, line);
  if (typeof said === 'number' || said === null) return readRule({ match, code: said }, number, line);
  return wrong(number, line, 'expected a code such as 550, "550 5.2.2", a class such as "QuotaIssues", or null');
}

function readRule(value: unknown, number: number, line: number): Rule | { problem: RuleProblem } {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return wrong(number, line, 'expected {"match": ..., "code": ...}');
  const unknown = Object.keys(value).find((name) => !names.includes(name));
  if (unknown !== undefined) return wrong(number, line, `there is no "${unknown.slice(0, 60)}" in a rule; known are ${names.join(', ')}`);
  const { match, code, enhanced, class: bounceClass, comment, domain, site } = value as Record<string, unknown>;
  if (typeof match !== 'string') return wrong(number, line, '"match" must be a pattern in quotes');
  if (code === undefined && bounceClass === undefined) return wrong(number, line, 'it says neither "code" nor "class"');
  if (code !== undefined && code !== null && !isRejection(code))
    return wrong(number, line, '"code" must be from 400 to 599, or null to leave it');
  if (enhanced !== undefined && !(typeof code === 'number' && isEnhancedOf(code, enhanced)))
    return wrong(number, line, '"enhanced" must be such as "5.2.2", of the class of "code", which it needs');
  if (bounceClass !== undefined && !isClassName(bounceClass))
    return wrong(number, line, '"class" must be a label of letters, digits, "_", "." and "-", at most 64');
  const [domains, sites] = [readNames(domain), readNames(site)];
  if (domains === false || sites === false) return wrong(number, line, '"domain" and "site" must be a name or a list of names');
  return {
    number,
    line,
    match,
    ...(code !== undefined && { code }),
    ...(typeof enhanced === 'string' && { enhanced }),
    ...(bounceClass !== undefined && { class: bounceClass }),
    ...(domains && { domain: domains }),
    ...(sites && { site: sites }),
    ...(typeof comment === 'string' && { comment }),
  };
}

function readNames(value: unknown): string[] | undefined | false {
  if (value === undefined) return undefined;
  const list: unknown[] = Array.isArray(value) ? value : [value];
  return list.length > 0 && list.every((name) => typeof name === 'string' && name !== '') && (list as string[]);
}

const wrong = (number: number, line: number, message: string): { problem: RuleProblem } => ({
  problem: { line, message: `rule ${number}: ${message}` },
});

/** May a bounce class be called so? */
export const isClassName = (name: unknown): name is string => typeof name === 'string' && /^[A-Za-z][A-Za-z0-9_.-]{0,63}$/.test(name);

/** May a rejection have this code? Only 4xx and 5xx: nothing was taken, whatever a rule says. */
export const isRejection = (code: unknown): code is number => Number.isInteger(code) && Number(code) >= 400 && Number(code) <= 599;

/** RFC 2034 §4: the class of the enhanced code is the first digit of the code. */
export const isEnhancedOf = (code: number, enhanced: unknown): enhanced is string =>
  typeof enhanced === 'string' && /^[45]\.(?:0|[1-9]\d{0,2})\.(?:0|[1-9]\d{0,2})$/.test(enhanced) && enhanced[0] === String(code)[0];
