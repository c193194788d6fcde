import assert from 'node:assert/strict';
import test from 'node:test';
import { decodeXtext } from '../../shared/core/xtext.ts';

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
  test(`xtext ${JSON.stringify(text)} is ${decoded === undefined ? 'refused' : JSON.stringify(decoded)} (rules 81, 124)`, () =>
    assert.equal(decodeXtext(text), decoded));
}
