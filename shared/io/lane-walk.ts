import type { DeliveryJob } from '../core/delivery-job.ts';
import type { HeldJob, Queues } from './queues.ts';
import type { RedisLink } from './redis.ts';

/** A job as a walk finds it. */
export interface WalkedJob {
  id: string;
  data: DeliveryJob;
}

/** Some jobs of a lane in one state, and where they lie. */
export interface LanePage {
  lane: string;
  state: WaitingState;
  /** Places looked at, jobs that were gone by then or not wanted included. */
  examined: number;
  jobs: WalkedJob[];
  /** The first place, counted as in Redis. */
  start: number;
}

export type WaitingState = 'wait' | 'prioritized' | 'delayed';
/** The way a job goes: one that comes due during a walk is still to come, and not behind it. */
export const everyState: readonly WaitingState[] = ['delayed', 'prioritized', 'wait'];

/** Jobs of a page. */
export const pageSize = 500;
/** So many may have been put in front of a page since it was read, and it is still found. */
const slack = 2000;

/**
 * Walks through what waits in a lane, a page at a time, from where the next job is added to where the next one is taken: what
 * others take meanwhile moves nothing that is still to come, and what they add is at most seen twice. The caller says of each page how many
 * of it were taken out. With `message` only the data of its jobs is read.
 */
export async function* walkLane(
  lane: string,
  states: readonly WaitingState[],
  { redis, queues, message }: { redis: RedisLink; queues: Queues; message?: string | undefined },
): AsyncGenerator<LanePage, void, number | undefined> {
  const backend = queues.backend(lane);
  for (const state of states) {
    const key = backend.keys[state] ?? '';
    for (let start = 0; ;) {
      const [from, to] = [String(start), String(start + pageSize - 1)];
      const ids = state === 'wait' ? await redis.client.lrange(key, from, to) : await redis.client.zrevrange(key, from, to);
      if (ids.length === 0) break;
      const jobs = await readJobs(lane, message === undefined ? ids : ids.filter((id) => id.startsWith(`${message}.`)), redis, queues);
      const taken = yield { lane, state, examined: ids.length, jobs, start };
      start += ids.length - (taken ?? 0);
    }
  }
}

/** The jobs of a lane that are in somebody's hands. */
export async function activeJobs(lane: string, redis: RedisLink, queues: Queues): Promise<WalkedJob[]> {
  return readJobs(lane, await redis.client.lrange(queues.backend(lane).keys['active'] ?? '', '0', '-1'), redis, queues);
}

async function readJobs(lane: string, ids: readonly string[], redis: RedisLink, queues: Queues): Promise<WalkedJob[]> {
  if (ids.length === 0) return [];
  const backend = queues.backend(lane);
  const trip = redis.client.pipeline();
  for (const id of ids) trip.hget(backend.toKey(id), 'data');
  return ((await trip.exec()) ?? []).flatMap(([error, text], n) => {
    if (error) throw error;
    const id = ids[n];
    return typeof text === 'string' && id !== undefined ? [{ id, data: JSON.parse(text) as DeliveryJob }] : [];
  });
}

/**
 * Takes jobs out of a lane as BullMQ's own script does (in the list `active`, with a lock), whatever the lane's limits say. A list
 * has no removal by place, and by value it costs a look through all of it for each job: so the places are marked, and all marks
 * removed at once from the side that is nearer.
 */
const takeScript = `
local wanted = {}
for i = 8, #ARGV do wanted[ARGV[i]] = true end
local taken = {}
if ARGV[1] == 'wait' then
  local start = tonumber(ARGV[2])
  local page = redis.call('LRANGE', KEYS[1], start, start + tonumber(ARGV[3]))
  for i, id in ipairs(page) do
    if wanted[id] and redis.call('EXISTS', ARGV[7] .. id) == 1 then
      wanted[id] = nil
      redis.call('LSET', KEYS[1], start + i - 1, '')
      taken[#taken + 1] = id
    end
  end
  local nearer = start * 2 > redis.call('LLEN', KEYS[1]) and -1 or 1
  if #taken > 0 then redis.call('LREM', KEYS[1], nearer * #taken, '') end
else
  for i = 8, #ARGV do
    if redis.call('EXISTS', ARGV[7] .. ARGV[i]) == 1 and redis.call('ZREM', KEYS[1], ARGV[i]) == 1 then taken[#taken + 1] = ARGV[i] end
  end
end
local answer = {}
for _, id in ipairs(taken) do
  local key = ARGV[7] .. id
  answer[#answer + 1] = id
  answer[#answer + 1] = redis.call('HGET', key, 'data') or '{}'
  redis.call('LPUSH', KEYS[2], id)
  redis.call('SET', key .. ':lock', ARGV[4], 'PX', ARGV[5])
  redis.call('HSET', key, 'processedOn', ARGV[6], 'delay', 0)
  redis.call('HINCRBY', key, 'ats', 1)
end
return answer`;

