import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { asciiOrcpt, decodeUtf8Address, formatUtf8Address, readUtf8Address } from '../../shared/core/utf8-address.ts';

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
  // A bare + beside UTF-8 can only be the mailbox's own; in ASCII it may be xtext.
  ['éric+tag@x.test', 'éric+tag@x.test'],
  ['éric\\x{2B}tag@x.test', 'éric+tag@x.test'],
  ['"é\\"b"@x.test', '"é\\"b"@x.test'],
  ['é=b@x.test', undefined],
  ['é b@x.test', undefined],
  ['é\\x{41}@x.test', undefined],
];
for (const [text, decoded] of utf8) {
  test(`the utf-8 address ${text} is ${decoded ?? 'refused'} (rule 101)`, () => assert.equal(decodeUtf8Address(text), decoded));
}

const forms: [address: string, ascii: string, utf8: string][] = [
  ['δ@bücher.example', '\\x{3B4}@b\\x{FC}cher.example', 'δ@bücher.example'],
  ['δ+a=b@x.test', '\\x{3B4}\\x{2B}a\\x{3D}b@x.test', 'δ+a=b@x.test'],
  ['"δ b"@x.test', '"\\x{3B4}\\x{20}b"@x.test', '"δ\\x{20}b"@x.test'],
  ['"δ\\x{41}"@x.test', '"\\x{3B4}\\x{5C}x{41}"@x.test', '"δ\\x{5C}x{41}"@x.test'],
  ['😀@x.test', '\\x{1F600}@x.test', '😀@x.test'],
  ['a\r\nb\u0000\u0085δ', 'a\\x{0D}\\x{0A}b\\x{00}\\x{85}\\x{3B4}', 'a\\x{0D}\\x{0A}b\\x{00}\\x{85}δ'],
  ['a\u202eδ\u2028', 'a\\x{202E}\\x{3B4}\\x{2028}', 'a\\x{202E}δ\\x{2028}'],
  ['\ud800@x', '\\x{FFFD}@x', '\ufffd@x'],
];
for (const [address, ascii, utf8Form] of forms) {
  test(`the address ${JSON.stringify(address)} in ASCII and in UTF-8 (rules 102, 103)`, () => {
    assert.deepEqual([formatUtf8Address(address, 'ascii'), formatUtf8Address(address, 'utf-8')], [ascii, utf8Form]);
  });
}

test('an address is read back from every form, folded or not (rule 103)', () => {
  const address = fc.string({
    unit: fc.oneof(fc.constantFrom('\\', '+', '=', ' ', '\\x{41}', 'δ', '\0'), fc.string({ unit: 'binary', minLength: 1, maxLength: 1 })),
  });
  fc.assert(
    fc.property(address, (text) => {
      for (const form of ['ascii', 'utf-8'] as const) {
        const written = formatUtf8Address(text, form);
        if (form === 'ascii') assert.match(written, /^[!-~]*$/);
        assert.doesNotMatch(written, /[\p{Cc}\p{Zs}\p{Zl}\p{Zp}]/u);
        assert.equal(readUtf8Address(written), text.toWellFormed());
        if (written.includes('\\x{')) assert.equal(readUtf8Address(written.replace(/.{9}/gu, '$& ')), text.toWellFormed());
      }
    }),
  );
});

test('an address whose only escape was parted by folding is read back (rule 103)', () => {
  for (const folded of ['a\\ x{5C}b', 'a\\x {5C}b', 'a\\x{ 5C}b', 'a\\x{5 C}b', 'a\\x{5C }b', 'a\\x{5C} b'])
    assert.equal(readUtf8Address(folded), 'a\\b');
});

test('what is too long for a line of UTF-8 is in the ASCII form', () => {
  assert.equal(formatUtf8Address('δ'.repeat(260), 'utf-8'), 'δ'.repeat(260));
  assert.equal(formatUtf8Address('δ'.repeat(261), 'utf-8'), '\\x{3B4}'.repeat(261));
});

const orcpts: [orcpt: string, want: string][] = [
  ['utf-8;δ+b@x.test', 'utf-8;\\x{3B4}\\x{2B}b@x.test'],
  ['UTF-8;δ\\x{2B}b@x.test', 'UTF-8;\\x{3B4}\\x{2B}b@x.test'],
  ['utf-8;\\x{3B4}@x.test', 'utf-8;\\x{3B4}@x.test'],
  ['rfc822;a+2Bb@x.test', 'rfc822;a+2Bb@x.test'],
];
for (const [orcpt, want] of orcpts) test(`ORCPT=${orcpt} in ASCII (rule 101)`, () => assert.equal(asciiOrcpt(orcpt), want));
