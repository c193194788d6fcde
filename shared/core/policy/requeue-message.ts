import { isAddressLiteral, isHostName } from '../address.ts';
import { parseDuration } from '../duration.ts';
import { isQueuePart } from '../queue-name.ts';
import { localReply, type Reply } from '../reply.ts';
import { typeNameOf } from './define.ts';
import { readRejection, type Rejected } from './reject.ts';

/** A message that is about to be put back after a temporary failure. */
export interface RequeuedMessage {
  readonly id: string;
  readonly sender: string;
  /** Those that are to be tried again. */
  readonly recipients: readonly string[];
  /** Octets. */
  readonly size: number;
  /** Epoch milliseconds. */
  readonly created: number;
  readonly domain: string;
  readonly tenant?: string;
  readonly campaign?: string;
  readonly routingDomain?: string;
  readonly source: string;
  /** As in its records. */
  readonly meta: Readonly<Record<string, unknown>>;
}

/** Another queue: what is absent stays, null is none. It is due there at once, or after `delay`. */
export interface RequeueChanges {
  readonly tenant?: string | null;
  readonly campaign?: string | null;
  readonly routingDomain?: string | null;
  readonly source?: string;
  /** Until the next attempt, in place of the schedule's: milliseconds, or words such as `20m`. */
  readonly delay?: number | string;
}

/** Nothing, changes, or the end: `bounce` with a reason, `expire`, or `reject(5xx, text)`. */
export type RequeueMessageResult =
  | void
  | undefined
  | null
  | RequeueChanges
  | { readonly bounce: string }
  | { readonly expire: true }
  | Rejected;

/** Called before a message is put back after a temporary failure. `attempts` counts the one that failed. */
export type RequeueMessage = (
  message: RequeuedMessage,
  response: string,
  attempts: number,
) => RequeueMessageResult | Promise<RequeueMessageResult>;

/** What a result means. `bounce`: the reply that ends it. */
export type RequeueVerdict =
  | { kind: 'changes'; changes: RequeueChanges; delay?: number }
  | { kind: 'bounce'; reply: Reply; problem?: string }
  | { kind: 'expire' }
  | { kind: 'problem'; problem: string };

/** The reply of a message that was ended by hand or by policy. */
export const adminBounceReply = (reason: string): Reply => localReply(551, '5.7.1', `Administrator bounced with reason: ${reason}`);

/** Reads a result. `known`: the names of the egress sources that there are. */
export function readRequeue(result: unknown, known: readonly string[]): RequeueVerdict {
  if (result === undefined || result === null) return { kind: 'changes', changes: {} };
  const rejection = readRejection(result);
  if (rejection) return readBounce(rejection);
  if (typeof result !== 'object' || Array.isArray(result))
    return unusable(`expected what becomes of a message, found ${typeNameOf(result)}`);
  if ('expire' in result) return result.expire === true ? { kind: 'expire' } : unusable('expire can only be true');
  if ('bounce' in result) {
    const { bounce } = result;
    return typeof bounce === 'string' && /^[ -~]{1,400}$/.test(bounce)
      ? { kind: 'bounce', reply: adminBounceReply(bounce) }
      : unusable('the reason in bounce is 1 to 400 characters of printable ASCII');
  }
  return readChanges(result, known);
}

const unusable = (problem: string): RequeueVerdict => ({ kind: 'problem', problem });

function readBounce(rejection: NonNullable<ReturnType<typeof readRejection>>): RequeueVerdict {
  if ('problem' in rejection) return unusable(rejection.problem);
  const { reply, fault } = rejection;
  if (reply.code < 500) return unusable(`a message that failed for a while cannot be rejected with ${reply.code}`);
  return { kind: 'bounce', reply, ...(fault !== undefined && { problem: fault }) };
}

function readChanges(result: object, known: readonly string[]): RequeueVerdict {
  const { tenant, campaign, routingDomain, source, delay, ...others } = result as { [K in keyof RequeueChanges]: unknown };
  if (Object.keys(others).length > 0) return unusable(`there is no "${Object.keys(others)[0]?.slice(0, 50)}" to change of a message`);
  for (const [name, value] of Object.entries({ tenant, campaign })) {
    if (value !== undefined && value !== null && !isQueuePart(value)) return unusable(`the ${name} is no name`);
  }
  const isRouting =
    routingDomain === undefined ||
    routingDomain === null ||
    (typeof routingDomain === 'string' && (isHostName(routingDomain) || isAddressLiteral(routingDomain)));
  if (!isRouting) return unusable('routingDomain is no host name or address literal');
  if (source !== undefined && !known.some((name) => name === source)) return unusable('there is no such egress source');
  const ms = typeof delay === 'string' ? parseDuration(delay) : delay;
  if (delay !== undefined && !(typeof ms === 'number' && Number.isSafeInteger(ms) && ms >= 0)) {
    return unusable('delay is no time such as 5000 or "20m"');
  }
  return { kind: 'changes', changes: result as RequeueChanges, ...(typeof ms === 'number' && { delay: ms }) };
}
