import assert from 'node:assert/strict';
import test from 'node:test';
import { decodeUtf8Address, decodeXtext } from '../../shared/core/xtext.ts';

const xtext: [text: string, decoded: string | undefined][] = [
  ['abc', 'abc'],
  ['a+2Bb+3Dc', 'a+b=c'],
  ['a+20b', 'a b'],
  ['+7E', '~'],
  ['', undefined],
  ['a=b', undefined],
  ['+2b', undefined],
  ['+G1', undefined],
  ['+2', undefined],
  ['a+', undefined],
  ['+0D+0A', undefined],
  ['+00', undefined],
  ['+7F', undefined],
  ['+E9', undefined],
  ['a b', undefined],
  ['é', undefined],
];
for (const [text, decoded] of xtext) {
  test(`xtext ${JSON.stringify(text)} is ${decoded === undefined ? 'refused' : JSON.stringify(decoded)}`, () =>
    assert.equal(decodeXtext(text), decoded));
}

const utf8: [text: string, decoded: string | undefined][] = [
  ['\\x{E9}ric@x.test', 'éric@x.test'],
  ['éric@x.test', 'éric@x.test'],
  ['\\x{1F600}@x.test', '😀@x.test'],
  ['"a\\x{20}b"@x.test', '"a b"@x.test'],
  ['a\\x{2B}b\\x{3D}c\\x{5C}@x.test', 'a+b=c\\@x.test'],
  ['a\\x{D800}@x.test', undefined],
  ['a\\x{110000}@x.test', undefined],
  ['a\\x{0D}\\x{0A}@x.test', undefined],
  ['a\\x{41}@x.test', undefined],
  ['a\\x{e9}@x.test', undefined],
  ['a\\@x.test', undefined],
  ['a+2Bb@x.test', undefined],
  ['a b@x.test', undefined],
];
for (const [text, decoded] of utf8) {
  test(`the utf-8 address ${text} is ${decoded ?? 'refused'}`, () => assert.equal(decodeUtf8Address(text), decoded));
}
