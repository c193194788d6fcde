import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { parseListing, parseS3Error } from '../../shared/core/s3-answers.ts';
import { hideSecrets } from '../../shared/core/config-describe.ts';
import { archivePosition } from '../../shared/io/archive-position.ts';
import { s3Archive } from '../../shared/io/archive-s3.ts';
import { StoreAway } from '../../shared/io/archive-store.ts';
import { checkSegment, listSegments } from '../../shared/io/archive.ts';
import { bucketUrl } from '../../shared/io/s3-client.ts';
import { startArchiver } from '../../workers/admin/archiver.ts';
import { quick, startLog, until, type LogUnderTest } from '../support/archive.ts';
import { cleanUp } from '../support/cleanup.ts';
import { logRecord } from '../support/log-records.ts';
import { type Asked, type Fault, secretAccessKey, type S3Server } from '../support/s3-server.ts';
import { sha256, signatureOf } from '../support/s3-signature.ts';

const records = (count: number, from = 0) => Array.from({ length: count }, (_, n) => logRecord(from + n));
const recipients = (count: number, from = 0) => records(count, from).map(({ recipient }) => recipient);

interface S3Log extends LogUnderTest {
  s3: S3Server;
}

async function start(t: TestContext, settings: Partial<S3Server['settings']> = {}): Promise<S3Log> {
  const log = await startLog(t, {}, 's3');
  const { s3 } = log;
  assert.ok(s3);
  const all = { ...log.context.config.archive.s3, ...settings } as LogUnderTest['context']['config']['archive']['s3'];
  return { ...log, s3, store: s3Archive(all, 'rebound/') };
}

/** A log of which `count` records are archived, ten a segment, and no longer in the stream. */
async function startArchived(t: TestContext, count: number): Promise<S3Log> {
  const log = await start(t);
  const archiver = await log.archiver();
  for (let n = 0; n < count; n += 10) {
    await log.publish(...records(10, n));
    await log.untilArchived();
  }
  await archiver.close();
  await log.context.redis.client.del(log.context.redis.key('log'));
  return log;
}

const isOfSegment = ({ key }: Asked): boolean => key.endsWith('.zst');
const valueOf = async (metric: { get(): Promise<{ values: { value: number }[] }> }) => (await metric.get()).values[0]?.value ?? 0;

test('the signatures of the tests are those that AWS gives as examples', () => {
  const example = { date: '20130524T000000Z', region: 'us-east-1', payloadHash: sha256('') };
  const headers = {
    host: 'examplebucket.s3.amazonaws.com',
    range: 'bytes=0-9',
    'x-amz-content-sha256': example.payloadHash,
    'x-amz-date': example.date,
  };
  const secret = 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY';
  const get = { ...example, method: 'GET', headers };
  assert.equal(
    signatureOf(secret, { ...get, target: '/test.txt', signedHeaders: Object.keys(headers) }),
    'f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41',
  );
  assert.equal(
    signatureOf(secret, { ...get, target: '/?max-keys=2&prefix=J', signedHeaders: ['host', 'x-amz-content-sha256', 'x-amz-date'] }),
    '34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7',
  );
});

test('the bucket is in the path or in the host name, with any address', () => {
  const aws = { endpoint: '', region: 'eu-central-1', bucket: 'logs', pathStyle: true };
  assert.equal(bucketUrl(aws), 'https://s3.eu-central-1.amazonaws.com/logs/');
  assert.equal(bucketUrl({ ...aws, pathStyle: false }), 'https://logs.s3.eu-central-1.amazonaws.com/');
  assert.equal(bucketUrl({ ...aws, endpoint: 'http://10.0.0.1:9000/s3/' }), 'http://10.0.0.1:9000/s3/logs/');
  assert.equal(bucketUrl({ ...aws, endpoint: 'https://minio.test', pathStyle: false }), 'https://logs.minio.test/');
});

