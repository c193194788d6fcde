import type { Answer, ReboundClient } from '../../../shared/io/client.ts';
import { paperOf, print, printJson, renderTable, type Column } from './table.ts';
import { agoOf } from './times.ts';

type RuleWorker = Answer<'rules'>['workers'][number];
type PolicyWorker = Answer<'policy'>['workers'][number];

const ruleColumns: readonly Column<RuleWorker['files'][number] & { instance: string }>[] = [
  { title: 'WORKER', value: ({ instance }) => instance },
  { title: 'FILE', value: ({ file }) => file },
  { title: 'RULES', value: ({ rules }) => rules },
  { title: 'HITS', value: ({ hits }) => hits },
  { title: 'LOADED', value: ({ since }) => `${agoOf(since)} ago` },
  { title: 'VERSION', value: ({ version }) => version },
  { title: 'PROBLEM', value: ({ error }) => error?.message ?? '-', style: ({ error }) => (error ? 'red' : undefined) },
];

/** The rule files that each delivery process goes by. Exit code 1 when a newer version of one cannot be used. */
export async function showRules(api: ReboundClient, json: boolean): Promise<number> {
  const answer = await api.rules();
  const files = answer.workers.flatMap(({ instance, files: all }) => all.map((file) => ({ ...file, instance })));
  if (json) printJson(answer);
  else
    print(files.length === 0 ? ['no process goes by a rule file'] : renderTable(ruleColumns, files, paperOf(process.stdout, process.env)));
  return files.some(({ error }) => error !== null) ? 1 : 0;
}

const policyColumns: readonly Column<PolicyWorker>[] = [
  { title: 'ROLE', value: ({ role }) => role },
  { title: 'WORKER', value: ({ instance }) => instance },
  { title: 'FILE', value: ({ file }) => file },
  { title: 'HANDLERS', value: ({ handlers }) => handlers.length },
  { title: 'LOADED', value: ({ since }) => `${agoOf(since)} ago` },
  { title: 'VERSION', value: ({ version }) => version },
  {
    title: 'PROBLEM',
    value: (worker) => problemOf(worker) ?? '-',
    style: (worker) => (problemOf(worker) === undefined ? undefined : 'red'),
  },
];

/** The policy that each process goes by. Exit code 1 when one has a problem. */
export async function showPolicy(api: ReboundClient, json: boolean): Promise<number> {
  const answer = await api.policy();
  const { workers } = answer;
  if (json) printJson(answer);
  else
    print(workers.length === 0 ? ['no process has a policy'] : renderTable(policyColumns, workers, paperOf(process.stdout, process.env)));
  return workers.some((worker) => problemOf(worker) !== undefined) ? 1 : 0;
}

function problemOf({ error, is_running: isRunning, left_alone: hung }: PolicyWorker): string | undefined {
  if (error) return error.message;
  if (!isRunning) return 'its thread is started again';
  return hung.length > 0 ? `${hung.map(({ handler }) => handler).join(', ')} left alone: it hung` : undefined;
}
