import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { stripTypeScriptTypes } from 'node:module';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

/** One file of the page, as it is sent. */
interface UiFile {
  type: string;
  content: string;
  zipped: Buffer;
}

/** The program of the page: native modules, made at the start from our files and those of the packages. */
export interface Ui {
  /** The page around it, for every path. */
  shell: string;
  /** By name, such as `main.ts`. */
  files: ReadonlyMap<string, UiFile>;
  /** The path of a file. It has the digest of all of them, so a browser may keep each for ever. */
  pathOf(name: string): string;
}

const folder = new URL('ui/', import.meta.url);
const packages = {
  'preact.js': import.meta.resolve('preact'),
  'preact-hooks.js': import.meta.resolve('preact/hooks'),
  'htm.js': import.meta.resolve('htm'),
  'htm-preact.js': import.meta.resolve('htm/preact'),
  'uplot.js': new URL('uPlot.esm.js', import.meta.resolve('uplot')).href, // it resolves to the form for require
  'uplot.css': new URL('uPlot.min.css', import.meta.resolve('uplot')).href,
};
/** What modules import by a bare name, which a browser cannot find: an import map would be an inline script. */
const bareNames: Readonly<Record<string, string>> = {
  preact: 'preact.js',
  'preact/hooks': 'preact-hooks.js',
  htm: 'htm.js',
  'htm/preact': 'htm-preact.js',
  uplot: 'uplot.js',
};
const types: Readonly<Record<string, string>> = {
  ts: 'text/javascript; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  css: 'text/css; charset=utf-8',
  svg: 'image/svg+xml',
};
const typeOf = (name: string): string | undefined => types[name.slice(name.lastIndexOf('.') + 1)];

/** Reads and prepares all files; a module that cannot be read stops the start. */
export async function loadUi(): Promise<Ui> {
  const own = (await readdir(folder, { recursive: true })).filter((name) => typeOf(name) !== undefined).toSorted();
  const sources = [
    ...own.map((name): [string, string] => [name.replaceAll('\\', '/'), new URL(name, folder).href]),
    ...Object.entries(packages),
  ];
  const texts = await Promise.all(sources.map(async ([name, url]) => [name, await readFile(fileURLToPath(url), 'utf8')] as const));
  const digest = createHash('sha256').update(JSON.stringify(texts)).digest('hex').slice(0, 16);
  const pathOf = (name: string): string => `/ui/${digest}/${name}`;
  const files = new Map(texts.map(([name, text]) => [name, fileOf(name, prepare(name, text, pathOf))]));
  return { files, pathOf, shell: shellOf([...files.keys()], pathOf) };
}

function fileOf(name: string, content: string): UiFile {
  return { type: typeOf(name) ?? '', content, zipped: gzipSync(content) };
}

function prepare(name: string, text: string, pathOf: (name: string) => string): string {
  if (!/\.[jt]s$/.test(name)) return text;
  const script = name.endsWith('.ts') ? stripTypeScriptTypes(text) : text.replace(/^\/\/# sourceMappingURL=.*$/gm, '');
  return script.replace(/(\bfrom\s*|^import\s*)(["'])([a-z][a-z/]*)\2/gm, (all, before: string, quote: string, bare: string) => {
    const file = bareNames[bare];
    return file === undefined ? all : `${before}${quote}${pathOf(file)}${quote}`;
  });
}

/** `theme.ts` comes before anything is drawn, the modules all at once instead of one after the other. */
function shellOf(names: readonly string[], pathOf: (name: string) => string): string {
  const modules = names.filter((name) => /\.[jt]s$/.test(name) && name !== 'theme.ts');
  const styles = names.filter((name) => name.endsWith('.css') && name !== 'board.css');
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Rebound</title>
<link rel="icon" href="${pathOf('icon.svg')}" type="image/svg+xml">
<script src="${pathOf('theme.ts')}"></script>
${styles.map((name) => `<link rel="stylesheet" href="${pathOf(name)}">`).join('\n')}
${modules.map((name) => `<link rel="modulepreload" href="${pathOf(name)}">`).join('\n')}
<script type="module" src="${pathOf('main.ts')}"></script>
</head>
<body>
<div id="app"></div>
<noscript><p>This page needs JavaScript; the same can be asked of the API, see <a href="/docs">/docs</a>.</p></noscript>
</body>
</html>
`;
}
