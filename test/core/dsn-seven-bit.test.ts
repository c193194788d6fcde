import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { concatOctets } from '../../shared/core/dsn/octets.ts';
import { parseRfc3464 } from '../../shared/core/dsn/parse.ts';
import { toSevenBit } from '../../shared/core/dsn/seven-bit.ts';
import { bounce, characters, octets, reportOf, takeApart } from '../support/dsn-record.ts';

const latin1 = octets('From: a@x.example\r\nSubject: Hello!\r\nMessage-ID: <1@x>\r\n\r\nf\u00fcr dich\r\n');
const recoded = (content: Uint8Array): Uint8Array => {
  const octetsOfIt = toSevenBit(content);
  assert.ok(octetsOfIt);
  return octetsOfIt;
};
const apart = (content: Uint8Array) => takeApart({ sender: '', recipient: '', content, eightBit: false, smtpUtf8: false });

test('of an 8-bit message its header is returned, the text says so, and all else stays (rules 71, 74)', () => {
  const report = reportOf(bounce(), {}, latin1);
  const [before, after] = [takeApart(report), apart(recoded(report.content))];
  assert.equal(after.header, before.header.replace('Content-Transfer-Encoding: 8bit\r\n', ''));
  assert.equal(after.parts.length, 3);
  const note = '\r\nOnly the header of the message is returned:\r\nthe mail server of this address takes no 8-bit content.\r\n';
  assert.deepEqual(after.parts[0], { header: before.parts[0]?.header, body: `${before.parts[0]?.body}${note}` });
  assert.deepEqual(after.parts[1], before.parts[1]);
  assert.deepEqual(after.parts[2], {
    header: 'Content-Type: text/rfc822-headers\r\n',
    body: 'From: a@x.example\r\nSubject: Hello!\r\nMessage-ID: <1@x>\r\n',
  });
});

test('a text in quoted-printable takes the sentence too (rule 74)', () => {
  const report = reportOf(bounce({ recipient: 'j\u00f6rg@x' }), {}, latin1);
  const { parts } = apart(recoded(report.content));
  assert.match(parts[0]?.header ?? '', /quoted-printable/);
  for (const line of parts[0]?.body.split('\r\n') ?? []) assert.ok(line.length <= 76);
  assert.match(parseRfc3464(recoded(report.content))?.text ?? '', /j\u00f6rg@x[^]*takes no 8-bit content\.\r\n$/);
});

test('an 8-bit header is returned in quoted-printable, and nothing is said to be missing (rule 75)', () => {
  const header = octets('From: a@x\r\nSubject: gr\u00fc\u00df=\r\n\r\nbody');
  const report = reportOf(bounce(), { include_original_message: 'HeadersOnly' }, header);
  const { parts } = apart(recoded(report.content));
  assert.deepEqual(parts[2], {
    header: 'Content-Type: text/rfc822-headers\r\nContent-Transfer-Encoding: quoted-printable\r\n',
    body: 'From: a@x\r\nSubject: gr=FC=DF=3D\r\n',
  });
  assert.doesNotMatch(parts[0]?.body ?? '', /8-bit/);
  const whole = apart(recoded(reportOf(bounce(), {}, header).content));
  assert.deepEqual(whole.parts[2], parts[2]);
  assert.match(whole.parts[0]?.body ?? '', /8-bit/);
});

test('a signature does not outlive what it signed', () => {
  const signature = octets('DKIM-Signature: v=1; a=rsa-sha256;\r\n\tb=abc\r\n def\r\n');
  const { content } = reportOf(bounce(), {}, latin1);
  assert.deepEqual(recoded(concatOctets([signature, signature, content])), recoded(content));
});

test('a report in 7 bits stays as it is, octet for octet', () => {
  const { content } = reportOf(bounce());
  assert.equal(characters(recoded(content)), characters(content));
});

test('whatever message it returns, the result is ASCII, in lines of mail, and says the same (rules 71, 74, 107)', () => {
  const piece = fc.oneof(
    fc.uint8Array({ maxLength: 50 }),
    fc
      .constantFrom('\r\n', '\r\n\r\n', 'Subject: s\u00e9\r\n', '--a-candidate', '--a-candidate--\r\n', '=\r\n', 'x'.repeat(900))
      .map(octets),
  );
  const content = fc.array(piece, { maxLength: 8 }).map((pieces) => concatOctets([octets('From: a@x\r\n'), ...pieces]));
  fc.assert(
    fc.property(content, fc.boolean(), (message, isWhole) => {
      const report = reportOf(bounce(), { include_original_message: isWhole ? 'FullContent' : 'HeadersOnly' }, message);
      const text = characters(recoded(report.content));
      assert.doesNotMatch(text, /[^\0-\x7f]|\r(?!\n)|(?<!\r)\n/);
      for (const line of text.split('\r\n')) assert.ok(line.length <= 998);
      const [was, is] = [parseRfc3464(report.content), parseRfc3464(octets(text))];
      assert.deepEqual(is?.recipients, was?.recipients);
      const returned = characters(is?.returned?.content ?? octets(''));
      assert.ok(characters(was?.returned?.content ?? octets('')).startsWith(returned) && returned.startsWith('From: a@x'));
    }),
  );
});

const foreign: [name: string, content: string][] = [
  ['an ordinary message', 'Subject: s\r\n\r\n\u00e9'],
  ['no boundary', 'Content-Type: multipart/report\r\n\r\n\u00e9'],
  ['an 8-bit header', 'Subject: \u00e9\r\nContent-Type: multipart/report; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b--\r\n'],
  ['an 8-bit header of a part', 'Content-Type: multipart/report; boundary=b\r\n\r\n--b\r\nX: \u00e9\r\n\r\nx\r\n--b--\r\n'],
];
for (const [name, content] of foreign) test(`${name} is left alone`, () => assert.equal(toSevenBit(octets(content)), undefined));