for (const [name, deny] of [
  ['overwrites in spite of the condition', (s3: S3Server) => void (s3.honoursConditions = false)],
  ['does not know the condition', (s3: S3Server) => void (s3.fault = ({ method }) => (method === 'PUT' ? { status: 501 } : undefined))],
] as const)
  test(`storage that ${name} is not written to, and the words say what to do`, async (t) => {
    const log = await start(t);
    deny(log.s3);
    await log.publish(...records(10));
    const { context } = log;
    const archiver = startArchiver(context, log.store, quick);
    cleanUp(t, () => archiver.close());
    await until(async () => (await valueOf(context.metrics.archiveErrors)) > 1, 'it to be refused twice');
    assert.ok(!log.s3.asked.some(isOfSegment));
    await assert.rejects(log.store.prepare(), /conditional writes .*set archive\.driver to disk; see docs\/log\.md/);
    assert.equal((await log.read()).length, 10, 'all of it is still in Redis');
  });

test('storage is asked about conditional writes once for each start, also when several ask at once', async (t) => {
  const log = await start(t);
  const others = Array.from({ length: 5 }, () => s3Archive(log.context.config.archive.s3, 'rebound/'));
  await Promise.all(others.map((store) => store.prepare()));
  const asked = log.s3.asked.length;
  await Promise.all(others.map((store) => store.prepare()));
  assert.equal(log.s3.asked.length, asked);
});

test('a segment whose answer is lost is written once, and counted', async (t) => {
  const log = await start(t);
  const lost = new Set<string>();
  log.s3.fault = (asked) => {
    if (asked.method !== 'PUT' || !isOfSegment(asked) || lost.has(asked.key)) return undefined;
    lost.add(asked.key);
    return 'lost';
  };
  await log.publish(...records(10));
  const archiver = startArchiver(log.context, log.store, quick);
  cleanUp(t, () => archiver.close());
  await log.untilArchived();
  await until(async () => (await valueOf(log.context.metrics.archived)) === 10, 'ten records to be counted');
  assert.equal(lost.size, (await listSegments(log.store)).length);
  await archiver.close();
  await log.context.redis.client.del(log.context.redis.key('log'));
  assert.deepEqual(
    (await log.read()).map(({ record }) => record.recipient),
    recipients(10),
  );
});

const outages: [name: string, fault: Fault][] = [
  ['answers with 500', { status: 500 }],
  ['asks for less', { status: 503, code: 'SlowDown' }],
  ['breaks connections', 'reset'],
  ['does not answer', 'hang'],
  ['stops in the middle of an answer', 'drip'],
  ['does things and loses the answers', 'lost'],
  ['cuts answers', 'cut'],
];
for (const [name, fault] of outages)
  test(`while the storage ${name} the archiver waits and tells; then each record is archived once`, async (t) => {
    const log = await start(t);
    const store = s3Archive({ ...log.context.config.archive.s3, timeout: 300 }, 'rebound/');
    const first = startArchiver(log.context, store, quick);
    cleanUp(t, () => first.close());
    await log.publish(...records(10));
    await log.untilArchived();
    log.s3.fault = () => fault;
    await log.publish(...records(10, 10));
    await until(async () => (await valueOf(log.context.metrics.archiveErrors)) > 0, 'an error to be counted');
    log.s3.fault = () => undefined;
    await log.publish(...records(10, 20));
    await log.untilArchived();
    await first.close();
    await log.context.redis.client.del(log.context.redis.key('log'));
    assert.deepEqual(
      (await log.read()).map(({ record }) => record.recipient),
      recipients(30),
    );
  });

test('passing failures are not noticed by who reads', async (t) => {
  const log = await startArchived(t, 30);
  const faults: Fault[] = [{ status: 500 }, 'reset', 'cut', { status: 429 }];
  log.s3.fault = (_, n) => (n % 2 === 0 ? faults[(n / 2) % faults.length] : undefined);
  const found = await log.read({ onDamage: ({ segment, problem }) => assert.fail(`${segment}: ${problem}`) });
  assert.equal(found.length, 30);
});

