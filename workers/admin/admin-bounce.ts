import type { DeliveryJob } from '../../shared/core/delivery-job.ts';
import type { Lanes } from '../../shared/io/lanes.ts';
import type { Queues } from '../../shared/io/queues.ts';
import type { RedisLink } from '../../shared/io/redis.ts';
import { holdersOf, type MessageJob } from './message-jobs.ts';

/** `unknown`: no recipient of such a message waits. Else the recipients that will be bounced, and those just being tried. */
export type AdminBounceResult = { kind: 'unknown' } | { kind: 'done'; bounced: string[]; busy: string[] };

// A job with a lock is in somebody's hands: they write its data back, and with it over ours. One that changed since it
// was read has been tried in between.
const markScript = `
if redis.call('EXISTS', KEYS[2]) == 1 then return 'busy' end
local data = redis.call('HGET', KEYS[1], 'data')
if not data then return 'gone' end
if data ~= ARGV[1] then return 'busy' end
redis.call('HSET', KEYS[1], 'data', ARGV[2])
return 'marked'`;

/** BullMQ's code for a job that is not delayed (any more). */
const notDelayed = -3;

/**
 * Ends a message: its waiting recipients get no further attempt but a bounce with this reason, which the delivery
 * sessions make as soon as they are woken. What is in flight is left alone.
 */
export async function bounceMessage(
  message: string,
  reason: string,
  redis: RedisLink,
  queues: Queues,
  lanes: Lanes,
): Promise<AdminBounceResult> {
  const holders = await holdersOf(message, redis, queues, lanes);
  if (!holders || holders.jobs.length === 0) return { kind: 'unknown' };
  const bounced: string[] = [];
  const busy: string[] = [];
  for (const job of holders.jobs) {
    const recipients = job.data.envelope.recipients.map(({ address }) => address);
    const outcome = job.state === 'active' ? 'busy' : await mark(job, reason, redis, queues);
    if (outcome === 'busy') busy.push(...recipients);
    if (outcome !== 'marked') continue;
    bounced.push(...recipients);
    await wakeJob(job, queues, lanes);
  }
  return { kind: 'done', bounced, busy };
}

async function mark(
  { id, lane, text, data }: MessageJob,
  reason: string,
  redis: RedisLink,
  queues: Queues,
): Promise<'marked' | 'busy' | 'gone'> {
  const key = queues.backend(lane).toKey(id);
  const marked: DeliveryJob = { ...data, adminBounce: reason };
  return (await redis.client.eval(markScript, 2, key, `${key}:lock`, text, JSON.stringify(marked))) as 'marked' | 'busy' | 'gone';
}

/** Without this it would end at its next attempt all the same. */
async function wakeJob({ id, lane, state }: MessageJob, queues: Queues, lanes: Lanes): Promise<void> {
  if (state === 'delayed') {
    await queues
      .backend(lane)
      .promote(id)
      .catch((error: unknown) => {
        if ((error as { code?: number }).code !== notDelayed) throw error;
      });
  }
  const tx = queues.begin();
  lanes.wake(tx, lane);
  await tx.exec();
}
