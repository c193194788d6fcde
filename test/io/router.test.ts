import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { configSchema, type ConfigInput } from '../../shared/core/config.ts';
import { replyOnOneLine } from '../../shared/core/reply.ts';
import { openRouter } from '../../shared/io/dns-router.ts';
import type { Route, RouteHost, Router } from '../../shared/io/router.ts';
import { startFakeDns, type FakeDns } from '../../shared/io/fake-dns.ts';

let dns: FakeDns;
let clock = 0;
before(async () => {
  dns = await startFakeDns();
  dns.set('two.test', {
    mx: [
      [20, 'MX2.two.test.'],
      [10, 'mx1.two.test'],
    ],
  });
  dns.set('other.test', {
    mx: [
      [5, 'mx1.two.test'],
      [7, 'mx2.two.test'],
    ],
  });
  dns.set('equal.test', {
    mx: [
      [10, 'b.equal.test'],
      [10, 'a.equal.test'],
      [20, 'c.equal.test'],
    ],
  });
  dns.set('null.test', { mx: [[0, '.']] });
  dns.set('bare.test', { a: ['203.0.113.1'] });
  dns.set('empty.test', {});
  dns.set('broken.test', 'SERVFAIL');
  dns.set('silent.test', 'silence');
  dns.set('loop.test', {
    mx: [
      [10, 'relay.test'],
      [20, 'mx1.two.test'],
    ],
  });
  dns.set('behind.test', {
    mx: [
      [5, 'mx1.two.test'],
      [10, 'Relay.test'],
      [20, 'mx2.two.test'],
    ],
  });
  dns.set('literal.test', { mx: [[10, '203.0.113.9']] });
  dns.set('xn--bcher-kva.test', { mx: [[10, 'mx1.two.test']] });
  dns.set('mx1.two.test', { a: ['203.0.113.1', '203.0.113.2'], aaaa: ['2001:4860::1'], ttl: 60 });
  dns.set('mx2.two.test', { a: ['203.0.113.3'] });
  dns.set('private.test', { a: ['10.0.0.1', '127.0.0.1'], aaaa: ['::1', 'fd00::1'] });
  dns.set('mixed.test', { a: ['10.0.0.1', '203.0.113.4'] });
});
after(() => dns[Symbol.asyncDispose]());

function router(outbound: ConfigInput['outbound'] = {}, random: () => number = () => 0): Router {
  const config = configSchema.parse({ hostname: 'relay.test', outbound: { dnsServers: [dns.server], dnsTimeout: 3000, ...outbound } });
  return openRouter(config, { random, now: () => clock });
}

/** `site: host host`, or the reply. */
function show(route: Route): string {
  if (route.kind === 'failed') return `${route.permanent ? 'permanent' : 'temporary'} ${replyOnOneLine(route.reply).slice(0, 10).trim()}`;
  return `${route.site}: ${route.hosts.map((h) => `${h.name}:${h.port}`).join(' ')}`;
}

describe('route', { concurrency: true }, () => {
  const cases: [name: string, domain: string, want: string][] = [
    ['MX hosts by preference', 'two.test', '(mx1|mx2).two.test: mx1.two.test:25 mx2.two.test:25'],
    ['a domain in capitals and with a dot', 'TWO.test.', '(mx1|mx2).two.test: mx1.two.test:25 mx2.two.test:25'],
    ['another domain with the same hosts has the same site', 'other.test', '(mx1|mx2).two.test: mx1.two.test:25 mx2.two.test:25'],
    ['null MX (rule 16)', 'null.test', 'permanent 556 5.1.10'],
    ['no MX but an address: the domain itself', 'bare.test', 'bare.test: bare.test:25'],
    ['neither MX nor address', 'empty.test', 'permanent 550 5.1.2'],
    ['a domain that does not exist (rule 115)', 'nowhere.test', 'permanent 550 5.1.2'],
    ['a server that fails', 'broken.test', 'temporary 451 4.4.3'],
    ['a server that does not answer (rule 115)', 'silent.test', 'temporary 451 4.4.3'],
    ['we are the best MX (rule 115)', 'loop.test', 'permanent 554 5.4.6'],
    ['we are one of the MX: only those before us', 'behind.test', 'mx1.two.test: mx1.two.test:25'],
    ['an MX that is an address', 'literal.test', 'temporary 451 4.4.4'],
    ['an IDN in U-labels (rule 110)', 'Bücher.test', 'mx1.two.test: mx1.two.test:25'],
    ['an IDN in A-labels (rule 110)', 'XN--bcher-kva.test', 'mx1.two.test: mx1.two.test:25'],
    ['an IPv4 literal', '[203.0.113.5]', '[203.0.113.5]: 203.0.113.5:25'],
    ['an IPv6 literal', '[IPv6:2001:4860::5]', '[ipv6:2001:4860::5]: 2001:4860::5:25'],
    ['a private literal (rule 115)', '[127.0.0.1]', 'permanent 550 5.4.4'],
    ['a private literal in another spelling', '[IPv6:::ffff:10.1.1.1]', 'permanent 550 5.4.4'],
    ['a broken literal', '[203.0.113.5', 'permanent 550 5.1.2'],
    ['a literal of the wrong family', '[2001:4860::5]', 'permanent 550 5.1.2'],
    ['an address without brackets', '203.0.113.5', 'permanent 550 5.1.2'],
    ['an address in disguise', '0x7f.1', 'permanent 550 5.1.2'],
    ['an address in full-width digits', '１２７.０.０.１', 'permanent 550 5.1.2'],
    ['no domain', '', 'permanent 550 5.1.2'],
    ['a domain with a line break', 'two.test\r\nx', 'permanent 550 5.1.2'],
    ['a domain of 300 characters', `${'a.'.repeat(150)}test`, 'permanent 550 5.1.2'],
    ['an empty label', 'two..test', 'permanent 550 5.1.2'],
  ];
  for (const [name, domain, want] of cases) test(name, async () => assert.equal(show(await router().route(domain)), want));

  test('equal preferences come in random order, and have one site', async () => {
    const orders = new Set<string>();
    for (const lots of [
      [0.1, 0.9, 0.5],
      [0.9, 0.1, 0.5],
    ])
      orders.add(show(await router({}, () => lots.shift() ?? 0).route('equal.test')));
    assert.deepEqual([...orders].toSorted(), [
      '(a|b|c).equal.test: a.equal.test:25 b.equal.test:25 c.equal.test:25',
      '(a|b|c).equal.test: b.equal.test:25 a.equal.test:25 c.equal.test:25',
    ]);
  });

  test('port and TLS of mail exchangers are those of the configuration', async () => {
    const route = await router({ port: 2526, tls: 'required' }).route('bare.test');
    assert.deepEqual(route, {
      kind: 'hosts',
      site: 'bare.test',
      hosts: [{ name: 'bare.test', port: 2526, protocol: 'smtp', tls: 'required' }],
    });
  });
});

