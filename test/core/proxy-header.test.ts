import assert from 'node:assert/strict';
import test from 'node:test';
import { parseProxyHeader, type ProxyHeader } from '../../shared/core/proxy-header.ts';

const cases: [line: string, header: ProxyHeader | undefined][] = [
  ['PROXY TCP4 192.0.2.7 198.51.100.1 40000 25', { kind: 'client', address: '192.0.2.7', port: 40000 }],
  ['PROXY TCP6 2001:db8::7 2001:db8::1 40000 25', { kind: 'client', address: '2001:db8::7', port: 40000 }],
  ['PROXY UNKNOWN', { kind: 'unknown' }],
  ['PROXY UNKNOWN 127.0.0.1 127.0.0.1 1 2', { kind: 'unknown' }],
  ['proxy TCP4 192.0.2.7 198.51.100.1 40000 25', undefined],
  ['PROXY TCP4 2001:db8::7 2001:db8::1 40000 25', undefined],
  ['PROXY TCP6 192.0.2.7 198.51.100.1 40000 25', undefined],
  ['PROXY TCP4 192.0.2.777 198.51.100.1 40000 25', undefined],
  ['PROXY TCP4 192.0.2.7 198.51.100.1 40000', undefined],
  ['PROXY TCP4 192.0.2.7 198.51.100.1 70000 25', undefined],
  ['PROXY TCP4 192.0.2.7 198.51.100.1 40000 25 more', undefined],
  ['EHLO client.test', undefined],
];
for (const [line, header] of cases) {
  test(`${line} is ${header ? header.kind : 'no header'}`, () => assert.deepEqual(parseProxyHeader(line), header));
}
