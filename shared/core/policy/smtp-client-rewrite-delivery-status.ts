import type { StatusRewrite } from '../rules/rewrite-status.ts';
import { isEnhancedOf, isRejection } from '../rules/rule-file.ts';
import { typeNameOf } from './define.ts';

/** A code in place of the server's, one with its enhanced code, or nothing: the server's stays, and rule files are asked. */
export type RewriteStatusResult = void | undefined | null | number | readonly [code: number, enhanced?: string | null];

/**
 * Called when a server refuses a message: its answer to MAIL, RCPT, DATA or the final dot. `response` is the answer on
 * one line, `452 4.2.2 over quota`, line breaks as `delivery.responseLineBreaks` has it. `routingDomain` is the domain where none is set.
 */
export type SmtpClientRewriteDeliveryStatus = (
  response: string,
  domain: string,
  tenant: string | undefined,
  campaign: string | undefined,
  routingDomain: string,
) => RewriteStatusResult | Promise<RewriteStatusResult>;

/** The status that a handler wants; undefined: it has no wish; `problem`: why what it returned cannot be used. */
export function readStatusRewrite(result: unknown): StatusRewrite | { problem: string } | undefined {
  const [code, enhanced, ...more] = Array.isArray(result) ? (result as unknown[]) : [result];
  if (more.length > 0) return { problem: 'expected a code and an enhanced code, found more' };
  if (isAbsent(code) && isAbsent(enhanced)) return undefined;
  if (typeof code !== 'number') return { problem: `expected a number as code, found ${typeNameOf(code)}` };
  // Nothing was taken, whatever a policy says: a success would lose the message.
  if (!isRejection(code)) return { problem: `code ${String(code)} is not one from 400 to 599` };
  if (isAbsent(enhanced)) return { code };
  if (!isEnhancedOf(code, enhanced)) return { problem: `the enhanced code that goes with ${code} must be such as ${String(code)[0]}.2.2` };
  return { code, enhanced };
}

const isAbsent = (value: unknown): value is null | undefined => value === null || value === undefined;
