import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { siteName } from '../../shared/core/site.ts';
import { parseHostPort, staticSite } from '../../shared/core/static-route.ts';

const digest = (text: string) => `${text.length}`.padStart(20, '0');
const site = (...names: string[]) =>
  siteName(
    names.map((exchange, preference) => ({ exchange, preference })),
    digest,
  );

describe('siteName', () => {
  const cases: [names: string[], want: string][] = [
    [['mx.example.com'], 'mx.example.com'],
    [['mx.example.com', 'mx.example.com'], 'mx.example.com'],
    [['mx1.example.com', 'mx2.example.com'], '(mx1|mx2).example.com'],
    [['in.google.com', 'alt1.in.google.com', 'alt2.in.google.com'], '(alt1|alt2)?.in.google.com'],
    [['a.b.example.com', 'c.example.com'], '(a.b|c).example.com'],
    [['mx.example.com', 'mx.example.net'], '(mx.example.com|mx.example.net)'],
    [['amx.test', 'bmx.test'], '(amx|bmx).test'],
  ];
  for (const [names, want] of cases) test(`${names.join(' ')} is ${want}`, () => assert.equal(site(...names), want));

  test('a long name is cut and marked with a digest of the whole', () => {
    const many = (last: string) => site(...Array.from({ length: 15 }, (_, i) => `mx${i}-with-a-long-name.example.com`), last);
    assert.equal(many('z.example.com').length, 120);
    assert.match(many('z.example.com'), /^\(mx0-with-a-long-name\|mx1-.*~\d{20}$/);
    assert.notEqual(many('z.example.com'), many('zz.example.com'));
  });
});

describe('staticSite', () => {
  const plain = { name: 'mx.test', port: 2526, protocol: 'smtp', tls: 'opportunistic' } as const;
  const login = { user: 'ann', password: 'one' };
  test('host and port', () => assert.equal(staticSite(plain), 'mx.test:2526'));
  test('an IPv6 address in brackets', () => assert.equal(staticSite({ ...plain, name: '::1' }), '[::1]:2526'));
  test('another protocol is another site', () => assert.equal(staticSite({ ...plain, protocol: 'lmtp' }), 'mx.test:2526+lmtp'));
  test('another demand on TLS is another site', () => assert.equal(staticSite({ ...plain, tls: 'implicit' }), 'mx.test:2526+tls-implicit'));
  test('another login is another site, without naming it', () => {
    const ann = staticSite({ ...plain, login });
    assert.match(ann, /^mx\.test:2526\+login-[0-9a-f]{8}$/);
    assert.notEqual(ann, staticSite({ ...plain, login: { ...login, user: 'bob' } }));
    assert.equal(ann, staticSite({ ...plain, login: { ...login, password: 'two' } }));
  });
});

describe('parseHostPort', () => {
  const cases: [text: string, want: { name: string; port: number } | undefined][] = [
    ['mx.test', { name: 'mx.test', port: 25 }],
    ['MX.test:2526', { name: 'mx.test', port: 2526 }],
    [' 192.0.2.1:26 ', { name: '192.0.2.1', port: 26 }],
    ['[::1]:26', { name: '::1', port: 26 }],
    ['[2001:db8::1]', { name: '2001:db8::1', port: 25 }],
    ['localhost:65535', { name: 'localhost', port: 65_535 }],
    ['localhost:65536', undefined],
    ['localhost:0', undefined],
    ['::1', undefined],
    ['[mx.test]:25', undefined],
    ['a b:25', undefined],
    ['mx.test:', undefined],
    [':25', undefined],
    ['', undefined],
    ['999.1.1.1', undefined],
    ['mx.test:25\r\nx', undefined],
  ];
  for (const [text, want] of cases) test(JSON.stringify(text), () => assert.deepEqual(parseHostPort(text), want));
});
