import type { RetrySchedule } from './config.ts';
import type { RecordType } from './disposition.ts';
import type { Recipient } from './envelope.ts';
import type { Outcome } from './outcome.ts';
import { isPermanent, localReply, replyOnOneLine, type Reply } from './reply.ts';
import { nextStep } from './schedule.ts';
import { unreachable } from './unreachable.ts';

/** What became of some recipients of an attempt: one record. */
export interface Judgement {
  type: Extract<RecordType, 'Delivery' | 'Bounce' | 'TransientFailure' | 'Expiration' | 'AdminBounce'>;
  recipients: Recipient[];
  reply: Reply;
  /** A server that took it offered DSN, so further reports are its business (RFC 3461 §5.2.1 c). */
  relayedDsn?: boolean;
  /** The reply is that of an earlier attempt. */
  isEarlier?: boolean;
}

export interface Verdict {
  /** One per kind of outcome and reply, in the order of the recipients. */
  judgements: Judgement[];
  /** The recipients that are tried again, and when (epoch ms). */
  remaining?: { recipients: Recipient[]; retryAt: number };
}

export interface Attempt {
  recipients: readonly Recipient[];
  /** In the order of the recipients. */
  outcomes: readonly Outcome[];
  /** Epoch ms. */
  created: number;
  /** Attempts made, this one included. */
  attempts: number;
  /** The last reply of an earlier attempt, for an expiration whose last attempt had no answer. */
  last?: Reply;
}

/**
 * Replies, schedule and clock to what happens to each recipient. Only the first digit of a reply decides (RFC 5321
 * §4.2.1); whatever is unknown is temporary. A message that outlived its time expires with the last remote reply
 * (RFC 3464 §2.3.3). `jitter` is from -1 to 1.
 */
export function judge(attempt: Attempt, schedule: RetrySchedule, now: number, jitter: number): Verdict {
  const step = nextStep(schedule, attempt, now, jitter);
  const groups = new Map<string, Judgement>();
  const remaining: Recipient[] = [];
  for (const [i, recipient] of attempt.recipients.entries()) {
    const outcome = attempt.outcomes[i] ?? untold;
    const type = typeOf(outcome, step.kind === 'expire');
    const isEarlier = type === 'Expiration' && outcome.reply.local === true && attempt.last !== undefined && !attempt.last.local;
    const reply = isEarlier && attempt.last ? attempt.last : outcome.reply;
    const relayedDsn = outcome.kind === 'accepted' && outcome.relayedDsn;
    const key = `${type} ${relayedDsn} ${isEarlier} ${reply.local ?? false} ${replyOnOneLine(reply)}`;
    const group = groups.get(key);
    if (group) group.recipients.push(recipient);
    else groups.set(key, { type, recipients: [recipient], reply, ...(relayedDsn && { relayedDsn }), ...(isEarlier && { isEarlier }) });
    if (type === 'TransientFailure') remaining.push(recipient);
  }
  return {
    judgements: [...groups.values()],
    ...(remaining.length > 0 && step.kind === 'retry' && { remaining: { recipients: remaining, retryAt: step.at } }),
  };
}

const untold: Outcome = { kind: 'failed', reply: localReply(451, '4.3.0', 'No outcome is known for this recipient') };

function typeOf(outcome: Outcome, isExpired: boolean): 'Delivery' | 'Bounce' | 'TransientFailure' | 'Expiration' {
  switch (outcome.kind) {
    case 'accepted':
      return 'Delivery';
    case 'refused':
      if (isPermanent(outcome.reply)) return 'Bounce';
      return isExpired ? 'Expiration' : 'TransientFailure';
    case 'failed':
    case 'untried':
      return isExpired ? 'Expiration' : 'TransientFailure';
    default:
      return unreachable(outcome);
  }
}
