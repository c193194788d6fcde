import { classifyBounce } from '../bounce-class.ts';
import { isPermanent, originalReply, type Reply } from '../reply.ts';
import type { LineBreaks } from './response-line.ts';
import { responseLine } from './response-line.ts';
import { applyRewrite, rewriteStatus } from './rewrite-status.ts';
import type { Place, Rule, RuleSet } from './rule-file.ts';

/** What rules make of one reply, beside what is made of it without them. */
export interface RuleVerdict {
  /** The rule that speaks of the status, and the reply with its status. */
  status?: { rule: Rule; reply: Reply; change: StatusChange };
  /** Why the status of the rule is not taken. */
  refused?: string;
  /** The rule that speaks of the class. */
  classRule?: Rule;
  /** The class with the rules, and by the built-in ones alone. */
  bounceClass: string;
  builtinClass: string;
}

/** What becomes of a message by another status: a bounce at once, a further try, the same with another code, or nothing. */
export type StatusChange = 'bounce' | 'retry' | 'code' | 'none';

/** Applies rules to a reply as the server said it. */
export function judgeByRules(rules: RuleSet, given: Reply, place: Place, lineBreaks: LineBreaks): RuleVerdict {
  const reply = originalReply(given);
  const rewrite = rewriteStatus(rules, reply, place, lineBreaks);
  const kept = rewrite ? undefined : rules.status(responseLine(reply, lineBreaks), place);
  const result = rewrite && applyRewrite(reply, rewrite);
  const classRule = rules.bounceClass(responseLine(reply, lineBreaks), place);
  const rule = rewrite?.rule ?? kept;
  const now = result && !('refused' in result) ? result : reply;
  return {
    ...(rule && { status: { rule, reply: now, change: changeOf(reply, now) } }),
    ...(result && 'refused' in result && { refused: result.refused }),
    ...(classRule && { classRule }),
    bounceClass: classifyBounce(reply, { rules, place, lineBreaks }),
    builtinClass: classifyBounce(reply),
  };
}

function changeOf(before: Reply, after: Reply): StatusChange {
  if (before.code === after.code) return 'none';
  if (isPermanent(before) === isPermanent(after)) return 'code';
  return isPermanent(after) ? 'bounce' : 'retry';
}
