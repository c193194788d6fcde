import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BounceReading, FeedbackReading, Reading } from '../../shared/core/inbound/read-mail.ts';
import { readReport } from '../../shared/io/open-mail.ts';

const ourId = '0190a1b2c3d47e8f9a0b1c2d3e4f5a6b';

let boundaries = 0;

/** A multipart message of these parts (header and body each), with a boundary of its own. */
function multipart(type: string, ...parts: string[]): string {
  const boundary = `=_${++boundaries}_`;
  const body = parts.map((part) => `--${boundary}\n${part}\n`).join('');
  return `MIME-Version: 1.0\nContent-Type: ${type}; boundary="${boundary}"\n\npreamble\n${body}--${boundary}--\n`;
}

const report = (...parts: string[]): string => multipart('multipart/report; report-type=delivery-status', ...parts);
const words = 'Content-Type: text/plain\n\nYour message could not be delivered.';
const status = (fields: string, more = ''): string => `Content-Type: message/delivery-status\n${more}\n${fields}`;
const header = `Content-Type: text/rfc822-headers\n\nReceived: from client.test (client.test [192.0.2.1])\n\tby relay.test with ESMTP id ${ourId}\n\tfor <bob@dest.test>; Tue, 1 Jul 2003 08:52:37 +0000\nSubject: news\nMessage-ID: <n1@home.test>`;
const failure = 'Final-Recipient: rfc822; bob@dest.test\nAction: failed\nStatus: 5.1.1\n';
const base64 = (text: string): string => Buffer.from(text).toString('base64');

const read = (text: string): Promise<Reading> => readReport(Buffer.from(text.replaceAll('\n', '\r\n'), 'latin1'));

async function readBounce(text: string): Promise<BounceReading> {
  const reading = await read(text);
  assert.equal(reading.kind, 'bounce');
  return reading as BounceReading;
}

const bobFailed = { type: 'rfc822', value: 'bob@dest.test' };
const bounces: [style: string, mail: string, want: Partial<BounceReading['failed'][number]>][] = [
  [
    'plain',
    report(words, status(`Reporting-MTA: dns; mx.dest.test\n\n${failure}`), header),
    { finalRecipient: bobFailed, status: '5.1.1' },
  ],
  [
    'words after the status',
    report(
      words,
      status('Reporting-MTA: dns; a\n\nFinal-Recipient: rfc822; bob@dest.test\nAction: failed\nStatus: 5.1.1 (bad destination)\n'),
    ),
    { finalRecipient: bobFailed, status: '5.1.1' },
  ],
  [
    'angle brackets around the address, a port after the host',
    report(
      words,
      status(
        'Reporting-MTA: dns; a\n\nFinal-Recipient: rfc822;<bob@dest.test>\nAction: failed\nStatus: 5.2.2\nRemote-MTA: dns; mx.dest.test:25\n',
      ),
    ),
    { finalRecipient: bobFailed, remoteMta: { type: 'dns', value: 'mx.dest.test' } },
  ],
  [
    'no semicolons',
    report(
      words,
      status('Reporting-MTA: mx.dest.test\n\nFinal-Recipient: bob@dest.test\nAction: failed\nStatus: 5.0.0\nDiagnostic-Code: 550 no\n'),
    ),
    { finalRecipient: bobFailed, diagnostic: { type: 'smtp', value: '550 no' } },
  ],
  [
    'action first, doubled blank lines, obsolete dates',
    report(
      words,
      status(
        'Reporting-MTA: dns; a\nArrival-Date: Thu, 02 Jul 26 18:55:38 UTC\n\n\nAction: failed\nFinal-Recipient: rfc822; bob@dest.test\nStatus: 5.1.1\nLast-Attempt-Date: Thu, 2 Jul 26 18:55:40 GMT\n\n\n',
      ),
    ),
    { finalRecipient: bobFailed, lastAttemptDate: Date.UTC(2026, 6, 2, 18, 55, 40) },
  ],
  [
    'no blank line between the groups',
    report(words, status(`Reporting-MTA: dns; a\n${failure}`)),
    { finalRecipient: bobFailed, status: '5.1.1' },
  ],
  [
    'base64',
    report(words, status(base64(`Reporting-MTA: dns; a\n\n${failure}`), 'Content-Transfer-Encoding: base64\n')),
    { finalRecipient: bobFailed },
  ],
  [
    'quoted-printable',
    report(
      words,
      status(
        'Reporting-MTA: dns; a\n\nFinal-Recipient: rfc822; bob=40dest=\n.test\nAction: failed\nStatus: 5.1.1\n',
        'Content-Transfer-Encoding: Quoted-Printable\n',
      ),
    ),
    { finalRecipient: bobFailed },
  ],
  [
    '8-bit text, no report-type, another order of parts',
    multipart(
      'Multipart/Report',
      status(`Reporting-MTA: dns; a\n\n${failure}Diagnostic-Code: smtp; 550 n\u00e4\n`),
      'Content-Type: text/plain\n\nf\u00fcr',
    ),
    { finalRecipient: bobFailed, diagnostic: { type: 'smtp', value: '550 n\u00e4' } },
  ],
  [
    'no action at all',
    report(words, status('Reporting-MTA: dns; a\n\nFinal-Recipient: rfc822; bob@dest.test\nStatus: 5.1.1\n')),
    { finalRecipient: bobFailed },
  ],
  [
    'in what a list made of it, with a footer',
    multipart('multipart/mixed', report(words, status(`Reporting-MTA: dns; a\n\n${failure}`)), 'Content-Type: text/plain\n\nfooter'),
    { finalRecipient: bobFailed },
  ],
  [
    'message/global-delivery-status',
    report(
      words,
      `Content-Type: message/global-delivery-status\n\nReporting-MTA: dns; a\n\nFinal-Recipient: utf-8; b\\x{F6}b@dest.test\nAction: failed\nStatus: 5.1.1\n`,
    ),
    { finalRecipient: { type: 'utf-8', value: 'b\u00f6b@dest.test' } },
  ],
];

