// Writes the tables of settings and of metrics into README.md, between their markers. `--check` only looks whether they
// are as they should be: exit code 1 when not.
import { readFile, writeFile } from 'node:fs/promises';
import { describeSettings } from '../shared/core/config-describe.ts';
import { openMetrics } from '../shared/io/metrics.ts';

const readme = new URL('../README.md', import.meta.url);
const before = await readFile(readme, 'utf8');
const after = put(put(before, 'settings', settingsTable()), 'metrics', await metricsTable());

if (process.argv.includes('--check')) {
  if (after !== before) {
    process.stderr.write('README.md: the tables are not those of the code; run "npm run docs"\n');
    process.exit(1);
  }
} else {
  await writeFile(readme, after);
}
process.exit(0); // the default metrics keep a timer

function put(text: string, name: string, table: string): string {
  const markers = new RegExp(`(<!-- ${name} -->\\n)[^]*?(<!-- /${name} -->)`);
  if (!markers.test(text)) throw new Error(`README.md has no <!-- ${name} --> ... <!-- /${name} -->`);
  return text.replace(markers, (_, open: string, close: string) => `${open}${table}${close}`);
}

function settingsTable(): string {
  const rows = describeSettings().map((s) => [`\`${s.key}\``, `\`${s.env}\``, `\`${s.default}\``, s.description]);
  return table(['Key', 'Variable', 'Default', 'Meaning'], rows);
}

/** Our own metrics; those of Node itself have the prefix too and are documented by prom-client. */
async function metricsTable(): Promise<string> {
  const { registry } = openMetrics('docs');
  const metrics = await registry.getMetricsAsJSON();
  const own = metrics.filter(({ name }) => !/^rebound_(?:process|nodejs)_/.test(name));
  const rows = own.map(({ name, type, help }) => [`\`${name}\``, String(type), help]);
  return table(['Metric', 'Type', 'Meaning'], rows);
}

function table(head: string[], rows: string[][]): string {
  const line = (cells: string[]): string => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |\n`;
  return [head, head.map(() => '---'), ...rows].map(line).join('');
}
