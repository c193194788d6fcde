// Writes the table of commands into docs/cli.md, from the help that each command has. `--check` only looks whether it is
// current: exit code 1 when not.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { commandNames, loadCommand } from '../workers/cli/command-table.ts';

const document = fileURLToPath(new URL('../docs/cli.md', import.meta.url));
const markers = /(<!-- commands -->\n)[^]*?(<!-- \/commands -->)/;

const rows = await Promise.all(
  commandNames().map(async (name) => {
    const { summary, usage } = (await loadCommand(name)).help;
    return `| \`${`${name} ${usage}`.trim().replaceAll('|', '\\|')}\` | ${summary} |`;
  }),
);
const before = readFileSync(document, 'utf8');
if (!markers.test(before)) throw new Error('docs/cli.md has no <!-- commands --> ... <!-- /commands -->');
const table = ['| command | what it does |', '|---|---|', ...rows].join('\n');
const after = before.replace(markers, (_, begin: string, end: string) => `${begin}\n${table}\n\n${end}`);
if (process.argv.includes('--check')) {
  if (after !== before) {
    process.stderr.write('docs/cli.md: the commands are not those of the program; run "npm run docs"\n');
    process.exitCode = 1;
  }
} else writeFileSync(document, after);
