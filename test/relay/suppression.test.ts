import assert from 'node:assert/strict';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Queue } from 'bullmq';
import nodemailer from 'nodemailer';
import { pino } from 'pino';
import type { ConfigInput } from '../../shared/core/config.ts';
import { openContext } from '../../shared/io/context.ts';
import { readReportMarks, reportMarkKey, type ReportMark } from '../../shared/io/report-marks.ts';
import { run as runAdmin } from '../../workers/admin/main.ts';
import { run as runBounce } from '../../workers/bounce/main.ts';
import { cleanUp } from '../support/cleanup.ts';
import { startFakeDns } from '../../shared/io/fake-dns.ts';
import { startRebound, type Mail, type Relay } from '../support/relay.ts';

const home = 'ann@home.test';
const nobody = 'nobody@dest.test';

interface Watched extends Relay {
  /** Sends a message that is refused, and waits for what becomes of its report. */
  fail(mail?: Partial<Mail>, login?: { user: string; pass: string }): Promise<{ mark: ReportMark; message: string; event: string }>;
  /** Reports by outcome, over all bounce processes, once there are so many. */
  counted(total: number): Promise<Record<string, number>>;
  /** The lines of log about reports. */
  logged(): Record<string, unknown>[];
  /** Messages in the queue that are reports. */
  reports(): Promise<number>;
}

/** A relay whose bounce processes (two if asked for) are watched. */
async function startWatched(t: TestContext, config: ConfigInput = {}, processes = 1): Promise<Watched> {
  const relay = await startRebound(t, { config, bounces: false, sink: { rules: { rcpt: { [nobody]: '550 5.1.1 no such user' } } } });
  const lines: Record<string, unknown>[] = [];
  const contexts: Awaited<ReturnType<typeof openContext>>[] = [];
  for (let n = 0; n < processes; n++) {
    const context = await openContext(relay.config, relay.redis.url, `bounce${n}-test`);
    cleanUp(t, () => context.close());
    contexts.push(context);
    const log = pino({ level: 'info' }, { write: (line: string) => void lines.push(JSON.parse(line) as Record<string, unknown>) });
    const worker = await runBounce({ ...context, log });
    cleanUp(t, () => worker.close());
  }
  const { redis } = relay.observer;
  return {
    ...relay,
    fail: async (mail = {}, login) => {
      const message = await send(relay.port, { from: home, to: nobody, ...mail }, login);
      const [bounce] = await relay.until((r) => r.type === 'Bounce' && r.id === message);
      const event = bounce?.event_id ?? '';
      return { mark: await markOf(relay, event), message, event };
    },
    counted: async (total) => {
      for (const deadline = Date.now() + 30_000; ; await sleep(10)) {
        const totals: Record<string, number> = {};
        for (const { metrics } of contexts) {
          const { values } = await metrics.reports.get();
          // Some begin with 0.
          for (const { labels, value } of values)
            if (value > 0) totals[String(labels['outcome'])] = (totals[String(labels['outcome'])] ?? 0) + value;
        }
        // A report is counted after its mark is there.
        if (Object.values(totals).reduce((sum, n) => sum + n, 0) >= total || Date.now() > deadline) return totals;
      }
    },
    logged: () => lines.filter((line) => line['event'] === 'report'),
    reports: async () => {
      // The end of the bounce worker's job is the end of what it could have added.
      const keys = ['wait', 'active'].map((list) => `${redis.prefix}:bounces:${list}`);
      while ((await Promise.all(keys.map((key) => redis.client.llen(key)))).some((length) => length > 0)) await tick();
      return (await relay.records('Reception')).filter((r) => r.reception_protocol === 'Report').length;
    },
  };
}

const tick = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 10));

async function markOf({ observer }: Relay, event: string): Promise<ReportMark> {
  const deadline = Date.now() + 30_000;
  for (;;) {
    const mark = (await readReportMarks(observer.redis, [event])).get(event);
    if (mark) return mark;
    if (Date.now() > deadline) throw new Error(`nothing became of the report of ${event}`);
    await tick();
  }
}

