import { isFormattableDate } from '../date.ts';
import { chooseLanguage } from './choose-language.ts';
import { fieldTextUtf8, type ReadField } from './field.ts';
import { encodeWords } from './encoded-word.ts';
import { meaningOf } from './status-meaning.ts';
import { parseTemplate, renderTemplate, type Template, type TemplateValues } from './template.ts';
import type { ExplainedCase, Explanation } from './text.ts';
import { builtInLanguages, wordingOf } from './wording/languages.ts';
import type { Wording } from './wording/wording.ts';
import { heldBlank } from './wrap-text.ts';

/** Templates by language tag in lower case; `*` is one for every language, with the phrases of the language chosen. */
export type ReportTemplates = Readonly<Record<string, Template>>;

/** Subject and human-readable part of a report, in one language. */
export interface WordedReport {
  /** ASCII: encoded-words where it must be. */
  subject: string;
  text: string;
  language: string;
}

/** The template `plain`, in the order in which people ask: what happened, to whom, why, who says so, what comes next, what to do, whom to ask. */
export const plainSource = `Subject: {{title}}

{{intro}}

{{#case}}
{{outcome}}

  {{recipients}}

{{reason}}

{{said}}

  {{response}}

{{next}} {{advice}}
{{/case}}

{{note}}

{{help}}
`;

const plain = builtIn(plainSource);

/** Tells an explanation in the words of a template. `header`: that of the message, for `auto` in `language`. */
export function wordReport(
  explanation: Explanation,
  templates: ReportTemplates | 'plain',
  language: string,
  header: readonly ReadField[],
): WordedReport {
  const own = templates === 'plain' ? { '*': plain } : templates;
  const languages = Object.keys(own).filter((tag) => tag !== '*');
  const chosen = chooseLanguage(language, Object.hasOwn(own, '*') ? [...languages, ...builtInLanguages] : languages, header);
  const template = (Object.hasOwn(own, chosen) ? own[chosen] : own['*']) ?? plain;
  const { subject, text } = renderTemplate(template, valuesOf(explanation, wordingOf(chosen)));
  return { subject: encodeWords(safe(subject, 300)), text, language: chosen };
}

function builtIn(source: string): Template {
  const read = parseTemplate(source);
  if ('problems' in read) throw new Error(JSON.stringify(read.problems));
  return read.template;
}

function valuesOf(explanation: Explanation, wording: Wording): TemplateValues {
  const { host, contact, sender, receivedAt, subject, id, note } = explanation;
  const date = receivedAt === undefined ? undefined : tellDate(receivedAt, wording);
  const about = safe(subject ?? '', 200);
  const cases = withoutRepeats(explanation.cases);
  const name = safe(host);
  return {
    message: {
      title: [titleOf(cases, wording)],
      intro: [wording.intro({ host: name, ...(date && { date }), ...(about && { subject: about }) })],
      host: [name],
      date: lines(date),
      subject: lines(about),
      sender: lines(address(sender)),
      id: lines(safe(id ?? '')),
      note: lines(note && wording.note(note)),
      help: [wording.help(address(contact), safe(id ?? '') || undefined)],
      contact: [address(contact)],
    },
    cases: cases.map((one) => ({ action: one.outcome.action, values: caseValues(one, wording) })),
  };
}

function caseValues(
  { recipients, cause, outcome, status, code, command, said }: ExplainedCase,
  wording: Wording,
): TemplateValues['cases'][number]['values'] {
  const isProblem = outcome.action === 'failed' || outcome.action === 'delayed';
  const { reason, advice } = meaningOf(status, code, wording, command);
  // The sentence for an unknown reason points to a server's answer.
  const isReasonKnown = cause.kind === 'remote' || reason !== wording.classes[5];
  const server = cause.kind === 'remote' && cause.peer ? safe(nameOf(cause.peer)) : '';
  const until = outcome.action === 'delayed' && isFormattableDate(outcome.until ?? Number.NaN) ? tellDate(outcome.until ?? 0, wording) : '';
  return {
    outcome: [wording.outcomes[outcome.action === 'failed' && outcome.isExpired ? 'expired' : outcome.action]],
    recipients: recipients.map(address),
    status: [safe(status)],
    reason: lines(isProblem && isReasonKnown && reason),
    said: [cause.kind === 'remote' ? wording.said(server) : wording.noted],
    server: lines(server),
    response: quoted(cause.kind === 'remote' ? said : [cause.status]),
    next: [outcome.action === 'delayed' ? wording.next.delayed(until || undefined, outcome.isFailureTold) : wording.next[outcome.action]],
    until: lines(until),
    advice: lines(outcome.action === 'failed' && advice),
  };
}

function titleOf(cases: readonly ExplainedCase[], { titles }: Wording): string {
  const actions = new Set(cases.map(({ outcome }) => outcome.action));
  const [first] = actions;
  return titles[first === 'failed' && actions.size > 1 ? 'partlyFailed' : (first ?? 'failed')];
}

/** Cases that differ in nothing but their recipients are one. */
function withoutRepeats(cases: readonly ExplainedCase[]): ExplainedCase[] {
  const byWords = new Map<string, ExplainedCase>();
  for (const one of cases) {
    const words = JSON.stringify({ ...one, recipients: [] });
    const same = byWords.get(words);
    byWords.set(words, same ? { ...same, recipients: [...same.recipients, ...one.recipients] } : one);
  }
  return [...byWords.values()];
}

/** The words of a server, line by line; what nobody will read is cut. */
function quoted(said: readonly string[]): string[] {
  const longest = 8192;
  const kept: string[] = [];
  let length = 0;
  for (const line of said.map((text) => safe(text, longest))) {
    length += line.length;
    if (length > longest) return [...kept, '...'];
    if (line !== '') kept.push(line);
  }
  return kept;
}

const lines = (text: string | false | undefined): string[] => (text ? [text] : []);

/** A foreign value as text that is one line, cannot steer a terminal and is not written backwards (bidi controls). */
const safe = (text: string, maxLength?: number): string =>
  fieldTextUtf8(text.replace(/[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/g, '?'), maxLength);

/** An address stays on one line. */
const address = (text: string): string => safe(text).replaceAll(' ', heldBlank);

function tellDate(epochMs: number, wording: Wording): string {
  const at = new Date(epochMs);
  const time = [at.getUTCHours(), at.getUTCMinutes()].map((n) => String(n).padStart(2, '0')).join(':');
  return wording.date({ day: at.getUTCDate(), month: at.getUTCMonth(), year: at.getUTCFullYear(), time });
}

const nameOf = ({ name, address }: { name: string; address: string }): string => (name === address ? address : `${name} (${address})`);
