import { RE2JSException, RE2Set } from 're2js';
import { membersOf } from './jsonc.ts';

/** A pattern that cannot be used. */
export interface PatternProblem {
  /** Counted from 1. */
  rule: number;
  /** Of the file that it came from, where that is known. */
  line?: number;
  pattern: string;
  /** What is wrong, and what to write instead. */
  message: string;
}

/** Some patterns cannot be used: all of them, in their order. */
export class PatternError extends Error {
  override readonly name = 'PatternError';
  readonly problems: readonly PatternProblem[];

  constructor(problems: readonly PatternProblem[]) {
    super(problems.map(formatPatternProblem).join('\n'));
    this.problems = problems;
  }
}

/** `rule 3 (line 7), "(?=x)": ...` */
export const formatPatternProblem = ({ rule, line, pattern, message }: PatternProblem): string =>
  `rule ${rule}${line === undefined ? '' : ` (line ${line})`}, ${JSON.stringify(shorten(pattern))}: ${message}`;

/** Patterns to values, in order. */
export interface RegexSetMap<V> {
  readonly size: number;
  /** The value of the first pattern that is found in the text; undefined when none is. */
  get(text: string): V | undefined;
}

/**
 * Compiles patterns (RE2, searched for anywhere in the text, case-sensitive unless they begin with `(?i)`) so that one
 * pass over a text tries all of them: linear in the text, whatever the patterns. The first that matches decides, in the
 * order of the rules; of an object that `jsonLoad` read, in the order of the file. Throws PatternError.
 */
export function regexSetMap<V>(rules: Readonly<Record<string, V>> | Iterable<readonly [pattern: string, value: V]>): RegexSetMap<V> {
  const members = membersOf(rules);
  const entries = isIterable(rules) ? [...rules] : (members?.map(({ key, value }) => [key, value as V] as const) ?? Object.entries(rules));
  const compiled = compileRegexSet(entries.map(([pattern]) => pattern));
  if (Array.isArray(compiled)) throw new PatternError(compiled.map((p) => withLine(p, members?.[p.rule - 1]?.line)));
  return { size: entries.length, get: (text) => entries[compiled.first(text)]?.[1] };
}

/** Compiled patterns. */
export interface RegexSet {
  /** The place of the first pattern that is found in the text and that `mayBe` takes; -1 when there is none. */
  first(text: string, mayBe?: (place: number) => boolean): number;
}

/** One automaton for so many patterns: fewer cost more passes over a text, more cost larger states of the automaton. */
const patternsOfOneSet = 500;
/** Octets of states that one automaton keeps; it forgets them and starts again when they are more. */
const stateMemory = 4 << 20;
const maxPatternLength = 10_000;

/** Compiles the patterns, or says all that is wrong with them. */
export function compileRegexSet(patterns: readonly string[]): RegexSet | PatternProblem[] {
  const problems: PatternProblem[] = [];
  const sets: RE2Set[] = [];
  for (const [i, pattern] of patterns.entries()) {
    if (i % patternsOfOneSet === 0) sets.push(new RE2Set(RE2Set.UNANCHORED, 0, stateMemory));
    const message = checkPattern(pattern) ?? attempt(() => sets.at(-1)?.add(pattern), pattern);
    if (message !== undefined) problems.push({ rule: i + 1, pattern, message });
  }
  if (problems.length > 0) return problems;
  for (const [i, set] of sets.entries()) {
    const pattern = patterns[i * patternsOfOneSet] ?? '';
    const message = attempt(() => set.compile(), pattern);
    if (message !== undefined) problems.push({ rule: i * patternsOfOneSet + 1, pattern, message: `from here on: ${message}` });
  }
  if (problems.length > 0) return problems;
  return {
    first: (text, mayBe = () => true) => {
      for (const [i, set] of sets.entries()) {
        const found = set.match(text).find((place) => mayBe(i * patternsOfOneSet + place));
        if (found !== undefined) return i * patternsOfOneSet + found;
      }
      return -1;
    },
  };
}

function checkPattern(pattern: string): string | undefined {
  if (pattern === '') return 'an empty pattern is found in every text; write "." if that is meant';
  if (pattern.length > maxPatternLength) return `${pattern.length} characters are too long for a pattern; at most ${maxPatternLength}`;
  return undefined;
}

function attempt(work: () => unknown, pattern: string): string | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    if (!(error instanceof RE2JSException)) throw error;
    return explain(error.message.replace(/^error parsing regexp: /, ''), pattern);
  }
}

/** What people bring along from other engines, and what stands for it here. */
const advice: readonly (readonly [RegExp, string])[] = [
  [/\(\?(?:=|!)/, 'there is no look-ahead: put the exception in a rule of its own before this one, the first match decides'],
  [/\(\?<(?:=|!)/, 'there is no look-behind: write what stands before into the pattern, or put the exception in a rule before this one'],
  [/\\[1-9]|\\k[<{]|\(\?P=/, 'there are no back-references: write out the texts that may stand there, as in "(?:a.*a|b.*b)"'],
  [/\(\?>|[*+?}]\+/, 'there are no atomic or possessive groups: leave the "?>" or "+" away, matching never takes long here'],
  [/\\u[0-9a-fA-F{]/, 'a character by its number is written \\x{e9}'],
  [/\\Z/, 'the end of the text is written \\z or $'],
  [/\(\?[#(|R&0-9]/, 'comments, conditions and recursion in a pattern are unknown here: use a rule of its own, or several'],
];

function explain(message: string, pattern: string): string {
  const [, help] = advice.find(([form]) => form.test(pattern)) ?? [];
  const hint = help ?? (/closing|unexpected \)/.test(message) ? 'a bracket that is meant as such is written "\\\\(" in JSON' : undefined);
  return hint === undefined ? shorten(message) : `${shorten(message)}; ${hint}`;
}

const isIterable = <T>(value: object | Iterable<T>): value is Iterable<T> => Symbol.iterator in value;
const withLine = (problem: PatternProblem, line: number | undefined): PatternProblem =>
  line === undefined ? problem : { ...problem, line };
const shorten = (text: string): string => (text.length > 120 ? `${text.slice(0, 120)}...` : text);