for (const [style, mail, want] of bounces) {
  test(`a late bounce is read: ${style} (rule 135)`, async () => {
    const { failed, actions } = await readBounce(mail);
    assert.equal(failed.length, 1);
    assert.partialDeepStrictEqual(failed[0], want);
    assert.deepEqual(actions, { failed: 1 });
  });
}

test('LF alone ends lines too (rule 135)', async () => {
  const mail = report(words, status(`Reporting-MTA: dns; a\n\n${failure}`), header);
  const reading = (await readReport(Buffer.from(mail))) as BounceReading;
  assert.deepEqual([reading.failed[0]?.finalRecipient, reading.ids], [bobFailed, [ourId]]);
});

test('case, comments, folds and unknown fields do no harm (rule 131)', async () => {
  const { failed, envelopeId } = await readBounce(
    report(
      words,
      status(
        'X-Odd: 1\nORIGINAL-ENVELOPE-ID: QQ+31\nreporting-mta: DNS; a (our host)\n\nfinal-recipient: RFC822 (the\n address); bob@dest.test\naction: Failed\nSTATUS: 5.1.1\nX-More: 2\n',
      ),
    ),
  );
  assert.deepEqual([failed[0]?.finalRecipient, envelopeId], [bobFailed, 'QQ+31']);
});

for (const type of ['message/delivery-status', 'message/global-delivery-status']) {
  for (const returned of ['text/rfc822-headers', 'message/rfc822', 'message/global', 'message/global-headers']) {
    test(`${type} with ${returned} is a bounce, and leads to our message id (rule 130)`, async () => {
      const mail = report(words, status(`Reporting-MTA: dns; a\n\n${failure}`), header.replace('text/rfc822-headers', returned));
      const { ids } = await readBounce(mail.replace('message/delivery-status', type));
      assert.deepEqual(ids, [ourId]);
    });
  }
}

test('only what failed is a failure; the others are counted (rule 132)', async () => {
  const groups = ['failed', 'delayed', 'delivered', 'relayed', 'expanded', 'weird'].map(
    (action, n) => `Final-Recipient: rfc822; r${n}@dest.test\nAction: ${action}\nStatus: 4.0.0\n`,
  );
  const { failed, actions } = await readBounce(report(words, status(`Reporting-MTA: dns; a\n\n${groups.join('\n')}`)));
  assert.deepEqual(actions, { failed: 1, delayed: 1, delivered: 1, relayed: 1, expanded: 1, unknown: 1 });
  assert.deepEqual(
    failed.map((group) => group.finalRecipient?.value),
    ['r0@dest.test'],
  );
});

const complaint = `Feedback-Type: Abuse\nUser-Agent: Loop/1.0\nVersion: 1\nOriginal-Mail-From: <v1@bounces.test>\nOriginal-Rcpt-To: <bob@dest.test>\nOriginal-Rcpt-To: eve@dest.test
Arrival-Date: Thu, 8 Mar 2005 14:00:00 EDT\nReported-Domain: home.test\nReported-URI: http://home.test/a\nReported-URI: mailto:x@home.test\nSource-IP: 192.0.2.1\nIncidents: 3
Authentication-Results: mx.dest.test; spf=pass\nReporting-MTA: dns; mx.dest.test\nOriginal-Envelope-Id: E1\nX-Own: 1\nRemoval-Recipient: bob@dest.test\n`;
const feedbackParts = (part: string): string => multipart('multipart/report; report-type=feedback-report', words, part, header);

