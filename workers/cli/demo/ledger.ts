import { recipientsOf, type DispositionRecord } from '../../../shared/core/disposition.ts';
import { parseRfc3464, type ParsedReport } from '../../../shared/core/dsn/parse.ts';
import { kinds, type DemoMessage, type Fate } from './batch.ts';
import type { Answer, Bookkeeper } from './destination.ts';

/** Recipients; `sent` and `reports` are messages. */
export interface Counts {
  sent: number;
  delivered: number;
  deferred: number;
  bounced: number;
  expired: number;
  reports: number;
}

/** The books of the demo: what was sent, what the log says became of it, what the destination saw, what came back. */
export interface Ledger extends Bookkeeper {
  sent: (message: DemoMessage) => void;
  /** Takes a record of the log; false when it is of no message of the batch. */
  record(record: DispositionRecord): boolean;
  /** The reports that came back, in their order. */
  readonly reports: readonly { bytes: Uint8Array; report: ParsedReport }[];
  /** One for each kind. */
  rows(): Counts[];
  total(): Counts;
  /** From 0 to 1. */
  progress(): number;
  /** Resolves once every message is accounted for. */
  readonly complete: Promise<void>;
  /** What does not add up (yet), a line each: nothing when every message is accounted for. */
  missing(): string[];
}

interface Account {
  address: string;
  kind: number;
  expected: Fate;
  isSent: boolean;
  isDeferred: boolean;
  fates: Set<Fate>;
  /** What the destination said to it, how many times. */
  said: Record<Answer, number>;
  /** Groups of reports that name it as failed. */
  reported: number;
}

const fateOf: Partial<Record<DispositionRecord['type'], Fate>> = { Delivery: 'delivered', Bounce: 'bounced', Expiration: 'expired' };

export function openLedger(batch: readonly DemoMessage[]): Ledger {
  const accounts = new Map<string, Account>();
  for (const { kind, recipients } of batch) {
    for (const { address, fate } of recipients) {
      const said = { accepted: 0, deferred: 0, refused: 0 };
      accounts.set(address, { address, kind, expected: fate, isSent: false, isDeferred: false, fates: new Set(), said, reported: 0 });
    }
  }
  const sentByKind = kinds.map(() => 0);
  const reportsByKind = kinds.map(() => 0);
  const reports: { bytes: Uint8Array; report: ParsedReport }[] = [];
  const all = [...accounts.values()];
  const missing = (): string[] => all.flatMap(complaintsOf);
  const { promise: complete, resolve } = Promise.withResolvers<void>();
  const look = (): void => {
    if (missing().length === 0) resolve();
  };
  const total = (): Counts => count(all, sum(sentByKind), sum(reportsByKind));

  return {
    reports,
    sent: ({ kind, recipients }) => {
      sentByKind[kind] = (sentByKind[kind] ?? 0) + 1;
      for (const { address } of recipients) {
        const account = accounts.get(address);
        if (account) account.isSent = true;
      }
      look();
    },
    record: (record) => {
      const own = recipientsOf(record).flatMap((address) => accounts.get(address) ?? []);
      const fate = fateOf[record.type];
      for (const account of own) {
        if (record.type === 'TransientFailure') account.isDeferred = true;
        if (fate) account.fates.add(fate);
      }
      look();
      return own.length > 0;
    },
    answered: (recipient, answer) => {
      const account = accounts.get(recipient);
      if (account) account.said[answer] += 1;
      look();
    },
    arrived: ({ bytes }) => {
      const report = parseRfc3464(bytes);
      if (!report) return;
      const failed = report.recipients.filter(({ action }) => action === 'failed');
      const own = failed.flatMap(({ finalRecipient }) => accounts.get(finalRecipient?.value ?? '') ?? []);
      const [first] = own;
      if (!first) return;
      reports.push({ bytes, report });
      reportsByKind[first.kind] = (reportsByKind[first.kind] ?? 0) + 1;
      for (const account of own) account.reported += 1;
      look();
    },
    rows: () =>
      kinds.map((_, kind) =>
        count(
          all.filter((account) => account.kind === kind),
          sentByKind[kind] ?? 0,
          reportsByKind[kind] ?? 0,
        ),
      ),
    total,
    progress: () => {
      const steps = all.flatMap((a) => [a.isSent, a.fates.size > 0, ...(a.expected === 'delivered' ? [] : [a.reported > 0])]);
      return steps.filter(Boolean).length / Math.max(1, steps.length);
    },
    complete,
    missing,
  };
}

function count(accounts: readonly Account[], sent: number, reports: number): Counts {
  const ended = (fate: Fate): number => accounts.filter(({ fates }) => fates.has(fate)).length;
  return {
    sent,
    delivered: ended('delivered'),
    deferred: accounts.filter(({ isDeferred }) => isDeferred).length,
    bounced: ended('bounced'),
    expired: ended('expired'),
    reports,
  };
}

/** The log, the destination and the reports must tell the same of a recipient. */
function complaintsOf({ address, expected, isSent, fates, said, reported }: Account): string[] {
  if (!isSent) return [`${address}: not sent`];
  const [fate, ...further] = fates;
  if (fate === undefined) return [`${address}: neither delivered nor bounced nor expired`];
  if (further.length > 0) return [`${address}: the log says ${[...fates].join(' and ')}`];
  const complaints = fate === expected ? [] : [`${address}: ${fate}, where the plan was ${expected}`];
  if (fate === 'delivered' && said.accepted !== 1)
    complaints.push(`${address}: delivered by the log, accepted ${times(said.accepted)} by the destination`);
  if (fate !== 'delivered' && said.accepted > 0) complaints.push(`${address}: ${fate} by the log, but the destination accepted it`);
  if (fate === 'bounced' && said.refused === 0) complaints.push(`${address}: bounced by the log, never refused by the destination`);
  if (fate === 'expired' && said.deferred === 0) complaints.push(`${address}: expired by the log, never put off by the destination`);
  const due = fate === 'delivered' ? 0 : 1;
  if (reported !== due) complaints.push(`${address}: ${fate}, and reported ${times(reported)} to its sender`);
  return complaints;
}

const times = (n: number): string => (n === 0 ? 'not at all' : n === 1 ? 'once' : `${n} times`);
const sum = (list: readonly number[]): number => list.reduce((a, b) => a + b, 0);