test('a search tells which parts storage did not give, and does not wait for each of them', async (t) => {
  const log = await startArchived(t, 40);
  const segments = (await listSegments(log.store)).map(({ name }) => name);
  const [, bad = ''] = segments;
  for (const order of ['oldest', 'newest'] as const) {
    log.s3.fault = ({ key }) => (key.endsWith(bad) ? { status: 500 } : undefined);
    const before = log.s3.asked.length;
    const told: string[] = [];
    const found = await log.read({ order, onDamage: ({ segment, problem }) => told.push(`${segment} ${problem}`) });
    // It is away from there on: what was read before is given.
    const missing = order === 'oldest' ? segments.slice(1) : segments.slice(0, 2).reverse();
    assert.deepEqual(
      told,
      missing.map((name) => `${name} HTTP 500 InternalError, at each of 4 attempts`),
    );
    assert.ok(found.length > 0 && found.length < 40);
    // With an empty stream the archive is asked for more once.
    const attempts = log.s3.asked.slice(before).filter(({ key }) => key.endsWith(bad)).length;
    assert.equal(attempts, order === 'oldest' ? 8 : 4);
  }
  log.s3.fault = ({ key }) => (key.endsWith(bad) ? { status: 403, code: 'InvalidObjectState' } : undefined);
  const told: string[] = [];
  const found = await log.read({ onDamage: ({ segment, problem }) => told.push(`${segment} ${problem}`) });
  assert.deepEqual(told, [`${bad} HTTP 403 InvalidObjectState: it was moved to storage that cannot be read at once`]);
  assert.ok(found.length > 0 && found.length < 40, 'the others are read');
});

test('a segment that cannot be reached is not taken for damaged', async (t) => {
  const log = await startArchived(t, 10);
  const [segment] = await listSegments(log.store);
  log.s3.fault = () => 'reset';
  await assert.rejects(checkSegment(log.store, segment?.name ?? ''), StoreAway);
});

test('a segment that is removed while it is read is not missed', async (t) => {
  const log = await start(t);
  const [name, key] = ['x.jsonl.zst', 'rebound/x.jsonl.zst'];
  const draft = await log.store.create();
  await draft.write(Buffer.alloc(2 * 1024 * 1024, 7));
  assert.equal(await draft.commit(name), true);
  const file = await log.store.open(name);
  assert.ok(file);
  const across = await file.read(1024 * 1024 - 10, 20);
  assert.deepEqual([across.length, across.every((octet) => octet === 7)], [20, true]);
  assert.equal((await file.read(file.size - 5, 20)).length, 5, 'the octets there are');
  assert.equal((await file.read(file.size, 20)).length, 0);
  await writeFile(join(log.dir, name), Buffer.alloc(2 * 1024 * 1024, 8));
  await assert.rejects(file.read(0, 10), { name: 'SegmentGone' }, 'what took its name is another');
  await log.store.remove(name);
  await assert.rejects(file.read(0, 10), { name: 'SegmentGone' });
  assert.equal(await log.store.open(name), undefined);
  await log.store.remove(name);
  assert.ok(log.s3.asked.some((asked) => asked.key === key && asked.headers.range === 'bytes=1048566-1048575'));
});

