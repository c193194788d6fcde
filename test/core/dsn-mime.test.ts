import { test } from 'node:test';
import assert from 'node:assert/strict';
import { parseMime } from '../../shared/core/dsn/mime.ts';
import { parseRfc3464 } from '../../shared/core/dsn/parse.ts';
import { withText } from '../../shared/core/dsn/with-text.ts';
import { bounce, characters, octets, reportOf, takeApart, textOf } from '../support/dsn-record.ts';

const report = reportOf(bounce());

/** The message with its text changed as policy authors do it. */
function changed(content: Uint8Array, edit: (text: string) => string): string {
  const mime = parseMime(content);
  const structure = mime.simpleStructure();
  structure.textPart.body = edit(structure.textPart.body);
  return characters(mime.toBytes());
}

test('the text of a report is changed and put back; all else stays, octet for octet', () => {
  const before = characters(report.content);
  assert.equal(
    changed(report.content, (text) => `MODIFIED!\r\n${text}`),
    before.replace('\r\n\r\nThe message was received', '\r\n\r\nMODIFIED!\r\nThe message was received'),
  );
});

test('a message that nothing was changed in is the same', () => {
  const mime = parseMime(report.content);
  assert.equal(mime.toBytes(), report.content);
  assert.match(mime.simpleStructure().textPart.body, /^The message was received/);
  assert.equal(
    changed(report.content, (text) => text),
    characters(report.content),
  );
});

test('what is set can be read again, with the line ends of mail', () => {
  const { textPart } = parseMime(report.content).simpleStructure();
  textPart.body = 'a\nb\rc\r\nd\ud800';
  assert.equal(textPart.body, 'a\r\nb\r\nc\r\nd\ufffd');
});

test('with letters beyond ASCII the text is UTF-8 in quoted-printable, and back again', () => {
  const once = withText(report, () => 'Grüße €\r\n');
  assert.equal(
    takeApart(once).parts[0]?.header,
    'Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n',
  );
  assert.equal(textOf(once), 'Gr=C3=BC=C3=9Fe =E2=82=AC\r\n');
  assert.equal(parseRfc3464(once.content)?.text, 'Grüße €\r\n');
  const back = withText(once, (text) => text.replaceAll(/[^\r\n -~]/g, '?'));
  assert.equal(takeApart(back).parts[0]?.header, 'Content-Type: text/plain; charset=us-ascii\r\n');
  assert.deepEqual([once.sender, once.recipient, once.eightBit], [report.sender, report.recipient, report.eightBit]);
});

test('a text with the delimiters of the report does not break it', () => {
  const text = 'a\r\n--a-candidate\r\nContent-Type: text/plain\r\n\r\nb --a-candidate--\r\n--a-candidate--\r\n';
  const edited = withText(report, () => text);
  assert.equal(takeApart(edited).parts.length, 3);
  assert.deepEqual(parseRfc3464(edited.content), { ...parseRfc3464(report.content), text });
  assert.equal(parseMime(edited.content).simpleStructure().textPart.body, text);
});

const mails: [name: string, mail: string[], text: string, want: string[]][] = [
  [
    'one part',
    ['Subject: s', 'Content-Type: text/plain; charset=us-ascii', '', 'a', ''],
    'a\r\n',
    ['Subject: s', 'Content-Type: text/plain; charset=us-ascii', '', 'new', ''],
  ],
  ['no MIME', ['Subject: s', '', 'a', ''], 'a\r\n', ['Subject: s', '', 'new', '']],
  [
    'parameters of the type, folded, with an encoding after them',
    [
      'Content-Type: text/plain;',
      ' charset="iso-8859-1"; format=flowed;',
      '\tdelsp="y e\\"s"',
      'X-Other: é',
      'Content-Transfer-Encoding: base64',
      '',
      '6Q==',
    ],
    'é',
    ['Content-Type: text/plain; charset=us-ascii;', '\tformat=flowed;', '\tdelsp="y e\\"s"', 'X-Other: é', '', 'new', ''],
  ],
  [
    'nested parts, an attachment before the text',
    [
      'Content-Type: multipart/mixed; boundary=b',
      '',
      'preamble',
      '--b',
      'Content-Type: text/plain',
      'Content-Disposition: attachment',
      '',
      'a file',
      '--b',
      'Content-Type: multipart/alternative; boundary="b b"',
      '',
      '--b b',
      'Content-Type: text/html',
      '',
      '<b>',
      '--b b',
      '',
      'é',
      '--b b--',
      '--b--',
      'epilogue',
    ],
    'é',
    [
      'Content-Type: multipart/mixed; boundary=b',
      '',
      'preamble',
      '--b',
      'Content-Type: text/plain',
      'Content-Disposition: attachment',
      '',
      'a file',
      '--b',
      'Content-Type: multipart/alternative; boundary="b b"',
      '',
      '--b b',
      'Content-Type: text/html',
      '',
      '<b>',
      '--b b',
      '',
      'new',
      '',
      '--b b--',
      '--b--',
      'epilogue',
    ],
  ],
  [
    'an empty part',
    ['Content-Type: multipart/mixed; boundary=b', '', '--b', '--b--'],
    '',
    ['Content-Type: multipart/mixed; boundary=b', '', '--b', '', 'new', '', '--b--'],
  ],
  ['a header alone', ['Content-Type: text/plain'], '', ['Content-Type: text/plain; charset=us-ascii', '', 'new', '']],
];
for (const [name, mail, text, want] of mails) {
  test(`the text of any mail is found and changed: ${name}`, () => {
    const content = octets(mail.join('\r\n'));
    assert.equal(parseMime(content).simpleStructure().textPart.body, text);
    assert.equal(
      changed(content, () => 'new\n'),
      want.join('\r\n'),
    );
  });
}

test('mail without MIME becomes MIME when its text needs it', () => {
  assert.equal(
    changed(octets('Subject: s\r\n\r\na\r\n'), () => 'é\n'),
    'Subject: s\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=C3=A9\r\n',
  );
});

test('of a header that is too large to be looked at the rest stays as it is', () => {
  const fields = `Content-Type: text/plain; charset=utf-8\r\n${'X-Filler: y\r\n'.repeat(30_000)}`;
  assert.equal(
    changed(octets(`${fields}\r\na`), () => 'b'),
    `${fields.replace('utf-8', 'us-ascii')}\r\nb`,
  );
});

const without: [name: string, mail: string][] = [
  ['HTML alone', 'Content-Type: text/html\r\n\r\n<b>'],
  ['an attachment alone', 'Content-Disposition: attachment\r\n\r\nx'],
  ['a message in a message', 'Content-Type: message/rfc822\r\n\r\nSubject: s\r\n\r\ntext'],
  ['no parts', 'Content-Type: multipart/mixed; boundary=b\r\n\r\n--c\r\n\r\nx\r\n'],
  ['too deep', 'Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n'.repeat(12)],
];
for (const [name, mail] of without) {
  test(`a message without a text part is left alone: ${name}`, () => {
    const mime = parseMime(octets(mail));
    assert.throws(() => mime.simpleStructure(), /^TypeError: the message has no text part$/);
    assert.equal(characters(mime.toBytes()), mail);
  });
}
