import { originalReply, replyWireLines, type Reply } from '../reply.ts';
import { responseLine, type LineBreaks } from './response-line.ts';
import { isEnhancedOf, isRejection, type Place, type Rule, type RuleSet } from './rule-file.ts';

/** The status to take in place of the server's. */
export interface StatusRewrite {
  code: number;
  /** Of the class of `code`; without one, that of the server is brought into that class. */
  enhanced?: string;
}

/** The status that the first rule for this reply says; undefined when there is none or it says to leave it. */
export function rewriteStatus(
  rules: RuleSet,
  reply: Reply,
  place: Place,
  lineBreaks: LineBreaks = 'escaped',
): (StatusRewrite & { rule: Rule }) | undefined {
  const rule = rules.status(responseLine(originalReply(reply), lineBreaks), place);
  if (typeof rule?.code !== 'number') return undefined;
  return { code: rule.code, ...(rule.enhanced !== undefined && { enhanced: rule.enhanced }), rule };
}

/**
 * The reply with another status; the same reply when the code is the server's own, and `refused` with the reason when
 * the result is no status for a rejection. The words get a note, the lines as they came are kept for the Diagnostic-Code
 * (RFC 3461 §9.2 b), and the enhanced code is always of the new class, so that the Status of a report agrees with its
 * Action (RFC 3464 §2.3.3).
 */
export function applyRewrite(reply: Reply, rewrite: { code: unknown; enhanced?: unknown }): Reply | { refused: string } {
  const { code, enhanced } = rewrite;
  if (!isRejection(code)) return { refused: 'the code of a rejection must be a whole number from 400 to 599' };
  if (enhanced !== undefined && !isEnhancedOf(code, enhanced))
    return { refused: `the enhanced code must be such as ${String(code)[0]}.2.2` };
  if (code === reply.code) return reply;
  // RFC 5321 §4.5.3.1.10: it speaks of the transaction; the same recipient may be taken in the next one.
  if (reply.command === 'RCPT' && reply.enhanced?.endsWith('.5.3')) return { refused: 'too many recipients says nothing of this one' };
  const own = reply.enhanced && `${String(code)[0]}${reply.enhanced.slice(1)}`;
  const status = enhanced ?? own;
  const note = `(rebound: status was rewritten from ${reply.code} -> ${code})`;
  const { enhanced: _, ...rest } = reply;
  return {
    ...rest,
    code,
    ...(status !== undefined && { enhanced: status }),
    lines: [...reply.lines.slice(0, -1), `${reply.lines.at(-1) ?? ''} ${note}`.trimStart()],
    wire: replyWireLines(reply),
    rewrittenFrom: reply.code,
  };
}
