import assert from 'node:assert/strict';
import { mkdir, open, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { recordMatcher, type LogFilter } from '../../shared/core/log-filter.ts';
import { compareLogIds } from '../../shared/core/log-id.ts';
import { listSegments, openArchiveStore } from '../../shared/io/archive.ts';
import { archivePosition } from '../../shared/io/archive-position.ts';
import { trimLog } from '../../shared/io/log-trim.ts';
import { openPipeline } from '../../shared/io/pipeline.ts';
import { readRecords } from '../../shared/io/record-reader.ts';
import { run as runAdmin } from '../../workers/admin/main.ts';
import { removeOldSegments } from '../../workers/admin/archive-upkeep.ts';
import { startArchiver } from '../../workers/admin/archiver.ts';
import { bothDrivers, diskOnly, testArchive, until, type LogUnderTest } from '../support/archive.ts';
import { logRecord } from '../support/log-records.ts';

const records = (count: number, from = 0) => Array.from({ length: count }, (_, n) => logRecord(from + n));
const eventsOf = (entries: { record: { event_id: string; recipient: unknown } }[]) => entries.map(({ record }) => record.recipient);
const recipients = (count: number, from = 0) => records(count, from).map(({ recipient }) => recipient);
const streamLength = ({ context }: LogUnderTest) => context.redis.client.xlen(context.redis.key('log'));

testArchive(
  'archive and stream are read as one, in order, each record once, wherever the border lies',
  bothDrivers,
  async (t, startLog) => {
    const log = await startLog(t);
    await log.publish(...records(30));
    const archiver = await log.archiver();
    await log.untilArchived();
    await log.publish(...records(20, 30));
    await log.untilArchived();
    await archiver.close();
    await log.publish(...records(25, 50));
    const { client } = log.context.redis;
    const [, border] = await listSegments(log.store);
    assert.ok(border, 'there are two segments at least');
    for (const trim of [
      () => Promise.resolve(0),
      () => client.xtrim(log.context.redis.key('log'), 'MINID', border.after),
      () => client.xtrim(log.context.redis.key('log'), 'MAXLEN', 25),
    ]) {
      await trim();
      const oldest = await log.read();
      assert.deepEqual(eventsOf(oldest), recipients(75));
      assert.deepEqual(await log.read({ order: 'newest' }), oldest.toReversed());
      for (const i of [0, 10, 29, 30, 49, 50, 74]) {
        const cursor = oldest[i]?.at ?? '';
        assert.deepEqual(await log.read({ cursor }), oldest.slice(i + 1));
        assert.deepEqual(await log.read({ cursor, order: 'newest' }), oldest.slice(0, i).toReversed());
      }
    }
  },
);

testArchive('a reader misses nothing while records come in, are archived, and are trimmed', bothDrivers, async (t, startLog) => {
  const log = await startLog(t, { log: { keepRecords: 400 } });
  await log.archiver();
  // Fewer than an archiver that is slow may let wait: nothing is lost on purpose here.
  const total = 1500;
  const writing = (async () => {
    for (let n = 0; n < total; n += 50) {
      await log.publish(...records(50, n));
      await trimLog(log.context);
    }
  })();
  const found: unknown[] = [];
  const stop = new AbortController();
  const signal = AbortSignal.any([stop.signal, AbortSignal.timeout(40_000)]);
  let last = '0-0';
  for await (const { at, record } of readRecords({ redis: log.context.redis, archive: log.store }, { follow: true, signal })) {
    assert.ok(compareLogIds(last, at) < 0);
    last = at;
    found.push(record.recipient);
    if (found.length === total) stop.abort();
  }
  await writing;
  assert.deepEqual(found, recipients(total));
  await log.untilArchived();
  await trimLog(log.context);
  assert.ok((await streamLength(log)) < 500, 'the log was trimmed');
});

testArchive('searching by the index finds what a look at every record finds', bothDrivers, async (t, startLog) => {
  const log = await startLog(t);
  const all = records(2500);
  const ids = await log.publish(...all.slice(0, 2300));
  const archiver = await log.archiver();
  await log.untilArchived();
  await archiver.close();
  ids.push(...(await log.publish(...all.slice(2300))));
  const some = fc.constantFrom(...all);
  const one = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined, freq: 1 });
  const anyFilter = fc.record({
    types: one(fc.constantFrom(['Bounce'], ['Delivery', 'Reception'])),
    recipient: one(some.map((it) => String(it.recipient))),
    sender: one(some.map((it) => it.sender)),
    domain: one(some.map((it) => String(it.recipient).split('@')[1] ?? '')),
    tenant: one(fc.constantFrom('tenant3', 'tenant44', 'nobody')),
    campaign: one(fc.constantFrom('campaign1', 'none')),
    codes: one(fc.constantFrom(['550'], ['4xx', '2.0.0'], ['5.7.1'])),
    message: one(some.map((it) => it.id)),
    site: one(some.map((it) => it.site)),
    text: one(fc.constantFrom('greylist', 'offer 3 ')),
  });
  let found = 0;
  await fc.assert(
    fc.asyncProperty(anyFilter, fc.nat(2499), fc.boolean(), async (values, from, isReversed) => {
      const cursor = ids[from] ?? '';
      const filter = Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as LogFilter;
      const fits = recordMatcher(filter);
      const part = isReversed ? all.slice(0, from).toReversed() : all.slice(from + 1);
      const want = part.filter(fits);
      found += want.length;
      const got = await log.read({ filter, cursor, order: isReversed ? 'newest' : 'oldest' });
      assert.deepEqual(
        eventsOf(got),
        want.map(({ recipient }) => recipient),
      );
    }),
    { numRuns: 60 },
  );
  assert.ok(found > 0);
});

