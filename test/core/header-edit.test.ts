import assert from 'node:assert/strict';
import { test } from 'node:test';
import { editHeader, fieldProblem, type HeaderChange } from '../../shared/core/header-edit.ts';

const header = 'From: a\r\nX-A: 1\r\n\tfolded\r\nto: b\r\nx-a: 2\r\n';
const edits: [name: string, changes: HeaderChange[], want: string][] = [
  ['nothing', [], header],
  ['a field in front', [{ op: 'prepend', name: 'X-B', value: 'new' }], `X-B: new\r\n${header}`],
  ['a field behind', [{ op: 'append', name: 'X-B', value: 'new' }], `${header}X-B: new\r\n`],
  ['a field in its place, once', [{ op: 'replace', name: 'x-A', value: 'new' }], 'From: a\r\nx-A: new\r\nto: b\r\n'],
  ['a field that is not there yet', [{ op: 'replace', name: 'X-B', value: 'new' }], `${header}X-B: new\r\n`],
  ['no field of a name, folded lines included', [{ op: 'remove', name: 'X-A' }], 'From: a\r\nto: b\r\n'],
  [
    'what was added before is removed',
    [
      { op: 'append', name: 'B', value: 'x' },
      { op: 'remove', name: 'b' },
    ],
    header,
  ],
  ['text that is not ASCII', [{ op: 'prepend', name: 'Subject', value: 'Grüße' }], `Subject: =?utf-8?B?R3LDvMOfZQ==?=\r\n${header}`],
  [
    'long text, folded',
    [{ op: 'prepend', name: 'X', value: `${'word '.repeat(30)}end` }],
    `X: ${'word '.repeat(14)}word\r\n ${'word '.repeat(14)}word\r\n end\r\n${header}`,
  ],
];
for (const [name, changes, want] of edits) test(`a header is edited: ${name}`, () => assert.equal(editHeader(header, changes), want));

test('lines that are no fields stay where they are, whatever is edited around them', () => {
  const odd = 'Subject: x\r\nno field at all\r\n : \r\nX-A: 1\r\n';
  assert.equal(editHeader(odd, [{ op: 'remove', name: 'X-A' }]), 'Subject: x\r\nno field at all\r\n : \r\n');
});

test('an octet stays an octet', () => {
  const octets = `Subject: ${Array.from({ length: 128 }, (_, i) => String.fromCharCode(128 + i)).join('')}\r\n`;
  assert.equal(editHeader(octets, [{ op: 'remove', name: 'X' }]), octets);
});

const problems: [name: string, value: string | undefined][] = [
  ['', 'x'],
  ['X:', 'x'],
  ['X Y', 'x'],
  ['X\r\nBcc', 'x'],
  ['Ü', 'x'],
  ['x'.repeat(77), 'x'],
  ['Received', 'x'],
  ['RECEIVED', undefined],
  ['Return-Path', 'x'],
  ['X', ''],
  ['X', '  '],
  ['X', 'a\r\nBcc: all@home.test'],
  ['X', 'a\nb'],
  ['X', 'a\rb'],
  ['X', 'a\0b'],
  ['X', 'a\u0085b'],
  ['X', 'a\u2028b'],
  ['X', '\ud800'],
  ['X', 'x'.repeat(999)],
  ['X', `a${' '.repeat(1100)}b`],
  ['X', 'x '.repeat(4001)],
];
for (const [name, value] of problems) {
  test(`no field is ${JSON.stringify(name.slice(0, 20))} with ${JSON.stringify(value?.slice(0, 20))}`, () => {
    assert.equal(typeof fieldProblem(name, value), 'string');
  });
}

test('a header of 64 KB of hostile lines is edited 100 times in no time', () => {
  const hostile = [' \r\n', 'a:\r\n', ':\r\n', '\t\r\n'].map((line) => line.repeat(20_000)).join('');
  const started = performance.now();
  editHeader(
    hostile.slice(0, 65_536),
    Array.from({ length: 100 }, () => ({ op: 'replace', name: 'A', value: 'x' })),
  );
  assert.ok(performance.now() - started < 5000);
});
