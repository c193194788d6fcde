import { describe, test } from 'node:test';
import assert from 'node:assert/strict';
import { bounceClasses, classifyBounce, classLabel } from '../../shared/core/bounce-class.ts';
import { localReply, parseReply, type Reply } from '../../shared/core/reply.ts';
import { applyRewrite } from '../../shared/core/rules/rewrite-status.ts';
import { builtinClasses } from '../../shared/core/rules/builtin-classes.ts';
import { parseRules } from '../../shared/core/rules/rule-file.ts';

describe('by the codes alone', () => {
  const cases: [code: number, enhanced: string, want: string][] = [
    [550, '5.1.1', 'InvalidRecipient'],
    [451, '4.1.4', 'InvalidRecipient'],
    [553, '5.1.1', 'InvalidRecipient'],
    [450, '4.2.4', 'InvalidRecipient'],
    [550, '5.7.17', 'InvalidRecipient'],
    [550, '5.1.10', 'BadDomain'],
    [556, '5.1.10', 'BadDomain'],
    [550, '5.7.18', 'BadDomain'],
    [550, '5.1.6', 'InactiveMailbox'],
    [450, '4.2.1', 'InactiveMailbox'],
    [525, '5.7.13', 'InactiveMailbox'],
    [550, '5.7.13', 'Uncategorized'],
    [550, '5.1.8', 'InvalidSender'],
    [550, '5.7.27', 'InvalidSender'],
    [552, '5.2.2', 'QuotaIssues'],
    [452, '4.2.2', 'QuotaIssues'],
    [452, '4.3.1', 'QuotaIssues'],
    [554, '5.3.4', 'QuotaIssues'],
    [451, '4.4.1', 'NoAnswerFromHost'],
    [421, '4.4.2', 'BadConnection'],
    [451, '4.4.3', 'DNSFailure'],
    [550, '5.4.4', 'RoutingErrors'],
    [554, '5.4.6', 'RoutingErrors'],
    [451, '4.4.5', 'TransientFailure'],
    [551, '5.4.7', 'MessageExpired'],
    [452, '4.5.3', 'TooManyRecipients'],
    [500, '5.5.2', 'ProtocolErrors'],
    [554, '5.6.7', 'ProtocolErrors'],
    [550, '5.7.1', 'AuthenticationFailed'],
    [550, '5.7.26', 'AuthenticationFailed'],
    [450, '4.7.1', 'PolicyRelated'],
    [550, '5.7.16', 'Uncategorized'],
    [550, '5.7.38', 'PolicyRelated'],
    [550, '5.77.123', 'Uncategorized'],
    [250, '2.1.1', 'Uncategorized'],
  ];
  for (const [code, enhanced, want] of cases) {
    test(`${code} ${enhanced} is ${want}`, () => assert.equal(classifyBounce(localReply(code, enhanced, 'words')), want));
  }
});

