import { test } from 'node:test';
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { withoutComments } from '../../shared/core/comments.ts';
import { formatDate, parseDate } from '../../shared/core/date.ts';
import { composeReport } from '../../shared/core/dsn/compose.ts';
import { fieldText, fieldTextUtf8, formatField, readFields } from '../../shared/core/dsn/field.ts';
import { generateRfc3464Message } from '../../shared/core/dsn/generate.ts';
import { parseRfc3464, type ParsedRecipient } from '../../shared/core/dsn/parse.ts';
import { decodeQuotedPrintable, encodeQuotedPrintable } from '../../shared/core/dsn/quoted-printable.ts';
import type { ReportMessage, Typed } from '../../shared/core/dsn/report.ts';
import type { DispositionRecord } from '../../shared/core/disposition.ts';
import { bounce, characters, octets, params, statusOf } from '../support/dsn-record.ts';

/** What an attacker would try, between anything at all. */
const piece = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.string({ unit: 'grapheme', maxLength: 20 }),
  fc.constantFrom(
    '\r\n',
    '\n',
    '\r',
    '\0',
    '\r\n\r\n',
    '\r\nX-Injected: y\r\n',
    '\r\n--boundary',
    '--boundary--',
    '.\r\n',
    'é',
    '\u2028',
    '\x1b[31m',
    ' '.repeat(200),
    'x'.repeat(1200),
    '=?utf-8?Q?=0D?=',
    '; ',
    '(',
    '<>',
  ),
);
const hostile = fc.array(piece, { maxLength: 6 }).map((pieces) => pieces.join(''));
const octetArray = fc.oneof(
  fc.uint8Array({ maxLength: 200 }),
  fc.array(piece, { maxLength: 6 }).map((pieces) => octets(`Subject: s\r\nFrom: a@x\r\n\r\n${pieces.join('\r\n')}`)),
  fc.array(piece, { maxLength: 6 }).map((pieces) => octets(pieces.join(''))),
);

const date = fc.integer({ min: 0, max: 4_000_000_000 }).map((seconds) => seconds * 1000);
const runs = { numRuns: Number(process.env['PROPERTY_RUNS'] ?? 300) };

/** RFC 5322 §2.1.1, §2.2 and RFC 2046 §5.1.1 for the whole report. */
function assertWellFormed(content: Uint8Array, { eightBit, smtpUtf8 }: { eightBit: boolean; smtpUtf8: boolean }, recipients: number): void {
  const text = characters(content);
  assert.doesNotMatch(text, /\r(?!\n)|(?<!\r)\n|\0/, 'a bare CR or LF, or NUL');
  if (!eightBit) assert.doesNotMatch(text, /[^\0-\x7f]/);
  for (const line of text.split('\r\n')) assert.ok(line.length <= 998, `a line of ${line.length}`);
  const boundary = /boundary="([^"]+)"/.exec(text)?.[1] ?? '';
  const [header, body] = divide(text);
  const [preamble, ...parts] = body.split(`--${boundary}`);
  assert.equal(preamble, '');
  assert.equal(parts.pop(), '--\r\n');
  assert.ok(parts.length === 2 || parts.length === 3, `${parts.length} parts`);
  assert.doesNotMatch(header, smtpUtf8 ? /[^\t\r\n -~\x80-\xff]/ : /[^\t\r\n -~]/);
  const [statusHeader, status] = divide(parts[1] ?? '');
  const [, global, encoding] =
    /^\r\nContent-Type: message\/(global-)?delivery-status(?:\r\nContent-Transfer-Encoding: (.*))?$/.exec(statusHeader) ?? [];
  assert.equal(encoding, global && (smtpUtf8 ? '8bit' : 'quoted-printable'), statusHeader);
  const decoded = encoding === 'quoted-printable' ? decodeQuotedPrintable(octets(status)) : octets(status);
  const lines = new TextDecoder('utf-8', { fatal: true }).decode(decoded);
  if (global) assert.match(lines, /[\x80-\uffff]/, 'a global type without need');
  const groups = lines.replace(/\r\n$/, '').split('\r\n\r\n');
  assert.equal(groups.length, 1 + recipients);
  for (const line of groups.flatMap((group) => group.replace(/\r\n$/, '').split('\r\n')))
    if (line.startsWith('Status: ')) assert.match(line, /^Status: (?:5\.\d+\.\d+ \(permanent failure\)|[24]\.\d+\.\d+)$/);
  for (const line of groups.flatMap((group) => group.replace(/\r\n$/, '').split('\r\n')))
    assert.match(line, global ? /^(?:[A-Za-z-]+: *| +)[^ \p{Cc}][^\p{Cc}]*$/u : /^(?:[A-Za-z-]+: *| +)[!-~][ -~]*$/);
}