const refusals: [name: string, settings: Partial<S3Server['settings']>, change: (s3: S3Server) => unknown, words: RegExp][] = [
  ['another region', { region: 'us-east-1' }, () => 0, /HTTP 400 AuthorizationHeaderMalformed: the bucket is in the region eu-test-1/],
  ['a clock that is wrong', {}, (s3) => (s3.skew = 3_600_000), /HTTP 403 RequestTimeTooSkewed: is the clock of this machine right\?/],
  [
    'a wrong secret',
    { secretAccessKey: 'wrong/secret' },
    () => 0,
    /HTTP 403 SignatureDoesNotMatch: is archive\.s3\.secretAccessKey right\?/,
  ],
  ['a wrong key', { accessKeyId: 'NOBODY' }, () => 0, /HTTP 403 InvalidAccessKeyId: is archive\.s3\.accessKeyId right\?/],
  ['no such bucket', {}, (s3) => (s3.bucket = 'other'), /HTTP 404 NoSuchBucket: make the bucket first/],
  [
    'a redirect',
    {},
    (s3) =>
      (s3.fault = () => ({
        status: 301,
        headers: { location: 'http://127.0.0.1:1/', 'x-amz-bucket-region': 'eu-west-9' },
        body: '<Error><Code>PermanentRedirect</Code></Error>',
      })),
    /HTTP 301 PermanentRedirect: the bucket is in the region eu-west-9/,
  ],
];
for (const [name, settings, change, words] of refusals)
  test(`${name} is told in words that help, at once, and without secrets`, async (t) => {
    const log = await start(t, settings);
    change(log.s3);
    for (const work of [() => log.store.prepare(), () => log.store.list(), () => log.store.remove('x.jsonl.zst')]) {
      const before = log.s3.asked.length;
      await assert.rejects(work(), (error: Error) => {
        assert.match(error.message, words);
        assert.doesNotMatch(error.stack ?? '', /secret\/|very\/secret|Signature=|AKIDTEST/);
        return true;
      });
      assert.ok(log.s3.asked.length - before <= 2, 'it is not asked again and again');
    }
  });

test('hostile answers to a list are an error, and end', async (t) => {
  const log = await start(t);
  const page = (content: string, isTruncated: boolean, token = 'x') =>
    `<ListBucketResult><IsTruncated>${isTruncated}</IsTruncated><NextContinuationToken>${token}</NextContinuationToken>${content}</ListBucketResult>`;
  const object = (key: string, size: string) => `<Contents><Key>${key}</Key><Size>${size}</Size></Contents>`;
  let n = 0;
  const bodies: [body: () => string, words: RegExp][] = [
    [() => 'no XML at all', /no list/],
    [() => '<ListBucketResult><IsTruncated>false</IsTruncated>', /no list/],
    [() => '<Contents>'.repeat(100_000), /no list/],
    [() => page('', true, ''), /does not go on/],
    [() => page('', true, 'same'), /has no end/],
    [() => page('', true, String(n++)), /has no end/],
    [() => page(object('rebound/x', '-1'), false), /names or sizes/],
    [() => page(object('rebound/x', '1e9'), false), /names or sizes/],
    [() => page('<Contents><Size>1</Size></Contents>', false), /names or sizes/],
    [() => page('x'.repeat(9_000_000), false), /an answer of more than/],
  ];
  for (const [body, words] of bodies) {
    log.s3.fault = () => ({ status: 200, body: body() });
    await assert.rejects(log.store.list(), words);
  }
  log.s3.fault = () => ({
    status: 200,
    body: page(
      ['other/1-0.jsonl.zst', 'rebound/../x.jsonl.zst', 'rebound/&#x110000;&amp;.jsonl.zst'].map((key) => object(key, '5')).join(''),
      false,
    ),
  });
  assert.deepEqual(await listSegments(log.store), [], 'names that are not ours');
});

