import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { filterFields } from '../../shared/core/log-filter.ts';
import type { DispositionRecord } from '../../shared/core/disposition.ts';
import { archivePosition } from '../../shared/io/archive-position.ts';
import { openArchiveStore } from '../../shared/io/archive.ts';
import { createReplay, readReplay } from '../../shared/io/replay-state.ts';
import { formatReportMark, reportMarkKey } from '../../shared/io/report-marks.ts';
import { startArchiver } from '../../workers/admin/archiver.ts';
import { bounceRecord, startTestAdmin, type Answer, type TestAdmin } from '../support/admin.ts';
import { quick, until } from '../support/archive.ts';
import { cleanUp } from '../support/cleanup.ts';

const recordsOf = ({ json }: Answer): DispositionRecord[] => json['records'] as DispositionRecord[];
const idsOf = (answer: Answer): string[] => recordsOf(answer).map(({ event_id }) => event_id);

/** Records of which the older half is in the archive alone. */
async function started(t: TestContext): Promise<{ admin: TestAdmin; ids: string[] }> {
  const admin = await startTestAdmin(t, { archive: { enabled: false } });
  const { context } = admin;
  const { redis } = context;
  const some = (from: number): DispositionRecord[] =>
    Array.from({ length: 20 }, (_, i) => {
      const n = from + i;
      const type = n % 2 === 0 ? ('Bounce' as const) : ('Delivery' as const);
      return bounceRecord({
        event_id: `e${n}`,
        type,
        recipient: `R${n}@d${n % 3}.test`,
        queue: `camp:acme@d${n % 3}.test`,
        sender: n % 5 ? 'a@b.test' : '',
      });
    });
  await admin.publish(...some(0));
  const archiver = startArchiver(context, openArchiveStore(context.config), quick);
  cleanUp(t, () => archiver.close());
  const [newest] = await redis.client.xrevrange(redis.key('log'), '+', '-', 'COUNT', 1);
  await until(async () => (await archivePosition(redis)) === newest?.[0], 'the first half to be archived');
  await archiver.close();
  await redis.client.xtrim(redis.key('log'), 'MAXLEN', 0);
  await admin.publish(...some(20));
  return { admin, ids: Array.from({ length: 40 }, (_, n) => `e${n}`) };
}

test('stream and archive are searched as one by every field, in either order and in pages', async (t) => {
  const { admin, ids } = await started(t);
  const search = (query: string): Promise<Answer> => admin.ask(`/api/dispositions?${query}`);
  assert.deepEqual(idsOf(await search('order=oldest')), ids);
  assert.deepEqual(idsOf(await search('')), ids.toReversed());
  for (const order of ['oldest', 'newest']) {
    const seen: string[] = [];
    for (let cursor = ''; ;) {
      const page = await search(`order=${order}&limit=7&since=1h${cursor}`);
      seen.push(...idsOf(page));
      assert.equal(page.json['searched_to'] === null, page.json['next'] === null);
      if (page.json['next'] === null) break;
      cursor = `&cursor=${page.json['next'] as string}`;
    }
    assert.deepEqual(seen, order === 'oldest' ? ids : ids.toReversed(), `${order}: pages neither repeat nor skip`);
  }
  const message = recordsOf(await search('text=E7')).find(({ event_id }) => event_id === 'e7')?.id ?? '';
  const cases: [query: string, wanted: string[]][] = [
    ['recipient=r7@D1.test', ['e7']],
    ['recipient=r33@d0.test', ['e33']],
    ['type=bounce&domain=d0.test', ids.filter((_, n) => n % 6 === 0)],
    ['sender=%3C%3E', ids.filter((_, n) => n % 5 === 0)],
    ['site=dest.test&tenant=acme&campaign=camp&code=5.1.1,4xx&class=uncategorized', ids],
    ['tenant=other', []],
    [`message=${message}`, ['e7']],
    ['text=NO+SUCH', ids],
    ['until=1h', []],
  ];
  for (const [query, wanted] of cases) assert.deepEqual(idsOf(await search(`${query}&order=oldest`)), wanted, query);
});

