import { test } from 'node:test';
import assert from 'node:assert/strict';
import type { DispositionRecord } from '../../shared/core/disposition.ts';
import { reportedRecipients, whyNoReport } from '../../shared/core/dsn/eligible.ts';
import { optionalRules, suppressionWords, whyAgainstPolicy, type ReportPolicy } from '../../shared/core/dsn/report-policy.ts';
import { bounce, expiration } from '../support/dsn-record.ts';

const byRecord: [name: string, record: DispositionRecord, want: string | undefined][] = [
  ['a bounce', bounce(), undefined],
  ['an expiration, whatever carried it', expiration({ delivery_protocol: 'HTTP' }), undefined],
  ['the null sender (rule 2)', bounce({ sender: '' }), 'null-sender'],
  ['a source route to nowhere (rule 2)', bounce({ sender: '@a,@b:' }), 'null-sender'],
  ['another daemon', bounce({ sender: 'MAILER-DAEMON@x.test' }), 'mailer-daemon'],
  ['another daemon with a tag', bounce({ sender: 'mailer-daemon+bounce-1@x.test' }), 'mailer-daemon'],
  ['another daemon in quotes', bounce({ sender: '"Mailer-Daemon"@x.test' }), 'mailer-daemon'],
  ['another daemon behind a source route', bounce({ sender: '@a:mailer-daemon@x.test' }), 'mailer-daemon'],
  ['a daemon of another spelling', bounce({ sender: 'MailDaemon@x.test' }), 'mailer-daemon'],
  ["the sender of Postfix's second bounces", bounce({ sender: 'double-bounce@x.test' }), 'mailer-daemon'],
  ['a daemon in the domain only', bounce({ sender: 'ann@mailer-daemon.test' }), undefined],
  ['a report of our own (rule 3)', bounce({ sender: '', reception_protocol: 'Report' }), 'own-report'],
  ['a report of our own that was given a sender (rule 3)', bounce({ reception_protocol: 'Report' }), 'own-report'],
  ['a daemon without domain', bounce({ sender: 'mailer-daemon' }), 'mailer-daemon'],
  ['a sender that only begins like one', bounce({ sender: 'mailer-daemons@x.test' }), undefined],
  ['postmaster, who is a person', bounce({ sender: 'postmaster@x.test' }), undefined],
  ['a delivery', bounce({ type: 'Delivery' }), 'not-a-failure'],
  ['a delay', bounce({ type: 'Delayed' }), 'not-a-failure'],
  ['a bounce of a web hook', bounce({ delivery_protocol: 'HTTP' }), 'protocol'],
  ['nobody to report (rule 92)', bounce({ dsn: { recipients: [{ address: 'recip@target.example.com', notify: ['NEVER'] }] } }), 'notify'],
  ['no recipient', bounce({ recipient: [] }), 'notify'],
];
for (const [name, record, want] of byRecord) {
  test(`${want ?? 'a report may be made'}: ${name}`, () => assert.equal(whyNoReport(record, undefined), want));
}

const wish = { recipients: [{ address: 'recip@target.example.com', notify: ['SUCCESS', 'DELAY'] }] };
const delivered = bounce({ type: 'Delivery', meta: { trusted: true }, dsn: wish });
const delayed = bounce({ type: 'TransientFailure', delay_warning: true, dsn: wish });

const byHeader: [name: string, header: string, want: string | undefined, record?: DispositionRecord][] = [
  ['an ordinary message', 'From: a@x\r\nSubject: s\r\n', undefined],
  ['a delivery report (rules 3, 139)', 'Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n', 'delivery-report'],
  [
    'folded and oddly spelled (rule 3)',
    'content-type: Multipart/REPORT;\r\n\tboundary="x; report-type=y";\r\n\tReport-Type = "Delivery-Status"\r\n',
    'delivery-report',
  ],
  ['without a type of report (rule 3)', 'Content-Type: multipart/report; boundary=b\r\n', 'delivery-report'],
  ['an abuse report', 'Content-Type: multipart/report; report-type=feedback-report; boundary=b\r\n', undefined],
  ['a message that holds a report', 'Content-Type: multipart/mixed; boundary=b\r\n', undefined],
  ['an automatic reply with a return path, as the RFCs have it (rule 23)', 'Auto-Submitted: auto-replied\r\n', undefined],
  ['a list message, as the RFCs have it', 'List-Id: <l.x>\r\nPrecedence: bulk\r\n', undefined],
  ['suppression of all', 'X-Auto-Response-Suppress: All\r\n', 'auto-response-suppress'],
  ['suppression of this among others', 'X-Auto-Response-Suppress: DR, NDR;OOF\r\n', 'auto-response-suppress'],
  ['suppression of receipts, of a failure', 'X-Auto-Response-Suppress: DR\r\n', undefined],
  ['suppression of receipts, of a success', 'X-Auto-Response-Suppress: OOF, DR\r\n', 'auto-response-suppress', delivered],
  ['suppression of all, of a success', 'X-Auto-Response-Suppress: All\r\n', 'auto-response-suppress', delivered],
  ['suppression of failures, of a success', 'X-Auto-Response-Suppress: NDR\r\n', undefined, delivered],
  ['suppression of failures, of a delay', 'X-Auto-Response-Suppress: NDR\r\n', 'auto-response-suppress', delayed],
  ['suppression of receipts, of a delay', 'X-Auto-Response-Suppress: DR\r\n', undefined, delayed],
  ['suppression of other things', 'X-Auto-Response-Suppress: OOF, AutoReply\r\n', undefined],
  ['the words in the text of another field', 'Subject: X-Auto-Response-Suppress: All\r\n', undefined],
];
for (const [name, header, want, record = bounce()] of byHeader) {
  test(`${want ?? 'a report may be made'}: ${name}`, () => assert.equal(whyNoReport(record, header), want));
}

