import { nearest } from '../nearest.ts';
import type { ReportedAction } from './action.ts';
import { heldBlank, wrapText } from './wrap-text.ts';

/**
 * A report's human-readable part as somebody wants it worded: lines with placeholders such as `{{reason}}`. It is read into
 * pieces once; values are put between them and never looked into, so nothing in a value is expanded.
 */
export interface Template {
  subject: readonly Piece[];
  body: readonly Node[];
}

type Piece = { text: string } | { placeholder: Placeholder };
type Node = { indent: string; pieces: readonly Piece[] } | { section: Section; nodes: readonly Node[] };

const messagePlaceholders = ['title', 'intro', 'host', 'date', 'subject', 'sender', 'id', 'note', 'help', 'contact'] as const;
const casePlaceholders = ['outcome', 'recipients', 'status', 'reason', 'said', 'server', 'response', 'next', 'until', 'advice'] as const;
/** Lines between `{{#case}}` and `{{/case}}` are for each case; in there, those of an action for cases of this action alone. */
const sections = ['case', 'failed', 'delayed', 'relayed', 'delivered'] as const;

export type MessagePlaceholder = (typeof messagePlaceholders)[number];
export type CasePlaceholder = (typeof casePlaceholders)[number];
type Placeholder = MessagePlaceholder | CasePlaceholder;
type Section = (typeof sections)[number];

/** Lines of text for each placeholder, safe; none: there is nothing to say. */
export interface TemplateValues {
  message: Readonly<Record<MessagePlaceholder, readonly string[]>>;
  cases: readonly { action: ReportedAction; values: Readonly<Record<CasePlaceholder, readonly string[]>> }[];
}

/** What is wrong in a template; `line` is counted from 1. */
export interface TemplateProblem {
  line: number;
  message: string;
}

/** Reads a template: `Subject: ...`, a blank line, then the text. All mistakes are told at once, in the order of the lines. */
export function parseTemplate(source: string): { template: Template } | { problems: TemplateProblem[] } {
  const [first = '', second = '', ...rest] = source.replace(/^\ufeff/, '').split(/\r\n|\n/);
  const reader: Reader = { problems: [], seen: new Set() };
  const subject = /^Subject:[ \t]*(\S.*)$/i.exec(first)?.[1];
  if (subject === undefined) reader.problems.push({ line: 1, message: 'expected "Subject: " and the words of the subject' });
  if (second.trim() !== '') reader.problems.push({ line: 2, message: 'expected a blank line after the subject' });
  const template = { subject: readPieces(subject ?? '', 1, false, reader), body: readBody(rest, reader) };
  for (const name of ['recipients', 'response'] as const) {
    // Without these nobody can see what a report is about (RFC 3464 §1.2).
    if (!reader.seen.has(name))
      reader.problems.push({ line: 1, message: `{{${name}}} is missing: it has to stand between {{#case}} and {{/case}}` });
  }
  return reader.problems.length > 0 ? { problems: reader.problems.sort((a, b) => a.line - b.line) } : { template };
}

/** Subject on one line; text as lines ended by CRLF, none blank at its begin or end, never two blank ones together. */
export function renderTemplate({ subject, body }: Template, values: TemplateValues): { subject: string; text: string } {
  const lines: string[] = [];
  for (const line of renderNodes(body, values)) if (line !== '' || (lines.length > 0 && lines.at(-1) !== '')) lines.push(line);
  if (lines.at(-1) === '') lines.pop();
  return {
    subject: fill(subject, (name) => valueOf(name, values)).replaceAll(heldBlank, ' '),
    text: lines.map((line) => `${line}\r\n`).join(''),
  };
}

interface Reader {
  problems: TemplateProblem[];
  /** Placeholders that stand where every case shows them. */
  seen: Set<string>;
}