testArchive('a time span is of the time when a record was logged, its end excluded', bothDrivers, async (t, startLog) => {
  const log = await startLog(t);
  const { client } = log.context.redis;
  const key = log.context.redis.key('log');
  const times = [1000, 2000, 2000, 3000, 4000, 5000];
  for (const [n, time] of times.entries()) await client.xadd(key, `${time}-${n}`, 'r', JSON.stringify(logRecord(n)));
  const archiver = await log.archiver();
  await log.untilArchived();
  await archiver.close();
  await client.xadd(key, '6000-0', 'r', JSON.stringify(logRecord(6)));
  for (const order of ['oldest', 'newest'] as const) {
    const at = async (filter: LogFilter) =>
      (await log.read({ filter, order })).map((entry) => Number(entry.at.split('-')[0])).sort((a, b) => a - b);
    assert.deepEqual(await at({ since: 2000, until: 4000 }), [2000, 2000, 3000]);
    assert.deepEqual(await at({ since: 4001 }), [5000, 6000]);
    assert.deepEqual(await at({ until: 1000 }), []);
  }
});

testArchive('what is no record of ours is passed over and holds nothing up', bothDrivers, async (t, startLog) => {
  const log = await startLog(t);
  await log.archiver();
  await log.publish(...records(2));
  for (const text of ['', '{', '[]', '{"type":1}', '"x"']) await log.publishText(text);
  await log.publish(...records(1, 2));
  await log.untilArchived();
  assert.deepEqual(eventsOf(await log.read()), recipients(3));
  await log.context.redis.client.del(log.context.redis.key('log'));
  assert.deepEqual(eventsOf(await log.read()), recipients(3));
});

testArchive('two installations on one data folder keep their archives apart', bothDrivers, async (t, startLog) => {
  const log = await startLog(t);
  const { config } = log.context;
  assert.equal(openArchiveStore(config).place, log.store.place);
  const other = openArchiveStore({ ...config, redis: { ...config.redis, prefix: 'other' } });
  assert.notEqual(other.place, log.store.place);
  await log.publish(...records(10));
  await log.archiver();
  await log.untilArchived();
  assert.deepEqual(await listSegments(other), []);
});

