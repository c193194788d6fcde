import { test } from 'node:test';
import assert from 'node:assert/strict';
import { classifyBounce } from '../../shared/core/bounce-class.ts';
import { localReply } from '../../shared/core/reply.ts';

const cases: [code: number, enhanced: string, want: string][] = [
  [550, '5.1.1', 'InvalidRecipient'],
  [451, '4.1.4', 'InvalidRecipient'],
  [553, '5.1.1', 'Uncategorized'],
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
  [452, '4.2.2', 'Uncategorized'],
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
  [450, '4.7.1', 'Uncategorized'],
  [550, '5.7.16', 'Uncategorized'],
  [550, '5.7.38', 'PolicyRelated'],
  [550, '5.77.123', 'Uncategorized'],
  [250, '2.1.1', 'Uncategorized'],
];
for (const [code, enhanced, want] of cases) {
  test(`${code} ${enhanced} is ${want}`, () => assert.equal(classifyBounce(localReply(code, enhanced, 'words')), want));
}

test('a reply without enhanced code is Uncategorized, whatever it says', () => {
  assert.equal(classifyBounce({ code: 550, lines: ['5.1.1 no such user'] }), 'Uncategorized');
});