test('hostile strings in any field of a search come back harmless, and what cannot be is told by its field', async (t) => {
  const admin = await startTestAdmin(t);
  await admin.publish(bounceRecord({ sender: '\u202eevil\u0000\u001b[2J@x.test', recipient: `${'x'.repeat(65_536)}@dest.test` }));
  const hostile = [
    '\u0000\u001b[2J',
    '\u202e\u2066',
    'x'.repeat(20_000),
    "'; FLUSHALL --",
    '{"$gt":""}',
    '\ud800',
    '../../etc/passwd',
    '((((((((a+)+)+)+)+',
  ];
  for (const field of filterFields) {
    for (const value of hostile) {
      for (const path of ['/api/dispositions', ...(field === 'until' ? [] : ['/api/events'])]) {
        if (path === '/api/events' && !['type', 'since', 'code', 'message'].includes(field)) continue; // a stream would have no end
        const answer = await admin.ask(`${path}?${field}=${encodeURIComponent(value.toWellFormed())}`);
        const name = `${path} ${field}=${JSON.stringify(value).slice(0, 40)}: ${answer.text.slice(0, 200)}`;
        assert.ok(answer.status === 200 || answer.status === 400, name);
        if (answer.status === 400) assert.equal((answer.json['errors'] as { field: string }[])[0]?.field, field, name);
        assert.ok(!/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/.test(answer.text), name);
      }
    }
  }
  const cases: [query: string, field: string][] = [
    ['since=2999-01-01', 'since'],
    ['since=yesterday', 'since'],
    ['since=1h&until=2h', 'until'],
    ['until=2026-02-30T00:00:00Z', 'until'],
    ['order=upwards', 'order'],
    ['limit=1001', 'limit'],
    ['cursor=AAAA', 'cursor'],
    [`cursor=${Buffer.from('["o","1-0",null,null]').toString('base64url')}`, 'cursor'],
    [`cursor=${Buffer.from('["n","1-0",-1,"x"]').toString('base64url')}`, 'cursor'],
    [`cursor=${Buffer.from('["n","0-0",null,null]').toString('base64url')}`, 'cursor'],
    [`order=oldest&cursor=${Buffer.from('["o","1-18446744073709551616",null,null]').toString('base64url')}`, 'cursor'],
  ];
  for (const [query, field] of cases) {
    const answer = await admin.ask(`/api/dispositions?${query}`);
    assert.deepEqual([answer.status, (answer.json['errors'] as { field: string }[])[0]?.field], [400, field], query);
  }
  for (const order of ['newest', 'oldest']) {
    const none = await admin.ask(`/api/dispositions?until=1970-01-01&order=${order}`);
    assert.deepEqual([none.status, none.json['records'], none.json['next']], [200, [], null], 'before all time there is nothing');
  }
  const [record] = recordsOf(await admin.ask('/api/dispositions'));
  assert.equal(record?.sender, '\u202eevil\u0000\u001b[2J@x.test', 'what it was is told all the same');
});

test('a Redis that is full is searched all the same', async (t) => {
  const admin = await startTestAdmin(t);
  const kept = bounceRecord();
  await admin.publish(kept);
  await admin.context.redis.client.config('SET', 'maxmemory', '1');
  assert.equal((await admin.post('/api/messages', { from: 'a@b.test', to: ['b@c.test'], text: 'x' })).status, 503, 'it is full');
  for (const order of ['newest', 'oldest']) {
    const found = await admin.ask(`/api/dispositions?order=${order}&type=Bounce`);
    assert.deepEqual([found.status, recordsOf(found).map(({ event_id }) => event_id)], [200, [kept.event_id]], found.text);
  }
  assert.equal((await admin.ask(`/api/dispositions/${kept.event_id}`)).status, 200);
});