testArchive('of several archivers each record comes from one', bothDrivers, async (t, startLog) => {
  const log = await startLog(t);
  for (let n = 0; n < 4; n++) await log.archiver({ lease: 20 });
  for (let n = 0; n < 600; n += 20) await log.publish(...records(20, n));
  await log.untilArchived();
  await log.context.redis.client.del(log.context.redis.key('log'));
  assert.deepEqual(eventsOf(await log.read()), recipients(600));
});

testArchive('an archiver that was held up until another took its place adds nothing twice', bothDrivers, async (t, startLog) => {
  const log = await startLog(t);
  await log.publish(...records(10));
  // Held up between the last look at who leads and giving the segment its name: the worst moment.
  let release = (): void => undefined;
  const held = new Promise<void>((resolve) => (release = resolve));
  let isWaiting = false;
  const slow = {
    ...log.store,
    prepare: async () => undefined,
    create: async () => {
      const draft = await log.store.create();
      return {
        ...draft,
        commit: async (name: string) => {
          isWaiting = true;
          await held;
          return draft.commit(name);
        },
      };
    },
  };
  await log.archiver({ lease: 50 }, slow);
  await until(() => Promise.resolve(isWaiting), 'the slow archiver to commit');
  await log.publish(...records(10, 10));
  await log.archiver({ lease: 50 }, { ...log.store, prepare: async () => undefined });
  await log.untilArchived();
  release();
  await log.publish(...records(10, 20));
  await log.untilArchived();
  await log.context.redis.client.del(log.context.redis.key('log'));
  assert.deepEqual(eventsOf(await log.read()), recipients(30));
});

testArchive('the archive goes on where it ends, even when Redis has forgotten how far it is', bothDrivers, async (t, startLog) => {
  const log = await startLog(t);
  await log.publish(...records(10));
  const first = await log.archiver();
  await log.untilArchived();
  await first.close();
  const { client, key } = log.context.redis;
  await client.xgroup('DESTROY', key('log'), 'archive');
  await log.publish(...records(10, 10));
  await log.archiver();
  await log.untilArchived();
  await client.del(key('log'));
  assert.deepEqual(eventsOf(await log.read()), recipients(20));
});

testArchive(
  'a log that was lost goes on behind its archive, whatever the clock says, and all of it is archived',
  bothDrivers,
  async (t, startLog) => {
    const log = await startLog(t);
    const { client, key } = log.context.redis;
    await client.xadd(key('log'), `${Date.now() + 3_600_000}-0`, 'r', JSON.stringify(logRecord(0)));
    const first = await log.archiver();
    await log.untilArchived();
    await first.close();
    await client.flushall();
    await log.archiver();
    await until(async () => (await archivePosition(log.context.redis)) !== undefined, 'the archiver to begin');
    await until(async () => (await archivePosition(log.context.redis)) !== '0-0', 'the log to go on behind the archive');
    await log.publish(...records(20, 1));
    await log.untilArchived();
    await client.del(key('log'));
    assert.deepEqual(eventsOf(await log.read()), recipients(21));
  },
);

testArchive(
  'records that came before it was seen that the archive is ahead of the log are not given up',
  bothDrivers,
  async (t, startLog) => {
    const log = await startLog(t, { log: { keepRecords: 10 } });
    const { client, key } = log.context.redis;
    await client.xadd(key('log'), `${Date.now() + 3_600_000}-0`, 'r', JSON.stringify(logRecord(0)));
    const first = await log.archiver();
    await log.untilArchived();
    await first.close();
    await client.flushall();
    await log.publish(...records(30, 1));
    const archiver = startArchiver(log.context, log.store, { pollInterval: 5 });
    t.after(() => archiver.close());
    await until(async () => ((await log.context.metrics.archiveErrors.get()).values[0]?.value ?? 0) > 0, 'an error');
    await trimLog(log.context);
    assert.equal(await streamLength(log), 30);
  },
);

