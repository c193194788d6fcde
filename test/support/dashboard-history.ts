import { randomBytes } from 'node:crypto';
import type { DispositionRecord, RecordType } from '../../shared/core/disposition.ts';
import { timeFields } from '../../shared/core/disposition.ts';
import { bounceRecord } from './admin.ts';
import type { Relay } from './relay.ts';

const minute = 60_000;

interface Kind {
  domain: string;
  code: number;
  status: [number, number, number];
  words: string;
  label: string;
}

const refusals: readonly Kind[] = [
  { domain: 'example.org', code: 550, status: [5, 1, 1], words: 'User unknown in virtual mailbox table', label: 'InvalidRecipient' },
  { domain: 'example.net', code: 552, status: [5, 2, 2], words: 'The email account is over quota', label: 'QuotaIssues' },
  { domain: 'example.edu', code: 554, status: [5, 7, 1], words: 'Message rejected as spam', label: 'SpamBlock' },
];
export const historyClasses = refusals.map(({ label }) => label);

/**
 * An hour of mail in the log, as if it had happened: for charts, for lists of several pages. `bounces`: so many, evenly;
 * with others between them unless `only`.
 */
export async function writeHistory(relay: Relay, bounces: number, only = false): Promise<void> {
  const { redis } = relay.observer;
  const end = Date.now() - 2 * minute;
  const begin = end - 56 * minute;
  const trip = redis.client.pipeline();
  const places = new Map<number, number>();
  const put = (at: number, record: DispositionRecord): void => {
    const n = places.get(at) ?? 0;
    places.set(at, n + 1);
    trip.xadd(redis.key('log'), `${at}-${n}`, 'r', JSON.stringify(record));
  };
  const step = (end - begin) / bounces;
  for (let n = 0; n < bounces; n++) {
    const at = Math.floor(begin + n * step);
    const kind = refusals[[0, 0, 1, 0, 2][n % 5] ?? 0] as Kind;
    if (!only) {
      const busy = 14 + Math.round(8 * Math.sin((n / bounces) * 9) + 3 * Math.sin(n));
      for (let one = 0; one < busy; one++) {
        put(at, recordOf('Reception', at, kind, `to${one}`));
        if (one % 9 === 0)
          put(at, recordOf('TransientFailure', at, { ...kind, code: 451, status: [4, 7, 1], words: 'Greylisted' }, `to${one}`));
        else put(at, recordOf('Delivery', at, { ...kind, code: 250, status: [2, 0, 0], words: 'queued' }, `to${one}`));
      }
    }
    put(at, recordOf('Bounce', at, kind, `user${n}`));
  }
  for (const result of (await trip.exec()) ?? []) if (result[0]) throw result[0];
}

/** The id says the time, by which records are found. */
const idAt = (at: number): string => `${at.toString(16).padStart(12, '0')}7${randomBytes(10).toString('hex').slice(0, 19)}`;

function recordOf(type: RecordType, at: number, { domain, code, status, words, label }: Kind, user: string): DispositionRecord {
  const [major, subject, detail] = status;
  const recipient = `${user}@${domain}`;
  return bounceRecord({
    type,
    id: idAt(at),
    sender: 'shop@example.com',
    recipient,
    queue: user.endsWith('7') ? `acme@${domain}` : domain,
    site: type === 'Reception' ? '' : `default->mx.${domain}`,
    response: {
      code,
      enhanced_code: { class: major, subject, detail },
      content: code < 500 ? words : `<${recipient}>: ${words}`,
      command: 'RCPT',
    },
    bounce_classification: type === 'Bounce' ? label : 'Uncategorized',
    peer_address: { name: `mx.${domain}`, addr: '127.0.0.1' },
    ...timeFields(at),
    created: Math.floor(at / 1000),
    created_time: new Date(at).toISOString(),
  });
}
