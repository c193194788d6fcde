// Writes the tables of docs/cli.md: commands, from the help that each has, and operations of the API with their commands.
// `--check` only looks whether they are current: exit code 1 when not.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { endpoints } from '../shared/core/api/endpoints.ts';
import { commandNames, loadCommand } from '../workers/cli/command-table.ts';
import { endpointNames, verbOf } from './operation-verbs.ts';

const document = fileURLToPath(new URL('../docs/cli.md', import.meta.url));

const rows = await Promise.all(
  commandNames().map(async (name) => {
    const { summary, usage } = (await loadCommand(name)).help;
    return `| \`${`${name} ${usage}`.trim().replaceAll('|', '\\|')}\` | ${summary} |`;
  }),
);
const before = readFileSync(document, 'utf8');
const operations = endpointNames.map((name) => {
  const verb = verbOf[name];
  const { method, path } = endpoints[name];
  return `| \`${method} ${path}\` | ${typeof verb === 'string' ? `\`${verb}\`` : `none: ${verb.none}`} |`;
});
const after = [
  ['commands', '| command | what it does |', ...rows],
  ['operations', '| operation of the API | command |', ...operations],
].reduce((text, [name = '', head = '', ...lines]) => {
  const markers = new RegExp(`(<!-- ${name} -->\\n)[^]*?(<!-- /${name} -->)`);
  if (!markers.test(text)) throw new Error(`docs/cli.md has no <!-- ${name} --> ... <!-- /${name} -->`);
  const table = [head, '|---|---|', ...lines].join('\n');
  return text.replace(markers, (_, begin: string, end: string) => `${begin}\n${table}\n\n${end}`);
}, before);
if (process.argv.includes('--check')) {
  if (after !== before) {
    process.stderr.write('docs/cli.md: the tables are not those of the program; run "npm run docs"\n');
    process.exitCode = 1;
  }
} else writeFileSync(document, after);
