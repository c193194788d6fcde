import type { DeliveryJob } from '../../shared/core/delivery-job.ts';
import { findLanes } from '../../shared/io/lane-walk.ts';
import type { Lanes } from '../../shared/io/lanes.ts';
import type { Queues } from '../../shared/io/queues.ts';
import type { RedisLink } from '../../shared/io/redis.ts';

/** A lane job of a message: recipients that are not settled yet. */
export interface MessageJob {
  id: string;
  lane: string;
  state: 'waiting' | 'delayed' | 'active';
  /** The data as it lies in Redis, and what it says. */
  text: string;
  data: DeliveryJob;
  /** Epoch ms of the next attempt of a delayed job. */
  nextAttempt?: number;
}

/** What still holds the content of a message: its lane jobs, and subscribers such as `bounces`. */
export interface Holders {
  jobs: MessageJob[];
  subscribers: string[];
}

/** Undefined when the message is settled and gone, or never was. */
export async function holdersOf(message: string, redis: RedisLink, queues: Queues, lanes: Lanes): Promise<Holders | undefined> {
  const fields = await redis.client.hkeys(redis.key(`spool:${message}`));
  if (fields.length === 0) return undefined;
  const holders = fields.filter((field) => field.startsWith('h:')).map((field) => field.slice(2));
  const jobIds = holders.filter((holder) => !holder.includes('/'));
  const subscribers = [...new Set(holders.filter((holder) => holder.includes('/')).map((holder) => holder.slice(0, holder.indexOf('/'))))];
  const places = await findLanes(jobIds, redis, queues, await lanes.names());
  const jobs = await Promise.all([...places].map(([id, lane]) => readJob(id, lane, redis, queues)));
  return { jobs: jobs.filter((job) => job !== undefined), subscribers };
}

async function readJob(id: string, lane: string, redis: RedisLink, queues: Queues): Promise<MessageJob | undefined> {
  const backend = queues.backend(lane);
  const [text, state, due] = await Promise.all([
    redis.client.hget(backend.toKey(id), 'data'),
    backend.getState(id),
    redis.client.zscore(backend.keys['delayed'] ?? '', id),
  ]);
  if (text === null) return undefined;
  return {
    id,
    lane,
    text,
    data: JSON.parse(text) as DeliveryJob,
    state: state === 'active' || state === 'delayed' ? state : 'waiting',
    ...(due !== null && { nextAttempt: Math.floor(Number(due) / 0x1000) }), // BullMQ keeps 12 bits of order below the time
  };
}
