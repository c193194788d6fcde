import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DeliveryJob } from '../../shared/core/delivery-job.ts';
import {
  concerns,
  fits,
  isOfWholeLane,
  mayConcern,
  openOrderBook,
  orderKinds,
  type Criteria,
  type Order,
} from '../../shared/core/order.ts';

const now = 1_000_000;
const job = (changes: Partial<DeliveryJob> = {}): DeliveryJob => ({
  message: 'a'.repeat(32),
  envelope: { sender: 'Ann@Home.test', recipients: [{ address: 'bob@dest.test' }], smtpUtf8: false, eightBit: false },
  size: 10,
  created: now - 1000,
  queue: 'spring:acme@dest.test!relay.test',
  domain: 'dest.test',
  routingDomain: 'relay.test',
  source: 'one',
  attempts: 0,
  reception: { reception_protocol: 'ESMTP', meta: {} },
  ...changes,
});
const lane = 'one->mx.dest.test;2525+login';

let ids = 0;
const order = (changes: Partial<Order>): Order => ({
  id: String(++ids).padStart(32, '0'),
  kind: 'suspend',
  criteria: { everything: true },
  reason: 'x',
  who: 'test',
  created: now - 500,
  expires: null,
  ...changes,
});

test('criteria fit a job when each of them does', () => {
  const cases: [Criteria, boolean][] = [
    [{ everything: true }, true],
    [{ domain: 'DEST.test' }, true],
    [{ domain: 'other.test' }, false],
    [{ domain: 'st.test' }, false],
    [{ routing_domain: 'relay.test' }, true],
    [{ routing_domain: 'dest.test' }, false],
    [{ tenant: 'Acme' }, true],
    [{ tenant: 'acm' }, false],
    [{ campaign: 'spring' }, true],
    [{ campaign: 'acme' }, false],
    [{ sender: 'ann@home.test' }, true],
    [{ sender: '@home.test' }, true],
    [{ sender: '@test' }, false],
    [{ sender: '' }, false],
    [{ message: 'a'.repeat(32) }, true],
    [{ message: 'b'.repeat(32) }, false],
    [{ source: 'one' }, true],
    [{ source: 'two' }, false],
    [{ lane: 'one->mx.dest.test:2525+login' }, true],
    [{ lane }, true],
    [{ lane: 'two->mx.dest.test:2525' }, false],
    [{ site: 'mx.dest.test:2525' }, true],
    [{ site: 'mx.dest.test:2525+login' }, true],
    [{ site: 'mx.dest.test' }, false],
    [{ tenant: 'acme', domain: 'dest.test', site: 'mx.dest.test:2525' }, true],
    [{ tenant: 'acme', domain: 'other.test' }, false],
    [{ everything: true, tenant: 'other' }, false],
  ];
  for (const [criteria, expected] of cases) {
    assert.equal(fits(criteria, job(), lane), expected, JSON.stringify(criteria));
    assert.equal(openOrderBook([order({ criteria })]).orderFor(job(), lane, now) !== undefined, expected, JSON.stringify(criteria));
  }
  const fromNobody = job({ envelope: { ...job().envelope, sender: '' }, queue: 'dest.test' });
  assert.equal(fits({ sender: '' }, fromNobody, lane), true);
  assert.equal(fits({ sender: '@home.test' }, fromNobody, lane), false);
  assert.equal(fits({ tenant: 'acme' }, fromNobody, lane), false);
  assert.equal(mayConcern({ source: 'two', domain: 'dest.test' }, lane), false);
  assert.equal(mayConcern({ domain: 'any.test' }, lane), true);
});

test('an order concerns what is there in its time', () => {
  const cases: [string, Partial<Order>, Partial<DeliveryJob>, boolean][] = [
    ['a suspension holds until its end', { expires: now + 1 }, {}, true],
    ['and not at it', { expires: now }, {}, false],
    ['a bounce concerns what came before its end, also later', { kind: 'bounce', expires: now - 10 }, {}, true],
    ['and not what came after it', { kind: 'bounce', expires: now - 2000 }, {}, false],
    [
      'a rebind only those that it moves',
      { kind: 'rebind', to: { tenant: 'acme', source: 'one', routing_domain: 'RELAY.test' } },
      {},
      false,
    ],
    ['null takes a name away', { kind: 'rebind', to: { campaign: null } }, {}, true],
    ['which may be gone', { kind: 'rebind', to: { campaign: null } }, { queue: 'acme@dest.test' }, false],
    ['a retry and limits are none for a message that is due', { kind: 'retry' }, {}, false],
  ];
  for (const [words, changes, ofJob, expected] of cases)
    assert.equal(openOrderBook([order(changes)]).orderFor(job(ofJob), lane, now) !== undefined, expected, words);
  const moves = order({ kind: 'rebind', to: { source: 'two' } });
  assert.equal(openOrderBook([moves]).orderFor(job({ rebound: [moves.id] }), lane, now), undefined, 'each message once');
});

test('of several orders the end of a message goes first, then another queue, then being held, then the longest suspension', () => {
  const given = [
    order({ kind: 'suspend', expires: now + 10 }),
    order({ kind: 'suspend', expires: now + 20 }),
    order({ kind: 'suspend', expires: null }),
    order({ kind: 'hold', expires: now + 10 }),
    order({ kind: 'rebind', to: { source: 'two' } }),
    order({ kind: 'drop', created: now - 100 }),
    order({ kind: 'bounce', created: now - 200 }),
  ];
  for (let n = given.length; n > 0; n--) {
    for (const some of [given.slice(0, n), given.slice(0, n).toReversed()])
      assert.equal(openOrderBook(some).orderFor(job(), lane, now)?.id, given[n - 1]?.id, `of ${n}`);
  }
});