testArchive('nothing is trimmed that is not archived, and no more than must be', bothDrivers, async (t, startLog) => {
  const log = await startLog(t, { log: { keepRecords: 100 } });
  await log.publish(...records(300));
  await trimLog(log.context);
  assert.ok((await streamLength(log)) <= 110, 'nobody has ever archived this log: its length counts');
  const archiver = await log.archiver();
  await log.untilArchived();
  await archiver.close();
  await log.publish(...records(300, 300));
  await trimLog(log.context);
  const left = await log.read();
  assert.deepEqual(eventsOf(left.slice(-300)), recipients(300, 300));
  assert.ok((await streamLength(log)) >= 300);
  assert.equal((await log.context.metrics.logLost.get()).values[0]?.value, 0);
  const again = await log.archiver();
  await log.untilArchived();
  await again.close();
  await trimLog(log.context);
  const length = await streamLength(log);
  assert.ok(length >= 100 && length <= 110, `${length} are left`);
});

testArchive(
  'when the archive does not keep up for too long its share of the log is lost, counted and told',
  bothDrivers,
  async (t, startLog) => {
    const log = await startLog(t, { log: { keepRecords: 10 } });
    await log.publish(...records(20));
    const archiver = await log.archiver();
    await log.untilArchived();
    await archiver.close();
    await log.publish(...records(100, 20));
    await trimLog(log.context);
    assert.equal(await streamLength(log), 40);
    assert.equal((await log.context.metrics.logLost.get()).values[0]?.value, 60);
  },
);

testArchive('when Redis runs short of memory the log gives way, the archived half first', bothDrivers, async (t, startLog) => {
  // Redis alone uses more than a tenth of this.
  const log = await startLog(t, { spool: { maxRedisMemory: 0.1 } });
  await log.context.redis.client.config('SET', 'maxmemory', '8mb');
  await log.publish(...records(100));
  const archiver = await log.archiver();
  await log.untilArchived();
  await archiver.close();
  await log.publish(...records(100, 100));
  const lost = async () => (await log.context.metrics.logLost.get()).values[0]?.value;
  await trimLog(log.context);
  assert.deepEqual([await streamLength(log), await lost()], [100, 0]);
  await trimLog(log.context);
  assert.deepEqual([await streamLength(log), await lost()], [50, 50]);
  assert.deepEqual(eventsOf(await log.read()), [...recipients(100), ...recipients(50, 150)]);
});

testArchive('what is too old leaves Redis once it is archived', bothDrivers, async (t, startLog) => {
  const log = await startLog(t, { log: { maxAge: '1h' } });
  const { client, key } = log.context.redis;
  for (let n = 0; n < 50; n++) await client.xadd(key('log'), `${1000 + n}-0`, 'r', JSON.stringify(logRecord(n)));
  const archiver = await log.archiver();
  await log.untilArchived();
  await archiver.close();
  for (let n = 50; n < 70; n++) await client.xadd(key('log'), `${1000 + n}-0`, 'r', JSON.stringify(logRecord(n)));
  await trimLog(log.context);
  const length = await streamLength(log);
  assert.ok(length >= 20 && length <= 30, `${length} are left`);
  assert.deepEqual(eventsOf(await log.read()), recipients(70));
});

