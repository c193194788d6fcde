import type { DispositionRecord } from '../disposition.ts';
import type { Recipient } from '../envelope.ts';
import { actionOf, type ReportedAction } from './action.ts';
import { reportedRecipients } from './eligible.ts';

/** One record as a report tells it: what became of those of its recipients whose sender wants to hear it. */
export interface ReportedOutcome {
  record: DispositionRecord;
  action: ReportedAction;
  recipients: Recipient[];
}

/** What nobody may overlook comes first. */
const order: readonly ReportedAction[] = ['failed', 'delayed', 'relayed', 'delivered'];

/**
 * The outcomes of a report, failures first, else in the order given. A recipient is in one of them only, with what is final:
 * who failed after a delay is not delayed any more (RFC 3464 §2.3).
 */
export function tellable(records: readonly DispositionRecord[]): ReportedOutcome[] {
  const outcomes = records.flatMap((record) => {
    const action = actionOf(record);
    return action ? [{ record, action, recipients: reportedRecipients(record) }] : [];
  });
  const final = new Set(outcomes.filter(isFinal).flatMap(({ recipients }) => recipients.map((r) => r.address)));
  const told = new Set<string>();
  return outcomes
    .map((outcome) => {
      const recipients = outcome.recipients.filter(({ address }) => !told.has(address) && (isFinal(outcome) || !final.has(address)));
      for (const { address } of recipients) told.add(address);
      return { ...outcome, recipients };
    })
    .filter(({ recipients }) => recipients.length > 0)
    .sort((a, b) => order.indexOf(a.action) - order.indexOf(b.action));
}

const isFinal = ({ action }: ReportedOutcome): boolean => action !== 'delayed';
