import { withoutComments } from '../comments.ts';
import type { DispositionRecord } from '../disposition.ts';
import { domainOf } from '../reception.ts';
import type { WhyNoReport } from './eligible.ts';
import { readFields, valuesOf, type ReadField } from './field.ts';
import { withoutSourceRoute } from './recipient.ts';

/** Rules that somebody may have good reason to turn off (`bounce.suppress`). */
export const optionalRules = ['untrusted', 'auto-submitted', 'list', 'bulk'] as const;
export type OptionalRule = (typeof optionalRules)[number];

/**
 * Whom this system tells nothing although the RFCs would let it.
 * `untrusted`: a stranger handed the message in, who may have forged the sender. `auto-submitted`: a machine wrote it.
 * `list`, `bulk`: it went to many. `hops`: it goes round in a loop. `read-here`: this system itself would read the report
 * (`ingress.reports.to`), and knows what it says.
 */
export type WhyAgainstPolicy = OptionalRule | 'hops' | 'read-here';

export interface ReportPolicy {
  rules: readonly OptionalRule[];
  /** Received fields beyond which a message is a loop. */
  maxHops: number;
  isOwnDomain: (domain: string) => boolean;
  /** Would the report of this sender come back to us to be read? */
  isReadHere: (address: string) => boolean;
}

/** `disabled`: reports are turned off. `none`: the generator made none. The limits are those of `bounce.maxPerSender` and `maxPerDomain`. */
export type Suppression = WhyNoReport | WhyAgainstPolicy | 'disabled' | 'none' | 'sender-limit' | 'domain-limit';

/** What each reason means, to be read after "no report: ". */
export const suppressionWords: Readonly<Record<Suppression, string>> = {
  'not-a-failure': 'nothing has finally failed',
  order: 'an operator ended the message and wanted none',
  protocol: 'it was not mail that failed',
  'own-report': 'the message is a report of this system',
  'null-sender': 'the message has the null sender',
  'mailer-daemon': 'its sender is a mail system',
  notify: 'its sender asked for none (NOTIFY)',
  'delivery-report': 'the message is a delivery report itself',
  'auto-response-suppress': 'its header asks for none (X-Auto-Response-Suppress)',
  untrusted: 'it came from a stranger, whose sender address may be forged',
  'auto-submitted': 'it was sent by a machine (Auto-Submitted)',
  list: 'it is from a mailing list (List-Id and the like)',
  bulk: 'it is bulk mail (Precedence)',
  'read-here': 'its reports are read by this system itself (ingress.reports.to)',
  hops: 'it went through too many hosts, which is a loop',
  'sender-limit': 'its sender has had as many reports as it may have for now',
  'domain-limit': "its sender's domain has had as many reports as it may have for now",
  disabled: 'reports are turned off',
  none: 'none is made of this kind',
};

/** `originalHeader`: as in `whyNoReport`; without it only the rule about the origin can be followed. */
export function whyAgainstPolicy(
  record: DispositionRecord,
  originalHeader: string | undefined,
  policy: ReportPolicy,
): WhyAgainstPolicy | undefined {
  if (policy.isReadHere(withoutSourceRoute(record.sender).trim())) return 'read-here';
  const has = (rule: OptionalRule): boolean => policy.rules.includes(rule);
  if (has('untrusted') && !isKnownOrigin(record, policy)) return 'untrusted';
  if (originalHeader === undefined) return undefined;
  const fields = readFields(originalHeader, 2000);
  // RFC 5321 §6.3: the Received fields are counted, and only counted.
  if (valuesOf(fields, 'Received').length > policy.maxHops) return 'hops';
  if (has('auto-submitted') && isAutomatic(fields)) return 'auto-submitted';
  if (has('list') && fields.some(({ name }) => /^list-/i.test(name))) return 'list';
  return has('bulk') && isBulk(fields) ? 'bulk' : undefined;
}

/** Reasons that only the header of the original tells. */
const ofHeader = ['delivery-report', 'auto-response-suppress', 'auto-submitted', 'list', 'bulk', 'hops'] as const;

/** A reason found earlier which still holds though the header that told it is gone; undefined for others, which can be asked again. */
export function stillHolds(reason: string, rules: readonly OptionalRule[]): Suppression | undefined {
  const known = ofHeader.find((name) => name === reason);
  const isOff = optionalRules.some((name) => name === known && !rules.includes(name));
  return isOff ? undefined : known;
}

/**
 * Did somebody we know hand it in, or is the sender at least one of our own (RFC 5321 §6.2)? What others say about a
 * sender, SPF too, is not asked: a pass means that a domain lets a host send, not that this sender did.
 */
function isKnownOrigin({ meta, sender }: DispositionRecord, { isOwnDomain }: ReportPolicy): boolean {
  const user = meta['authn_id'];
  if (meta['trusted'] === true || (typeof user === 'string' && user !== '')) return true;
  return isOwnDomain(domainOf(withoutSourceRoute(sender).trim()));
}

// RFC 3834 §5: a keyword, perhaps parameters after `;`, comments anywhere. What is not plainly "no" is automatic.
const isAutomatic = (fields: readonly ReadField[]): boolean =>
  wordsOf(fields, 'Auto-Submitted').some((word) => word !== '' && word !== 'no');

const isBulk = (fields: readonly ReadField[]): boolean => wordsOf(fields, 'Precedence').some((word) => /^(?:bulk|list|junk)$/.test(word));

/** The first word of each field of a name, lower case. */
const wordsOf = (fields: readonly ReadField[], name: string): string[] =>
  valuesOf(fields, name).map((value) => /^[^\s;,]*/.exec(withoutComments(value).trim().toLowerCase())?.[0] ?? '');