function divide(part: string): [header: string, body: string] {
  const at = part.indexOf('\r\n\r\n');
  return [part.slice(0, at), part.slice(at + 4)];
}

/** As ingress lets in: up to 254 octets, but here of anything. */
const utf8Address = fc.record({
  type: fc.constant('utf-8'),
  value: fc.string({ unit: 'binary', maxLength: 60 }).map((text) => `\u00fc${text}+\\x{41}@x`),
});

const reportMessage = fc.record(
  {
    date,
    from: fc.constant('"Mail Delivery Subsystem" <mailer-daemon@x>'),
    to: hostile,
    subject: hostile,
    messageId: fc.constant('<1@x>'),
    inReplyTo: hostile,
    text: hostile,
    message: fc.record(
      {
        originalEnvelopeId: hostile,
        reportingMta: fc.record({ type: fc.constant('dns'), value: fc.constant('mta.x') }, { noNullPrototype: true }),
        arrivalDate: date,
        extensions: fc.array(fc.record({ name: fc.constantFrom('X-A', 'X-B'), value: hostile }), { maxLength: 2 }),
      },
      { requiredKeys: ['reportingMta'], noNullPrototype: true },
    ),
    recipients: fc.array(
      fc.record(
        {
          finalRecipient: fc.oneof(fc.record({ type: fc.constant('rfc822'), value: hostile }), utf8Address),
          originalRecipient: fc.oneof(fc.record({ type: fc.constant('x-foo'), value: hostile }), utf8Address),
          action: fc.constantFrom('failed' as const, 'delayed' as const),
          status: fc.constantFrom('5.1.1', '4.0.0', '5.7.30'),
          remoteMta: fc.record({ type: fc.constant('dns'), value: fc.constantFrom('mx.x', '[192.0.2.1]') }, { noNullPrototype: true }),
          diagnostic: fc.record({
            type: fc.constant('smtp'),
            lines: fc.array(
              hostile.map((text) => `550 ${text}`),
              { minLength: 1, maxLength: 4 },
            ),
          }),
          lastAttemptDate: date,
          finalLogId: hostile,
          willRetryUntil: date,
        },
        { requiredKeys: ['finalRecipient', 'action', 'status'], noNullPrototype: true },
      ),
      { minLength: 1, maxLength: 4 },
    ),
    mayBeGlobal: fc.boolean(),
    returned: fc.record({
      kind: fc.constantFrom('header' as const, 'message' as const),
      isGlobal: fc.constant(true as const),
      content: octetArray,
      encoding: fc.constantFrom('quoted-printable' as const, 'base64' as const),
    }),
    boundary: fc.constantFrom('boundary', 'b', '-'),
  },
  { requiredKeys: ['date', 'from', 'to', 'subject', 'messageId', 'text', 'message', 'recipients', 'boundary'] },
) as fc.Arbitrary<ReportMessage>;