/** Takes jobs of a page into our hands; those that others took in between are not among the answer. The data is that of now: a job may have been tried since. */
export async function takeJobs(
  { lane, state, start, examined }: LanePage,
  ids: readonly string[],
  token: string,
  lockDuration: number,
  { redis, queues }: { redis: RedisLink; queues: Queues },
): Promise<{ held: HeldJob; data: DeliveryJob }[]> {
  if (ids.length === 0) return [];
  const { keys } = queues.backend(lane);
  const prefix = queues.backend(lane).toKey('');
  const taken = (await redis.client.eval(
    takeScript,
    2,
    keys[state] ?? '',
    keys['active'] ?? '',
    state,
    start,
    examined + slack,
    token,
    lockDuration,
    Date.now(),
    prefix,
    ...ids,
  )) as string[];
  return taken.flatMap((id, i) =>
    i % 2 === 0 ? [{ held: { queue: lane, id, token }, data: JSON.parse(taken[i + 1] ?? '') as DeliveryJob }] : [],
  );
}

const promoteScript = `
local promoted = 0
for i = 2, #ARGV do
  if redis.call('ZREM', KEYS[1], ARGV[i]) == 1 then
    redis.call('LPUSH', KEYS[2], ARGV[i])
    redis.call('HSET', ARGV[1] .. ARGV[i], 'delay', 0)
    promoted = promoted + 1
  end
end
return promoted`;

/** Has delayed jobs of a lane be due now; resolves to how many still were delayed. The caller wakes the lane. */
export async function promoteJobs(lane: string, ids: readonly string[], redis: RedisLink, queues: Queues): Promise<number> {
  if (ids.length === 0) return 0;
  const { keys } = queues.backend(lane);
  const prefix = queues.backend(lane).toKey('');
  return (await redis.client.eval(promoteScript, 2, keys['delayed'] ?? '', keys['wait'] ?? '', prefix, ...ids)) as number;
}

const lanesPerTrip = 500;

/** A job id does not tell its lane, which may have changed: every lane is asked. */
export async function findLanes(
  ids: readonly string[],
  redis: RedisLink,
  queues: Queues,
  names: readonly string[],
): Promise<Map<string, string>> {
  const places = new Map<string, string>();
  for (let at = 0; at < names.length && places.size < ids.length; at += lanesPerTrip) {
    const asked = names.slice(at, at + lanesPerTrip).flatMap((lane) => ids.map((id) => ({ lane, id })));
    const trip = redis.client.pipeline();
    for (const { lane, id } of asked) trip.exists(queues.backend(lane).toKey(id));
    for (const [n, [error, answer]] of ((await trip.exec()) ?? []).entries()) {
      if (error) throw error;
      const place = asked[n];
      if (answer === 1 && place) places.set(place.id, place.lane);
    }
  }
  return places;
}

/** Those of these lanes in which a message has jobs. */
export const lanesOfMessage = async (message: string, names: readonly string[], redis: RedisLink, queues: Queues): Promise<string[]> => [
  ...new Set((await placesOf(message, names, redis, queues)).values()),
];

/** The jobs of a message, and their lanes. */
export async function jobsOfMessage(
  message: string,
  names: readonly string[],
  redis: RedisLink,
  queues: Queues,
): Promise<{ lane: string; jobs: WalkedJob[] }[]> {
  const places = [...(await placesOf(message, names, redis, queues))];
  return Promise.all(places.map(async ([id, lane]) => ({ lane, jobs: await readJobs(lane, [id], redis, queues) })));
}

async function placesOf(message: string, names: readonly string[], redis: RedisLink, queues: Queues): Promise<Map<string, string>> {
  const holders = (await redis.client.hkeys(redis.key(`spool:${message}`))).filter((field) => field.startsWith(`h:${message}.`));
  return findLanes(
    holders.map((field) => field.slice(2)),
    redis,
    queues,
    names,
  );
}
