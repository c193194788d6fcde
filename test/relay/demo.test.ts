import assert from 'node:assert/strict';
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { DispositionRecord } from '../../shared/core/disposition.ts';
import { smtpClient } from '../../shared/io/smtp-client.ts';

const cli = fileURLToPath(new URL('../../workers/cli/main.ts', import.meta.url));

interface Run {
  child: ChildProcessWithoutNullStreams;
  /** What was printed so far. */
  out(): string;
  err(): string;
  /** Resolves once the text was printed on standard output. Rejects after half a minute. */
  until(text: RegExp): Promise<RegExpMatchArray>;
  ended: Promise<number | null>;
  /** What it left in its folder for temporary files. */
  leftovers(): Promise<string[]>;
}

async function startDemo(t: TestContext, ...args: string[]): Promise<Run> {
  const folder = await mkdtemp(join(tmpdir(), 'rebound-test-'));
  // Settings of the system that a developer has at hand are none of the demo's.
  const env = { ...process.env, TMPDIR: folder, REBOUND_HOSTNAME: 'not-used.test', REBOUND_RETRY_INTERVAL: '1h', NODE_NO_WARNINGS: '1' };
  const child = spawn(process.execPath, [cli, 'demo', ...args], { env, stdio: 'pipe' });
  const text = { out: '', err: '' };
  child.stdout.on('data', (chunk: Buffer) => (text.out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (text.err += chunk.toString()));
  const ended = once(child, 'close').then(([code]) => code as number | null);
  t.after(async () => {
    child.kill('SIGKILL');
    await ended;
    await rm(folder, { recursive: true, force: true });
  });
  const until = (wanted: RegExp): Promise<RegExpMatchArray> =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        const match = wanted.exec(text.out);
        if (match) resolve(match);
      };
      child.stdout.on('data', look);
      const fail = (why: string) => (): void => reject(new Error(`${why} before ${String(wanted)}:\n${text.out}\n${text.err}`));
      setTimeout(fail('half a minute'), 30_000).unref();
      void ended.then(fail('it ended'));
      look();
    });
  return { child, out: () => text.out, err: () => text.err, until, ended, leftovers: () => readdir(folder) };
}

test('the demo accounts for every message and prints one JSON object', { timeout: 120_000 }, async (t) => {
  const startedAt = Date.now();
  const demo = await startDemo(t, '--json', '--exit');
  assert.equal(await demo.ended, 0, demo.err());
  const took = Date.now() - startedAt;
  const { seconds, ...counts } = JSON.parse(demo.out()) as Record<string, number>;
  assert.deepEqual(counts, { sent: 40, delivered: 27, deferred: 12, bounced: 16, expired: 3, reports: 19 });
  assert.ok(seconds !== undefined && seconds > 2 && seconds < 60, `${seconds} s`);
  assert.ok(took < 60_000, `${took} ms from start to end`);
  assert.equal(demo.out().trim().split('\n').length, 1, 'one line on standard output');
  // The report, on standard error here, is what the sender sees.
  assert.match(demo.err(), /Status: 5\.1\.1/);
  assert.match(demo.err(), /Diagnostic-Code: smtp; 550 5\.1\.1 No such user here/);
  assert.doesNotMatch(demo.err(), /\u001b/, 'no control sequences where there is no terminal');
  assert.deepEqual(await demo.leftovers(), []);
});

test('the demo stays for mail of one’s own, shows what becomes of it, and ends with Ctrl-C', { timeout: 120_000 }, async (t) => {
  const demo = await startDemo(t);
  const [, port] = await demo.until(/smtp:\/\/127\.0\.0\.1:(\d+)/);
  const [, dashboard] = await demo.until(/Every step of it: (\S+)/);
  assert.equal((await fetch(`${dashboard}/healthz`)).status, 200);
  const ask = async <T>(path: string): Promise<T> => (await (await fetch(`${dashboard}/api/${path}`)).json()) as T;
  // Of the forty messages alone: more mail trickles in.
  const { records } = await ask<{ records: DispositionRecord[] }>('dispositions?type=Bounce,Expiration&sender=ann@home.example&limit=100');
  const ends = (type: string) => records.filter((record) => record.type === type).length;
  assert.deepEqual([ends('Bounce'), ends('Expiration')], [16, 3], 'the dashboard tells the same');
  const { workers } = await ask<{ workers: { role: string; alive: boolean }[] }>('workers');
  assert.deepEqual(
    workers.map(({ role, alive }) => [role, alive]),
    ['admin', 'bounce', 'delivery', 'ingress'].map((role) => [role, true]),
  );

  await sendOne(Number(port), 'you@home.example', ['nobody@shop.example', 'anyone@bank.example']);
  await demo.until(/bounced +nobody@shop\.example +550 5\.1\.1/);
  await demo.until(/delivered +anyone@bank\.example/);
  await demo.until(/reported +you@home\.example/);
  assert.doesNotMatch(demo.out(), /bo@home\.example|-1\d\d@/, 'the mail that trickles in is not told of here');
  demo.child.kill('SIGINT');
  assert.equal(await demo.ended, 0, demo.err());
  assert.deepEqual(await demo.leftovers(), []);
});

