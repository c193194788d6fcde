import { parseArgs } from 'node:util';
import { apiHelp, apiOptions, exitCodes, openApi } from '../api/connect.ts';
import { paperOf, print, printJson, renderTable, type Column } from '../api/table.ts';
import { agoOf } from '../api/times.ts';
import { loadedWords, type Worker } from '../api/worker.ts';
import type { Help } from '../command.ts';

export const help: Help = {
  usage: '[--all] [--json]',
  summary: 'processes at work, and what each has loaded',
  options: [['--all', 'those too that have not been heard of lately'], ...apiHelp],
  notes: exitCodes,
};

const columns: readonly Column<Worker>[] = [
  { title: 'ROLE', value: ({ role }) => role },
  { title: 'HOST', value: ({ host }) => host },
  { title: 'PID', value: ({ pid }) => String(pid) },
  { title: 'VERSION', value: ({ version }) => version },
  { title: 'UP', value: ({ started }) => agoOf(started) },
  { title: 'HEARD', value: ({ heartbeat }) => `${agoOf(heartbeat)} ago`, style: ({ alive }) => (alive ? undefined : 'red') },
  { title: 'LOADED', value: (worker) => loadedWords(worker) },
];

export async function run(args: string[]): Promise<number> {
  const { values } = parseArgs({ args, options: { ...apiOptions, all: { type: 'boolean', default: false } } });
  const api = await openApi(values);
  const { workers } = await api.workers();
  const shown = workers.filter(({ alive }) => alive || values.all);
  if (values.json) printJson({ workers: shown });
  else if (shown.length === 0) print(['no process has been heard of']);
  else
    print(
      renderTable(
        columns,
        shown.toSorted((a, b) => (a.role < b.role ? -1 : a.role > b.role ? 1 : 0)),
        paperOf(process.stdout, process.env),
      ),
    );
  return 0;
}