testArchive('the oldest segments go when the archive is too old or too large; the newest stays', bothDrivers, async (t, startLog) => {
  const log = await startLog(t);
  const { client, key } = log.context.redis;
  await log.archiver();
  for (let n = 0; n < 4; n++) {
    await client.xadd(key('log'), `${(n + 1) * 1000}-0`, 'r', JSON.stringify(logRecord(n)));
    await log.untilArchived();
  }
  const segments = await listSegments(log.store);
  assert.equal(segments.length, 4);
  const size = segments.reduce((sum, segment) => sum + segment.size, 0);
  const settings = { maxSize: size, maxAge: Date.now() - 2500 };
  await removeOldSegments(log.store, settings, log.context.log);
  assert.deepEqual(await listSegments(log.store), segments.slice(2), 'what ended before 2500 is too old');
  await removeOldSegments(log.store, { ...settings, maxSize: 1, maxAge: Date.now() }, log.context.log);
  assert.deepEqual(await listSegments(log.store), segments.slice(3));
});

const toFolder = (path: string): Promise<unknown> => rm(path).then(() => mkdir(path));

const damages: [name: string, damage: (path: string) => Promise<unknown>][] = [
  ['cut in half', async (path) => writeFile(path, (await readFile(path)).subarray(0, 200))],
  ['empty', (path) => writeFile(path, '')],
  ['something else', (path) => writeFile(path, 'x'.repeat(5000))],
  ['with an octet of a block wrong', (path) => flip(path, 60)],
  ['with an octet of the index wrong', (path) => flip(path, -40)],
  ['with a huge length of the index', (path) => overwrite(path, -16, Buffer.from('ffffffff', 'hex'))],
  ['a folder', toFolder],
  ['with an index that is no index', (path) => writeFile(path, strangeIndex())],
];
for (const [name, damage] of damages) {
  const drivers = damage === toFolder ? diskOnly : bothDrivers;
  testArchive(`a segment that is ${name} is told of by name and passed over`, drivers, async (t, startLog) => {
    const log = await startLog(t);
    const archiver = await log.archiver();
    for (let n = 0; n < 30; n += 10) {
      await log.publish(...records(10, n));
      await log.untilArchived();
    }
    await archiver.close();
    const [, second] = await listSegments(log.store);
    const segments = await listSegments(log.store);
    await damage(join(log.dir, second?.name ?? ''));
    await log.context.redis.client.del(log.context.redis.key('log'));
    for (const order of ['oldest', 'newest'] as const) {
      const told: string[] = [];
      const found = await log.read({ order, onDamage: ({ segment }) => told.push(segment) });
      assert.deepEqual(told, [second?.name]);
      const whole = eventsOf(found);
      assert.ok(whole.includes('user0@d228.test') && whole.length < 30 && whole.length >= 30 - 10 * (segments.length - 1));
    }
  });
}

testArchive('an archive whose folder cannot be read is told of once, and Redis is read', diskOnly, async (t, startLog) => {
  const log = await startLog(t);
  await log.publish(...records(10));
  await mkdir(dirname(log.dir), { recursive: true });
  await writeFile(log.dir, 'no folder');
  for (const order of ['oldest', 'newest'] as const) {
    const told: string[] = [];
    const found = await log.read({ order, onDamage: ({ segment }) => told.push(segment) });
    assert.deepEqual([found.length, told], [10, [log.dir]]);
  }
});

testArchive('while no process trims, whoever writes keeps the log bounded', bothDrivers, async (t, startLog) => {
  const log = await startLog(t, { log: { keepRecords: 20 } });
  const pipeline = openPipeline(log.context);
  t.after(() => pipeline.close());
  for (let n = 0; n < 300; n += 50) {
    const tx = pipeline.queues.begin();
    for (const record of records(50, n)) pipeline.dispositions.publish(tx, record);
    await tx.exec();
  }
  const length = await streamLength(log);
  assert.ok(length >= 100 && length <= 110, `${length} are left`);
});

