import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { parse as parseYaml, parseAllDocuments, stringify } from 'yaml';

// Helm is in no registry that the tests may use, so this renders the part of its language that our chart keeps to: text,
// trim marks, variables, `if`, `range` over lists and maps, `define` and `include`, pipelines of the functions below. It
// is stricter than Helm: a value that is not there, a function it does not have, or a number that Go would print with an
// exponent is an error here. It has no `with`, no comparison of numbers, and does not look at values.schema.json.

export interface Manifest {
  apiVersion: string;
  kind: string;
  metadata: { name: string; labels?: Record<string, string>; annotations?: Record<string, string> };
  spec?: unknown;
  data?: Record<string, string>;
}

type Values = Record<string, unknown>;

/** What `helm template <release>` prints for a chart folder with values laid over its own, as objects. */
export function renderChart(folder: string, values: Values = {}, release = 'mail'): Manifest[] {
  return renderFiles(folder, values, release)
    .filter(({ name }) => name.endsWith('.yaml'))
    .flatMap(({ name, text }) =>
      parseAllDocuments(text).flatMap((document) => {
        if (document.errors.length > 0) throw new Error(`${name}: ${document.errors[0]?.message}\n${text}`);
        const manifest = document.toJS() as Manifest | null;
        return manifest ? [manifest] : [];
      }),
    );
}

/** The text of each template, NOTES.txt among them. */
export function renderFiles(folder: string, values: Values = {}, release = 'mail'): { name: string; text: string }[] {
  const read = (name: string): string => readFileSync(`${folder}/${name}`, 'utf8');
  const chart = parseYaml(read('Chart.yaml')) as { name: string; version: string; appVersion: string };
  const dot = {
    Values: layOver(parseYaml(read('values.yaml')) as Values, values),
    Release: { Name: release, Service: 'Helm' },
    Chart: { Name: chart.name, Version: chart.version, AppVersion: chart.appVersion },
    Files: { Get: read },
  };
  const templates = readdirSync(`${folder}/templates`).sort();
  const defines = new Map<string, Node[]>();
  const parsed = templates.map((name) => ({ name, nodes: parseTemplate(read(`templates/${name}`), name, defines) }));
  return parsed
    .filter(({ name }) => !name.startsWith('_'))
    .map(({ name, nodes }) => ({ name, text: renderNodes(nodes, { dot, variables: new Map([['$', dot]]), defines }) }));
}

function layOver(base: unknown, over: unknown): unknown {
  if (!isMap(base) || !isMap(over)) return over === undefined ? base : over;
  return Object.fromEntries([...new Set([...Object.keys(base), ...Object.keys(over)])].map((key) => [key, layOver(base[key], over[key])]));
}

const isMap = (value: unknown): value is Values => typeof value === 'object' && value !== null && !Array.isArray(value);

// ---- The language ----

type Node =
  | { kind: 'text'; text: string }
  | { kind: 'print'; pipeline: string }
  | { kind: 'set'; name: string; pipeline: string }
  | { kind: 'if'; branches: { condition: string | undefined; body: Node[] }[] }
  | { kind: 'range'; names: string[]; pipeline: string; body: Node[] };

interface Scope {
  dot: unknown;
  variables: Map<string, unknown>;
  defines: Map<string, Node[]>;
}

function parseTemplate(source: string, name: string, defines: Map<string, Node[]>): Node[] {
  const trimmed = source.replace(/\s*\{\{-(?=\s)/g, '{{').replace(/(?<=\s)-\}\}\s*/g, '}}');
  const parts = trimmed.split(/\{\{((?:"(?:\\.|[^"\\])*"|[^}"])*)\}\}/);
  const root: Node[] = [];
  const open: { end: () => void; otherwise?: (condition?: string) => void }[] = [];
  let into = root;
  parts.forEach((part, at) => {
    if (at % 2 === 0) {
      if (part) into.push({ kind: 'text', text: part });
      return;
    }
    const action = part.trim();
    const [, word = '', rest = ''] = /^(\w*)\s*([^]*)$/.exec(action) ?? [];
    const outer = into;
    const close = (): void => void (into = outer);
    if (word === 'define') {
      into = [];
      defines.set(JSON.parse(rest) as string, into);
      open.push({ end: close });
    } else if (word === 'if') {
      const branches: { condition: string | undefined; body: Node[] }[] = [];
      const otherwise = (condition?: string): void => {
        into = [];
        branches.push({ condition, body: into });
      };
      outer.push({ kind: 'if', branches });
      otherwise(rest);
      open.push({ end: close, otherwise });
    } else if (word === 'range') {
      const [, names = '', pipeline = ''] = /^(\$\w+(?:\s*,\s*\$\w+)?)\s*:=\s*([^]*)$/.exec(rest) ?? [];
      if (!names) throw new Error(`${name}: range needs names: ${action}`);
      into = [];
      outer.push({ kind: 'range', names: names.split(/\s*,\s*/), pipeline, body: into });
      open.push({ end: close });
    } else if (word === 'else') {
      const last = open.at(-1);
      if (!last?.otherwise || (rest && !rest.startsWith('if '))) throw new Error(`${name}: a stray ${action}`);
      last.otherwise(rest ? rest.slice(3) : undefined);
    } else if (word === 'end') {
      const last = open.pop();
      if (!last) throw new Error(`${name}: an end too many`);
      last.end();
    } else {
      const [, variable, pipeline = action] = /^(\$\w+)\s*:=\s*([^]*)$/.exec(action) ?? [];
      into.push(variable ? { kind: 'set', name: variable, pipeline } : { kind: 'print', pipeline });
    }
  });
  if (open.length > 0) throw new Error(`${name}: ${open.length} not ended`);
  return root;
}

