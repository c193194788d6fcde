import { access, readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { z } from 'zod';
import { checkConfig } from '../core/config-check.ts';
import { describeSettings, hidden, hideSecrets, isSecretName, type Setting } from '../core/config-describe.ts';
import { configSchema, type Config } from '../core/config.ts';
import { nearest } from '../core/nearest.ts';

export interface ConfigSource {
  /** A JSON file, or a module whose default export is the configuration; else REBOUND_CONFIG, else a file of the folder. */
  file?: string;
  env: Readonly<Record<string, string | undefined>>;
  /** Where `rebound.json` and `rebound.config.ts` are looked for; the current folder. */
  folder?: string;
}

/** One mistake in a configuration. */
export interface Problem {
  /** The variable, or the file and the key in it. */
  source: string;
  /** The value as JSON, secrets hidden; absent where there is none. */
  value?: string;
  /** What it should have been, or what to do. */
  message: string;
}

/** The configuration has mistakes: all of them, in its order. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly problems: readonly Problem[];

  constructor(problems: readonly Problem[]) {
    super(problems.map(formatProblem).join('\n'));
    this.problems = problems;
  }
}

/** `REBOUND_INGRESS_PORT = "x": expected a whole number from 0 to 65535` */
export const formatProblem = (p: Problem): string => `${p.source}${p.value === undefined ? '' : ` = ${p.value}`}: ${p.message}`;

/** The configuration: file over defaults, environment over file. Rejects with ConfigError, which lists every mistake. */
export async function loadConfig({ file, env, folder = process.cwd() }: ConfigSource): Promise<Config> {
  const problems: Problem[] = [];
  const path = file ?? (env['REBOUND_CONFIG'] || undefined) ?? (await findFile(folder, problems));
  const input = path === undefined ? {} : await readConfigFile(resolve(folder, path), path, problems);
  const fromEnv = readEnv(env, problems);
  const variables = new Map<string, string>();
  for (const { setting, variable, value } of fromEnv) {
    if (setValue(input, setting.key.split('.'), value)) variables.set(setting.key, variable);
  }
  const nameOf = (key: string): string => variables.get(key) ?? `${path ?? 'configuration'}: ${key}`;
  const sourceOf = (keyPath: readonly PropertyKey[]): string => {
    const setting = settingOf(keyPath);
    const variable = setting && variables.get(setting.key);
    return variable ? [variable, ...keyPath.slice(setting.key.split('.').length)].join('.') : nameOf(keyPath.join('.'));
  };

  const first = configSchema.safeParse(input);
  const issues = first.success ? [] : first.error.issues.flatMap(mostSpecific);
  for (const issue of issues) problems.push(...describeIssue(issue, input, sourceOf));
  // What contradicts is told together with what is wrong by itself: without the wrong values the rest can be checked.
  const wrong = new Set(issues.flatMap((issue) => keysOf(issue)));
  for (const issue of issues) removeWrong(input, issue);
  const rest = first.success ? first : configSchema.safeParse(input);
  for (const { keys, message } of rest.success ? checkConfig(rest.data) : []) {
    if (!keys.some((key) => wrong.has(key))) problems.push({ source: contradictionSource(keys, variables, nameOf), message });
  }
  if (problems.length > 0 || !rest.success) throw new ConfigError(problems);
  const fileFolder = path === undefined ? folder : dirname(resolve(folder, path));
  return withFilePaths(rest.data, (key) => (variables.has(key) ? folder : fileFolder));
}

/**
 * Files that settings name lie beside the file that names them: the roles may run in another folder. `folderOf`: where
 * the file of a setting is looked for. `dataDir` and `archive.dir` are folders of the machine, not of the configuration.
 */
function withFilePaths(config: Config, folderOf: (key: string) => string): Config {
  const { policy, ingress, delivery, bounce, webhooks, archive } = config;
  const at = (key: string, file: string): string => (file === '' ? '' : resolve(folderOf(key), file));
  const template = (key: string, name: string): string => (name === 'plain' || name === 'classic' ? name : at(key, name));
  return {
    ...config,
    policy: { ...policy, file: at('policy.file', policy.file) },
    ingress: {
      ...ingress,
      tls: { key: at('ingress.tls.key', ingress.tls.key), cert: at('ingress.tls.cert', ingress.tls.cert) },
    },
    delivery: { ...delivery, rules: delivery.rules.map((file) => at('delivery.rules', file)) },
    bounce: {
      ...bounce,
      template: template('bounce.template', bounce.template),
      tenants: mapValues(bounce.tenants, (tenant) => ({
        ...tenant,
        ...(tenant.template !== undefined && { template: template('bounce.tenants', tenant.template) }),
      })),
      dkim: bounce.dkim.map((key) => ({ ...key, keyFile: at('bounce.dkim', key.keyFile) })),
    },
    archive: { ...archive, s3: { ...archive.s3, secretFile: at('archive.s3.secretFile', archive.s3.secretFile) } },
    webhooks: mapValues(webhooks, (webhook) => ({ ...webhook, secretFile: at('webhooks', webhook.secretFile) })),
  };
}

const mapValues = <T>(record: Readonly<Record<string, T>>, change: (value: T) => T): Record<string, T> =>
  Object.fromEntries(Object.entries(record).map(([key, value]) => [key, change(value)]));

const settings = describeSettings();
const fileNames = ['rebound.json', 'rebound.config.ts'];
/** Read by the programs themselves, not a setting. */
const otherVariables = ['REBOUND_CONFIG', 'REBOUND_URL', 'REBOUND_TOKEN'];

async function findFile(folder: string, problems: Problem[]): Promise<string | undefined> {
  const found: string[] = [];
  for (const name of fileNames) {
    if (
      await access(resolve(folder, name)).then(
        () => true,
        () => false,
      )
    )
      found.push(name);
  }
  if (found.length > 1) problems.push({ source: found.join(', '), message: 'both exist: remove one, or name one with --config' });
  return found[0];
}

async function readConfigFile(path: string, name: string, problems: Problem[]): Promise<Record<string, unknown>> {
  const complain = (message: string): Record<string, unknown> => {
    problems.push({ source: name, message });
    return {};
  };
  let content: unknown;
  try {
    content = /\.[mc]?[jt]s$/.test(path) ? await importDefault(path) : JSON.parse(await readFile(path, 'utf8'));
  } catch (error) {
    // The parser's message quotes the text, which may hold a password: only the place is told.
    if (error instanceof SyntaxError && path.endsWith('.json')) return complain(`is not valid JSON${placeOf(error)}`);
    return complain(`cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
  return isObject(content) ? structuredClone(content) : complain('expected an object of settings');
}

async function importDefault(path: string): Promise<unknown> {
  const module = (await import(pathToFileURL(path).href)) as { default?: unknown };
  return module.default;
}

const placeOf = (error: SyntaxError): string => {
  const place = /\(line \d+ column \d+\)|at position \d+/.exec(error.message);
  return place ? ` ${place[0]}` : '';
};

/** The settings that the environment sets, as values. REDIS_URL is the hosting services' name for redis.url; ours wins. */
function readEnv(env: ConfigSource['env'], problems: Problem[]): { setting: Setting; variable: string; value: unknown }[] {
  const byName = new Map(settings.map((setting) => [setting.env, setting]));
  const found: { setting: Setting; variable: string; value: unknown }[] = [];
  const take = (setting: Setting, variable: string, text: string): void => {
    const value = readValue(setting, text);
    if (value === notJson)
      problems.push({ source: variable, ...(!setting.isSecret && { value: JSON.stringify(text) }), message: setting.expected });
    else if (value !== undefined) found.push({ setting, variable, value });
  };
  const url = byName.get('REBOUND_REDIS_URL');
  if (url && env['REDIS_URL'] && !env['REBOUND_REDIS_URL']) take(url, 'REDIS_URL', env['REDIS_URL']);
  for (const [variable, text] of Object.entries(env)) {
    if (!variable.startsWith('REBOUND_') || otherVariables.includes(variable) || text === undefined) continue;
    const setting = byName.get(variable);
    if (setting) take(setting, variable, text);
    else
      problems.push({ source: variable, message: `there is no such setting${suggest(variable, [...byName.keys(), ...otherVariables])}` });
  }
  return found;
}

const notJson = Symbol('not JSON');
const booleans: Record<string, boolean> = { true: true, yes: true, on: true, '1': true, false: false, no: false, off: false, '0': false };

/** The value of a variable; undefined when it is empty, which counts as not set (an empty list is meant). */
function readValue(setting: Setting, text: string): unknown {
  const trimmed = text.trim();
  if (setting.reads === 'list') return trimmed === '' ? [] : trimmed.split(',').map((item) => item.trim());
  if (trimmed === '') return undefined;
  switch (setting.reads) {
    case 'text':
      return text;
    case 'number':
      return /^[+-]?\d+(?:\.\d+)?$/.test(trimmed) ? Number(trimmed) : text;
    case 'boolean':
      return booleans[trimmed.toLowerCase()] ?? text;
    case 'json':
      try {
        return JSON.parse(trimmed) as unknown;
      } catch {
        return notJson;
      }
  }
}

type Issue = z.core.$ZodIssue;

/** The setting that a path is of, or lies inside. */
const settingOf = (path: readonly PropertyKey[]): Setting | undefined => {
  const key = path.join('.');
  return settings.find((setting) => key === setting.key || key.startsWith(`${setting.key}.`));
};

/** Of a union, the form that the value most likely was meant as: the one that was wrong inside, not at the top. */
function mostSpecific(issue: Issue): Issue[] {
  if (issue.code !== 'invalid_union') return [issue];
  const inside = issue.errors.find((errors) => errors.every((error) => error.path.length > 0 || error.code === 'unrecognized_keys'));
  return inside?.flatMap((error) => mostSpecific({ ...error, path: [...issue.path, ...error.path] })) ?? [issue];
}

function describeIssue(issue: Issue, input: unknown, sourceOf: (path: readonly PropertyKey[]) => string): Problem[] {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({
      source: sourceOf([...issue.path, key]),
      message: `there is no such setting${suggest(key, namesAt(issue.path))}`,
    }));
  }
  const setting = settingOf(issue.path);
  const isWhole = setting !== undefined && setting.key === issue.path.join('.');
  const own = issue.message.startsWith('expected');
  const isLength = setting?.reads === 'text' && (issue.code === 'too_big' || issue.code === 'too_small');
  const value = getValue(input, issue.path);
  return [
    {
      source: sourceOf(issue.path),
      ...(value !== undefined && { value: show(value, issue.path) }),
      message: isWhole && !own && !isLength ? setting.expected : wordsOf(issue),
    },
  ];
}

function wordsOf(issue: Issue): string {
  const forms = issue.code === 'invalid_union' ? issue.errors.flatMap((errors) => errors.slice(0, 1)) : [issue];
  const words = forms.map((form) => form.message.replace(/^[A-Z][a-z ]*: |, received .*$/g, ''));
  return [...new Set(words)].join(' or ').replaceAll(' or expected', ' or');
}

/** The names that may stand at a place of the schema. */
const namesAt = (path: readonly PropertyKey[]): string[] => {
  const prefix = path.length === 0 ? '' : `${path.join('.')}.`;
  const names = settings.filter(({ key }) => key.startsWith(prefix)).map(({ key }) => key.slice(prefix.length).split('.')[0] ?? '');
  return [...new Set(names)];
};

function suggest(name: string, names: readonly string[]): string {
  const near = nearest(name, names);
  return near === undefined ? '' : `; did you mean ${near}?`;
}

function show(value: unknown, path: readonly PropertyKey[]): string {
  if (isSecretName(String(path.at(-1)))) return hidden;
  const text = JSON.stringify(hideSecrets(value)) ?? String(value);
  return text.length > 200 ? `${text.slice(0, 200)}...` : text;
}

const keysOf = (issue: Issue): string[] =>
  issue.code === 'unrecognized_keys' ? [] : [issue.path.join('.'), settingOf(issue.path)?.key ?? ''];

/** Takes what an issue complains of out of the input; a part of a list or record takes the whole with it. */
function removeWrong(input: Record<string, unknown>, issue: Issue): void {
  const key = settingOf(issue.path)?.key.split('.') ?? issue.path;
  const inSection = issue.code === 'unrecognized_keys' && settingOf(issue.path) === undefined;
  const paths = inSection ? issue.keys.map((name) => [...issue.path, name]) : [key];
  for (const path of paths) {
    const parent = getValue(input, path.slice(0, -1));
    if (isObject(parent)) delete parent[String(path.at(-1))];
  }
}

/** Named by the variable that set one of the keys, when the first of them was not set at all. */
function contradictionSource(keys: readonly string[], variables: ReadonlyMap<string, string>, nameOf: (key: string) => string): string {
  const [key = ''] = keys;
  const setting = settingOf(key.split('.'));
  if (variables.has(key)) return nameOf(key);
  return setting && setting.key === key ? `${key} (${setting.env})` : key;
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);

function getValue(from: unknown, path: readonly PropertyKey[]): unknown {
  let value = from;
  for (const name of path) value = typeof value === 'object' && value !== null ? (value as Record<PropertyKey, unknown>)[name] : undefined;
  return value;
}

/** False when a parent is no object: the file is wrong there, which the schema will say. */
function setValue(input: Record<string, unknown>, path: readonly string[], value: unknown): boolean {
  let parent = input;
  for (const name of path.slice(0, -1)) {
    const next = (parent[name] ??= {});
    if (!isObject(next)) return false;
    parent = next;
  }
  parent[path.at(-1) ?? ''] = value;
  return true;
}