test('other octets than those asked for are an error, not a damaged segment', async (t) => {
  const log = await startArchived(t, 10);
  const [segment] = await listSegments(log.store);
  const name = segment?.name ?? '';
  const fields = (range: string) => ({
    change: (answer: { status: number; headers: Record<string, string>; body: Buffer }) => ({
      ...answer,
      headers: { ...answer.headers, 'content-range': range },
    }),
  });
  const wrong: Fault[] = [
    fields('bytes 0-1/2'),
    fields('bytes 5-4/9'),
    fields('bytes 0-99999999999999999999/99999999999999999999'),
    fields('nonsense'),
    { status: 206, body: 'without a range' },
    { status: 200, body: Buffer.alloc(100) },
    { status: 204 },
  ];
  for (const fault of wrong) {
    log.s3.fault = () => fault;
    await assert.rejects(log.store.open(name), /another part of the object/);
  }
  log.s3.fault = () => ({ status: 200, body: Buffer.alloc(3 * 1024 * 1024) });
  await assert.rejects(log.store.open(name), StoreAway, 'it is not read to its end');
  log.s3.fault = () => ({ status: 101, headers: { connection: 'upgrade', upgrade: 'x' }, body: '' });
  await assert.rejects(log.store.open(name), StoreAway);
});

test('a name that is refused although there is none is an error, and not another archiver', async (t) => {
  const log = await start(t);
  log.s3.fault = ({ method }) => (method === 'PUT' ? { status: 412 } : undefined);
  const draft = await log.store.create();
  await draft.write(Buffer.from('x'));
  await assert.rejects(draft.commit('1-0.jsonl.zst'), /refuses 1-0\.jsonl\.zst as if there were one/);
});

test('the secret may be in a file, which is read for each request, or the key in the environment', async (t) => {
  const log = await start(t);
  const file = join(log.redis.dir, 'secret');
  const settings = { ...log.context.config.archive.s3, secretAccessKey: '', secretFile: file };
  await writeFile(file, 'wrong');
  const store = s3Archive(settings, 'rebound/');
  await assert.rejects(store.list(), /SignatureDoesNotMatch/);
  await writeFile(file, `${secretAccessKey}\n`);
  assert.deepEqual(await store.list(), []);
  await writeFile(file, '\n');
  await assert.rejects(store.list(), /archive\.s3\.secretFile = .*it is empty/);
  const ofEnvironment = s3Archive({ ...settings, accessKeyId: '', secretFile: '' }, 'rebound/');
  const before = { ...process.env };
  t.after(() => (process.env = before));
  delete process.env['AWS_ACCESS_KEY_ID'];
  await assert.rejects(ofEnvironment.list(), /there is no access key/);
  Object.assign(process.env, {
    AWS_ACCESS_KEY_ID: log.s3.settings.accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
    AWS_SESSION_TOKEN: 'token',
  });
  assert.deepEqual(await ofEnvironment.list(), []);
  assert.equal(log.s3.asked.at(-1)?.headers['x-amz-security-token'], 'token');
  assert.doesNotMatch(JSON.stringify(hideSecrets(log.context.config)), /very\/secret/);
});

test('nothing is archived, and nothing lost, without a key', async (t) => {
  const log = await start(t, { secretAccessKey: 'wrong' });
  await log.publish(...records(10));
  const archiver = startArchiver(log.context, log.store, quick);
  cleanUp(t, () => archiver.close());
  await until(async () => (await valueOf(log.context.metrics.archiveErrors)) > 0, 'an error to be counted');
  assert.equal(await archivePosition(log.context.redis), undefined);
  assert.equal((await log.read()).length, 10);
});

test('an error of storage gives its code and region, and nothing of its prose', () => {
  assert.deepEqual(parseS3Error('<Error><Code>AccessDenied</Code><Message>x</Message><Region>eu-1</Region></Error>'), {
    code: 'AccessDenied',
    region: 'eu-1',
  });
  assert.deepEqual(parseS3Error('<Error><Code>\u001b[31m</Code><Region>EU WEST</Region></Error>'), {});
  assert.deepEqual(
    parseListing(
      '<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>a&amp;&lt;&#65;&#x42;</Key><Size>7</Size></Contents></ListBucketResult>',
    ),
    {
      objects: [{ key: 'a&<AB', size: 7 }],
      next: undefined,
    },
  );
});