describe('static routes', { concurrency: true }, () => {
  const routes = {
    'two.test': 'mx.inside.test:2526',
    'six.test': '[::1]:2527',
    'bare6.test': '[::1]',
    'host.test': 'mx.inside.test',
    'bücher.test': 'books.test',
    '[192.0.2.1]': '127.0.0.1:25',
    'lmtp.test': { host: 'mail.inside.test', port: 24, protocol: 'lmtp', tls: 'disabled' },
    'login.test': { host: '::1', port: 465, tls: 'implicit', user: 'me', password: 'secret' },
  } as const;
  const cases: [domain: string, want: string][] = [
    ['two.test', 'mx.inside.test:2526: mx.inside.test:2526'],
    ['TWO.test', 'mx.inside.test:2526: mx.inside.test:2526'],
    ['six.test', '[::1]:2527: ::1:2527'],
    ['bare6.test', '[::1]:25: ::1:25'],
    ['host.test', 'mx.inside.test:25: mx.inside.test:25'],
    ['xn--bcher-kva.test', 'books.test:25: books.test:25'],
    ['[192.0.2.1]', '127.0.0.1:25: 127.0.0.1:25'],
    ['lmtp.test', 'mail.inside.test:24+lmtp+tls-disabled: mail.inside.test:24'],
    ['login.test', '[::1]:465+tls-implicit+login-682e2aa7: ::1:465'],
    ['bare.test', 'bare.test: bare.test:25'],
  ];
  for (const [domain, want] of cases)
    test(`${domain} goes to ${want}`, async () => assert.equal(show(await router({ routes }).route(domain)), want));

  test('"*" is for all domains without a route of their own, and asks no DNS', async () => {
    const smartHost = router({ routes: { '*': 'smart.test:587', 'two.test': 'own.test' } });
    const shown = await Promise.all(
      ['null.test', 'nowhere.test', '[127.0.0.1]', 'two.test'].map(async (domain) => show(await smartHost.route(domain))),
    );
    assert.deepEqual(shown, [
      'smart.test:587: smart.test:587',
      'smart.test:587: smart.test:587',
      'smart.test:587: smart.test:587',
      'own.test:25: own.test:25',
    ]);
  });

  test('protocol, TLS and login are handed on', async () => {
    const route = await router({ routes }).route('login.test');
    assert.deepEqual(route.kind === 'hosts' && route.hosts, [
      { name: '::1', port: 465, protocol: 'smtp', tls: 'implicit', login: { user: 'me', password: 'secret' }, isConfigured: true },
    ]);
  });

  for (const bad of ['', 'two words', 'host:0', 'host:99999', '[::1', 'a:b:c', 'host:25:25']) {
    test(`"${bad}" is no host`, () => assert.throws(() => router({ routes: { 'x.test': bad } }), /outbound\.routes: "x\.test" leads to/));
  }
});