const complaints: [form: string, mail: string][] = [
  ['as the RFC has it', feedbackParts(`Content-Type: message/feedback-report\n\n${complaint}`)],
  ['base64', feedbackParts(`Content-Type: message/feedback-report\nContent-Transfer-Encoding: base64\n\n${base64(complaint)}`)],
  ['in multipart/mixed', multipart('multipart/mixed', words, `Content-Type: message/feedback-report; name=r\n\n${complaint}`, header)],
  ['with the fields as text', feedbackParts(`Content-Type: text/plain\n\n${complaint}`)],
];
for (const [form, mail] of complaints) {
  test(`a complaint is read, ${form}`, async () => {
    const reading = (await read(mail)) as FeedbackReading;
    assert.equal(reading.kind, 'feedback');
    assert.deepEqual(
      {
        ...reading,
        report: { ...reading.report, original_message: reading.report.original_message?.includes('Message-ID: <n1@home.test>') },
      },
      {
        kind: 'feedback',
        envelopeId: 'E1',
        ids: [ourId],
        report: {
          feedback_type: 'abuse',
          user_agent: 'Loop/1.0',
          version: '1',
          arrival_date: '2005-03-08T18:00:00.000Z',
          incidents: 3,
          original_envelope_id: 'E1',
          original_mail_from: 'v1@bounces.test',
          reporting_mta: { mta_type: 'dns', name: 'mx.dest.test' },
          source_ip: '192.0.2.1',
          authentication_results: ['mx.dest.test; spf=pass'],
          original_rcpt_to: ['bob@dest.test', 'eve@dest.test'],
          reported_domain: ['home.test'],
          reported_uri: ['http://home.test/a', 'mailto:x@home.test'],
          extensions: { 'x-own': ['1'], 'removal-recipient': ['bob@dest.test'] },
          original_message: true,
          supplemental_trace: null,
        },
      },
    );
  });
}

const dsn = report(words, status(`Reporting-MTA: dns; a\n\n${failure}`));
const attached = (mail: string, depth: number): string =>
  depth === 0 ? mail : multipart('multipart/mixed', words, `Content-Type: message/rfc822\n\n${attached(mail, depth - 1)}`);

const kinds: [what: string, mail: string, kind: Reading['kind']][] = [
  [
    'a receipt',
    multipart(
      'multipart/report; report-type=disposition-notification',
      words,
      'Content-Type: message/disposition-notification\n\nFinal-Recipient: rfc822; bob@dest.test\nDisposition: manual-action/MDN-sent-manually; displayed\n',
    ),
    'disposition',
  ],
  ['a vacation notice', 'Auto-Submitted: auto-replied (vacation)\nSubject: away\n\nI am away.\n', 'auto-reply'],
  ['an older vacation notice', 'Precedence: auto_reply\nSubject: away\n\nI am away.\n', 'auto-reply'],
  ['a letter', 'Auto-Submitted: no\nSubject: hello\n\nFinal-Recipient: rfc822; bob@dest.test\nAction: failed\n', 'other'],
  ['a letter with a message that is none', attached('Subject: x\n\nhello\n', 2), 'other'],
  ['a report without its part', report(words), 'other'],
  ['a part of a type that is none', multipart('multipart/mixed', 'Content-Type: ;\n\nx'), 'other'],
  [
    'a letter with a message of too many parts',
    multipart(
      'multipart/mixed',
      words,
      `Content-Type: message/rfc822\n\n${multipart('multipart/mixed', ...Array.from({ length: 1100 }, () => '\nx'))}`,
    ),
    'other',
  ],
  ['nothing', '', 'other'],
];
for (const [what, mail, kind] of kinds) {
  test(`${what} is told apart: ${kind} (rule 136)`, async () => assert.equal((await read(mail)).kind, kind));
}

test('a forwarded report is found, and known as forwarded (rules 41, 136)', async () => {
  assert.equal((await readBounce(dsn)).forwarded, undefined);
  for (const depth of [1, 3])
    assert.partialDeepStrictEqual(await read(attached(dsn, depth)), { kind: 'bounce', forwarded: true }, `depth ${depth}`);
});

test('messages in messages are opened to a depth of three, and ten of them (rule 138)', async () => {
  assert.equal((await read(attached(dsn, 4))).kind, 'other');
  const letters = (count: number): string[] => Array.from({ length: count }, () => 'Content-Type: message/rfc822\n\nSubject: x\n\nhello');
  const forwarded = `Content-Type: message/rfc822\n\n${dsn}`;
  assert.equal((await read(multipart('multipart/mixed', ...letters(8), forwarded))).kind, 'bounce');
  assert.equal((await read(multipart('multipart/mixed', ...letters(9), forwarded))).kind, 'other');
});