test('requests belong to the recipient in the same place, or of the same address (rules 12, 52)', () => {
  const record = bounce({
    recipient: ['a@t', 'a@t', 'b@t', 'c@t'],
    dsn: {
      recipients: [
        { address: 'a@t', notify: ['NEVER'] },
        { address: 'a@t', notify: ['FAILURE'], orcpt: 'rfc822;o@x' },
        { address: 'c@t', notify: ['never'] },
      ],
    },
  });
  assert.deepEqual(reportedRecipients(record), [{ address: 'a@t', notify: ['FAILURE'], orcpt: 'rfc822;o@x' }, { address: 'b@t' }]);
});

const policy: ReportPolicy = { rules: optionalRules, maxHops: 3, isOwnDomain: (domain) => domain === 'own.test', isReadHere: () => false };
const trusted = (changes: Partial<DispositionRecord> = {}): DispositionRecord => bounce({ meta: { trusted: true }, ...changes });

const byOrigin: [name: string, record: DispositionRecord, want: string | undefined][] = [
  ['a stranger (rule 15)', bounce(), 'untrusted'],
  [
    'a stranger whose words say otherwise (rule 15)',
    bounce({ meta: { trusted: 'true', authn_id: '', ehlo_domain: 'own.test' } }),
    'untrusted',
  ],
  ['a trusted network', bounce({ meta: { trusted: true } }), undefined],
  ['a login', bounce({ meta: { authn_id: 'ann' } }), undefined],
  ['a sender of an own domain', bounce({ sender: 'ann@own.test' }), undefined],
  ['a sender of an own domain, in capitals and with a dot', bounce({ sender: 'ann@OWN.test.' }), undefined],
  ['a sender of an own domain behind a source route (rule 5)', bounce({ sender: '@x.test:ann@own.test' }), undefined],
  ['a sender of a subdomain', bounce({ sender: 'ann@sub.own.test' }), 'untrusted'],
  ['a sender whose local part looks like an own address', bounce({ sender: '"ann@own.test"@x.test' }), 'untrusted'],
  ['a source route through an own domain', bounce({ sender: '@own.test:ann@x.test' }), 'untrusted'],
];
for (const [name, record, want] of byOrigin) {
  test(`by policy, ${want ?? 'a report may be made'}: ${name}`, () => assert.equal(whyAgainstPolicy(record, undefined, policy), want));
}

const hops = (count: number): string => 'Received: from a by b; x\r\n'.repeat(count);
const byPolicy: [name: string, header: string, want: string | undefined][] = [
  ['an ordinary message', 'From: a@x\r\nSubject: s\r\n', undefined],
  ['an automatic message (rule 23)', 'Auto-Submitted: auto-generated\r\n', 'auto-submitted'],
  ['an automatic reply (rule 23)', 'auto-submitted: Auto-Replied; owner-email="a@x"\r\n', 'auto-submitted'],
  ['an automatic message of a kind to come', 'Auto-Submitted: auto-dreamt\r\n', 'auto-submitted'],
  ['an automatic message behind a comment', 'Auto-Submitted: (no) auto-notified\r\n', 'auto-submitted'],
  ['a message that says it is not automatic', 'Auto-Submitted: NO\r\n', undefined],
  ['the same with a comment and a parameter', 'Auto-Submitted: (a (b)) no (c); x=y\r\n', undefined],
  ['an empty field', 'Auto-Submitted:\r\n', undefined],
  ['two fields, of which one is not "no"', 'Auto-Submitted: no\r\nAuto-Submitted: auto-generated\r\n', 'auto-submitted'],
  ['a mailing list', 'List-Id: <l.x>\r\n', 'list'],
  ['a mailing list that only says how to leave', 'list-unsubscribe: <mailto:l@x>\r\n', 'list'],
  ['a field that only begins like one of a list', 'Listing: 1\r\nX-List-Id: l\r\n', undefined],
  ['bulk mail', 'Precedence: bulk\r\n', 'bulk'],
  ['list mail by precedence', 'Precedence: List\r\n', 'bulk'],
  ['junk', 'precedence:\r\n JUNK (sorry)\r\n', 'bulk'],
  ['first-class mail', 'Precedence: first-class\r\nPriority: bulk\r\n', undefined],
  ['bulk in the name only', 'Precedence: bulky\r\n', undefined],
  ['as many hops as may be (rule 17)', hops(3), undefined],
  ['one hop more (rule 17)', hops(4), 'hops'],
  ['the words in the text of another field', 'Subject: x\r\n Precedence: bulk\r\n', undefined],
];
for (const [name, header, want] of byPolicy) {
  test(`by policy, ${want ?? 'a report may be made'}: ${name}`, () => assert.equal(whyAgainstPolicy(trusted(), header, policy), want));
}

const offenders: Record<(typeof optionalRules)[number], [record: DispositionRecord, header: string]> = {
  untrusted: [bounce(), ''],
  'auto-submitted': [trusted(), 'Auto-Submitted: auto-generated\r\n'],
  list: [trusted(), 'List-Id: <l.x>\r\n'],
  bulk: [trusted(), 'Precedence: bulk\r\n'],
};
for (const rule of optionalRules) {
  test(`the rule "${rule}" holds only while it is set`, () => {
    const [record, header] = offenders[rule];
    const others = optionalRules.filter((other) => other !== rule);
    assert.equal(whyAgainstPolicy(record, header, { ...policy, rules: [rule] }), rule);
    assert.equal(whyAgainstPolicy(record, header, { ...policy, rules: others }), undefined);
  });
}

test('every reason has words of its own', () => {
  const words = Object.values(suppressionWords);
  assert.equal(new Set(words).size, words.length);
});
