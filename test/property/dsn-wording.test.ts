import { test } from 'node:test';
import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { DispositionRecord } from '../../shared/core/disposition.ts';
import { withoutComments } from '../../shared/core/comments.ts';
import { decodeWords, encodeWords } from '../../shared/core/dsn/encoded-word.ts';
import { generateRfc3464Message } from '../../shared/core/dsn/generate.ts';
import { parseMime } from '../../shared/core/dsn/mime.ts';
import { parseRfc3464 } from '../../shared/core/dsn/parse.ts';
import { builtInLanguages } from '../../shared/core/dsn/wording/languages.ts';
import { bounce, characters, octets, params, takeApart, world } from '../support/dsn-record.ts';

const runs = { numRuns: Number(process.env['PROPERTY_RUNS'] ?? 300) };
const piece = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.string({ unit: 'grapheme', maxLength: 20 }),
  fc.constantFrom(
    '\r\n',
    '\n',
    '\0',
    '{{help}}',
    '$&',
    '--a-candidate',
    '\r\n--a-candidate--\r\n',
    ' '.repeat(200),
    'x'.repeat(1200),
    '=?utf-8?Q?=0D?=',
  ),
);
const hostile = fc.array(piece, { maxLength: 6 }).map((pieces) => pieces.join(''));
/** What an envelope may hold. */
const mailbox = fc.stringMatching(/^[!-~]{1,30}@[a-z.]{1,30}$/).filter((text) => !text.includes('\\'));

const record = fc
  .record({
    type: fc.constantFrom('Bounce', 'Expiration', 'AdminBounce', 'TransientFailure', 'Delivery'),
    code: fc.integer({ min: 200, max: 599 }),
    digits: fc.option(fc.tuple(fc.integer({ min: 2, max: 5 }), fc.integer({ min: 0, max: 9 }), fc.integer({ min: 0, max: 40 }))),
    lines: fc.array(hostile, { minLength: 1, maxLength: 4 }),
    local: fc.boolean(),
    host: hostile,
    recipient: fc.array(mailbox, { minLength: 1, maxLength: 3 }),
    created: fc.oneof(fc.integer({ min: 0, max: 2_000_000_000 }), fc.double()),
    expires: fc.double(),
  })
  .map(({ type, code, digits, lines, local, host, recipient, created, expires }) =>
    bounce({
      type: type as DispositionRecord['type'],
      response: {
        code,
        enhanced_code: digits && { class: digits[0], subject: digits[1], detail: digits[2] },
        content: lines.join(' '),
        lines,
        command: null,
        local,
      },
      peer_address: { name: host, addr: '192.0.2.1' },
      recipient,
      created,
      expires,
      delay_warning: true,
      meta: { trusted: true },
      dsn: { recipients: recipient.map((address) => ({ address, notify: ['SUCCESS', 'FAILURE', 'DELAY'] })) },
    }),
  );

test('whatever happened, the plain text names each recipient, keeps to its lines and leaves the report whole (rules 30, 36)', () => {
  fc.assert(
    fc.property(
      fc.array(record, { minLength: 1, maxLength: 3 }),
      hostile,
      fc.constantFrom(...builtInLanguages),
      (records, subject, language) => {
        const original = octets(`From: a@x\r\nSubject: ${subject.replaceAll(/[\r\n]/g, ' ')}\r\n\r\nx\r\n`);
        const all = { ...params, enable_delay: true, enable_success: true };
        const report = generateRfc3464Message({ ...all, template: 'plain', language }, original, records, world);
        const classic = generateRfc3464Message(all, original, records, world);
        assert.ok(report && classic);
        assert.deepEqual(parseRfc3464(report.content)?.recipients, parseRfc3464(classic.content)?.recipients);
        const text = parseMime(report.content).simpleStructure().textPart.body;
        for (const recipient of parseRfc3464(classic.content)?.recipients ?? []) {
          const value = recipient.finalRecipient?.value ?? '';
          assert.ok(
            text.split('\r\n').some((line) => line.startsWith('  ') && (line === `  ${value}` || addressIn(line) === value)),
            `${value} in\n${text}`,
          );
        }
        assert.match(text, /postmaster@mta1\.example\.com/);
        assert.doesNotMatch(text, /undefined|\[object|(?<!\r)\n|\r(?!\n)|[\0-\u0008\u001b\u202e]/);
        // Longer than that only where there is no blank to break at.
        for (const line of text.split('\r\n')) assert.ok(line.length <= 78 || !line.trim().includes(' '), line);
        for (const line of characters(report.content).split('\r\n')) assert.ok(line.length <= 998);
        const { header } = takeApart(report);
        assert.match(header, /^[\t\r\n -~]*$/);
      },
    ),
    runs,
  );
});

/** What a reader of the field takes for the address: no comment, no display name. */
function addressIn(line: string): string {
  const bare = withoutComments(line).trim();
  return /<([^<>]*)>$/.exec(bare)?.[1] ?? bare;
}

test('any text that is put into a report is read back, and the rest is what it was', () => {
  const report = generateRfc3464Message(params, undefined, bounce(), world);
  assert.ok(report);
  const before = parseRfc3464(report.content);
  fc.assert(
    fc.property(fc.array(hostile, { minLength: 1, maxLength: 3 }), (texts) => {
      let { content } = report;
      for (const text of texts) {
        const mime = parseMime(content);
        mime.simpleStructure().textPart.body = text;
        content = mime.toBytes();
        const want = text.toWellFormed().replaceAll(/\r\n|[\r\n]/g, '\r\n');
        assert.equal(parseMime(content).simpleStructure().textPart.body, want);
        assert.deepEqual({ ...parseRfc3464(content), text: '' }, { ...before, text: '' });
        assert.equal(takeApart({ ...report, content }).parts.length, 2);
        for (const line of characters(content).split('\r\n')) assert.ok(line.length <= 998 && /^[\u0001-\u007f]*$/.test(line), line);
      }
    }),
    runs,
  );
});

test('any octets are a message to parseMime, which gives them back; a text set in them is there', () => {
  const mail = fc.array(
    fc.oneof(
      piece,
      fc.constantFrom(
        'Content-Type: multipart/mixed; boundary=b\r\n',
        'Content-Type: text/plain; charset=utf-8\r\n',
        'Content-Transfer-Encoding: base64\r\n',
        '\r\n--b\r\n',
        '\r\n--b--\r\n',
        '\r\n\r\n',
      ),
    ),
    { maxLength: 12 },
  );
  fc.assert(
    fc.property(mail, (pieces) => {
      const content = octets(pieces.join(''));
      const mime = parseMime(content);
      assert.equal(mime.toBytes(), content);
      let textPart;
      try {
        ({ textPart } = mime.simpleStructure());
      } catch (error) {
        assert.ok(error instanceof TypeError);
        return;
      }
      textPart.body = 'new: é\r\n';
      assert.match(characters(mime.toBytes()), /new: =C3=A9\r\n/);
    }),
    runs,
  );
});

test('any text is read back from its encoded-words', () => {
  const text = fc.string({ unit: 'grapheme', maxLength: 100 }).map((subject) => subject.replaceAll(/[\r\n\t\0-\u001f]/g, ''));
  fc.assert(
    fc.property(text, (subject) => {
      const encoded = encodeWords(subject);
      assert.match(encoded, /^[ -~\u007f]*$/);
      assert.equal(decodeWords(encoded), subject);
    }),
    runs,
  );
});