function renderNodes(nodes: readonly Node[], scope: Scope): string {
  return nodes.map((node) => renderNode(node, scope)).join('');
}

function renderNode(node: Node, scope: Scope): string {
  switch (node.kind) {
    case 'text':
      return node.text;
    case 'print':
      return print(evaluate(node.pipeline, scope));
    case 'set':
      scope.variables.set(node.name, evaluate(node.pipeline, scope));
      return '';
    case 'if': {
      const branch = node.branches.find(({ condition }) => condition === undefined || isTrue(evaluate(condition, scope)));
      return branch ? renderNodes(branch.body, scope) : '';
    }
    case 'range': {
      const over = evaluate(node.pipeline, scope);
      const entries: [unknown, unknown][] = Array.isArray(over) ? [...over.entries()] : sorted(over as Values);
      return entries
        .map(([key, value]) => {
          const variables = new Map(scope.variables);
          const [first = '', second] = node.names;
          variables.set(second ?? first, value);
          if (second) variables.set(first, key);
          return renderNodes(node.body, { ...scope, dot: value, variables });
        })
        .join('');
    }
  }
}

const sorted = (map: Values): [string, unknown][] => Object.entries(map).toSorted(([a], [b]) => (a < b ? -1 : 1));

function evaluate(pipeline: string, scope: Scope): unknown {
  const tokens = pipeline.match(/"(?:\\.|[^"\\])*"|[()|]|[^\s()|"]+/g) ?? [];
  let at = 0;
  const operand = (): unknown => {
    const token = tokens[at++] ?? '';
    if (token === '(') {
      const value = piped();
      if (tokens[at++] !== ')') throw new Error(`a parenthesis is open: ${pipeline}`);
      return value;
    }
    if (token.startsWith('"')) return JSON.parse(token);
    if (/^-?\d+$/.test(token)) return Number(token);
    if (token === 'true' || token === 'false') return token === 'true';
    if (/^\$?\w*(?:\.\w+)*\.?$/.test(token) && /^[.$]/.test(token)) return look(token, scope);
    throw new Error(`"${token}" is not understood: ${pipeline}`);
  };
  const command = (before: unknown[]): unknown => {
    const token = tokens[at] ?? '';
    const isCall = Object.hasOwn(functions, token) || token === 'include' || token === '.Files.Get';
    if (!isCall) return operand();
    at++;
    const args: unknown[] = [];
    while (at < tokens.length && tokens[at] !== '|' && tokens[at] !== ')') args.push(operand());
    args.push(...before);
    if (token === 'include') return includeTemplate(String(args[0]), args[1], scope);
    if (token === '.Files.Get') return (look(token, scope) as (name: unknown) => unknown)(args[0]);
    return functions[token]?.(...args);
  };
  const piped = (): unknown => {
    let value = command([]);
    while (tokens[at] === '|') {
      at++;
      value = command([value]);
    }
    return value;
  };
  const value = piped();
  if (at < tokens.length) throw new Error(`"${tokens[at]}" is not expected: ${pipeline}`);
  return value;
}

function look(path: string, scope: Scope): unknown {
  const [first = '', ...keys] = path.split('.');
  if (first && !scope.variables.has(first)) throw new Error(`there is no ${first}`);
  return keys.filter(Boolean).reduce<unknown>(
    (value, key) => {
      if (!isMap(value) || !Object.hasOwn(value, key)) throw new Error(`there is no ${key} in ${path}`);
      return value[key];
    },
    first ? scope.variables.get(first) : scope.dot,
  );
}

function includeTemplate(name: string, dot: unknown, { defines }: Scope): string {
  const nodes = defines.get(name);
  if (!nodes) throw new Error(`there is no template ${name}`);
  return renderNodes(nodes, { dot, variables: new Map([['$', dot]]), defines });
}

const isTrue = (value: unknown): boolean =>
  Array.isArray(value) ? value.length > 0 : isMap(value) ? Object.keys(value).length > 0 : Boolean(value);

function print(value: unknown): string {
  if (typeof value === 'number' && (!Number.isInteger(value) || Math.abs(value) >= 1e6)) throw new Error(`Go would not print ${value} so`);
  if (typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'boolean')
    throw new Error(`not to be printed: ${JSON.stringify(value)}`);
  return String(value);
}

/** A whole number that was made one by `int`: Go prints it as it is. */
const whole = (value: unknown): string => String(Math.trunc(Number(value)));
/** As Go's encoding/json writes it: keys sorted, what HTML would misread escaped. */
const toJson = (value: unknown): string =>
  JSON.stringify(value, (_, inner: unknown) => (isMap(inner) ? Object.fromEntries(sorted(inner)) : inner)).replace(
    /[<>&\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
/** As strconv.Quote, for what YAML reads alike. */
const quote = (value: unknown): string => JSON.stringify(print(value));

const functions: Record<string, (...args: unknown[]) => unknown> = {
  quote,
  toJson,
  toYaml: (value) => stringify(value, { sortMapEntries: true }).trimEnd(),
  nindent: (spaces, text) => `\n${String(text).replace(/^/gm, ' '.repeat(Number(spaces)))}`,
  default: (fallback, value) => (isTrue(value) ? value : fallback),
  int: whole,
  list: (...items) => items,
  index: (map, key) => (map as Values)[String(key)],
  sha256sum: (text) => createHash('sha256').update(String(text)).digest('hex'),
  eq: (a, b) => a === b,
  ne: (a, b) => a !== b,
  and: (...all) => all.find((value) => !isTrue(value)) ?? all.at(-1),
  or: (...all) => all.find(isTrue) ?? all.at(-1),
  not: (value) => !isTrue(value),
};
