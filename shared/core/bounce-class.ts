import type { Reply } from './reply.ts';

/** The labels that the rules below give; the names are those of the original's classifier for the IANA status codes. */
export type BounceClass =
  | 'AuthenticationFailed'
  | 'BadConnection'
  | 'BadDomain'
  | 'DNSFailure'
  | 'InactiveMailbox'
  | 'InvalidRecipient'
  | 'InvalidSender'
  | 'MessageExpired'
  | 'NoAnswerFromHost'
  | 'PolicyRelated'
  | 'ProtocolErrors'
  | 'QuotaIssues'
  | 'RoutingErrors'
  | 'TooManyRecipients'
  | 'TransientFailure'
  | 'Uncategorized';

/** What kind of failure a reply tells, by its code and enhanced code alone; the words are not looked at. */
export function classifyBounce(reply: Reply): BounceClass {
  const [klass = '', subject = '', detail = ''] = (reply.enhanced ?? '').split('.');
  if (klass !== '4' && klass !== '5') return 'Uncategorized';
  const status = `${subject}.${detail}`;
  return rules.find((rule) => rule.codes(reply.code) && rule.status.test(status))?.label ?? 'Uncategorized';
}

const anyCode = (): boolean => true;
const permanent = (code: number): boolean => code >= 500 && code <= 599;
const codes =
  (...list: number[]) =>
  (code: number): boolean =>
    list.includes(code);

// The first rule that fits decides; `status` is subject and detail of the enhanced code (RFC 3463, RFC 5248, IANA).
const rules: { label: BounceClass; codes: (code: number) => boolean; status: RegExp }[] = [
  { label: 'InvalidRecipient', codes: codes(451, 550), status: /^1\.[1-4]$/ },
  { label: 'InvalidRecipient', codes: codes(450, 452), status: /^2\.4$/ },
  { label: 'InvalidRecipient', codes: permanent, status: /^7\.17$/ },
  // 556 is the code of RFC 7505 §3 for a null MX.
  { label: 'BadDomain', codes: codes(451, 550, 556), status: /^1\.10$/ },
  { label: 'BadDomain', codes: permanent, status: /^7\.18$/ },
  { label: 'InactiveMailbox', codes: codes(451, 550), status: /^1\.6$/ },
  { label: 'InactiveMailbox', codes: anyCode, status: /^2\.1$/ },
  { label: 'InactiveMailbox', codes: codes(525), status: /^7\.13$/ },
  { label: 'InvalidSender', codes: codes(451, 550), status: /^1\.[78]$/ },
  { label: 'InvalidSender', codes: anyCode, status: /^7\.27$/ },
  { label: 'QuotaIssues', codes: codes(552), status: /^2\.[23]$/ },
  { label: 'QuotaIssues', codes: codes(452), status: /^3\.1$/ },
  { label: 'QuotaIssues', codes: codes(552, 554), status: /^3\.4$/ },
  { label: 'NoAnswerFromHost', codes: codes(451), status: /^4\.1$/ },
  { label: 'BadConnection', codes: codes(421), status: /^4\.2$/ },
  { label: 'DNSFailure', codes: codes(451, 550), status: /^4\.3$/ },
  { label: 'RoutingErrors', codes: anyCode, status: /^4\.[46]$/ },
  { label: 'TransientFailure', codes: codes(451), status: /^4\.5$/ },
  { label: 'MessageExpired', codes: anyCode, status: /^4\.7$/ },
  // Before ProtocolErrors, which covers the whole subject 5 and would hide it.
  { label: 'TooManyRecipients', codes: anyCode, status: /^5\.3$/ },
  { label: 'ProtocolErrors', codes: anyCode, status: /^[56]\./ },
  { label: 'AuthenticationFailed', codes: permanent, status: /^7\.(?:\d|1[01245]|19|2[0-6]|29|30)$/ },
  { label: 'PolicyRelated', codes: anyCode, status: /^7\.38$/ },
];
