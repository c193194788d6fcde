import assert from 'node:assert/strict';
import test from 'node:test';
import { isAddressLiteral, parsePath } from '../../shared/core/address.ts';

const long = (n: number): string => 'a'.repeat(n);
const longDomain = (n: number): string => `${'b'.repeat(60)}.${'c'.repeat(60)}.${'d'.repeat(60)}.${'e'.repeat(n - 183)}`;

const accepted: [path: string, address: string, localPart: string, domain: string][] = [
  ['<ann@home.test>', 'ann@home.test', 'ann', 'home.test'],
  ['<Ann.O.Nym+x=y@Home.Test>', 'Ann.O.Nym+x=y@Home.Test', 'Ann.O.Nym+x=y', 'Home.Test'],
  ["<!#$%&'*+/=?^_`{|}~-@x>", "!#$%&'*+/=?^_`{|}~-@x", "!#$%&'*+/=?^_`{|}~-", 'x'],
  ['<"a b"@x.test>', '"a b"@x.test', '"a b"', 'x.test'],
  ['<"a@b"@x.test>', '"a@b"@x.test', '"a@b"', 'x.test'],
  ['<"a>b"@x.test>', '"a>b"@x.test', '"a>b"', 'x.test'],
  ['<"a\\"b\\\\"@x.test>', '"a\\"b\\\\"@x.test', '"a\\"b\\\\"', 'x.test'],
  ['<""@x.test>', '""@x.test', '""', 'x.test'],
  ['<@one.test,@two.test:ann@x.test>', 'ann@x.test', 'ann', 'x.test'],
  ['<postmaster>', 'postmaster', 'postmaster', ''],
  ['<PostMaster>', 'PostMaster', 'PostMaster', ''],
  ['<a@[192.0.2.1]>', 'a@[192.0.2.1]', 'a', '[192.0.2.1]'],
  ['<a@[IPv6:2001:db8::1]>', 'a@[IPv6:2001:db8::1]', 'a', '[IPv6:2001:db8::1]'],
  ['<a@[IPv6:::ffff:192.0.2.1]>', 'a@[IPv6:::ffff:192.0.2.1]', 'a', '[IPv6:::ffff:192.0.2.1]'],
  ['<a@under_score.test>', 'a@under_score.test', 'a', 'under_score.test'],
  ['<a@localhost>', 'a@localhost', 'a', 'localhost'],
  ['<дом@пример.испытание>', 'дом@пример.испытание', 'дом', 'пример.испытание'],
  ['<😀@x.test>', '😀@x.test', '😀', 'x.test'],
  [`<${long(64)}@x.test>`, `${long(64)}@x.test`, long(64), 'x.test'],
  [`<a@${longDomain(240)}>`, `a@${longDomain(240)}`, 'a', longDomain(240)],
];
for (const [path, address, localPart, domain] of accepted) {
  test(`the path ${path.slice(0, 60)} is read`, () => {
    assert.deepEqual(parsePath(path, 0), { mailbox: { address, localPart, domain }, end: path.length });
  });
}

const refused: [path: string, why: string][] = [
  ['ann@home.test', 'no brackets'],
  ['<ann>', 'no domain'],
  ['<@home.test>', 'no local part'],
  ['<ann@>', 'empty domain'],
  ['<ann@evil.test@own.test>', 'two at signs'],
  ['<ann@home.test', 'not closed'],
  ['<<ann@home.test>>', 'double brackets'],
  ['<.ann@home.test>', 'dot first'],
  ['<ann.@home.test>', 'dot last'],
  ['<a..b@home.test>', 'two dots'],
  ['<a b@home.test>', 'bare space'],
  ['<ann@home.test.>', 'trailing dot'],
  ['<ann@.home.test>', 'leading dot'],
  ['<ann@-home.test>', 'hyphen first'],
  ['<ann@home-.test>', 'hyphen last'],
  ['<ann@ho me.test>', 'space in the domain'],
  ['<ann@127.0.0.1>', 'an address without brackets'],
  ['<ann@[127.0.0.256]>', 'no address'],
  ['<ann@[::1]>', 'IPv6 without its tag'],
  ['<ann@[IPv6:127.0.0.1]>', 'IPv4 with the tag of IPv6'],
  ['<ann@[IPv6:fe80::1%eth0]>', 'a scope'],
  ['<ann@[x-tag:content]>', 'an unknown tag'],
  ['<"ann@home.test>', 'open quote'],
  ['<"a"b@home.test>', 'text after the quote'],
  ['<a\u200bb@home.test>', 'a character that cannot be seen'],
  ['<a\u202eb@home.test>', 'a character that turns text'],
  ['<a\u0085b@home.test>', 'a control character of latin1'],
  [`<${long(65)}@x.test>`, 'local part of 65'],
  [`<${'é'.repeat(33)}@x.test>`, 'local part of 66 octets in UTF-8'],
  [`<a@${'b'.repeat(64)}.test>`, 'label of 64'],
  [`<${long(14)}@${longDomain(240)}>`, 'mailbox of 255'],
];
for (const [path, why] of refused) {
  test(`the path ${path.slice(0, 40)} is refused: ${why}`, () => assert.equal(parsePath(path, 0), undefined));
}

test('the null path has no mailbox', () => assert.deepEqual(parsePath('<> X=y', 0), { mailbox: undefined, end: 2 }));

test('what follows a path is left alone', () => assert.equal(parsePath('x<a@b.test> NOTIFY=NEVER', 1)?.end, 11));

test('a long hostile path is refused in no time (rule 129)', () => {
  const started = performance.now();
  for (const path of [
    `<"${'\\"'.repeat(50_000)}`,
    `<${'a.'.repeat(50_000)}@x>`,
    `<@${'a,@'.repeat(50_000)}:x@y>`,
    `<a@${'-'.repeat(100_000)}>`,
  ]) {
    assert.equal(parsePath(path, 0), undefined);
  }
  assert.ok(performance.now() - started < 1000);
});

test('an address literal is told from other text in brackets', () => {
  assert.deepEqual(['[10.0.0.1]', '[IPv6:::1]', '[ipv6:::1]', '10.0.0.1', '[a.test]', '[]'].map(isAddressLiteral), [
    true,
    true,
    true,
    false,
    false,
    false,
  ]);
});
