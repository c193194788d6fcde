import { test } from 'node:test';
import assert from 'node:assert/strict';
import type { DispositionRecord } from '../../shared/core/disposition.ts';
import { reportedRecipients, whyNoReport } from '../../shared/core/dsn/eligible.ts';
import { bounce, expiration } from '../support/dsn-record.ts';

const byRecord: [name: string, record: DispositionRecord, want: string | undefined][] = [
  ['a bounce', bounce(), undefined],
  ['an expiration, whatever carried it', expiration({ delivery_protocol: 'HTTP' }), undefined],
  ['2: the null sender', bounce({ sender: '' }), 'null-sender'],
  ['2: a source route to nowhere', bounce({ sender: '@a,@b:' }), 'null-sender'],
  ['another daemon', bounce({ sender: 'MAILER-DAEMON@x.test' }), 'mailer-daemon'],
  ['a daemon without domain', bounce({ sender: 'mailer-daemon' }), 'mailer-daemon'],
  ['a sender that only begins like one', bounce({ sender: 'mailer-daemons@x.test' }), undefined],
  ['postmaster, who is a person', bounce({ sender: 'postmaster@x.test' }), undefined],
  ['a delivery', bounce({ type: 'Delivery' }), 'not-a-failure'],
  ['a delay', bounce({ type: 'Delayed' }), 'not-a-failure'],
  ['a bounce of a web hook', bounce({ delivery_protocol: 'HTTP' }), 'protocol'],
  ['92: nobody to report', bounce({ dsn: { recipients: [{ address: 'recip@target.example.com', notify: ['NEVER'] }] } }), 'notify'],
  ['no recipient', bounce({ recipient: [] }), 'notify'],
];
for (const [name, record, want] of byRecord) {
  test(`${name}: ${want ?? 'a report may be made'}`, () => assert.equal(whyNoReport(record, undefined), want));
}

const byHeader: [name: string, header: string, want: string | undefined][] = [
  ['an ordinary message', 'From: a@x\r\nSubject: s\r\n', undefined],
  ['3, 139: a delivery report', 'Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n', 'delivery-report'],
  [
    '3: folded and oddly spelled',
    'content-type: Multipart/REPORT;\r\n\tboundary="x; report-type=y";\r\n\tReport-Type = "Delivery-Status"\r\n',
    'delivery-report',
  ],
  ['3: without a type of report', 'Content-Type: multipart/report; boundary=b\r\n', 'delivery-report'],
  ['an abuse report', 'Content-Type: multipart/report; report-type=feedback-report; boundary=b\r\n', undefined],
  ['a message that holds a report', 'Content-Type: multipart/mixed; boundary=b\r\n', undefined],
  ['23: an automatic reply with a return path', 'Auto-Submitted: auto-replied\r\n', undefined],
  ['a list message', 'List-Id: <l.x>\r\nPrecedence: bulk\r\n', undefined],
  ['suppression of all', 'X-Auto-Response-Suppress: All\r\n', 'suppressed'],
  ['suppression of this among others', 'X-Auto-Response-Suppress: DR, NDR;OOF\r\n', 'suppressed'],
  ['suppression of other things', 'X-Auto-Response-Suppress: OOF, AutoReply\r\n', undefined],
  ['the words in the text of another field', 'Subject: X-Auto-Response-Suppress: All\r\n', undefined],
];
for (const [name, header, want] of byHeader) {
  test(`${name}: ${want ?? 'a report may be made'}`, () => assert.equal(whyNoReport(bounce(), header), want));
}

test('12, 52: requests belong to the recipient in the same place, or of the same address', () => {
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
