import type { ConfigInput } from '../../../shared/core/config.ts';
import { fullDomain, slowDomain, waitingDomain } from './places.ts';

/** How mail for a recipient ends. */
export type Fate = 'delivered' | 'bounced' | 'expired';

export interface DemoRecipient {
  address: string;
  fate: Fate;
}

export interface DemoMessage {
  /** Its place in `kinds`. */
  kind: number;
  subject: string;
  recipients: DemoRecipient[];
}

/** The rows of the table. */
export const kinds = [
  'accepted at once',
  'greylisted first',
  'no such user',
  'refused at DATA',
  'refused as spam',
  'mailbox full for ever',
  'three recipients',
] as const;

export const sender = { name: 'Ann Miller', address: 'ann@home.example' };

/** Short waits, so that a retry and an expiration can be watched; long ones where a person is to have time to act. */
export const schedules = {
  bounce: { hold: '500ms', keepOriginals: '1d' },
  retry: { interval: '1s', maxInterval: '2s', maxAge: '30s', jitter: 0 },
  queues: {
    [fullDomain]: { interval: '800ms', maxInterval: '800ms', maxAge: '3s', jitter: 0 },
    [slowDomain]: { maxAge: '1d' },
    [waitingDomain]: { interval: '10m', maxInterval: '10m', maxAge: '1d', jitter: 0 },
  },
} satisfies ConfigInput;

export const domains = ['shop.example', 'bank.example', 'school.example', 'club.example'];
const names = ['ben', 'cleo', 'dora', 'emil', 'fay'];
export const subjects = [
  'Invoice 2041',
  'Your order is on its way',
  'Minutes of Monday',
  'Lunch on Friday?',
  'Photos of the summer',
  'New opening hours',
];

/** Forty messages; no address occurs twice, so that each is one recipient of one message. */
export function makeBatch(): DemoMessage[] {
  const deliver = (n: number): DemoRecipient[] => [
    { address: `${pick(names, n)}@${pick(domains, Math.floor(n / names.length))}`, fate: 'delivered' },
  ];
  const numbered =
    (local: string, fate: Fate) =>
    (n: number): DemoRecipient[] => [{ address: `${local}-${n + 1}@${pick(domains, n)}`, fate }];
  const mixed = (n: number): DemoRecipient[] => {
    const domain = pick(domains, n);
    return [
      { address: `gus-${n + 1}@${domain}`, fate: 'delivered' },
      { address: `nobody-of-${n + 1}@${domain}`, fate: 'bounced' },
      { address: `later-of-${n + 1}@${domain}`, fate: 'delivered' },
    ];
  };
  const plan: [count: number, recipients: (n: number) => DemoRecipient[]][] = [
    [15, deliver],
    [6, numbered('later', 'delivered')],
    [6, numbered('nobody', 'bounced')],
    [3, numbered('closed', 'bounced')],
    [4, numbered('spam', 'bounced')],
    [3, (n) => [{ address: `${pick(names, n)}@${fullDomain}`, fate: 'expired' }]],
    [3, mixed],
  ];
  const messages = plan.flatMap(([count, recipients], kind) =>
    Array.from({ length: count }, (_, n) => ({ kind, recipients: recipients(n) })),
  );
  return interleave(messages).map((message, n) => ({ ...message, subject: pick(subjects, n) }));
}

export const pick = <T>(list: readonly T[], n: number): T => {
  const item = list[n % list.length];
  if (item === undefined) throw new RangeError('an empty list');
  return item;
};

/** The kinds in turn, so that the whole table moves from the start. */
function interleave<T extends { kind: number }>(messages: readonly T[]): T[] {
  const place = new Map<T, number>();
  for (const group of Map.groupBy(messages, ({ kind }) => kind).values()) {
    for (const [n, message] of group.entries()) place.set(message, (n + 0.5) / group.length);
  }
  return messages.toSorted((a, b) => (place.get(a) ?? 0) - (place.get(b) ?? 0));
}