test('while the demo stays there is something to see and to act on', { timeout: 120_000 }, async (t) => {
  const demo = await startDemo(t);
  const [, dashboard] = await demo.until(/Every step of it: (\S+)/);
  const ask = async <T>(path: string): Promise<T> => (await (await fetch(`${dashboard}/api/${path}`)).json()) as T;
  const until = async (what: string, isSo: () => Promise<boolean>): Promise<void> => {
    for (const end = Date.now() + 30_000; !(await isSo()); await sleep(100)) assert.ok(Date.now() < end, what);
  };
  const lane = async (site: string) => {
    const { lanes } = await ask<{ lanes: { lane: string; site: string; waiting: number; delayed: number }[] }>('lanes');
    return lanes.find((each) => each.site === site);
  };
  await until('a backlog', async () => Number((await lane('mx.slow.example'))?.waiting) > 0);
  await until('mail that waits for a retry', async () => Number((await lane('mx.patient.example'))?.delayed) === 8);
  await until('hits of both rules', async () => {
    const { workers } = await ask<{ workers: { files: { top: unknown[] }[] }[] }>('rules');
    return workers[0]?.files[0]?.top.length === 2;
  });
  const find = async (query: string) =>
    (await ask<{ records: DispositionRecord[] }>(`dispositions?type=Bounce&limit=1&${query}`)).records[0];
  await until('a bounce that is answered by no report', async () => {
    const record = await find('sender=news@home.example');
    if (!record) return false;
    const { report } = await ask<{ report: { outcome: string; reason: string | null } }>(`dispositions/${record.event_id}`);
    return report.outcome === 'suppressed' && report.reason === 'list';
  });
  const bounce = await find('sender=ann@home.example');
  assert.equal((await ask<{ original: string }>(`dispositions/${bounce?.event_id}`)).original, 'kept');

  const answer = await fetch(`${dashboard}/api/orders`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ kind: 'retry', criteria: { site: 'mx.patient.example' }, reason: 'the reader is impatient' }),
  });
  assert.ok(answer.ok, await answer.text());
  await until(
    'deliveries after the retry',
    async () => (await ask<{ records: unknown[] }>('dispositions?type=Delivery&recipient=@patient.example')).records.length > 0,
  );
  demo.child.kill('SIGINT');
  assert.equal(await demo.ended, 0, demo.err());
  assert.deepEqual(await demo.leftovers(), []);
});

test('a signal in the middle ends the demo at once, with nothing left behind', { timeout: 120_000 }, async (t) => {
  const demo = await startDemo(t, '--exit');
  await demo.until(/Nothing leaves this machine/);
  const startedAt = Date.now();
  demo.child.kill('SIGTERM');
  assert.equal(await demo.ended, 1);
  assert.match(demo.err(), /Stopped before the end/);
  assert.ok(Date.now() - startedAt < 30_000);
  assert.deepEqual(await demo.leftovers(), []);
});

test('a port that was asked for and is taken is told, and nothing is started', { timeout: 120_000 }, async (t) => {
  const other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  t.after(() => other.close());
  const { port } = other.address() as AddressInfo;
  const cases: [args: string[], code: number, words: RegExp][] = [
    [['--port', String(port)], 1, new RegExp(`^rebound: port ${port} is taken`)],
    [['--port', 'x'], 2, /^rebound: --port is "x"; expected a number from 0 to 65535/],
    [['--port', '65536'], 2, /expected a number from 0 to 65535/],
    [['--jsn'], 2, /^rebound: Unknown option '--jsn'/],
  ];
  for (const [args, code, words] of cases) {
    const demo = await startDemo(t, '--exit', ...args);
    assert.equal(await demo.ended, code, args.join(' '));
    assert.match(demo.err(), words);
    assert.equal(demo.out(), '');
    assert.deepEqual(await demo.leftovers(), []);
  }
});

async function sendOne(port: number, sender: string, recipients: string[]): Promise<void> {
  const timeouts = { connect: 5000, greeting: 5000, command: 5000, data: 5000, block: 5000, final: 5000 };
  const opened = await smtpClient.connect(
    { name: 'localhost', address: '127.0.0.1', port, protocol: 'smtp', tls: 'disabled' },
    { ehloName: 'client.test', timeouts },
  );
  assert.ok(opened.ok);
  const content = Buffer.from(`From: ${sender}\r\nSubject: hi\r\n\r\nhello\r\n`);
  const envelope = { sender, recipients: recipients.map((address) => ({ address })), smtpUtf8: false, eightBit: false };
  const outcomes = await opened.connection.send({ envelope, size: content.length, content });
  await opened.connection.close();
  assert.deepEqual(
    outcomes.map(({ kind }) => kind),
    recipients.map(() => 'accepted'),
  );
}