test('whatever strings a report holds, it is well formed, and reading it gives the same fields (rules 102, 103, 104, 121)', () => {
  fc.assert(
    fc.property(reportMessage, (report) => {
      const composed = composeReport(report);
      assertWellFormed(composed.content, composed, report.recipients.length);
      const parsed = parseRfc3464(composed.content);
      assert.ok(parsed);
      const { message, recipients } = report;
      const clean = characters(composed.content).includes('\r\nContent-Type: message/global-delivery-status\r\n')
        ? fieldTextUtf8
        : fieldText;
      assert.equal(parsed.text, report.text.toWellFormed());
      assert.deepEqual(parsed.reportingMta, message.reportingMta);
      assert.equal(parsed.originalEnvelopeId ?? '', fieldText(message.originalEnvelopeId ?? ''));
      assert.equal(parsed.arrivalDate, message.arrivalDate);
      const extensions = (message.extensions ?? []).map(({ name, value }) => ({ name, value: clean(value) }));
      assert.deepEqual(
        parsed.extensions,
        extensions.filter(({ value }) => value !== ''),
      );
      assert.equal(parsed.recipients.length, recipients.length);
      for (const [i, given] of recipients.entries()) {
        const read: ParsedRecipient | undefined = parsed.recipients[i];
        assert.deepEqual([read?.action, read?.status], [given.action, given.status]);
        assert.deepEqual(read?.remoteMta, given.remoteMta);
        assert.deepEqual([read?.lastAttemptDate, read?.willRetryUntil], [given.lastAttemptDate, given.willRetryUntil]);
        assert.equal(read?.finalLogId ?? '', fieldText(given.finalLogId ?? ''));
        assert.deepEqual(read?.finalRecipient, asRead(given.finalRecipient));
        if (given.originalRecipient?.type === 'utf-8') assert.deepEqual(read?.originalRecipient, asRead(given.originalRecipient));
        const words = given.diagnostic?.lines.map((line) => clean(line)).join(' ');
        assert.equal(read?.diagnostic?.value, words);
      }
      assert.equal(parsed.returned && characters(parsed.returned.content), report.returned && characters(report.returned.content));
    }),
    runs,
  );
});

/** An address of type utf-8 comes back as it was, whatever it holds and whichever form it took; of another one what is no comment. */
function asRead({ type, value }: Typed): Typed {
  if (type === 'utf-8') return { type, value: value.toWellFormed() };
  const address = fieldText(`${type}; ${value}`)
    .slice(type.length + 1)
    .trim();
  const bare = withoutComments(address).trim();
  return { type, value: /<([^<>]*)>$/.exec(bare)?.[1] ?? bare };
}

const hostileRecord = fc
  .record({
    type: fc.constantFrom('Bounce' as const, 'Expiration' as const, 'AdminBounce' as const),
    id: hostile,
    sender: hostile.filter((sender) => sender.trim() !== ''),
    recipient: fc.oneof(hostile, fc.array(hostile, { minLength: 1, maxLength: 3 })),
    size: fc.integer(),
    response: fc.record(
      {
        code: fc.integer({ min: -1, max: 700 }),
        enhanced_code: fc.option(
          fc.record({
            class: fc.oneof(fc.integer(), fc.constantFrom(4, 5)),
            subject: fc.integer(),
            detail: fc.oneof(fc.integer({ min: 0, max: 999 }), fc.double()),
          }),
        ),
        content: hostile,
        command: fc.constant(null),
        lines: fc.array(hostile, { minLength: 1, maxLength: 60 }),
        local: fc.boolean(),
      },
      { requiredKeys: ['code', 'enhanced_code', 'content', 'command'] },
    ),
    peer_address: fc.option(fc.record({ name: hostile, addr: hostile })),
    timestamp: fc.oneof(fc.integer(), fc.double()),
    created: fc.oneof(fc.integer(), fc.double()),
    num_attempts: fc.integer(),
    dsn: fc.record(
      {
        envid: hostile,
        smtp_utf8: fc.boolean(),
        ret: fc.constantFrom('FULL' as const, 'HDRS' as const),
        recipients: fc.array(
          fc.record({ address: hostile, orcpt: hostile.map((text) => `${text.length % 2 ? 'rfc822' : 'utf-8'};${text}`) }),
          { maxLength: 2 },
        ),
      },
      { requiredKeys: ['recipients'] },
    ),
  })
  .map((changes) => bounce(changes as Partial<DispositionRecord>));

