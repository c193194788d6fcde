import type { BounceClass } from '../bounce-class.ts';

/**
 * The built-in rules, in the form of a rule file: the first that is found in `CODE C.S.D words` decides. First the words
 * by which large receivers say more than their codes do, then the codes (RFC 3463, RFC 5248, IANA's registry), then words
 * for servers without enhanced codes.
 */
export const builtinClasses: readonly (readonly [pattern: string, label: BounceClass])[] = [
  // Codes that are beyond doubt, whatever the words. 556 is the code of RFC 7505 §3 for a null MX.
  // Exchange says 5.1.10 of a recipient; for IANA it is the null MX.
  ['(?i)^5\\d\\d .*(?:RecipientNotFound|recipient .{0,100}not found|mailbox unavailable)', 'InvalidRecipient'],
  ['^(?:451|550|556) [45]\\.1\\.10(?: |$)|^556 ', 'BadDomain'],
  ['^5\\d\\d 5\\.7\\.18(?: |$)', 'BadDomain'],
  ['^5\\d\\d 5\\.7\\.17(?: |$)', 'InvalidRecipient'],
  ['^525 5\\.7\\.13(?: |$)', 'InactiveMailbox'],
  ['^\\d{3} [45]\\.7\\.27(?: |$)', 'InvalidSender'],
  ['^\\d{3} [45]\\.5\\.3(?: |$)', 'TooManyRecipients'],

  // Words that say more than their code.
  ['(?i)\\b(?:virus|malware|infected|trojan|ransomware)\\b', 'VirusRelated'],
  [
    '(?i)\\b(?:attachment|file)s?\\b.{0,60}\\b(?:not allowed|not accepted|prohibited|blocked|forbidden|banned)|\\b(?:prohibited|banned|forbidden|blocked|executable) (?:attachment|file)',
    'ProhibitedAttachment',
  ],
  ['(?i)content presents a potential security|file types? .{0,40}(?:blocked|not (?:allowed|supported))', 'ProhibitedAttachment'],
  [
    '(?i)\\b(?:dns|real-?time) ?(?:bl|black|block)|\\b(?:rbl|dnsbl)\\b|black ?-?list|block ?-?list|\\bdeny ?list|spamhaus|spamcop|barracudacentral|sorbs|\\bpoor reputation|(?:low|bad|poor|very low) (?:sender )?reputation|reputation (?:of|is) ',
    'SpamBlock',
  ],
  [
    '(?i)banned sending ip|(?:sending|client|your) (?:ip|host|server|network|address)\\b.{0,40}\\b(?:blocked|banned|refused|rejected|denied)\\b|\\baccess denied, banned|blocked (?:by|using|for|due to) (?:spam|abuse)',
    'SpamBlock',
  ],
  [
    '(?i)unsolicited|\\b(?:likely|detected as|classified as|identified as|considered|looks like|appears to be|suspected|high probability of) (?:be )?(?:spam|junk)',
    'SpamContent',
  ],
  [
    '(?i)\\b(?:spam|junk|phish\\w*)\\b.{0,30}\\b(?:content|message|mail|detected|score|filter|rejected|suspected)|\\b(?:message|mail|content)\\b.{0,40}\\b(?:spam|junk|phish\\w*)\\b',
    'SpamContent',
  ],
  ['(?i)user complaints?|complaint rate|\\bspam\\b', 'SpamRelated'],
  [
    '(?i)\\b(?:spf|dkim|dmarc|arc)\\b|\\bunauthenticated\\b|\\bauthentication (?:is )?(?:required|failed|checks?|credentials)|not authenticated|must authenticate',
    'AuthenticationFailed',
  ],
  [
    '(?i)\\brelay(?:ing)?\\b.{0,40}\\b(?:denied|not (?:permitted|allowed)|prohibited|refused|disabled)|unable to relay|(?:denied|not (?:permitted|allowed) to|will not|cannot) relay|we do not relay|relay access',
    'RelayDenied',
  ],
  [
    '(?i)over ?quota|quota (?:is )?(?:exceeded|full)|exceed\\w* (?:\\w+ ){0,3}(?:quota|storage)|mail ?box (?:is |was )?(?:over ?)?full|\\bfull mailbox|(?:out|insufficient|not enough) (?:of )?(?:disk|storage|system storage|space)|storage (?:allocation|limit) exceeded|maildir (?:delivery failed|over)',
    'QuotaIssues',
  ],
  ['(?i)too many recipients|recipient limit|maximum (?:number of )?recipients', 'TooManyRecipients'],
  [
    '(?i)(?:mail ?box|account|user|recipient|address)\\b.{0,40}\\b(?:inactive|disabled|suspended|deactivated|locked|expired|closed|terminated|discontinued)\\b|(?:inactive|disabled|suspended|deactivated) (?:mail ?box|account|user|recipient)|no longer (?:active|valid|available|in use|with)|not active|has been (?:disabled|discontinued|suspended)',
    'InactiveMailbox',
  ],
  [
    '(?i)confirm (?:you are|that you are|your message)|verify (?:that )?you are (?:human|a person)|challenge.{0,10}response',
    'ChallengeResponse',
  ],
  ['(?i)gr[ae]y ?-?list', 'TransientFailure'],
  [
    '(?i)(?:rate|volume|connection|sending) ?-?limit|rate ?limited|too (?:many|much) (?:connections?|messages?|mail|e-?mails?|requests|sessions)|unusual (?:rate|volume)|unexpected volume|receiving mail (?:at a rate|too quickly)|throttl|try (?:sending )?(?:it )?(?:more )?slow',
    'PolicyRelated',
  ],
  [
    '(?i)(?:sender|from|return-?path|reverse-?path)\\b.{0,40}\\b(?:domain|address)?.{0,30}(?:does not exist|not found|unknown|invalid|must resolve|unverified|could not be verified|verify failed|verification failed|rejected)',
    'InvalidSender',
  ],

  // The enhanced code.
  ['^(?:451|55[03]) [45]\\.1\\.[1-4](?: |$)|^5\\d\\d 5\\.1\\.[13](?: |$)|^45\\d 4\\.1\\.1(?: |$)', 'InvalidRecipient'],
  ['^45[02] 4\\.2\\.4(?: |$)', 'InvalidRecipient'],
  ['^(?:451|550) [45]\\.1\\.6(?: |$)|^\\d{3} [45]\\.2\\.1(?: |$)', 'InactiveMailbox'],
  ['^\\d{3} [45]\\.1\\.[78](?: |$)', 'InvalidSender'],
  ['^\\d{3} [45]\\.2\\.[23](?: |$)|^452 4\\.3\\.1(?: |$)|^55[24] 5\\.3\\.4(?: |$)', 'QuotaIssues'],
  ['^451 4\\.4\\.1(?: |$)', 'NoAnswerFromHost'],
  ['^421 4\\.4\\.2(?: |$)', 'BadConnection'],
  ['^(?:451|550) [45]\\.4\\.3(?: |$)', 'DNSFailure'],
  ['^\\d{3} [45]\\.4\\.[46](?: |$)', 'RoutingErrors'],
  ['^451 4\\.4\\.5(?: |$)', 'TransientFailure'],
  ['^\\d{3} [45]\\.4\\.7(?: |$)', 'MessageExpired'],
  ['^\\d{3} [45]\\.3\\.5(?: |$)', 'BadConfiguration'],
  ['^\\d{3} [45]\\.[56]\\.', 'ProtocolErrors'],

  // Words, where the code says nothing or only that policy forbids.
  [
    '(?i)(?:user|mail ?box|recipient|address|account|alias)\\b.{0,60}\\b(?:unknown|not found|does(?:n.t| not) exist|not exist|invalid|unavailable|undeliverable|rejected|not (?:listed|known|recogni[sz]ed))|(?:no such|unknown|invalid|non-?existent|bad|unrouteable) (?:local )?(?:user|mail ?box|recipient|address|account|person|destination)|no mailbox (?:here )?by that name|not have an? (?:mailbox|account)|there is no|user doesn.t have',
    'InvalidRecipient',
  ],
  [
    '(?i)(?:domain|host)\\b.{0,40}\\b(?:not found|unknown|does(?:n.t| not) exist|no mx)|no such domain|unknown (?:domain|host)',
    'BadDomain',
  ],
  ['(?i)(?:mail|message|routing) loop|too many hops|hop count exceeded|loops back', 'RoutingErrors'],
  ['(?i)\\bdns\\b|name server|reverse lookup|\\bptr\\b|host lookup', 'DNSFailure'],
  ['(?i)message (?:size|too (?:large|big|long))|exceeds (?:the )?(?:maximum )?(?:message )?size|size (?:exceeds|limit)', 'QuotaIssues'],
  ['(?i)timed? ?-?out|connection (?:lost|closed|dropped|reset)|no answer|did not respond', 'BadConnection'],
  ['^5\\d\\d 5\\.7\\.(?:\\d|1[01245]|19|2[0-6]|29|30)(?: |$)', 'AuthenticationFailed'],
  ['^\\d{3} [45]\\.7\\.38(?: |$)|^4\\d\\d 4\\.7\\.', 'PolicyRelated'],
  ['(?i)\\bpolic(?:y|ies)\\b|access denied|not (?:authori[sz]ed|permitted|allowed)|local restriction', 'PolicyRelated'],
  [
    '(?i)syntax|protocol error|bad sequence|command (?:not )?(?:unrecogni[sz]ed|recogni[sz]ed|implemented)|bare (?:lf|cr|newline)|line too long',
    'ProtocolErrors',
  ],
  ['(?i)configur|misconfig', 'BadConfiguration'],
  ['(?i)\\bcontent\\b.{0,40}\\b(?:rejected|refused|not accepted)|message (?:content )?rejected', 'ContentRelated'],
  [
    '(?i)try (?:again|later)|temporar|service (?:is )?(?:not available|unavailable)|server busy|local error|insufficient (?:resources|system)|system (?:error|resources)',
    'TransientFailure',
  ],
];
