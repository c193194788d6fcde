import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startSink } from '../../shared/io/sink-server.ts';
import { nodemailerClient } from '../../shared/io/smtp-client-nodemailer.ts';
import { smtpClient } from '../../shared/io/smtp-client.ts';
import type { Deviation } from './outbound.cases.ts';
import { testOutbound } from './outbound.conformance.ts';

const accepted = 'accepted 250 2.0.0 .';
const lost = 'failed 421 4.4.2 local';
const shortOfLimits = 'it limits a reply by octets, and only while the reply is incomplete';
const helo = 'it tries HELO after every answer to EHLO but 250 and 421';
const together = 'replies that come together with the end of the connection may be lost';
const lenient = 'it looks at the first digit only and goes on';
const lmtp = 'it keeps no final reply but the last one';

/** What nodemailer cannot do, found by running it; the header of smtp-client-nodemailer.ts says the same in prose. */
const deviations: Record<string, Deviation> = {
  'a greeting of 300 lines': { why: shortOfLimits, want: [[accepted]] },
  'a greeting line of 100,000 octets': { why: shortOfLimits, want: [[accepted], ['no connection: 451 4.5.0 local']] },
  'a reply of 300 lines': { why: shortOfLimits, want: [[accepted]], then: 'same connection' },
  'a temporary refusal of EHLO': { why: helo, want: [[accepted]] },
  'nonsense in answer to EHLO': { why: helo, want: [[accepted]] },
  '421 to RCPT': { why: together, want: [['refused 421 4.3.2 RCPT'], [lost]] },
  '421 to DATA': { why: together, want: [['refused 421 4.3.2 DATA'], ['refused 421 4.3.2'], [lost]] },
  '421 in the middle of the recipients': {
    why: together,
    want: [
      ['refused 550 5.1.1 RCPT', 'refused 421 4.3.2 RCPT', 'refused 421 4.3.2 RCPT', 'refused 421 4.3.2 RCPT'],
      ['refused 550 5.1.1 RCPT', lost, lost, lost],
      [lost, lost, lost, lost],
    ],
  },
  'a connection dropped in the middle of the recipients': {
    why: together,
    want: [
      ['refused 550 5.1.1 RCPT', lost, lost, lost],
      [lost, lost, lost, lost],
    ],
  },
  '354 in answer to RCPT': { why: lenient, want: [['failed 451 4.5.0 local', accepted]] },
  '354 in answer to RCPT, without PIPELINING': { why: lenient, want: [['failed 451 4.5.0 local', accepted]] },
  '250 in answer to DATA': { why: lenient, want: [['refused 500 5.5.2 .']], then: 'unknown' },
  '250 in answer to DATA, without PIPELINING': { why: lenient, want: [['refused 500 5.5.2 .']], then: 'unknown' },
  'LMTP that takes DATA although it refused all recipients': { why: 'it sends a lone dot in LMTP, too', then: 'unknown' },
  'an acceptance before the content': { why: 'it takes the first reply after 354 for the last', want: [[accepted]], then: 'unknown' },
  'an acceptance in the middle of the content': {
    why: 'it takes the first reply after 354 for the last',
    want: [[accepted]],
    then: 'unknown',
  },
  'more than one reply to the final dot': { why: 'it notices words that nobody asked for with the next command', then: 'unknown' },
  'a bare LF does not end a reply (rule 120)': { why: 'LF ends its lines', then: 'unknown' },
  'a UTF-8 header for a server with SMTPUTF8': { why: 'it asks for SMTPUTF8 for addresses only', want: [['refused 554 5.6.9 local']] },
  'a recipient that would be a command or a parameter of its own': {
    why: 'it takes no address with angle brackets, quoted or not',
    want: [[accepted, ...Array.from({ length: 6 }, () => 'refused 553 5.1.3 local')]],
  },
  'LMTP dropped between its final answers': { why: lmtp, want: [[lost, lost, lost]] },
  'LMTP dropped between its final answers, without PIPELINING': { why: lmtp, want: [[lost, lost, lost]] },
  'LMTP with 421 between its final answers': {
    why: lmtp,
    want: [
      ['refused 421 4.3.2 .', 'refused 421 4.3.2 .', 'refused 421 4.3.2 .'],
      [lost, lost, lost],
    ],
  },
  'LMTP with 421 between its final answers, without PIPELINING': {
    why: lmtp,
    want: [
      ['refused 421 4.3.2 .', 'refused 421 4.3.2 .', 'refused 421 4.3.2 .'],
      [lost, lost, lost],
    ],
  },
  'words in clear behind the answer to STARTTLS': {
    why: 'it throws them away, and the handshake fails for other reasons',
    want: [[accepted]],
  },
};

testOutbound('own client', smtpClient);
testOutbound('nodemailer', nodemailerClient, deviations);

// nodemailer takes such words for the answer to its next command.
test('own client: after words that nobody asked for nothing more is said or believed', async (t) => {
  const sink = await startSink({ rules: { message: '250 2.0.0 taken\r\n250 2.1.0 sender ok\r\n250 2.1.5 recipient ok' } });
  t.after(() => sink.close());
  const timeouts = { connect: 5000, greeting: 5000, command: 5000, data: 5000, block: 5000, final: 5000 };
  const result = await smtpClient.connect(
    { name: 'mx.test', address: sink.host, port: sink.port, protocol: 'smtp', tls: 'disabled' },
    { ehloName: 'relay.test', timeouts },
  );
  assert.ok(result.ok);
  const content = Buffer.from('Subject: x\r\n');
  const envelope = { sender: '', recipients: [{ address: 'a@x.test' }], smtpUtf8: false, eightBit: false };
  const send = async () =>
    (await result.connection.send({ envelope, size: content.length, content })).map((o) => `${o.kind} ${o.reply.code}`);
  assert.deepEqual(await send(), ['accepted 250']);
  await sink.until(() => sink.counts.connections.open === 0);
  assert.deepEqual(await send(), ['untried 451']);
  assert.equal(sink.log.filter((line) => /MAIL/.test(line)).length, 1);
});
