import assert from 'node:assert/strict';
import { isIP } from 'node:net';
import { test } from 'node:test';
import fc from 'fast-check';
import { isInNetworks, parseCidr, parseIp } from '../../shared/core/cidr.ts';

const inside: [address: string, network: string, is: boolean][] = [
  ['10.1.2.3', '10.0.0.0/8', true],
  ['11.0.0.0', '10.0.0.0/8', false],
  ['10.1.2.3', '10.1.2.3', true],
  ['10.1.2.4', '10.1.2.3', false],
  ['172.31.255.255', '172.16.0.0/12', true],
  ['172.32.0.0', '172.16.0.0/12', false],
  ['192.0.2.129', '192.0.2.128/25', true],
  ['192.0.2.127', '192.0.2.128/25', false],
  ['203.0.113.9', '0.0.0.0/0', true],
  ['2001:db8::1', '0.0.0.0/0', false],
  ['2001:db8::1', '::/0', true],
  ['10.1.2.3', '::/0', true],
  ['2001:db8:1::1', '2001:db8::/32', true],
  ['2001:db9::1', '2001:db8::/32', false],
  ['::1', '::1/128', true],
  ['::ffff:10.1.2.3', '10.0.0.0/8', true],
  ['10.1.2.3', '::ffff:10.0.0.0/104', true],
  ['fe80::1%eth0', 'fe80::/10', true],
  ['not an address', '::/0', false],
  ['', '::/0', false],
];
for (const [address, network, is] of inside) {
  test(`"${address}" is ${is ? '' : 'not '}in ${network}`, () => {
    const parsed = parseCidr(network);
    assert.ok(parsed);
    assert.equal(isInNetworks(address, [parsed]), is);
  });
}

const refused = [
  '',
  '10.0.0.0/',
  '10.0.0.0/33',
  '10.0.0.0/8/8',
  '10.0.0.0/-1',
  '10.0.0.0/+8',
  '::/129',
  '10.0.0/8',
  'example.com',
  '10.0.0.0 /8',
];
for (const text of refused) test(`"${text}" is no network`, () => assert.equal(parseCidr(text), undefined));

// A leading zero is octal to some and decimal to others: such a text must not pass an address check.
const noAddress = [
  '010.0.0.1',
  '256.0.0.1',
  '1.2.3',
  '1.2.3.4.5',
  '1.2.3.4::',
  '::1.2.3.4:5',
  ':::',
  '1::2::3',
  '12345::',
  ':1:2:3:4:5:6:7',
  '1:2:3:4:5:6:7',
  'g::',
];
for (const text of noAddress) test(`"${text}" is no address`, () => assert.equal(parseIp(text), undefined));

test('what Node calls an address is one, and nothing else is', () => {
  const part = fc.constantFrom('0', '1', '9', '10', '255', '256', '00', '01', 'f', 'ffff', 'fffff', ':', '::', '.', '');
  fc.assert(
    fc.property(
      fc.array(part, { maxLength: 15 }).map((parts) => parts.join('')),
      (text) => (parseIp(text) !== undefined) === isIP(text) > 0,
    ),
    { numRuns: 20_000 },
  );
  fc.assert(fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (text) => (parseIp(text) !== undefined) === isIP(text) > 0));
});