for (const compatibility of [undefined, 'kumomta'] as const) {
  test(`whatever a record and a message hold, there is a report and it is well formed, in the form ${compatibility ?? 'default'} (rules 21, 34, 43, 54, 57)`, () => {
    fc.assert(
      fc.property(
        hostileRecord,
        fc.option(octetArray, { nil: undefined }),
        fc.constantFrom('FullContent' as const, 'HeadersOnly' as const),
        fc.boolean(),
        (record, original, include, global_status) => {
          const changed = { ...params, include_original_message: include, global_status, ...(compatibility && { compatibility }) };
          const report = generateRfc3464Message(changed, original, record, {
            now: Date.UTC(2030, 0, 1),
            messageId: '1',
            boundary: 'boundary',
          });
          // Of an administrator's decision the original knows nothing.
          if (compatibility && record.type === 'AdminBounce') return assert.equal(report, undefined);
          assert.ok(report);
          const recipients = typeof record.recipient === 'string' ? 1 : record.recipient.length;
          if (!compatibility) assertWellFormed(report.content, report, recipients);
          const parsed = parseRfc3464(report.content);
          const statuses = readFields(statusOf(report)).filter(({ name }) => name === 'Status');
          if (!compatibility)
            for (const { value } of statuses) assert.match(value, /^[45](?:\.(?:0|[1-9]\d{0,2})){2}(?: \([ -'*-[\]-~]+\))?$/);
          assert.equal(parsed?.recipients.length, recipients);
          for (const recipient of parsed.recipients) {
            assert.equal(recipient.action, 'failed');
            if (!compatibility) assert.match(recipient.status ?? '', record.type === 'Expiration' ? /^4\./ : /^[45]\./);
          }
          if (!compatibility && parsed.returned?.kind === 'message')
            assert.equal(characters(parsed.returned.content), characters(original ?? octets('')));
        },
      ),
      runs,
    );
  });
}

test('folding and unfolding give the same text (rule 31)', () => {
  fc.assert(
    fc.property(hostile, (text) => {
      const clean = fieldText(text, 8192);
      assert.deepEqual(
        readFields(formatField('Name', clean)).map((f) => f.value),
        clean === '' ? [] : [clean],
      );
    }),
    runs,
  );
});

test('quoted-printable gives every octet back, in lines of at most 76', () => {
  fc.assert(
    fc.property(octetArray, (content) => {
      const encoded = encodeQuotedPrintable(content);
      for (const line of encoded.split('\r\n')) assert.ok(line.length <= 76);
      assert.equal(characters(decodeQuotedPrintable(octets(encoded))), characters(content));
    }),
    runs,
  );
});

test('dates are read back as they were written (rule 25)', () => {
  fc.assert(
    fc.property(fc.integer({ min: Date.UTC(1900, 0, 1) / 1000, max: 253_402_300_799 }), (seconds) =>
      assert.equal(parseDate(formatDate(seconds * 1000)), seconds * 1000),
    ),
    runs,
  );
});

test('the reader survives anything (rule 138)', () => {
  const head = 'Content-Type: multipart/report; boundary=b\r\n\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\n';
  fc.assert(
    fc.property(hostile, fc.uint8Array({ maxLength: 300 }), (text, noise) => {
      parseRfc3464(noise);
      parseRfc3464(octets(head + text));
      parseRfc3464(octets(head + characters(noise)));
    }),
    runs,
  );
});