test('of one record it is told what became of its report, its replays and its original', async (t) => {
  const admin = await startTestAdmin(t);
  const { redis } = admin.context;
  const [kept = ''] = await admin.queue('kept@dest.test');
  const [sent, suppressed, unheard, rejected] = [
    bounceRecord({ id: kept }),
    bounceRecord(),
    bounceRecord({ type: 'Feedback' }),
    bounceRecord({ type: 'Rejection', id: '' }),
  ];
  rejected.event_id = suppressed.event_id.replace(/\..*/, '.j');
  await admin.publish(sent, suppressed, unheard, rejected);
  const fate = async ({ event_id }: DispositionRecord): Promise<Record<string, unknown>> => {
    const answer = await admin.ask(`/api/dispositions/${event_id}`);
    assert.equal(answer.status, 200, answer.text);
    return answer.json;
  };
  assert.partialDeepStrictEqual(await fate(sent), {
    record: { event_id: sent.event_id },
    report: { outcome: 'waiting' },
    replays: [],
    original: 'kept',
    redelivered_as: null,
  });
  await redis.client.set(reportMarkKey(redis, sent.event_id), formatReportMark({ kind: 'sent', message: 'a'.repeat(32) }));
  await redis.client.set(reportMarkKey(redis, suppressed.event_id), formatReportMark({ kind: 'suppressed', reason: 'untrusted' }));
  assert.partialDeepStrictEqual(await fate(sent), { report: { outcome: 'sent', message: 'a'.repeat(32) } });
  assert.partialDeepStrictEqual(await fate(suppressed), {
    report: { outcome: 'suppressed', reason: 'untrusted', words: 'it came from a stranger, whose sender address may be forged' },
    original: 'gone',
  });
  assert.partialDeepStrictEqual(await fate(unheard), { report: { outcome: 'none' } });
  assert.partialDeepStrictEqual(await fate(rejected), { record: { event_id: rejected.event_id }, original: 'none' });
  const plan = {
    filter: { until: Date.now() + 60_000, types: ['Bounce' as const] },
    target: { kind: 'redeliver' as const },
    rate: 1000,
    force: false,
  };
  const id = await createReplay(redis, plan, { who: 'tester', why: '' }, { isRun: true });
  await until(async () => (await readReplay(redis, id))?.status === 'queued', 'the replay to be queued');
  assert.partialDeepStrictEqual(await fate(sent), { replays: [{ id, to: 'redeliver', outcome: null }] });
  for (const unknown of ['x', `${'0'.repeat(32)}.0.1.b`, '%00', '\u202e'.repeat(50), 'x'.repeat(301)])
    assert.equal((await admin.ask(`/api/dispositions/${encodeURIComponent(unknown)}`)).status, 404, unknown);
});

test('counts of the day are read back from stream and archive, go on with what comes, and name a bounded number of sites', async (t) => {
  const { admin } = await started(t);
  const counts = async (query = ''): Promise<Record<string, unknown>> => {
    const answer = await admin.ask(`/api/dispositions/counts?${query}`);
    assert.equal(answer.status, 200, answer.text);
    return answer.json;
  };
  await until(async () => (await counts())['is_complete'] === true, 'all to be counted');
  const sumOf = ({ types }: Record<string, unknown>, type: string): number =>
    (types as Record<string, number[]>)[type]?.reduce((sum, n) => sum + n, 0) ?? 0;
  const told = await counts('step=1h');
  assert.deepEqual([sumOf(told, 'Bounce'), sumOf(told, 'Delivery')], [20, 20]);
  assert.partialDeepStrictEqual(told, {
    step_seconds: 3600,
    failures: [{ class: 'Uncategorized', total: 20 }],
    sites: [
      { site: 'dest.test', delivered: 20, deferred: 0, failed: 20, last_reply: { code: 550, enhanced: '5.1.1', content: 'no such user' } },
    ],
  });
  await admin.publish(
    ...Array.from({ length: 300 }, (_, n) =>
      bounceRecord({ type: 'TransientFailure', site: `default->s${n}.test`, recipient: ['a@x.test', 'b@x.test'] }),
    ),
  );
  await until(async () => sumOf(await counts(), 'TransientFailure') === 600, 'recipients of new records to be counted');
  const sites = (await counts('top=5&since=30m'))['sites'] as { site: string; deferred: number }[];
  assert.equal(sites.length, 6);
  assert.equal(sites.at(-1)?.site, '(others)');
  assert.equal(
    sites.reduce((sum, { deferred }) => sum + deferred, 0),
    600,
    'none is left out',
  );
  for (const [query, field] of [
    ['since=2d', 'since'],
    ['since=x', 'since'],
    ['step=7m', 'step'],
    ['top=0', 'top'],
    ['top=101', 'top'],
  ]) {
    const answer = await admin.ask(`/api/dispositions/counts?${query}`);
    assert.deepEqual([answer.status, (answer.json['errors'] as { field: string }[])[0]?.field], [400, field], query);
  }
});
