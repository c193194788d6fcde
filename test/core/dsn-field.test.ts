import { test } from 'node:test';
import assert from 'node:assert/strict';
import { withoutComments } from '../../shared/core/comments.ts';
import { parseContentType } from '../../shared/core/dsn/content-type.ts';
import { fieldText, fieldTextUtf8, formatField, readFields } from '../../shared/core/dsn/field.ts';
import { decodeQuotedPrintable, encodeQuotedPrintable } from '../../shared/core/dsn/quoted-printable.ts';
import { characters, octets } from '../support/dsn-record.ts';

const texts: [name: string, given: string, want: string][] = [
  ['line ends are one mark', 'a\r\n\r\nb\rc', 'a?b?c'],
  ['controls, DEL, 8-bit and astral characters', 'a\u0000\u001b\u007f\u00e9😀\ud800b', 'a??????b'],
  ['tabs are blanks', '\ta\tb\t', 'a b'],
  ['blanks inside stay, those around go', '  a   b  ', 'a   b'],
  ['nothing', '\t \t', ''],
];
for (const [name, given, want] of texts) test(`text for a field: ${name} (rule 121)`, () => assert.equal(fieldText(given), want));

test('length is capped with a mark (rules 121, 122)', () => {
  assert.equal(fieldText('a b '.repeat(1000), 20), 'a b a b a b a b a b ...');
});

test('any text folds below 998 octets, also without blanks, all blanks, or in four octets a character (rule 31)', () => {
  const hostile = ['x'.repeat(5000), ' '.repeat(5000), `a${' '.repeat(900)}${'b'.repeat(900)}`, '😀'.repeat(5000)];
  for (const text of hostile) {
    for (const field of [formatField('Name', fieldText(text, 8192)), formatField('Name', fieldTextUtf8(text, 8192))]) {
      for (const line of field.split('\r\n')) assert.ok(Buffer.byteLength(line) <= 998, `${Buffer.byteLength(line)}`);
    }
  }
});

test('UTF-8 text keeps its letters and loses its controls', () => {
  assert.equal(fieldTextUtf8('jürgen\u0085\u2028\r\n@bücher'), 'jürgen???@bücher');
});

const fields: [name: string, value: string | string[] | undefined, want: string][] = [
  ['short (rule 31)', 'value', 'Name: value\r\n'],
  ['none (rule 31)', undefined, ''],
  ['without text (rule 44)', '', ''],
  ['with empty lines (rule 44)', ['a', '', 'b'], 'Name: a\r\n b\r\n'],
  ['of several lines (rule 60)', ['550-a', '550 b'], 'Name: 550-a\r\n 550 b\r\n'],
  ['folded before the blanks (rule 31)', `${'x'.repeat(60)}   ${'y'.repeat(60)}`, `Name: ${'x'.repeat(60)}\r\n   ${'y'.repeat(60)}\r\n`],
  ['a long first word stays on the first line (rule 31)', 'x'.repeat(200), `Name: ${'x'.repeat(200)}\r\n`],
];
for (const [name, value, want] of fields) test(`a field, ${name}`, () => assert.equal(formatField('Name', value), want));

test('fields are read with any line ends, folds, and rests of lines that nobody folded (rule 131)', () => {
  const text = 'A: 1\r\n 2\nb :3\n\t4\rC:\n\nD: 5\nsix seven\n\n \n: no name\nE:6';
  assert.deepEqual(
    readFields(text).map((f) => [f.name, f.value, f.startsGroup]),
    [
      ['A', '1 2', false],
      ['b', '3\t4', false],
      ['C', '', false],
      ['D', '5 six seven', true],
      ['E', '6', true],
    ],
  );
});

test('comments go, nested too, but not out of quoted strings (rule 131)', () => {
  assert.equal(withoutComments('a (b (c) \\) d) "e (f) \\" (g" \\( h'), 'a   "e (f) \\" (g" \\( h');
});

const types: [text: string, type: string, boundary: string | undefined][] = [
  ['multipart/report; boundary="a b\\"c"; report-type=x', 'multipart/report', 'a b"c'],
  ['Multipart/Report ;BOUNDARY=abc;', 'multipart/report', 'abc'],
  ['multipart/report (comment; boundary=no);boundary = a/b=c', 'multipart/report', 'a/b=c'],
  ['multipart/report; name="; boundary=no"; boundary=yes', 'multipart/report', 'yes'],
  ['multipart/report;; boundary=a; boundary=b', 'multipart/report', 'a'],
  ['nonsense', '', undefined],
];
for (const [text, type, boundary] of types) {
  test(`Content-Type ${text} (rule 33)`, () => {
    const read = parseContentType(text);
    assert.deepEqual([read.type, read.parameters.get('boundary')], [type, boundary]);
  });
}

const encoded: [name: string, given: string, want: string][] = [
  ['plain text', 'a b\r\nc\r\n', 'a b\r\nc\r\n'],
  ['an equals sign and 8-bit', 'a=\u00e9', 'a=3D=E9'],
  ['a blank at the end of a line', 'a \r\nb\t', 'a=20\r\nb=09'],
  ['bare line ends and NUL', 'a\rb\nc\u0000', 'a=0Db=0Ac=00'],
  ['76 characters are no long line', 'x'.repeat(76), 'x'.repeat(76)],
  ['77 are', 'x'.repeat(77), `${'x'.repeat(75)}=\r\nxx`],
  ['a code is not divided', `${'x'.repeat(74)}=yy`, `${'x'.repeat(74)}=\r\n=3Dyy`],
];
for (const [name, given, want] of encoded) {
  test(`quoted-printable: ${name}`, () => {
    assert.equal(encodeQuotedPrintable(octets(given)), want);
    assert.equal(characters(decodeQuotedPrintable(octets(want))), given);
  });
}

test('quoted-printable of others is read as far as it goes', () => {
  assert.equal(characters(decodeQuotedPrintable(octets('a=3d =\t \nb=zz=  \r\n=4'))), 'a= b=zz=4');
  assert.equal(characters(decodeQuotedPrintable(octets('a \t\r\nb'))), 'a\r\nb');
});