/** Resolves with the id of the message. */
async function send(port: number, mail: Mail, login?: { user: string; pass: string }): Promise<string> {
  const transport = nodemailer.createTransport({
    host: '127.0.0.1',
    port,
    ignoreTLS: true,
    name: 'client.test',
    ...(login && { auth: login }),
  });
  try {
    const info = await transport.sendMail({
      envelope: { from: mail.from, to: mail.to, ...(mail.dsn && { dsn: mail.dsn }) } as never,
      raw: mail.raw ?? 'From: x@y.test\r\nSubject: s\r\n\r\nhello\r\n',
    });
    const id = /queued as ([0-9a-f]{32})/.exec(info.response)?.[1];
    assert.ok(id, info.response);
    return id;
  } finally {
    transport.close();
  }
}

const message = (fields: string): string => `From: x@y.test\r\nSubject: s\r\n${fields}\r\n\r\nhello\r\n`;

const silent: [what: string, mail: Partial<Mail>, reason: string][] = [
  ['the null sender', { from: '' }, 'null-sender'],
  ['a mail system', { from: 'MAILER-DAEMON@other.test' }, 'mailer-daemon'],
  ['a sender who wants none', { dsn: { notify: 'NEVER' } }, 'notify'],
  [
    'the sender of a report of another system',
    { raw: 'From: x@y.test\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b--\r\n' },
    'delivery-report',
  ],
  ['a sender whose header asks for none', { raw: message('X-Auto-Response-Suppress: All') }, 'auto-response-suppress'],
  ['a machine', { raw: message('Auto-Submitted: auto-generated') }, 'auto-submitted'],
  ['a mailing list', { raw: message('List-Id: <l.home.test>') }, 'list'],
  ['a bulk sender', { raw: message('Precedence: bulk') }, 'bulk'],
  ['the sender of a message that goes round', { raw: message(`Received: from a by b; x${'\r\nReceived: x'.repeat(3)}`) }, 'hops'],
];

test('whom never to answer: there is no report, and it is counted, logged and kept with the reason (rule 2)', async (t) => {
  const relay = await startWatched(t, { bounce: { maxHops: 4 } });
  for (const [what, mail, reason] of silent) {
    const failed = await relay.fail(mail);
    assert.deepEqual(failed.mark, { kind: 'suppressed', reason }, what);
    const seconds = await relay.observer.redis.client.ttl(reportMarkKey(relay.observer.redis, failed.event));
    assert.ok(seconds > 6 * 86_400, `kept for ${seconds} s`);
  }
  const { mark } = await relay.fail();
  assert.equal(mark.kind, 'sent', 'an ordinary message');
  assert.equal(await relay.reports(), 1);
  assert.deepEqual(await relay.counted(silent.length + 1), { ...Object.fromEntries(silent.map(([, , reason]) => [reason, 1])), sent: 1 });
  const lines = relay.logged();
  for (const [, , reason] of silent) assert.equal(lines.filter((line) => line['outcome'] === reason).length, 1, reason);
  assert.partialDeepStrictEqual(lines.at(-1), { outcome: 'sent', sender: home });
  await relay.until((r) => r.type === 'Delivery' && r.sender === '');
  assert.deepEqual(await relay.leftovers(), []);
});

test('machines, lists and bulk senders have their reports where it is set', async (t) => {
  const relay = await startWatched(t, { bounce: { suppress: ['untrusted'] } });
  for (const fields of ['Auto-Submitted: auto-generated', 'List-Id: <l.home.test>', 'Precedence: bulk']) {
    assert.equal((await relay.fail({ raw: message(fields) })).mark.kind, 'sent', fields);
  }
  assert.equal(await relay.reports(), 3);
});

const strangers: ConfigInput = {
  ingress: {
    trusted: [],
    greetingDelay: 0,
    domains: ['dest.test', 'Bücher.test'],
    users: [{ name: 'ann', password: 'secret' }],
    allowPlainAuth: true,
  },
};

