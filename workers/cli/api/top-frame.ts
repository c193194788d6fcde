import { laneColumns } from './lane-table.ts';
import { orderColumns } from './order-table.ts';
import { ratesWords, type Overview, type Rates } from './overview.ts';
import { queueColumns } from './queue-table.ts';
import { colour, lineOf, renderTable, type Paper } from './table.ts';

export interface Seen {
  overview: Overview;
  /** Of the last moment; undefined before there are two looks. */
  rates: Rates | undefined;
  sort: 'depth' | 'age';
  /** Why what is shown is not of now. */
  problem?: string;
}

/** A title, its head and at least three lanes. */
const leastForLanes = 5;

/** One frame of at most `height` lines: what needs eyes first, then as many lanes as fit. */
export function frameOf({ overview, rates, sort, problem }: Seen, paper: Paper, height: number): string[] {
  const { status, workers, queues, orders, warnings, lanes } = overview;
  const { queue } = status;
  const alive = workers.filter((worker) => worker.alive).length;
  const head = [
    colour(
      lineOf(`rebound ${status.hostname}  ${new Date(overview.at).toISOString().slice(11, 19)} UTC  ${alive} workers`, paper),
      'bold',
      paper,
    ),
    lineOf(`mail   ${queue.waiting} waiting, ${queue.delayed} for a retry, ${queue.active} active, in ${queue.lanes} lanes`, paper),
    lineOf(`rates  ${rates ? ratesWords(rates) : '...'} a second`, paper),
    ...(problem === undefined ? [] : [colour(lineOf(problem, paper), 'red', paper)]),
  ];
  const alarms = warnings.map((words) => colour(lineOf(words, paper), 'yellow', paper));
  const busy = queues.filter(({ waiting, delayed, active, dead }) => waiting + delayed + active + dead > 0);
  const middle = [
    ...(busy.length > 0 ? ['', ...renderTable(queueColumns, busy, paper)] : []),
    ...(orders.length > 0 ? ['', ...renderTable(orderColumns, orders, paper)] : []),
  ];
  const foot = Number.isFinite(height) ? ['', colour(lineOf(`d depth  a age (now: ${sort})  q quit`, paper), 'dim', paper)] : [];
  const room = Math.max(0, height - head.length - foot.length);
  const upper = [...alarms, ...middle].slice(0, Math.max(alarms.length > 0 ? 1 : 0, room - leastForLanes));
  const rows = Math.max(0, room - upper.length - 2);
  const shown = lanes.slice(0, rows);
  return [
    ...head,
    ...upper,
    ...(rows === 0
      ? []
      : ['', ...(lanes.length > 0 ? renderTable(laneColumns, shown, paper) : ['no lane has had work within the last hour'])]),
    ...foot,
  ];
}
