import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { open, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { listSegments } from '../../shared/io/archive.ts';
import { startLog, until, type Driver, type LogUnderTest } from '../support/archive.ts';
import { cleanUp } from '../support/cleanup.ts';
import { logRecord } from '../support/log-records.ts';

const main = fileURLToPath(new URL('../../workers/cli/main.ts', import.meta.url));

interface Run {
  child: ChildProcess;
  stdout(): string;
  stderr(): string;
  /** Resolves with its exit code. */
  ended: Promise<number | null>;
}

const environment = (log: LogUnderTest) => ({
  ...process.env,
  REDIS_URL: log.redis.url,
  REBOUND_ARCHIVE_DIR: dirname(log.dir),
  REBOUND_DATA_DIR: log.redis.dir,
  ...(log.s3 && {
    REBOUND_ARCHIVE_DRIVER: 's3',
    REBOUND_ARCHIVE_S3_ENDPOINT: log.s3.settings.endpoint,
    REBOUND_ARCHIVE_S3_REGION: log.s3.settings.region,
    REBOUND_ARCHIVE_S3_BUCKET: log.s3.settings.bucket,
    AWS_ACCESS_KEY_ID: log.s3.settings.accessKeyId,
    AWS_SECRET_ACCESS_KEY: log.s3.settings.secretAccessKey,
  }),
});

/** `rebound log <args>` as a process of its own. */
function rebound(t: TestContext, log: LogUnderTest, ...args: string[]): Run {
  return launch(t, process.execPath, ['--disable-warning=ExperimentalWarning', main, 'log', ...args], log);
}

function launch(t: TestContext, program: string, args: string[], log: LogUnderTest): Run {
  const child = spawn(program, args, { env: environment(log), stdio: ['ignore', 'pipe', 'pipe'] });
  cleanUp(t, () => child.kill('SIGKILL'));
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const ended = once(child, 'close').then(() => child.exitCode);
  return { child, stdout: () => stdout, stderr: () => stderr, ended };
}

const jsonLines = (text: string) =>
  text.split('\n').flatMap((line) => (line ? [JSON.parse(line) as { log_id: string; recipient: string }] : []));

/** A log of which the older half is in the archive only. */
async function startHalfArchived(t: TestContext, count: number, driver: Driver = 'disk'): Promise<{ log: LogUnderTest; ids: string[] }> {
  const log = await startLog(t, {}, driver);
  const half = count / 2;
  const ids = await log.publish(...Array.from({ length: half }, (_, n) => logRecord(n)));
  const archiver = await log.archiver();
  await log.untilArchived();
  await archiver.close();
  await log.context.redis.client.xtrim(log.context.redis.key('log'), 'MAXLEN', 0);
  ids.push(...(await log.publish(...Array.from({ length: half }, (_, n) => logRecord(half + n)))));
  return { log, ids };
}

test('search and export read archive and stream as one, with filters, in the order asked for', async (t) => {
  const { log, ids } = await startHalfArchived(t, 60);
  const cases: [args: string[], want: string[]][] = [
    [['export'], ids],
    [['search', '--json', '--reverse', '--limit', '40'], ids.toReversed().slice(0, 40)],
    [['search', '--json', '--type', 'bounce', '--code', '5xx'], ids.filter((_, n) => n % 5 === 4)],
    [['search', '--json', '--recipient', String(logRecord(7).recipient).toUpperCase()], ids.slice(7, 8)],
    [['search', '--json', '--tenant', 'tenant3', '--text', 'GREYLIST'], []],
    [['search', '--json', '--until', '1h'], []],
    [['tail', '--json', '--limit', '35'], ids.slice(-35)],
  ];
  await Promise.all(
    cases.map(async ([args, want]) => {
      const run = rebound(t, log, ...args);
      assert.equal(await run.ended, 0, run.stderr());
      assert.deepEqual(
        jsonLines(run.stdout()).map((line) => line.log_id),
        want,
        args.join(' '),
      );
      assert.equal(run.stderr(), '');
    }),
  );
});

test('tail --follow tells the latest, then what comes, until Ctrl-C', async (t) => {
  const { log, ids } = await startHalfArchived(t, 20);
  const run = rebound(t, log, 'tail', '-f', '--json', '--limit', '2', '--type', 'Bounce');
  const seen = () => jsonLines(run.stdout().slice(0, run.stdout().lastIndexOf('\n') + 1)).map((line) => line.log_id);
  await until(() => Promise.resolve(seen().length === 2), 'the latest two');
  assert.deepEqual(seen(), [ids[14], ids[19]]);
  const more = await log.publish(...[24, 25, 29].map((n) => logRecord(n)));
  await until(() => Promise.resolve(seen().length === 4), 'what came in');
  assert.deepEqual(seen().slice(2), [more[0], more[2]]);
  run.child.kill('SIGINT');
  assert.equal(await run.ended, 0);
  assert.equal(run.stderr(), '');
});

test('a reader that has had enough ends an export without a word', async (t) => {
  const { log } = await startHalfArchived(t, 4000);
  const run = launch(
    t,
    'sh',
    ['-c', '"$0" --disable-warning=ExperimentalWarning "$1" log export | head -n 2', process.execPath, main],
    log,
  );
  assert.equal(await run.ended, 0);
  assert.equal(jsonLines(run.stdout()).length, 2);
  assert.equal(run.stderr(), '');
});

test('Ctrl-C breaks off an export between two lines, with the exit code of that', async (t) => {
  const { log } = await startHalfArchived(t, 4000);
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', main, 'log', 'export'], {
    env: environment(log),
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  cleanUp(t, () => child.kill('SIGKILL'));
  // More than a pipe holds, and nobody reads on: it waits for us when the signal comes.
  await once(child.stdout, 'readable');
  child.kill('SIGINT');
  const [code] = (await once(child, 'exit')) as [number | null];
  const text = (child.stdout.read() as Buffer | null)?.toString() ?? '';
  assert.equal(code, 130);
  assert.ok(jsonLines(text.slice(0, text.lastIndexOf('\n') + 1)).length < 4000);
});

test('a hostile record is shown harmlessly, as a row and as JSON', async (t) => {
  const log = await startLog(t);
  const hostile = '\u001b[2J\u009b31m\r\nBounce \u202eexe.\u2066\u0007';
  const record = logRecord(4, { sender: hostile, recipient: [hostile, 'b@c.test'], site: hostile });
  record.response = { ...record.response, content: hostile.repeat(5000) };
  await log.publish(record);
  const row = rebound(t, log, 'search');
  assert.equal(await row.ended, 0);
  assert.equal(row.stdout().split('\n').length, 2);
  assert.ok(row.stdout().length < 2000);
  assert.doesNotMatch(row.stdout().slice(0, -1), /[\p{Cc}\u202a-\u202e\u2066-\u2069]/u);
  const json = rebound(t, log, 'search', '--json');
  assert.equal(await json.ended, 0);
  assert.match(json.stdout(), /^[ -~]*\n$/);
  assert.equal((JSON.parse(json.stdout()) as { sender: string }).sender, hostile);
});

test('a wrong call is refused with the name of what is wrong', async (t) => {
  const log = await startLog(t);
  const cases: [args: string[], names: RegExp][] = [
    [[], /expected "log tail"/],
    [['find'], /expected "log tail"/],
    [['search', '--since', 'yesterday'], /--since: expected/],
    [['search', '--since', '1h', '--until', '2h'], /--until: expected/],
    [['search', '--type', 'Bonce'], /--type: expected .*did you mean "Bounce"/],
    [['search', '--code', '9'], /--code: expected/],
    [['search', '--limit', '0'], /--limit/],
    [['search', '--follow'], /--follow/],
    [['tail', '--reverse'], /--reverse/],
    [['tail', '--colour'], /--colour/],
  ];
  await Promise.all(
    cases.map(async ([args, names]) => {
      const run = rebound(t, log, ...args);
      assert.equal(await run.ended, 2, args.join(' '));
      assert.match(run.stderr(), names);
      assert.equal(run.stdout(), '');
    }),
  );
});

test('a damaged segment is named, the rest is read, and check finds it', async (t) => {
  const { log } = await startHalfArchived(t, 20);
  const before = rebound(t, log, 'check');
  assert.equal(await before.ended, 0);
  assert.match(before.stdout(), /^\d+ segments, \d+ octets in .*: all in order\n$/);
  const [first] = await listSegments(log.store);
  await writeFile(join(log.dir, first?.name ?? ''), 'torn');
  const search = rebound(t, log, 'export');
  assert.equal(await search.ended, 1);
  assert.ok(jsonLines(search.stdout()).length >= 10);
  assert.match(search.stderr(), new RegExp(`^rebound: ${first?.name} is passed over: `));
  const check = rebound(t, log, 'check', '--json');
  assert.equal(await check.ended, 1);
  assert.equal((JSON.parse(check.stdout()) as { damaged: { segment: string }[] }).damaged[0]?.segment, first?.name);
});

test('where the archive is on another machine it is said that only Redis is read', async (t) => {
  const { log } = await startHalfArchived(t, 20);
  const elsewhere = { ...log, dir: join(log.redis.dir, 'nothing-here', 'rebound') };
  const run = rebound(t, elsewhere, 'export');
  assert.equal(await run.ended, 0);
  assert.equal(jsonLines(run.stdout()).length, 10);
  assert.match(run.stderr(), /there is no archive in .*nothing-here/);
});

test('the archive on object storage is read with its settings; while it is away that is told in a line each', async (t) => {
  const { log } = await startHalfArchived(t, 20, 's3');
  const { s3 } = log;
  assert.ok(s3);
  const whole = rebound(t, log, 'export');
  assert.deepEqual([await whole.ended, jsonLines(whole.stdout()).length, whole.stderr()], [0, 20, '']);
  const check = rebound(t, log, 'check');
  assert.equal(await check.ended, 0);
  assert.match(check.stdout(), /octets in s3:\/\/archive\/rebound\/: all in order/);
  s3.fault = () => ({ status: 503 });
  const part = rebound(t, log, 'export');
  assert.deepEqual([await part.ended, jsonLines(part.stdout()).length], [1, 10]);
  assert.match(part.stderr(), /^rebound: s3:\/\/archive\/rebound\/ is passed over: HTTP 503 InternalError, at each of 4 attempts\n$/);
  const failed = rebound(t, log, 'check');
  assert.equal(await failed.ended, 1);
  assert.match(failed.stderr(), /^rebound: the archive in s3:\/\/archive\/rebound\/ cannot be read: HTTP 503[^\n]*\n$/);
});

test('an output that cannot be written is told in one line', async (t) => {
  const { log } = await startHalfArchived(t, 20);
  for (const verb of ['export', 'check']) {
    const [out, errors] = [await open('/dev/full', 'w'), join(log.redis.dir, 'errors')];
    cleanUp(t, () => out.close());
    const file = await open(errors, 'w');
    cleanUp(t, () => file.close());
    const child = spawn(process.execPath, [main, 'log', verb], { env: environment(log), stdio: ['ignore', out.fd, file.fd] });
    const [code] = (await once(child, 'exit')) as [number | null];
    assert.equal(code, 1);
    assert.match(await readFile(errors, 'utf8'), /^rebound: [^\n]*ENOSPC[^\n]*\n$/);
  }
});