test('of what a stranger hands in only an own sender hears, and who has logged in (rule 15)', async (t) => {
  const relay = await startWatched(t, strangers);
  assert.deepEqual((await relay.fail({ from: 'victim@forged.test' })).mark, { kind: 'suppressed', reason: 'untrusted' });
  assert.deepEqual((await relay.fail({ from: 'ann@sub.dest.test' })).mark, { kind: 'suppressed', reason: 'untrusted' });
  assert.equal((await relay.fail({ from: 'ann@DEST.test' })).mark.kind, 'sent');
  assert.equal((await relay.fail({ from: 'ann@xn--bcher-kva.test' })).mark.kind, 'sent');
  assert.equal((await relay.fail({ from: home }, { user: 'ann', pass: 'secret' })).mark.kind, 'sent');
  assert.deepEqual(await relay.counted(5), { untrusted: 2, sent: 3 });
});

test('a stranger is answered where it is set (rule 15)', async (t) => {
  const relay = await startWatched(t, { ...strangers, bounce: { suppress: [] } });
  assert.equal((await relay.fail({ from: 'victim@forged.test' })).mark.kind, 'sent');
});

test('a report that fails is told as one (rule 3)', async (t) => {
  const relay = await startWatched(t);
  const { mark } = await relay.fail({ from: nobody });
  const report = mark.kind === 'sent' ? mark.message : assert.fail(`no report: ${mark.reason}`);
  const [failed] = await relay.until((r) => r.type === 'Bounce' && r.id === report);
  assert.deepEqual(await markOf(relay, failed?.event_id ?? ''), { kind: 'suppressed', reason: 'own-report' });
});

for (const [what, known] of [
  ['takes no mail (null MX)', { mx: [[0, '.']] as [number, string][] }],
  ['does not exist', 'NXDOMAIN' as const],
] as const) {
  test(`a report to a domain that ${what} ends as a record, and nothing further is made (rule 15)`, async (t) => {
    const dns = await startFakeDns();
    cleanUp(t, () => dns[Symbol.asyncDispose]());
    dns.set('dest.test', { mx: [[10, 'mx.dest.test']] });
    dns.set('mx.dest.test', { a: ['127.0.0.1'] });
    dns.set('gone.test', known);
    const relay = await startWatched(t, { outbound: { dnsServers: [dns.server] } });
    const { mark } = await relay.fail({ from: 'ann@gone.test' });
    const report = mark.kind === 'sent' ? mark.message : assert.fail(`no report: ${mark.reason}`);
    const [failed] = await relay.until((r) => r.type === 'Bounce' && r.id === report);
    assert.deepEqual([failed?.sender, failed?.num_attempts, failed?.peer_address], ['', 1, null]);
    assert.deepEqual(await markOf(relay, failed?.event_id ?? ''), { kind: 'suppressed', reason: 'own-report' });
    assert.equal(await relay.reports(), 1);
    assert.equal(relay.sink.messages.length, 0);
    assert.deepEqual(await relay.leftovers(), []);
  });
}

test('however many fail at once, a sender has no more reports than its limit, over all bounce processes (rule 15)', async (t) => {
  const relay = await startWatched(t, { bounce: { maxPerSender: 3 } }, 2);
  await Promise.all(Array.from({ length: 20 }, (_, n) => relay.fail({ from: n % 2 ? home : home.toUpperCase() })));
  assert.deepEqual(await relay.counted(20), { sent: 3, 'sender-limit': 17 });
  assert.equal(await relay.reports(), 3);
  assert.equal((await relay.fail({ from: 'bob@home.test' })).mark.kind, 'sent', 'another sender of the domain');
});

test('all senders of a domain together have no more reports than its limit (rule 15)', async (t) => {
  const relay = await startWatched(t, { bounce: { maxPerDomain: 3 } }, 2);
  await Promise.all(Array.from({ length: 20 }, (_, n) => relay.fail({ from: `bounce+${n}@home.test` })));
  assert.deepEqual(await relay.counted(20), { sent: 3, 'domain-limit': 17 });
  assert.equal((await relay.fail({ from: 'ann@other.test' })).mark.kind, 'sent', 'another domain');
});