function readBody(lines: readonly string[], reader: Reader): Node[] {
  const body: Node[] = [];
  const open: { section: Section; nodes: Node[]; line: number }[] = [];
  for (const [i, text] of lines.entries()) {
    const line = i + 3;
    const [, mark, name = ''] = /^[ \t]*\{\{([#/])([^{}]*)\}\}[ \t]*$/.exec(text) ?? [];
    const nodes = open.at(-1)?.nodes ?? body;
    if (mark === '#') {
      const problem = whyNotHere(name, open);
      if (problem) reader.problems.push({ line, message: problem });
      const section = { section: name as Section, nodes: [] };
      nodes.push(section);
      open.push({ ...section, line });
    } else if (mark === '/') {
      const ended = open.pop();
      if (ended?.section !== name) reader.problems.push({ line, message: `{{/${name}}} ends nothing that was begun` });
    } else {
      nodes.push({
        indent: /^ */.exec(text)?.[0] ?? '',
        pieces: readPieces(
          text.replaceAll('\t', ' ').trim(),
          line,
          open.length > 0,
          open.length === 1 ? reader : { ...reader, seen: new Set() },
        ),
      });
    }
  }
  for (const { section, line } of open) reader.problems.push({ line, message: `{{#${section}}} is not ended` });
  return body;
}

function whyNotHere(name: string, open: readonly { section: Section }[]): string | undefined {
  if (!sections.some((section) => section === name)) return `there is no {{#${name}}}${suggest(name, sections)}`;
  if (name === 'case') return open.length > 0 ? '{{#case}} cannot stand inside another section' : undefined;
  return open.length === 1 && open[0]?.section === 'case' ? undefined : `{{#${name}}} has to stand directly inside {{#case}}`;
}

function readPieces(text: string, line: number, isInCase: boolean, { problems, seen }: Reader): Piece[] {
  if (/[\u0000-\u001f\u007f]/.test(text)) problems.push({ line, message: 'has a control character' });
  return text.split(/(\{\{[^{}]*\}\})/).map((piece) => {
    const name = /^\{\{ *([^{}]*?) *\}\}$/.exec(piece)?.[1];
    if (name === undefined) {
      if (piece.includes('{{')) problems.push({ line, message: 'has "{{" that begins no placeholder' });
      return { text: piece };
    }
    const isOfCase = casePlaceholders.some((known) => known === name);
    if (isOfCase && !isInCase) problems.push({ line, message: `{{${name}}} has to stand between {{#case}} and {{/case}}` });
    else if (isOfCase) seen.add(name);
    else if (!messagePlaceholders.some((known) => known === name)) {
      problems.push({ line, message: `there is no {{${name}}}${suggest(name, [...messagePlaceholders, ...casePlaceholders])}` });
    }
    return { placeholder: name as Placeholder };
  });
}

function suggest(name: string, names: readonly string[]): string {
  const near = nearest(name, names);
  return near === undefined ? '' : `; did you mean ${near}?`;
}

type Case = TemplateValues['cases'][number];

function renderNodes(nodes: readonly Node[], values: TemplateValues, of?: Case): string[] {
  return nodes.flatMap((node) => {
    if (!('section' in node)) return renderLine(node, (name) => valueOf(name, values, of));
    if (node.section === 'case') return values.cases.flatMap((each) => ['', ...renderNodes(node.nodes, values, each), '']);
    return node.section === of?.action ? renderNodes(node.nodes, values, of) : [];
  });
}

function renderLine(
  { indent, pieces }: { indent: string; pieces: readonly Piece[] },
  read: (name: Placeholder) => readonly string[],
): string[] {
  const [only, ...others] = pieces.filter((piece) => !('text' in piece) || piece.text !== '');
  // A placeholder by itself may be many lines, or none.
  if (only && 'placeholder' in only && others.length === 0) return read(only.placeholder).flatMap((line) => wrapText(line, indent));
  return wrapText(fill(pieces, read).trim(), indent);
}

const fill = (pieces: readonly Piece[], read: (name: Placeholder) => readonly string[]): string =>
  pieces
    .map((piece) => ('text' in piece ? piece.text : read(piece.placeholder).join(piece.placeholder === 'recipients' ? ', ' : ' ')))
    .join('');

function valueOf(name: Placeholder, { message }: TemplateValues, of?: Case): readonly string[] {
  return name in message ? message[name as MessagePlaceholder] : (of?.values[name as CasePlaceholder] ?? []);
}
