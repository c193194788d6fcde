import type { DispositionRecord } from '../../../shared/core/disposition.ts';
import type { RedisLink } from '../../../shared/io/redis.ts';

/** How long a call waits for a next record before it looks whether it is to go on. Milliseconds. */
const patience = 200;

/** Gives every record of the disposition log to `onRecord`, from the first one on, until `signal` is aborted. */
export async function followLog(redis: RedisLink, signal: AbortSignal, onRecord: (record: DispositionRecord) => void): Promise<void> {
  const client = redis.duplicate();
  try {
    for (let last = '0'; !signal.aborted;) {
      const answer = await client.xread('COUNT', 500, 'BLOCK', patience, 'STREAMS', redis.key('log'), last);
      for (const [id, [, text]] of answer?.[0]?.[1] ?? []) {
        last = id;
        if (text !== undefined) onRecord(JSON.parse(text) as DispositionRecord);
      }
    }
  } finally {
    client.disconnect();
  }
}
