import { parseArgs } from 'node:util';
import type { Answer, ReboundClient, Request } from '../../../shared/io/client.ts';
import { apiHelp, apiOptions, exitCodes, openApi } from '../api/connect.ts';
import { subscribedColumns } from '../api/queue-table.ts';
import { paperOf, print, printJson, renderTable, type Column } from '../api/table.ts';
import { agoOf } from '../api/times.ts';
import { UsageError, type Help } from '../command.ts';

export const help: Help = {
  usage: '[list] | dead <queue> [--limit <n>] | retry|drop <queue> <job>...|--all --reason <text>',
  summary: 'queues that are no lanes, and what they gave up (dead letters)',
  options: [
    ['list', 'sessions, inbound reports, the bounce worker, webhooks and hooks, and what these hear (also without it)'],
    ['dead <queue>', 'what it gave up, the newest first'],
    ['retry <queue>', 'put dead letters back'],
    ['drop <queue>', 'remove dead letters for good; the log keeps their records'],
    ['--all', 'retry and drop: all that were given up before now'],
    ['--reason <text>', 'why; kept in the audit log'],
    ['--limit <n>', 'dead: so many, 1 to 100 (50)'],
    ['--yes', 'drop: needed, since it cannot be undone'],
    ...apiHelp,
  ],
  notes: `Lanes have a command of their own: "rebound lanes".\n${exitCodes}`,
};

const text = { type: 'string' } as const;
const flag = { type: 'boolean', default: false } as const;

type DeadLetter = Answer<'deadLetters'>['dead_letters'][number];
const deadColumns: readonly Column<DeadLetter>[] = [
  { title: 'GIVEN UP', value: ({ given_up: at }) => `${agoOf(at)} ago` },
  { title: 'ATTEMPTS', value: ({ attempts }) => attempts },
  { title: 'JOB', value: ({ job }) => job, isWhole: true },
  { title: 'TYPE', value: ({ record }) => record?.type ?? '-' },
  { title: 'REASON', value: ({ reason }) => reason },
];

export async function run(args: string[]): Promise<number> {
  const options = { ...apiOptions, reason: text, limit: { type: 'string', default: '50' }, all: flag, yes: flag } as const;
  const { values, positionals } = parseArgs({ args, options, allowPositionals: true });
  const { json, reason, limit, all, yes } = values;
  const [verb = 'list', queue, ...jobs] = positionals;
  const paper = paperOf(process.stdout, process.env);
  switch (verb) {
    case 'list': {
      if (queue !== undefined) throw new UsageError('"queues list" takes no name; "queues dead" does');
      const api = await openApi(values);
      const [{ queues }, { subscribers }] = await Promise.all([api.queues(), api.subscribers()]);
      if (json) printJson({ queues, subscribers });
      else print(renderTable(subscribedColumns(subscribers), queues, paper));
      return 0;
    }
    case 'dead': {
      if (queue === undefined || jobs.length > 0) throw new UsageError('expected the name of one queue after "dead"');
      if (!/^\d{1,3}$/.test(limit)) throw new UsageError('--limit must be a number from 1 to 100');
      const answer = await (await openApi(values)).deadLetters({ params: { queue }, query: { limit: Number(limit) } });
      if (json) printJson(answer);
      else if (answer.total === 0) print(['nothing was given up']);
      else
        print([...renderTable(deadColumns, answer.dead_letters, paper), ...(answer.next === null ? [] : ['', `${answer.total} in all`])]);
      return 0;
    }
    case 'retry':
    case 'drop': {
      if (queue === undefined || all === jobs.length > 0)
        throw new UsageError(`expected a queue and jobs after "${verb}", or a queue and --all`);
      if (reason === undefined) throw new UsageError('--reason is needed');
      if (verb === 'drop' && !yes) throw new UsageError('--yes is needed: what is dropped does not come back');
      const answer = await settle(await openApi(values), verb, queue, { reason, ...(all ? { all } : { jobs }) });
      if (json) printJson(answer);
      else print([wordsOf(verb, answer)]);
      return answer.left === 0 ? 0 : 1;
    }
    default:
      throw new UsageError('expected "queues list", "queues dead", "queues retry" or "queues drop"');
  }
}

function wordsOf(verb: 'retry' | 'drop', { done, passed_over: passedOver, left }: Settled): string {
  const words = [`${done} ${verb === 'retry' ? 'put back' : 'dropped'}`];
  if (passedOver > 0) words.push(`${passedOver} were no dead letters any more`);
  if (left > 0) words.push(`${left} are left`);
  return words.join(', ');
}

type Body = Request<'retryDeadLetters'>['body'];

/** Each request works for a bounded time: with the time of the first one the next goes on. */
async function settle(api: ReboundClient, verb: 'retry' | 'drop', queue: string, body: Body): Promise<Settled> {
  const sum = { done: 0, passed_over: 0, left: 0 };
  let before: string | undefined;
  for (;;) {
    const request = { params: { queue }, body: { ...body, before } };
    const answer = await (verb === 'retry' ? api.retryDeadLetters(request) : api.dropDeadLetters(request));
    sum.done += answer.done;
    sum.passed_over += answer.passed_over;
    sum.left = answer.left;
    // No further: somebody else is at them, or they were given up again. Single jobs are few enough for one request.
    if (answer.left === 0 || answer.done === 0 || body.all === undefined) return sum;
    before = answer.before;
  }
}

type Settled = Pick<Answer<'retryDeadLetters'>, 'done' | 'passed_over' | 'left'>;