// Replies in the manner of large receivers and common servers, in words of our own.
const real: [line: string, want: string][] = [
  ['550-5.1.1 The email account that you tried to reach does not exist. Check for typos. abc123 - gsmtp', 'InvalidRecipient'],
  ['550 5.1.1 <jo@dest.test>: Recipient address rejected: User unknown in local recipient table', 'InvalidRecipient'],
  ['550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient jo@dest.test not found by SMTP address lookup', 'InvalidRecipient'],
  ['550 5.5.0 Requested action not taken: mailbox unavailable (S2017062302)', 'InvalidRecipient'],
  ['550 Requested action not taken: mailbox unavailable', 'InvalidRecipient'],
  ['554 delivery error: dd This user does not have a mailbox here [-5] - mta1.mail.dest.test', 'InvalidRecipient'],
  ['550 no such user here', 'InvalidRecipient'],
  ['550 unrouteable address', 'InvalidRecipient'],
  ['550 5.4.1 Recipient address rejected: Access denied. AS(201806281)', 'InvalidRecipient'],
  ['511 sorry, no mailbox here by that name', 'InvalidRecipient'],
  ['550 Unknown local part jo in <jo@dest.test>', 'Uncategorized'],
  ["452-4.2.2 The recipient's inbox is out of storage space. - gsmtp", 'QuotaIssues'],
  ['552 5.2.2 The email account that you tried to reach is over quota', 'QuotaIssues'],
  ['554 5.2.2 mailbox full; STOREDRV.Deliver.Exception:QuotaExceededException', 'QuotaIssues'],
  ['552 Mailbox quota exceeded for jo', 'QuotaIssues'],
  ['452 Insufficient system storage', 'QuotaIssues'],
  ['550 5.2.1 The email account that you tried to reach is inactive', 'InactiveMailbox'],
  ['554 delivery error: dd Sorry, your message cannot be delivered. This mailbox is disabled (554.30).', 'InactiveMailbox'],
  ['450 4.2.1 <jo@dest.test>: Recipient address rejected: this mailbox is inactive and has been disabled', 'InactiveMailbox'],
  ['550 Account jo@dest.test has been suspended', 'InactiveMailbox'],
  ['550-5.7.26 This mail is unauthenticated, which poses a security risk. SPF and DKIM did not pass.', 'AuthenticationFailed'],
  ['550 5.7.23 The message was rejected because of Sender Policy Framework violation', 'AuthenticationFailed'],
  ['550 5.7.509 Access denied, sending domain home.test does not pass DMARC verification', 'AuthenticationFailed'],
  ['530 5.7.57 Client not authenticated to send mail', 'AuthenticationFailed'],
  ['421-4.7.28 Our system has detected an unusual rate of unsolicited mail from your IP range.', 'SpamContent'],
  ['550-5.7.1 Our system has detected that this message is likely unsolicited mail.', 'SpamContent'],
  ['554 5.7.1 This message has been detected as spam by our filter', 'SpamContent'],
  ["550 5.7.1 Unfortunately, messages from [192.0.2.1] weren't sent. Part of your network is on our block list (S3140).", 'SpamBlock'],
  ['554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org', 'SpamBlock'],
  ['550 5.7.606 Access denied, banned sending IP [192.0.2.1]', 'SpamBlock'],
  ['554-dest.test (mx01) Nemesis ESMTP Service not available: bad reputation of your IP address', 'SpamBlock'],
  ['421 4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred due to unexpected volume or user complaints', 'SpamRelated'],
  ['451 4.7.650 The mail server [192.0.2.1] has been temporarily rate limited due to IP reputation', 'PolicyRelated'],
  ['450 4.7.1 <jo@dest.test>: Recipient address rejected: Greylisted, see our help page', 'TransientFailure'],
  ['451 Greylisting in action, please come back later', 'TransientFailure'],
  ['421 Too many connections from your host', 'PolicyRelated'],
  ['450-4.2.1 The user you are trying to contact is receiving mail at a rate that prevents more', 'PolicyRelated'],
  ['552-5.7.0 This message was blocked because its content presents a potential security issue.', 'ProhibitedAttachment'],
  ['554 5.7.1 Attachment type .exe not allowed', 'ProhibitedAttachment'],
  ['550 5.7.1 Message contained a virus: Eicar-Test', 'VirusRelated'],
  ['554 5.7.1 <jo@dest.test>: Relay access denied', 'RelayDenied'],
  ['550 5.7.54 SMTP; Unable to relay recipient in non-accepted domain', 'RelayDenied'],
  ['553 5.1.8 <ann@home.test>: Sender address rejected: Domain not found', 'InvalidSender'],
  ['550 Sender verify failed', 'InvalidSender'],
  ['556 5.1.10 Recipient address has null MX', 'BadDomain'],
  ['556 domain does not accept mail', 'BadDomain'],
  ['550 5.1.2 Host unknown', 'InvalidRecipient'],
  ['554 5.4.6 Hop count exceeded - possible mail loop', 'RoutingErrors'],
  ['554 Too many hops', 'RoutingErrors'],
  ['452 4.5.3 Too many recipients', 'TooManyRecipients'],
  ['452 Too many recipients received this hour', 'TooManyRecipients'],
  ['552 5.3.4 Message size exceeds fixed maximum message size', 'QuotaIssues'],
  ['552 Message too large', 'QuotaIssues'],
  ['451 4.3.5 Server configuration problem', 'BadConfiguration'],
  ['501 Syntax error in parameters', 'ProtocolErrors'],
  ['554 Transaction failed: bare LF received', 'ProtocolErrors'],
  ['450 cannot find your reverse lookup', 'DNSFailure'],
  ['554 rejected by local policy', 'PolicyRelated'],
  ['451 4.3.0 temporary failure, try again later', 'TransientFailure'],
  ['421 Service not available', 'TransientFailure'],
  ['550 no', 'Uncategorized'],
  ['554 5.0.0', 'Uncategorized'],
];

const remote = (line: string): Reply => {
  const reply = parseReply([line.replace(/^(\d{3})-/, '$1 ')], 'RCPT');
  assert.ok(reply);
  return reply;
};

describe('as servers say it', () => {
  for (const [line, want] of real) test(`${line.slice(0, 100)} is ${want}`, () => assert.equal(classifyBounce(remote(line)), want));
});

describe('rules of a file', () => {
  const rules = parseRules('[{"match": "^550", "class": "OurOwn", "site": "mx.d.test"}, {"match": "quota", "class": "SpamBlock"}]');
  assert.ok(!('problems' in rules));
  const own = (site: string) => ({ rules, place: { domain: 'd.test', site }, lineBreaks: 'escaped' as const });
  test('go before those built in', () => assert.equal(classifyBounce(remote('452 4.2.2 over quota'), own('x')), 'SpamBlock'));
  test('may give labels of their own', () => assert.equal(classifyBounce(remote('550 5.1.1 unknown'), own('mx.d.test')), 'OurOwn'));
  test('that do not match leave it to those built in', () =>
    assert.equal(classifyBounce(remote('550 5.1.1 unknown'), own('x')), 'InvalidRecipient'));
});

test('what the server said is classified, not the status that a rule made of it', () => {
  const rewritten = applyRewrite(remote('451 4.4.1 no answer'), { code: 550 });
  assert.ok(!('refused' in rewritten));
  assert.equal(classifyBounce(rewritten), 'NoAnswerFromHost');
});

test('every built-in rule gives a known class, and a label of an author is "other" in a metric', () => {
  for (const [, label] of builtinClasses) assert.ok(bounceClasses.includes(label));
  assert.deepEqual([classLabel('QuotaIssues'), classLabel('OurOwn'), classLabel('__proto__')], ['QuotaIssues', 'other', 'other']);
});

test('a hostile reply is classified in bounded time (rule 129)', () => {
  const before = performance.now();
  for (const words of ['a'.repeat(100_000), 'mailbox '.repeat(12_000), 'user address recipient account '.repeat(3000)])
    classifyBounce({ code: 550, lines: Array.from({ length: 50 }, () => words) });
  assert.ok(performance.now() - before < 20_000);
});
