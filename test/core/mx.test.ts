import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { isHostName, planMx, shuffleEqual, type MxRecord } from '../../shared/core/mx.ts';
import { isPublicAddress } from '../../shared/core/public-address.ts';

const mx = (...records: [preference: number, exchange: string][]): MxRecord[] =>
  records.map(([preference, exchange]) => ({ preference, exchange }));

describe('planMx', () => {
  const show = (records: MxRecord[]) => {
    const plan = planMx(records, 'us.test');
    return plan.kind === 'hosts' ? plan.hosts.map((h) => h.exchange).join(' ') : plan.kind;
  };
  const cases: [name: string, records: MxRecord[], want: string][] = [
    ['by preference, then by name', mx([20, 'c.test'], [10, 'b.test'], [10, 'a.test']), 'a.test b.test c.test'],
    ['names without final dot, in lower case', mx([10, 'A.Test.']), 'a.test'],
    ['null MX', mx([0, '.']), 'null'],
    ['null MX as node:dns tells it', mx([0, '']), 'null'],
    ['a null MX beside others is none', mx([0, ''], [10, 'a.test']), 'a.test'],
    ['ourselves first', mx([10, 'us.test'], [20, 'a.test']), 'loop'],
    ['ourselves among equals', mx([10, 'US.test'], [10, 'a.test']), 'loop'],
    ['ourselves behind others', mx([10, 'a.test'], [20, 'us.test'], [30, 'b.test']), 'a.test'],
    ['an address', mx([10, '192.0.2.1']), 'none'],
    ['names that are none', mx([10, 'a|b.test'], [10, 'a b.test'], [10, '(x).test'], [10, 'é.test'], [10, '-'.repeat(64)]), 'none'],
    ['no records', [], 'none'],
    [
      'a hundred records',
      mx(...Array.from({ length: 100 }, (_, i): [number, string] => [i, `${i}.test`])),
      Array.from({ length: 20 }, (_, i) => `${i}.test`).join(' '),
    ],
  ];
  for (const [name, records, want] of cases) test(name, () => assert.equal(show(records), want));
});

describe('shuffleEqual', () => {
  const hosts = mx([10, 'a'], [10, 'b'], [10, 'c'], [20, 'd']);
  for (const [lots, want] of [
    [[0.1, 0.2, 0.3, 0], 'abcd'],
    [[0.3, 0.2, 0.1, 0], 'cbad'],
    [[0.2, 0.9, 0.1, 0], 'cabd'],
  ] satisfies [number[], string][]) {
    test(`lots ${lots.join()} give ${want}`, () =>
      assert.equal(
        shuffleEqual(hosts, () => lots.shift() ?? 0)
          .map((h) => h.exchange)
          .join(''),
        want,
      ));
  }
});

describe('isHostName', () => {
  const cases: [text: string, want: boolean][] = [
    ['mx.example.com', true],
    ['localhost', true],
    ['a_b-c.test', true],
    ['1.2.3.4a', true],
    ['xn--p1ai', true],
    ['1.2.3.4', false],
    ['1', false],
    ['', false],
    ['.', false],
    ['a..b', false],
    ['a.', false],
    ['.a', false],
    ['a b', false],
    ['a/b', false],
    [`${'a'.repeat(63)}.test`, true],
    [`${'a'.repeat(64)}.test`, false],
    [`${'abc.'.repeat(63)}de`, false],
    ['a\n', false],
  ];
  for (const [text, want] of cases)
    test(`${JSON.stringify(text.slice(0, 20))} is ${want ? 'one' : 'none'}`, () => assert.equal(isHostName(text), want));
});

describe('isPublicAddress', () => {
  const cases: [want: boolean, ...addresses: string[]][] = [
    [
      true,
      '1.1.1.1',
      '203.0.113.1',
      '172.15.0.1',
      '172.32.0.1',
      '100.63.255.255',
      '100.128.0.1',
      '2001:4860::1',
      '::ffff:8.8.8.8',
      '64:ff9b::808:808',
      '2002:808:808::1',
    ],
    [
      false,
      '0.0.0.0',
      '10.1.2.3',
      '100.64.0.1',
      '100.127.255.255',
      '127.0.0.1',
      '127.255.255.255',
      '169.254.169.254',
      '172.16.0.1',
      '172.31.255.255',
      '192.168.0.1',
    ],
    [false, '192.0.0.1', '198.18.0.1', '224.0.0.1', '239.255.255.255', '240.0.0.1', '255.255.255.255'],
    [
      false,
      '::',
      '::1',
      'fd00::1',
      'fc00::',
      'fe80::1',
      'febf::1',
      'fec0::1',
      'ff02::1',
      '::ffff:127.0.0.1',
      '::ffff:10.0.0.1',
      '::127.0.0.1',
    ],
    [
      false,
      '64:ff9b::7f00:1',
      '64:ff9b::10.1.2.3',
      '64:ff9b::c0a8:1',
      '64:ff9b:1::1',
      '2002:7f00:1::',
      '2002:a00:1::1',
      '2002:c0a8:101::1',
    ],
    [false, '', 'mx.test', '1.2.3', '1.2.3.256'],
  ];
  for (const [want, ...addresses] of cases) {
    for (const address of addresses)
      test(`${address || 'nothing'} is ${want ? 'public' : 'not public'}`, () => assert.equal(isPublicAddress(address), want));
  }
});