const losses: [name: string, lose: (path: string) => Promise<unknown>][] = [
  ['cannot be understood', (path) => writeFile(path, 'torn')],
  ['cannot be read', toFolder],
];
for (const [name, lose] of losses)
  testArchive(
    `a newest segment that ${name} is told of, and the archive goes on without a gap`,
    lose === toFolder ? diskOnly : bothDrivers,
    async (t, startLog) => {
      const log = await startLog(t);
      const first = await log.archiver();
      await log.publish(...records(10));
      await log.untilArchived();
      await first.close();
      const [newest] = (await listSegments(log.store)).slice(-1);
      await lose(join(log.dir, newest?.name ?? ''));
      // As after a crash of the machine before Redis heard of it, with a disk that lies about what is durable.
      await log.context.redis.client.xgroup('SETID', log.context.redis.key('log'), 'archive', newest?.after ?? '');
      await log.publish(...records(10, 10));
      await log.archiver();
      await log.untilArchived();
      await log.context.redis.client.del(log.context.redis.key('log'));
      assert.deepEqual(eventsOf(await log.read()), recipients(20));
      assert.ok((await log.files()).includes(`${newest?.name}.damaged`));
    },
  );

for (const enabled of [true, false]) {
  testArchive(`the admin role ${enabled ? 'archives' : 'does not archive when it is told not to'}`, bothDrivers, async (t, startLog) => {
    const log = await startLog(t, { admin: { port: 0 }, archive: { enabled } });
    await log.publish(...records(3));
    const admin = await runAdmin(log.context);
    t.after(() => admin.close());
    const { client, key } = log.context.redis;
    if (enabled)
      await until(
        async () => (await client.exists(key('archiver'))) === 1 && (await archivePosition(log.context.redis)) === '0-0',
        'the archiver to begin',
      );
    await admin.close();
    assert.equal(await client.exists(key('archiver')), 0, 'it has given up its place');
    assert.equal(await archivePosition(log.context.redis), enabled ? '0-0' : undefined);
    const left = await log.files();
    assert.deepEqual(
      left.filter((name) => name !== 'conditional-writes.txt'),
      [],
      'nothing unfinished is left',
    );
  });
}

testArchive(
  'how far the archive is behind is measured while it cannot write, and it goes on when it can',
  bothDrivers,
  async (t, startLog) => {
    const log = await startLog(t);
    let isFull = true;
    const full = { ...log.store, create: () => (isFull ? Promise.reject(new Error('no space left on device')) : log.store.create()) };
    const { metrics } = log.context;
    await log.publish(...records(25));
    const archiver = startArchiver(log.context, full, { pollInterval: 5, segmentBytes: 1 });
    t.after(() => archiver.close());
    const value = async (metric: { get(): Promise<{ values: { value: number }[] }> }) => (await metric.get()).values[0]?.value ?? 0;
    await until(
      async () => (await value(metrics.archiveErrors)) > 1 && (await value(metrics.archiveLag)) === 25,
      'errors and lag to be counted',
    );
    isFull = false;
    await until(async () => (await value(metrics.archived)) === 25 && (await value(metrics.archiveLag)) === 0, 'the rest to be archived');
  },
);

async function overwrite(path: string, offset: number, octets: Buffer): Promise<void> {
  const file = await open(path, 'r+');
  const { size } = await file.stat();
  await file.write(octets, 0, octets.length, offset < 0 ? size + offset : offset);
  await file.close();
}

async function flip(path: string, offset: number): Promise<void> {
  const content = await readFile(path);
  const at = offset < 0 ? content.length + offset : offset;
  await overwrite(path, at, Buffer.from([(content[at] ?? 0) ^ 0xff]));
}

/** Lengths, checksum and magic are right; what they are of is not. */
function strangeIndex(): Buffer {
  const content = Buffer.from('this is not zstd at all');
  const trailer = Buffer.alloc(16);
  trailer.writeUInt32LE(content.length + 16, 0);
  trailer.writeUInt32LE(content.length, 4);
  trailer.writeUInt32LE(crc32(content), 8);
  trailer.write('RLA1', 12);
  return Buffer.concat([Buffer.alloc(8), content, trailer]);
}
