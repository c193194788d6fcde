import { recordTypes, type RecordType } from '../../../shared/core/disposition.ts';
import { formatDuration } from '../../../shared/core/duration.ts';
import type { Answer, ReboundClient } from '../../../shared/io/client.ts';
import { isTroubled, type Lane } from './lane-table.ts';
import type { Worker } from './worker.ts';

/** What one screen tells of the whole system, from answers of the same moment. */
export interface Overview {
  at: number;
  status: Answer<'status'>;
  workers: Worker[];
  queues: Answer<'queues'>['queues'];
  lanes: Lane[];
  orders: Answer<'orders'>['orders'];
  warnings: string[];
}

export interface LaneChoice {
  sort: 'depth' | 'age';
  limit: number;
}

const rolesNeeded = ['ingress', 'delivery', 'bounce'];
/** A hook or webhook that gets no further. */
const manyWaiting = 10_000;

export async function readOverview(api: ReboundClient, { sort, limit }: LaneChoice): Promise<Overview> {
  const [status, { workers }, { queues }, { lanes }, { orders }] = await Promise.all([
    api.status(),
    api.workers(),
    api.queues(),
    api.lanes({ query: { sort, limit } }),
    api.orders({ query: { state: 'in force', limit: 20 } }),
  ]);
  return { at: Date.now(), status, workers, queues, lanes, orders, warnings: warningsOf(status, workers, queues) };
}

/** What somebody should look at now. */
function warningsOf({ redis }: Answer<'status'>, workers: readonly Worker[], queues: Overview['queues']): string[] {
  const alive = new Set(workers.filter((worker) => worker.alive).map(({ role }) => role));
  const { aof, evicts } = redis.durability;
  return [
    ...(redis.ready ? [] : ['Redis is away']),
    ...(evicts ? ['Redis may throw keys away when it is full: set maxmemory-policy to noeviction'] : []),
    ...(aof === 'off' || aof === 'no' ? ['Redis does not write to disk: mail is lost when it ends'] : []),
    ...rolesNeeded.filter((role) => !alive.has(role)).map((role) => `no ${role} process is at work`),
    ...workers.filter((worker) => !worker.alive).map(({ role, host, pid }) => `${role} ${pid} on ${host} is not heard of`),
    ...queues.filter(({ dead }) => dead > 0).map(({ name, dead }) => `${dead} given up in ${name}: rebound queues`),
    ...queues.filter(({ waiting }) => waiting >= manyWaiting).map(({ name, waiting }) => `${waiting} wait in ${name}`),
  ];
}

export const troubledLanes = ({ lanes }: Overview): Lane[] => lanes.filter(isTroubled);

/** Recipients a second by type of record; undefined where nothing was counted. */
export type Rates = ReadonlyMap<RecordType, number>;

/** Since the first record that was counted. */
export function ratesOf({ at, status: { records } }: Overview): { rates: Rates; over: string } | undefined {
  if (records.since === null) return undefined;
  const ms = Math.max(1000, at - Date.parse(records.since));
  return { rates: perSecond((type) => records.counts[type], ms), over: formatDuration(ms) };
}

/** Between two looks; undefined when counting began anew. */
export function ratesBetween(before: Overview, now: Overview): Rates | undefined {
  const [old, fresh] = [before.status.records, now.status.records];
  if (fresh.counted < old.counted || fresh.since !== old.since) return undefined;
  return perSecond((type) => fresh.counts[type] - old.counts[type], Math.max(1, now.at - before.at));
}

const perSecond = (count: (type: RecordType) => number, ms: number): Rates =>
  new Map(recordTypes.map((type) => [type, (count(type) * 1000) / ms] as const).filter(([, rate]) => rate > 0));

/** `12.3 Delivery/s, 0.1 Bounce/s` */
export function ratesWords(rates: Rates | undefined): string {
  const words = [...(rates ?? [])].map(([type, rate]) => `${rate >= 100 ? Math.round(rate) : rate.toFixed(1)} ${type}`);
  return words.length > 0 ? words.join(', ') : 'nothing';
}
