import type { DispositionRecord } from '../disposition.ts';
import type { Notify } from '../envelope.ts';
import { unreachable } from '../unreachable.ts';
import type { Action } from './report.ts';

/** The actions of our reports. `expanded` is for systems with aliases (RFC 3461 §5.2.7.3): here an address stays the one it is. */
export type ReportedAction = Exclude<Action, 'expanded'>;

/**
 * What a report of this record says became of its recipients (RFC 3464 §2.3.3); undefined when none can come of it.
 * Whether a sender wants to hear it is for `isWanted`.
 */
export function actionOf(record: DispositionRecord): ReportedAction | undefined {
  switch (record.type) {
    case 'Bounce':
    case 'AdminBounce':
    case 'Expiration':
      return 'failed';
    case 'TransientFailure':
      return record.delay_warning ? 'delayed' : undefined;
    case 'Delivery':
      return successOf(record);
    case 'Reception':
    case 'Rejection':
    case 'Delayed':
    // RFC 5321 §4.5.5: of what others report there is never a report.
    case 'OOB':
    case 'Feedback':
      return undefined;
    default:
      return unreachable(record.type);
  }
}

/** Do the words of NOTIFY (none: as if it was not given) ask for a report of this action (RFC 3461 §4.1, §5.2)? */
export function isWanted(notify: readonly string[] | undefined, action: ReportedAction): boolean {
  const isGiven = notify !== undefined && notify.length > 0;
  switch (action) {
    case 'failed':
      return !isGiven || notify.includes('FAILURE' satisfies Notify);
    case 'delayed':
      // RFC 3461 §4.1: without NOTIFY a delay may be told; §5.2.5 c: with it only where DELAY is in it.
      return !isGiven || notify.includes('DELAY' satisfies Notify);
    case 'delivered':
    case 'relayed':
      return isGiven && notify.includes('SUCCESS' satisfies Notify);
    default:
      return unreachable(action);
  }
}

/**
 * Is this record worth the attention of those who make reports? Asked of every disposition, so it is cheap. A failure
 * always is, since that it is not told of must be known too; anything else only when a sender is there who wants it.
 */
export function mayBeReported(record: DispositionRecord): boolean {
  const action = actionOf(record);
  if (action === undefined || action === 'failed') return action !== undefined;
  return record.sender !== '' && (record.dsn?.recipients ?? []).some(({ notify }) => isWanted(notify, action));
}

/**
 * RFC 3461 §5.2.2 b and §5.2.3: a next hop that offered DSN tells of success itself. A stranger's wish is not heard:
 * success reports to invented senders would be mail that anybody can have us send to anybody.
 */
function successOf({ dsn, meta, delivery_protocol }: DispositionRecord): 'delivered' | 'relayed' | undefined {
  if (dsn?.relayed || (meta['trusted'] !== true && typeof meta['authn_id'] !== 'string')) return undefined;
  if (delivery_protocol === 'LMTP') return 'delivered';
  return delivery_protocol === 'ESMTP' ? 'relayed' : undefined;
}
