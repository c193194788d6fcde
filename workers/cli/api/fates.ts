import { recipientsOf, type RecordType } from '../../../shared/core/disposition.ts';
import { ApiError, type Answer, type ReboundClient } from '../../../shared/io/client.ts';
import { replyWords } from './reply.ts';

/** What became of a recipient. */
export interface Fate {
  recipient: string;
  /** Null: it was not queued. */
  message: string | null;
  fate: 'delivered' | 'bounced' | 'expired' | 'ended' | 'dropped' | 'waiting' | 'not queued';
  attempts: number;
  /** The last that was said of it; empty before the first attempt. */
  reply: string;
}

const ends: Partial<Record<RecordType, Fate['fate']>> = {
  Delivery: 'delivered',
  Bounce: 'bounced',
  Expiration: 'expired',
  AdminBounce: 'ended',
};

/** Milliseconds. */
const lookInterval = 250;
/** Records and jobs are read one after the other, so one look may miss a message between them. */
const looksUntilGone = 4;

/** What became of each recipient, once all are settled or the signal is aborted. */
export async function untilSettled(
  api: ReboundClient,
  queued: readonly { recipient: string; id: string | null }[],
  signal: AbortSignal,
): Promise<Fate[]> {
  const fates = queued.map(({ recipient, id }): Fate => ({
    recipient,
    message: id,
    fate: id === null ? 'not queued' : 'waiting',
    attempts: 0,
    reply: '',
  }));
  const looks = new Map<Fate, number>();
  for (;;) {
    const open = fates.filter(({ fate }) => fate === 'waiting');
    for (const id of new Set(open.map(({ message }) => message))) {
      if (id === null || signal.aborted) continue;
      const message = await look(api, id, signal);
      if (message) for (const fate of open.filter((one) => one.message === id)) settle(fate, message, looks);
    }
    if (signal.aborted || fates.every(({ fate }) => fate !== 'waiting')) return fates;
    await new Promise((resolve) => setTimeout(resolve, lookInterval));
  }
}

/** Undefined while Redis is away, which comes back, or when nobody waits any more. */
async function look(api: ReboundClient, id: string, signal: AbortSignal): Promise<Answer<'message'> | undefined> {
  try {
    return await api.message({ params: { id }, signal });
  } catch (error) {
    if (signal.aborted || (error instanceof ApiError && error.status === 503)) return undefined;
    throw error;
  }
}

/** `looks`: how often in a row nothing was left of a recipient. */
function settle(fate: Fate, { records, jobs }: Answer<'message'>, looks: Map<Fate, number>): void {
  // Of the domain only the case of letters may differ.
  const isIts = (address: string): boolean => address.toLowerCase() === fate.recipient.toLowerCase();
  const its = records.filter((record) => recipientsOf(record).some(isIts) && record.type !== 'Reception');
  const end = its.find(({ type }) => ends[type] !== undefined);
  const last = end ?? its.toSorted((a, b) => a.timestamp - b.timestamp).at(-1);
  if (last) {
    fate.attempts = last.num_attempts;
    fate.reply = replyWords(last);
  }
  if (end) {
    fate.fate = ends[end.type] ?? 'ended';
    return;
  }
  const isGone = records.length > 0 && !jobs.some(({ recipients }) => recipients.some(isIts));
  looks.set(fate, isGone ? (looks.get(fate) ?? 0) + 1 : 0);
  // Nothing is left to be done, and nothing was written of it.
  if ((looks.get(fate) ?? 0) >= looksUntilGone) fate.fate = 'dropped';
}
