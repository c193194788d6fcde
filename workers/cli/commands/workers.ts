import { parseArgs } from 'node:util';
import { apiHelp, apiOptions, exitCodes, openApi } from '../api/connect.ts';
import { paperOf, print, printJson, renderTable, type Column } from '../api/table.ts';
import { agoOf } from '../api/times.ts';
import { loadedWords, type Worker } from '../api/worker.ts';
import type { Help } from '../command.ts';
import type { Answer, ReboundClient } from '../../../shared/io/client.ts';

export const help: Help = {
  usage: '[--all] [--sessions] [--json]',
  summary: 'processes at work, and what each has loaded',
  options: [
    ['--all', 'those too that have not been heard of lately'],
    ['--sessions', 'open delivery sessions, and who has them'],
    ...apiHelp,
  ],
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

type Session = Answer<'sessions'>['sessions'][number];
const sessionColumns: readonly Column<Session>[] = [
  { title: 'LANE', value: ({ lane }) => lane },
  { title: 'N', value: ({ index }) => index },
  { title: 'WORKER', value: ({ worker }) => worker ?? '?' },
  { title: 'SINCE', value: ({ since }) => (since === null ? '-' : `${agoOf(since)} ago`) },
];

const flag = { type: 'boolean', default: false } as const;

export async function run(args: string[]): Promise<number> {
  const { values } = parseArgs({ args, options: { ...apiOptions, all: flag, sessions: flag } });
  const api = await openApi(values);
  if (values.sessions) return sessions(api, values.json);
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

async function sessions(api: ReboundClient, json: boolean): Promise<number> {
  const answer = await api.sessions();
  const { sessions: shown, total } = answer;
  if (json) printJson(answer);
  else if (shown.length === 0) print(['no delivery session is open']);
  else {
    print(renderTable(sessionColumns, shown, paperOf(process.stdout, process.env)));
    if (total > shown.length) print(['', `${total} in all`]);
  }
  return 0;
}
