import { test } from 'node:test';
import assert from 'node:assert/strict';
import { formatDate, isFormattableDate, parseDate } from '../../shared/core/date.ts';

const july = Date.UTC(2003, 6, 1, 8, 52, 37);

const formatted: [name: string, at: number, want: string][] = [
  ['a day of one digit is not padded', july, 'Tue, 1 Jul 2003 08:52:37 +0000'],
  ['milliseconds are dropped', july + 999, 'Tue, 1 Jul 2003 08:52:37 +0000'],
  ['a leap day has its week day (25)', Date.UTC(2024, 1, 29), 'Thu, 29 Feb 2024 00:00:00 +0000'],
  ['a time before 1970', Date.UTC(1969, 11, 31, 23, 59, 59), 'Wed, 31 Dec 1969 23:59:59 +0000'],
  ['the last second of four digits', Date.UTC(9999, 11, 31, 23, 59, 59), 'Fri, 31 Dec 9999 23:59:59 +0000'],
];
for (const [name, at, want] of formatted) test(`format: ${name}`, () => assert.equal(formatDate(at), want));

test('format: what has no year of four digits is refused', () => {
  for (const at of [Number.NaN, Number.POSITIVE_INFINITY, Date.UTC(10000, 0, 1), Date.UTC(1899, 11, 31)]) {
    assert.equal(isFormattableDate(at), false);
    assert.throws(() => formatDate(at), RangeError);
  }
});

const parsed: [text: string, want: number | undefined][] = [
  ['Tue, 1 Jul 2003 08:52:37 +0000', july],
  ['Tue, 01 Jul 2003 10:52:37 +0200 (CEST)', july],
  ['1 Jul 2003 03:22:37 -0530', july],
  ['Tue, 1 Jul 2003 04:52:37 EDT', july],
  ['Thu, 02 Jul 26 18:55:38 UTC', Date.UTC(2026, 6, 2, 18, 55, 38)],
  ['Thu, 7 Jul 94 17:16:05 GMT', Date.UTC(1994, 6, 7, 17, 16, 5)],
  ['Thu, 7 Jul 103 17:16:05 Z', Date.UTC(2003, 6, 7, 17, 16, 5)],
  ['tue,  1\r\n jul (a (nested) comment) 2003\t08:52', Date.UTC(2003, 6, 1, 8, 52)],
  ['Tue, 1 Jul 2003 08:52:60 +0000', july + 23_000],
  ['31 Feb 2003 00:00:00 +0000', undefined],
  ['0 Feb 2003 00:00:00 +0000', undefined],
  ['1 Foo 2003 00:00:00 +0000', undefined],
  ['1 Jul 2003 24:00:00 +0000', undefined],
  ['1 Jul 2003 00:60:00 +0000', undefined],
  ['1 Jul 2003 00:00:00 +0060', undefined],
  ['yesterday', undefined],
  ['', undefined],
];
for (const [text, want] of parsed) test(`parse: ${JSON.stringify(text)}`, () => assert.equal(parseDate(text), want));

test('parse: a megabyte of anything is refused at once (rule 129)', () => {
  for (const text of ['(', '1 ', ' ', '\\'].map((unit) => unit.repeat(1_000_000))) assert.equal(parseDate(text), undefined);
});
