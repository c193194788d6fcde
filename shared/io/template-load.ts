import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, extname, join } from 'node:path';
import { lookUp } from '../core/dsn/choose-language.ts';
import type { ReportParams } from '../core/dsn/generate.ts';
import { parseTemplate, type Template } from '../core/dsn/template.ts';
import type { ReportTemplates } from '../core/dsn/word-report.ts';
import { builtInLanguages } from '../core/dsn/wording/languages.ts';
import type { WordingInUse } from '../core/tenant-reports.ts';
import { ConfigError, type Problem } from './config-load.ts';

/** Templates by the name that the settings give them. */
export type LoadedTemplates = ReadonlyMap<string, NonNullable<ReportParams['template']>>;

/** A template is read by people: more than this, in octets, is another file. */
const largestTemplate = 64 * 1024;

/**
 * Loads the templates that are used. Rejects with ConfigError, which lists every mistake with file
 * and line, also when a language is set for which there is no template.
 */
export async function loadTemplates(uses: readonly WordingInUse[]): Promise<LoadedTemplates> {
  const problems: Problem[] = [];
  const loaded = new Map<string, NonNullable<ReportParams['template']>>();
  for (const { template: name, language, keys } of uses) {
    if (!loaded.has(name)) loaded.set(name, name === 'plain' || name === 'classic' ? name : await loadFolder(name, keys[0], problems));
    const template = loaded.get(name);
    const problem = template && checkLanguage(language, template, `"${name}"`);
    if (problem !== undefined) problems.push({ source: keys[1], value: JSON.stringify(language), message: problem });
  }
  if (problems.length > 0) throw new ConfigError(problems);
  return loaded;
}

/** What is wrong with a language for a template; `name` stands behind the word. */
export function checkLanguage(language: string, template: NonNullable<ReportParams['template']>, name: string): string | undefined {
  const languages = template === 'classic' ? [] : languagesOf(template);
  if (language === 'auto' || languages.length === 0 || lookUp(language, languages) !== undefined) return undefined;
  return `template ${name} has ${languages.join(', ')} only`;
}

const languagesOf = (template: 'plain' | ReportTemplates): string[] =>
  template === 'plain' || Object.hasOwn(template, '*')
    ? [...(template === 'plain' ? [] : Object.keys(template).filter((tag) => tag !== '*')), ...builtInLanguages]
    : Object.keys(template);

/** A folder has a file for each language (`de.txt`); a single file is for every language. */
async function loadFolder(path: string, key: string, problems: Problem[]): Promise<ReportTemplates> {
  try {
    if ((await stat(path)).isFile()) return await loadFiles([['*', path]], problems);
    const names = (await readdir(path)).filter((name) => extname(name) === '.txt').sort();
    const files = names.map((name) => [basename(name, '.txt').toLowerCase(), join(path, name)] as const);
    if (files.length === 0)
      problems.push({ source: key, value: JSON.stringify(path), message: 'there is no template such as en.txt in this folder' });
    for (const [tag, file] of files) {
      if (!/^[a-z]{2,3}(?:-[a-z0-9]{2,8})*$/.test(tag))
        problems.push({ source: file, message: 'expected the name of a language, such as de.txt or pt-br.txt' });
    }
    return await loadFiles(files, problems);
  } catch (error) {
    const message = `expected plain, classic, or a file or folder: ${(error as Error).message}`;
    problems.push({ source: key, value: JSON.stringify(path), message });
    return {};
  }
}

async function loadFiles(files: readonly (readonly [tag: string, file: string])[], problems: Problem[]): Promise<ReportTemplates> {
  const templates: [string, Template][] = [];
  for (const [tag, file] of files) {
    const octets = await readFile(file);
    const text = octets.length > largestTemplate ? undefined : decode(octets);
    if (text === undefined) {
      problems.push({ source: file, message: `expected text in UTF-8 of at most ${largestTemplate} octets` });
      continue;
    }
    const read = parseTemplate(text);
    if ('template' in read) templates.push([tag, read.template]);
    else problems.push(...read.problems.map(({ line, message }) => ({ source: `${file}:${line}`, message })));
  }
  return Object.fromEntries(templates);
}

function decode(octets: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(octets);
  } catch {
    return undefined;
  }
}