test('a limit ends with its window, and a limit of 0 counts nothing', async (t) => {
  const relay = await startWatched(t, { bounce: { maxPerSender: 1, maxPerDomain: 0, limitWindow: '1h' } });
  const { redis } = relay.observer;
  assert.equal((await relay.fail()).mark.kind, 'sent');
  assert.deepEqual((await relay.fail()).mark, { kind: 'suppressed', reason: 'sender-limit' });
  const counts = await redis.client.keys(redis.key('report-count:*'));
  assert.deepEqual(counts, [redis.key(`report-count:sender:${home}`)]);
  const left = await redis.client.pttl(counts[0] ?? '');
  assert.ok(left > 3_500_000 && left <= 3_600_000, `${left} ms`);
  // Its end is that of a key in Redis: brought about here.
  await redis.client.pexpire(counts[0] ?? '', 0);
  assert.equal((await relay.fail()).mark.kind, 'sent');
});

test('a report that could not be put into the queue does not count against its limit, and is sent later', async (t) => {
  const relay = await startWatched(t, { bounce: { maxPerSender: 1 }, spool: { driver: 'disk', threshold: '1KB' } });
  const { redis } = relay.observer;
  // The report is larger than the message and would go to the disk, where files now lie in the way of all its folders.
  const places = Array.from({ length: 256 }, (_, n) => join(relay.config.dataDir, 'spool', 'rebound', n.toString(16).padStart(2, '0')));
  await mkdir(join(relay.config.dataDir, 'spool', 'rebound'), { recursive: true });
  for (const place of places) await writeFile(place, '');
  const id = await send(relay.port, { from: home, to: nobody });
  while ((await redis.client.zcard(`${redis.prefix}:bounces:delayed`)) === 0) await tick();
  assert.equal(await redis.client.get(redis.key(`report-count:sender:${home}`)), '0');
  for (const place of places) await rm(place);
  const queue = new Queue('bounces', { connection: redis.client as never, prefix: redis.prefix });
  await queue.promoteJobs();
  const [bounce] = await relay.until((r) => r.type === 'Bounce' && r.id === id);
  assert.equal((await markOf(relay, bounce?.event_id ?? '')).kind, 'sent');
  assert.equal(await redis.client.get(redis.key(`report-count:sender:${home}`)), '1');
  await queue.close();
});

test('a disposition whose report was suppressed is judged anew when it is run again', async (t) => {
  const relay = await startWatched(t, { bounce: { maxPerSender: 1 } });
  const { redis } = relay.observer;
  await relay.fail();
  const { event } = await relay.fail();
  const record = (await relay.records('Bounce')).find((r) => r.event_id === event);
  await redis.client.del(redis.key(`report-count:sender:${home}`));
  const queue = new Queue('bounces', { connection: redis.client as never, prefix: redis.prefix });
  for (const [jobId, want] of [
    ['again', 'sent'],
    ['and again', 'repeated'],
  ] as const) {
    const job = await queue.add('Bounce', { record }, { jobId });
    while (!(await job.isCompleted())) await tick();
    assert.equal((await queue.getJob(jobId))?.returnvalue, want);
  }
  assert.equal((await markOf(relay, event)).kind, 'sent');
  await queue.close();
});

test('the dashboard says of a message that its sender was not told, and why', async (t) => {
  const relay = await startWatched(t, { admin: { port: 0 } });
  const admin = await runAdmin(relay.observer);
  cleanUp(t, () => admin.close());
  const failed = await relay.fail({ raw: message('Precedence: junk') });
  const told = (await (await fetch(`${admin.describe}/api/messages/${failed.message}`)).json()) as { reports: unknown };
  assert.deepEqual(told.reports, [{ event_id: failed.event, outcome: 'suppressed', reason: 'bulk' }]);
  const { report } = (await (await fetch(`${admin.describe}/api/dispositions/${failed.event}`)).json()) as { report: unknown };
  assert.deepEqual(report, { outcome: 'suppressed', message: null, reason: 'bulk', words: 'it is bulk mail (Precedence)' });
});
