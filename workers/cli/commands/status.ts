import { parseArgs } from 'node:util';
import { apiHelp, apiOptions, exitCodes, openApi } from '../api/connect.ts';
import { laneColumns } from '../api/lane-table.ts';
import { orderColumns } from '../api/order-table.ts';
import { ratesOf, ratesWords, readOverview, troubledLanes, type Overview } from '../api/overview.ts';
import { queueColumns } from '../api/queue-table.ts';
import { colour, lineOf, paperOf, print, printJson, renderTable, type Paper } from '../api/table.ts';
import { agoOf } from '../api/times.ts';
import type { Help } from '../command.ts';

export const help: Help = {
  usage: '[--json]',
  summary: 'one screen: workers, rates, queues, lanes with trouble, orders in force, warnings',
  options: apiHelp,
  notes: exitCodes,
};

const mostLanes = 8;

export async function run(args: string[]): Promise<number> {
  const { values } = parseArgs({ args, options: apiOptions });
  const api = await openApi(values);
  const overview = await readOverview(api, { sort: 'age', limit: 1000 });
  if (values.json) {
    const { status, workers, queues, orders, warnings } = overview;
    printJson({ status, workers, queues, troubled_lanes: troubledLanes(overview), orders, warnings });
  } else print(screenOf(overview, paperOf(process.stdout, process.env)));
  return 0;
}

function screenOf(overview: Overview, paper: Paper): string[] {
  const { status, workers, queues, orders, warnings } = overview;
  const { queue, redis, you } = status;
  const rates = ratesOf(overview);
  const troubled = troubledLanes(overview);
  const roles = Map.groupBy(
    workers.filter(({ alive }) => alive),
    ({ role }) => role,
  );
  const facts: [string, string][] = [
    ['system', `${status.hostname}, admin up ${agoOf(status.started)}, you are ${you.name} (${you.role})`],
    ['redis', redis.ready ? `answers, appendfsync ${redis.durability.aof}` : 'away'],
    ['workers', [...roles].map(([role, all]) => `${all.length} ${role}`).join(', ') || 'none'],
    ['mail', `${queue.waiting} waiting, ${queue.delayed} for a retry, ${queue.active} active, in ${queue.lanes} lanes`],
    ['rates', rates ? `${ratesWords(rates.rates)} a second, over ${rates.over}` : 'nothing has happened yet'],
  ];
  const part = (title: string, lines: readonly string[]): string[] =>
    lines.length > 0 ? ['', colour(title, 'bold', paper), ...lines] : [];
  const busy = queues.filter(({ waiting, delayed, active, dead }) => waiting + delayed + active + dead > 0);
  return [
    ...facts.map(([name, value]) => lineOf(`${name.padEnd(9)}${value}`, paper)),
    ...part(
      'warnings',
      warnings.map((words) => colour(lineOf(words, paper), 'yellow', paper)),
    ),
    ...part('queues', busy.length > 0 ? renderTable(queueColumns, busy, paper) : []),
    ...part('lanes with trouble', troubled.length > 0 ? renderTable(laneColumns, troubled.slice(0, mostLanes), paper) : []),
    ...(troubled.length > mostLanes ? [`${troubled.length - mostLanes} more: rebound lanes --trouble`] : []),
    ...part('orders in force', orders.length > 0 ? renderTable(orderColumns, orders, paper) : []),
  ];
}