test('a suspension of nothing but a lane, a site, a source or everything is one of whole lanes', () => {
  const cases: [Criteria, boolean][] = [
    [{ lane }, true],
    [{ site: 'x', source: 'y' }, true],
    [{ everything: true }, true],
    [{ lane, tenant: 'acme' }, false],
    [{ domain: 'dest.test' }, false],
  ];
  for (const [criteria, expected] of cases) {
    assert.equal(isOfWholeLane(order({ criteria })), expected);
    assert.equal(isOfWholeLane(order({ kind: 'hold', criteria })), false, 'what is held has its time kept for each message');
  }
  const book = openOrderBook([
    order({ criteria: { site: 'MX.dest.test:2525' } }),
    order({ criteria: { site: 'x' } }),
    order({ criteria: { tenant: 'acme' } }),
  ]);
  assert.deepEqual(book.suspensionOf(lane, now)?.criteria, { site: 'MX.dest.test:2525' });
  assert.equal(book.suspensionOf('one->mx.other.test', now), undefined);
});

test('limits of a lane go before those of its site, and late ones before early ones', () => {
  const limits = { connections: 1 };
  const given = [
    order({ kind: 'limits', criteria: { lane }, limits, created: now - 300 }),
    order({ kind: 'limits', criteria: { site: 'mx.dest.test:2525' }, limits, created: now - 100 }),
    order({ kind: 'limits', criteria: { site: 'mx.dest.test:2525' }, limits, created: now - 200 }),
    order({ kind: 'limits', criteria: { site: 'mx.dest.test:2525' }, limits, expires: now }),
    order({ kind: 'limits', criteria: { lane: 'one->other' }, limits }),
  ];
  const expected = given.slice(0, 3).map(({ id }) => id);
  assert.deepEqual(
    openOrderBook(given)
      .limitsOf(lane, now)
      .map(({ id }) => id),
    expected,
  );
});

test('looking an order up says what asking each of them says', () => {
  // A small generator of our own, so that a failure can be had again: its seed is in the message.
  for (let seed = 1; seed <= 300; seed++) {
    let state = seed * 2654435761;
    const random = (n: number): number => {
      state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9;
      return (state >>> 8) % n;
    };
    const one = (...of: string[]): string => of[random(of.length)] ?? '';
    const maybe = <T>(value: T): T | undefined => (random(3) === 0 ? value : undefined);
    const criteriaOf = (): Criteria => ({
      lane: maybe(one('one->a', 'two->b+tls', 'ONE->a')),
      site: maybe(one('a', 'b', 'b+tls')),
      source: maybe(one('one', 'two')),
      domain: maybe(one('a.test', 'B.test')),
      routing_domain: maybe(one('r.test', '')),
      tenant: maybe(one('t', 'u')),
      campaign: maybe(one('c', 'd')),
      sender: maybe(one('', 'x@s.test', '@s.test', '@')),
      message: maybe(one('1', '2').repeat(32)),
      everything: maybe(true),
    });
    const orders = Array.from({ length: random(12) }, () =>
      order({
        kind: orderKinds[random(orderKinds.length)] ?? 'hold',
        criteria: criteriaOf(),
        created: now - random(100),
        expires: random(2) === 0 ? null : now + random(200) - 100,
        to: { source: one('one', 'two'), tenant: one('t', '') || null },
      }),
    );
    const where = one('one->a', 'two->b+tls', 'two->c');
    const what = job({
      message: one('1', '2').repeat(32),
      created: now - random(100),
      queue: `${one('', 'c:t@', 't@', 'd:@')}a.test`,
      domain: one('a.test', 'b.test'),
      source: one('one', 'two'),
      envelope: { ...job().envelope, sender: one('', 'x@s.test', 'X@S.test', 'y@z', 'nobody') },
    });
    const ofJobs = orders.filter((each) => !['limits', 'retry'].includes(each.kind) && concerns(each, what, where, now));
    const found = openOrderBook(orders).orderFor(what, where, now);
    assert.equal(found !== undefined, ofJobs.length > 0, `seed ${seed}`);
    const ranks = ['bounce drop', 'rebind', 'hold', 'suspend'];
    const rank = ({ kind }: Order): number => ranks.findIndex((kinds) => kinds.includes(kind));
    const limiting = orders.filter(({ kind, criteria, expires }) => {
      const isNow = expires === null || now < expires;
      return kind === 'limits' && isNow && mayConcern(criteria, where);
    });
    assert.deepEqual(new Set(openOrderBook(orders).limitsOf(where, now)), new Set(limiting), `seed ${seed}`);
    if (found) assert.ok(ofJobs.includes(found) && rank(found) === Math.min(...ofJobs.map(rank)), `seed ${seed}`);
  }
});

test('limits of other places cost nothing when a lane is asked for', () => {
  const elsewhere = ['lane', 'site', 'source'].map((name, n) => {
    const other = order({ kind: 'limits', criteria: { [name]: `elsewhere${n}` }, limits: { connections: 1 } });
    return Object.defineProperty(other, 'expires', { get: () => assert.fail('it is looked at') });
  });
  const here = order({ kind: 'limits', criteria: { site: 'mx.dest.test:2525' }, limits: { connections: 1 } });
  assert.deepEqual(openOrderBook([...elsewhere, here]).limitsOf(lane, now), [here]);
});
