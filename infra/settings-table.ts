// Writes the tables of settings and of metrics into README.md, between their markers. `--check` only looks whether they
// are as they should be: exit code 1 when not.
import { readFile, writeFile } from 'node:fs/promises';
import type { MetricObject } from 'prom-client';
import { describeSettings } from '../shared/core/config-describe.ts';
import { openMetrics } from '../shared/io/metrics.ts';

/** Those that there are only on Linux are in docs/monitoring.md, so that the table is the same everywhere. */
const onlyOnLinux = /^rebound_process_(?:virtual_memory_bytes|heap_bytes|open_fds|max_fds)$/;
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

async function metricsTable(): Promise<string> {
  const { registry } = openMetrics();
  const types = new Map((await registry.getMetricsAsJSON()).map(({ name, type }) => [name, String(type)]));
  const rows = registry
    .getMetricsAsArray()
    .filter(({ name }) => !onlyOnLinux.test(name))
    .map((metric) => {
      const { name, help, labelNames } = metric as MetricObject & { labelNames: readonly string[] };
      return [`\`${name}\``, types.get(name) ?? '', labelNames.map((label) => `\`${label}\``).join(', '), help];
    });
  return table(['Metric', 'Type', 'Labels', 'Meaning'], rows);
}

function table(head: string[], rows: string[][]): string {
  const line = (cells: string[]): string => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |\n`;
  return [head, head.map(() => '---'), ...rows].map(line).join('');
}