describe('targets', { concurrency: true }, () => {
  const host = (name: string, more: Partial<RouteHost> = {}): RouteHost => ({
    name,
    port: 25,
    protocol: 'smtp',
    tls: 'opportunistic',
    ...more,
  });
  const showTargets = async (from: Router, of: RouteHost): Promise<string> => {
    const targets = await from.targets(of);
    return Array.isArray(targets) ? targets.map((t) => t.address).join(' ') : replyOnOneLine(targets.failed).slice(0, 9);
  };
  const cases: [name: string, outbound: ConfigInput['outbound'], of: RouteHost, want: string][] = [
    ['both families, IPv4 first', {}, host('mx1.two.test'), '203.0.113.1 203.0.113.2 2001:4860::1'],
    ['IPv4 only', { family: 'ipv4' }, host('mx1.two.test'), '203.0.113.1 203.0.113.2'],
    ['IPv6 only', { family: 'ipv6' }, host('mx1.two.test'), '2001:4860::1'],
    ['IPv6 only and none there', { family: 'ipv6' }, host('mx2.two.test'), '451 4.4.4'],
    ['a host that does not exist', {}, host('gone.two.test'), '451 4.4.4'],
    ['a host without addresses', {}, host('empty.test'), '451 4.4.4'],
    ['a host of which DNS says nothing', {}, host('silent.test'), '451 4.4.3'],
    ['a host where DNS fails', {}, host('broken.test'), '451 4.4.3'],
    ['private addresses', {}, host('private.test'), '550 5.4.4'],
    ['private addresses among others', {}, host('mixed.test'), '203.0.113.4'],
    ['private addresses that are allowed', { allowPrivate: true }, host('private.test'), '10.0.0.1 127.0.0.1 ::1 fd00::1'],
    ['private addresses of a configured host', {}, host('private.test', { isConfigured: true }), '10.0.0.1 127.0.0.1 ::1 fd00::1'],
    ['localhost by DNS', {}, host('localhost'), '451 4.4.4'],
    ['localhost of a static route', {}, host('localhost', { isConfigured: true }), '127.0.0.1 ::1'],
    ['localhost of a static route, IPv4 only', { family: 'ipv4' }, host('localhost', { isConfigured: true }), '127.0.0.1'],
    ['a public address', {}, host('203.0.113.1'), '203.0.113.1'],
    ['a private address', {}, host('169.254.169.254'), '550 5.4.4'],
    ['a private address of a static route', {}, host('127.0.0.1', { isConfigured: true }), '127.0.0.1'],
  ];
  for (const [name, outbound, of, want] of cases) test(name, async () => assert.equal(await showTargets(router(outbound), of), want));

  test('a target says all there is to connecting', async () => {
    const more = { port: 587, tls: 'required', login: { user: 'me', password: 'secret' }, isConfigured: true } as const;
    assert.deepEqual(await router().targets(host('mx2.two.test', more)), [
      {
        name: 'mx2.two.test',
        address: '203.0.113.3',
        port: 587,
        protocol: 'smtp',
        tls: 'required',
        login: { user: 'me', password: 'secret' },
      },
    ]);
  });
});

describe('memory', () => {
  const asked = (question: string) => dns.questions.filter((q) => q === question).length;

  test('an MX answer is kept for five minutes', async () => {
    const from = router();
    dns.set('kept.test', { mx: [[10, 'mx1.two.test']] });
    for (const [at, want] of [
      [0, 1],
      [299_000, 1],
      [301_000, 2],
    ] as const) {
      clock = at;
      await from.route('kept.test');
      assert.equal(asked('MX kept.test'), want);
    }
    clock = 0;
  });

  test('an address is kept for its TTL', async () => {
    const from = router({ family: 'ipv4' });
    dns.set('ttl.test', { a: ['203.0.113.1'], ttl: 60 });
    for (const [at, want] of [
      [0, 1],
      [59_000, 1],
      [61_000, 2],
    ] as const) {
      clock = at;
      await from.targets({ name: 'ttl.test', port: 25, protocol: 'smtp', tls: 'disabled' });
      assert.equal(asked('A ttl.test'), want);
    }
    clock = 0;
  });

  test('a failure is kept for half a minute only', async () => {
    const from = router();
    dns.set('later.test', 'NXDOMAIN');
    assert.equal(show(await from.route('later.test')), 'permanent 550 5.1.2');
    dns.set('later.test', { mx: [[10, 'mx1.two.test']] });
    clock = 29_000;
    assert.equal(show(await from.route('later.test')), 'permanent 550 5.1.2');
    clock = 31_000;
    assert.equal(show(await from.route('later.test')), 'mx1.two.test: mx1.two.test:25');
    clock = 0;
  });

  test('a question asked a hundred times at once is asked once', async () => {
    const from = router();
    dns.set('busy.test', { mx: [[10, 'mx1.two.test']] });
    await Promise.all(Array.from({ length: 100 }, () => from.route('busy.test')));
    assert.equal(asked('MX busy.test'), 1);
  });

  test('silence takes no longer than it may', async () => {
    dns.set('slow.test', 'silence');
    const started = performance.now();
    await router({ dnsTimeout: 300 }).route('slow.test');
    const ms = performance.now() - started;
    assert.ok(ms > 200 && ms < 3000, `${ms} ms`);
  });
});
