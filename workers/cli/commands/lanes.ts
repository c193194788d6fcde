import { parseArgs } from 'node:util';
import { replyWords } from '../api/reply.ts';
import { apiHelp, apiOptions, exitCodes, openApi } from '../api/connect.ts';
import { isTroubled, laneColumns, stateOf } from '../api/lane-table.ts';
import { colour, lineOf, paperOf, print, printJson, renderTable, type Paper } from '../api/table.ts';
import { agoOf, inOf } from '../api/times.ts';
import { UsageError, type Help } from '../command.ts';
import type { Answer } from '../../../shared/io/client.ts';
import { formatDuration } from '../../../shared/core/duration.ts';
import { printable } from '../../../shared/core/printable.ts';

export const help: Help = {
  usage: '[<lane>] [--site <text>] [--source <name>] [--sort depth|age] [--trouble] [--limit <n>]',
  summary: 'lanes and what waits in them, or one lane in detail',
  options: [
    ['<lane>', "its limits, sessions and what the site last said; quote it: 'default->mx.example.org'"],
    ['--site <text>', 'only sites whose name contains this'],
    ['--source <name>', 'only this egress source'],
    ['--sort depth|age', 'the deepest first, or the one with the oldest message (depth)'],
    ['--trouble', 'only lanes that are suspended, left alone, or hold mail that was put off'],
    ['--limit <n>', 'so many lanes, 1 to 1000 (100)'],
    ...apiHelp,
  ],
  notes: exitCodes,
};

const text = { type: 'string' } as const;

export async function run(args: string[]): Promise<number> {
  const flag = { type: 'boolean', default: false } as const;
  const options = { ...apiOptions, site: text, source: text, sort: text, limit: text, trouble: flag } as const;
  const { values, positionals } = parseArgs({ args, options, allowPositionals: true });
  const [name, ...extra] = positionals;
  const { site, source, sort, limit = '100', trouble } = values;
  if (extra.length > 0) throw new UsageError('expected one lane; quote its name, which has a ">"');
  if (sort !== undefined && sort !== 'depth' && sort !== 'age') throw new UsageError('--sort must be depth or age');
  if (!/^\d{1,4}$/.test(limit) || Number(limit) < 1 || Number(limit) > 1000)
    throw new UsageError('--limit must be a number from 1 to 1000');
  const api = await openApi(values);
  const paper = paperOf(process.stdout, process.env);
  if (name !== undefined) {
    // People write a port as records do, with a colon.
    const lane = await api.lane({ params: { lane: name.replaceAll(':', ';') } });
    if (values.json) printJson(lane);
    else print(detailsOf(lane, paper));
    return 0;
  }
  const answer = await api.lanes({ query: { sort, site, source, limit: Number(limit) } });
  const lanes = trouble ? answer.lanes.filter(isTroubled) : answer.lanes;
  if (values.json) printJson({ ...answer, lanes });
  else if (lanes.length === 0) print([trouble ? 'no lane is in trouble' : 'no lane has had work within the last hour']);
  else {
    print(renderTable(laneColumns, lanes, paper));
    if (answer.total > answer.lanes.length) print(['', `${answer.total - answer.lanes.length} more; --limit shows them`]);
  }
  return 0;
}

function detailsOf(lane: Answer<'lane'>, paper: Paper): string[] {
  const { limits, sessions, last_replies: replies } = lane;
  const rate = limits.rate ? `${limits.rate.messages} messages in ${formatDuration(limits.rate.ms)}` : 'no limit';
  const facts: [string, string][] = [
    ['lane', lane.lane],
    ['state', stateOf(lane)],
    ['messages', `${lane.waiting} waiting, ${lane.delayed} for a retry, ${lane.active} active`],
    ['oldest', lane.oldest === null ? '-' : `${agoOf(lane.oldest)} ago`],
    ['next retry', inOf(lane.next_retry)],
    ['limits', `${limits.connections} connections, ${limits.concurrency ?? 'any number of'} transactions, rate: ${rate}`],
    [
      'sessions',
      sessions.length === 0
        ? 'none'
        : sessions.map(({ index, worker, since }) => `${index} at ${worker ?? '?'} for ${agoOf(since)}`).join(', '),
    ],
  ];
  return [
    ...facts.map(([name, value]) => lineOf(`${name.padEnd(12)}${value}`, paper)),
    ...(replies.length > 0 ? ['', colour('what the site last said', 'dim', paper)] : []),
    ...replies.map((record) => lineOf(`${printable(record.event_time, 30)}  ${record.type}  ${replyWords(record)}`, paper)),
  ];
}
