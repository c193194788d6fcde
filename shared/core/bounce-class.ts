import { originalReply, replyOnOneLine, type Reply } from './reply.ts';
import { responseLine, type LineBreaks } from './rules/response-line.ts';
import { compileRegexSet, type RegexSet } from './rules/regex-set.ts';
import { builtinClasses } from './rules/builtin-classes.ts';
import type { Place, RuleSet } from './rules/rule-file.ts';

/** The labels that the original's classifier knows; a rule file may give others of its own. */
export const bounceClasses = [
  'AuthenticationFailed',
  'AutoReply',
  'BadConfiguration',
  'BadConnection',
  'BadDomain',
  'ChallengeResponse',
  'ContentRelated',
  'DNSFailure',
  'InactiveMailbox',
  'InvalidRecipient',
  'InvalidSender',
  'MessageExpired',
  'NoAnswerFromHost',
  'PolicyRelated',
  'ProhibitedAttachment',
  'ProtocolErrors',
  'QuotaIssues',
  'RelayDenied',
  'RelayingIssues',
  'RoutingErrors',
  'SpamBlock',
  'SpamContent',
  'SpamRelated',
  'Subscribe',
  'TooManyRecipients',
  'TransientFailure',
  'Uncategorized',
  'Unsubscribe',
  'VirusRelated',
] as const;
export type BounceClass = (typeof bounceClasses)[number];

/** The rules of a rule file, and where the reply was given. */
export interface ClassRules {
  rules: RuleSet;
  place: Place;
  lineBreaks: LineBreaks;
}

/** What kind of failure a reply tells, as its server said it: by the rules given, then by those built in. */
export function classifyBounce(reply: Reply, own?: ClassRules): string {
  const said = originalReply(reply);
  const rule = own?.rules.bounceClass(responseLine(said, own.lineBreaks), own.place);
  return rule?.class ?? builtinClass(said);
}

/** A label for a metric: labels of authors are one, so that their number is bounded. */
export const classLabel = (label: string): BounceClass | 'other' => (isBounceClass(label) ? label : 'other');
const isBounceClass = (label: string): label is BounceClass => (bounceClasses as readonly string[]).includes(label);

/** Longer replies are cut: what they tell stands at the beginning. */
const maxLength = 1000;

function builtinClass(reply: Reply): BounceClass {
  if (reply.code < 400) return 'Uncategorized';
  return builtinClasses[builtinSet().first(replyOnOneLine(reply).slice(0, maxLength))]?.[1] ?? 'Uncategorized';
}

let compiled: RegexSet | undefined;

/** Compiled when the first reply asks: most processes never do. */
function builtinSet(): RegexSet {
  if (compiled) return compiled;
  const set = compileRegexSet(builtinClasses.map(([pattern]) => pattern));
  if (Array.isArray(set)) throw new Error(`built-in rules: ${set.map(({ message }) => message).join('; ')}`);
  compiled = set;
  return set;
}
