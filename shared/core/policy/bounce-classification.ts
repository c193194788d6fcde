import type { RecordType } from '../disposition.ts';
import { isClassName } from '../rules/rule-file.ts';
import { typeNameOf } from './define.ts';

/** What is known of a failure besides its words. */
export interface FailureMeta {
  readonly type: Extract<RecordType, 'TransientFailure' | 'Bounce' | 'Expiration' | 'AdminBounce'>;
  readonly domain: string;
  readonly tenant?: string;
  readonly campaign?: string;
  /** The domain where none is set. */
  readonly routingDomain: string;
  /** The mail exchanger, as on the dashboard. */
  readonly site: string;
  /** What was answered: `MAIL`, `RCPT`, `DATA`, `.` and so on. */
  readonly command?: string;
  /** Said by us, not by a server: timeouts, expiry, a null MX. */
  readonly isLocal: boolean;
}

/** A bounce class, one of ours or a label of the author's; nothing: rule files and built-in rules decide. */
export type BounceClassificationResult = void | undefined | null | string;

/** Called for every failure before it is recorded. `response` is what the server said, on one line, whatever status it was given. */
export type BounceClassification = (
  response: string,
  failure: FailureMeta,
) => BounceClassificationResult | Promise<BounceClassificationResult>;

/** The class that a handler wants; undefined: it has no wish; `problem`: why what it returned cannot be used. */
export function readClass(result: unknown): { name: string } | { problem: string } | undefined {
  if (result === undefined || result === null) return undefined;
  if (typeof result !== 'string') return { problem: `expected a class as text, found ${typeNameOf(result)}` };
  return isClassName(result) ? { name: result } : { problem: 'a class is a label of letters, digits, "_", "." and "-", at most 64' };
}
