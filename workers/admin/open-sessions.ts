import { sessionsQueue, type SessionJob } from '../../shared/io/lanes.ts';
import type { Queues } from '../../shared/io/queues.ts';
import type { RedisLink } from '../../shared/io/redis.ts';

/** A connection permit in somebody's hands. */
export interface OpenSession {
  lane: string;
  index: number;
  /** The process that holds it. */
  worker: string | null;
  /** RFC 3339. */
  since: string | null;
}

/** Those that are open now, by lane. There are no more than `delivery.sessions` for each process. */
export async function readSessions(redis: RedisLink, queues: Queues): Promise<OpenSession[]> {
  const backend = queues.backend(sessionsQueue);
  const ids = await redis.client.lrange(backend.keys['active'] ?? '', 0, -1);
  if (ids.length === 0) return [];
  const trip = redis.client.pipeline();
  for (const id of ids) trip.hmget(backend.toKey(id), 'data', 'processedOn', 'pb');
  const answers = (await trip.exec()) ?? [];
  const sessions = answers.flatMap(([error, value]) => {
    if (error) throw error;
    const [data, since, worker] = value as (string | null)[];
    const job = data ? (JSON.parse(data) as SessionJob) : undefined;
    // A wake-up holds no connection.
    if (job?.index === undefined) return [];
    return [{ lane: job.lane, index: job.index, worker: worker ?? null, since: since ? new Date(Number(since)).toISOString() : null }];
  });
  return sessions.toSorted((a, b) => (a.lane === b.lane ? a.index - b.index : a.lane < b.lane ? -1 : 1));
}
