import { setTimeout as sleep } from 'node:timers/promises';
import { recipientsOf, type DispositionRecord } from '../../../shared/core/disposition.ts';
import { domains, pick, subjects } from './batch.ts';
import { slowDomain, waitingDomain } from './places.ts';
import { openOutbox, type Letter } from './send.ts';

/** Mail that goes on while somebody looks at the dashboard: there is something to see, and something that waits. */

const person = { name: 'Bo Larsen', address: 'bo@home.example' };
/** Its bounces are answered by no report: it is a mailing list. */
const news = { name: 'Home News', address: 'news@home.example' };

/** Milliseconds. */
const pause = 1500;
/** A demo that was forgotten comes to rest. Milliseconds. */
const trickleTime = 1_800_000;
const backlog = { [slowDomain]: 15, [waitingDomain]: 8 };

type Make = (n: number) => Letter;
const to =
  (local: string, domain?: string): Make =>
  (n) => ({ from: person, to: [`${local}-${n}@${domain ?? pick(domains, (n * 3) % 7)}`], subject: pick(subjects, n) });
const good = to('ida');
const slow = to('ida', slowDomain);
const waiting = to('ida', waitingDomain);
const nobody = to('nobody');
const newsletter: Make = (n) => ({
  from: news,
  to: [`nobody-${n}@${pick(domains, n)}`],
  subject: 'News of the week',
  list: 'news.home.example',
});

/** In turn. The slow site is sent about as much as it can take, so that its backlog stays. */
const turns: readonly Make[] = [
  [newsletter, to('gone'), good, slow, nobody, good, good, slow, to('later'), good],
  [good, slow, to('spam'), good, good, slow, waiting, good, good, slow],
].flat();
/** No recipient of the batch has a number like these. */
const firstNumber = 101;

/** Sends until `signal` is aborted, half an hour at most. Rejects with Failure when the relay takes no mail. */
export async function trickle(port: number, signal: AbortSignal): Promise<void> {
  const outbox = await openOutbox(port);
  try {
    let n = firstNumber;
    for (const [domain, count] of Object.entries(backlog)) {
      for (let sent = 0; sent < count && !signal.aborted; sent += 1) await outbox.send(to('ida', domain)(n++));
    }
    const end = Date.now() + trickleTime;
    for (let turn = 0; !signal.aborted && Date.now() < end; turn += 1) {
      await outbox.send(pick(turns, turn)(n++));
      await sleep(pause, undefined, { signal }).catch(() => undefined);
    }
  } finally {
    await outbox.close();
  }
}

/** Mail of the trickle, or a report on it. */
export const isOfTrickle = (record: DispositionRecord): boolean =>
  [record.sender, ...recipientsOf(record)].some((address) => address === person.address || address === news.address);
