import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { Queue } from 'bullmq';
import type { ConfigInput } from '../../shared/core/config.ts';
import type { DispositionRecord } from '../../shared/core/disposition.ts';
import { inboundQueue } from '../../shared/core/inbound/job.ts';
import { openContext } from '../../shared/io/context.ts';
import { openMailReader } from '../../shared/io/mail-reader.ts';
import { openPipeline } from '../../shared/io/pipeline.ts';
import { readReportMarks } from '../../shared/io/report-marks.ts';
import { startInbound } from '../../workers/bounce/inbound.ts';
import { run as runBounce } from '../../workers/bounce/main.ts';
import { cleanUp } from '../support/cleanup.ts';
import { startRebound, type Mail, type Relay } from '../support/relay.ts';
import { openDialogue } from '../support/smtp-dialogue.ts';

const nobody = 'nobody@dest.test';

interface Reader extends Relay {
  /** Sends mail out by way of the relay and waits until it is delivered; its id. */
  deliver(mail: Mail): Promise<string>;
  /** Hands in a message as a stranger; the reply to its content, or to what was refused before. */
  arrive(to: string | string[], content: string, from?: string): Promise<string>;
  /** The same, and waits until nothing is left to be read. */
  report(to: string, content: string, from?: string): Promise<string>;
  /** Resolves when every message for reports was read. */
  idle(): Promise<void>;
  /** What was counted, by `kind match`. */
  counted(): Promise<Record<string, number>>;
}

/** A relay that reads the mail of bounces.test and of fbl@home.test, to strangers who come from 127.0.0.2. */
async function startReading(t: TestContext, config: ConfigInput = {}, limits?: { timeoutMs: number; memoryMb: number }): Promise<Reader> {
  const relay = await startRebound(t, {
    bounces: false,
    config: {
      ...config,
      ingress: { trusted: ['127.0.0.1/32'], greetingDelay: 0, reports: { to: ['bounces.test', 'fbl@home.test'] }, ...config.ingress },
    },
    sink: { rules: { rcpt: { [nobody]: '550 5.1.1 no such user' } } },
  });
  const context = await openContext(relay.config, relay.redis.url, 'bounce-test');
  cleanUp(t, () => context.close());
  if (limits) {
    const pipeline = openPipeline(context);
    cleanUp(t, () => pipeline.close());
    const inbound = await startInbound({ ...pipeline, context, reader: openMailReader(limits) });
    cleanUp(t, () => inbound.close());
  } else {
    const worker = await runBounce(context);
    cleanUp(t, () => worker.close());
  }
  const { redis } = relay.observer;
  const idle = async (): Promise<void> => {
    const deadline = Date.now() + 60_000;
    for (;;) {
      const lengths = await Promise.all(['wait', 'active'].map((list) => redis.client.llen(`${redis.prefix}:${inboundQueue}:${list}`)));
      if (lengths.every((length) => length === 0)) return;
      if (Date.now() > deadline) throw new Error('there is still something to read');
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  };
  const arrive = async (to: string | string[], content: string, from = ''): Promise<string> => {
    const dialogue = await openDialogue({ port: relay.port, from: '127.0.0.2' });
    const ask = (line?: string): Promise<string> => {
      if (line !== undefined) dialogue.send(`${line}\r\n`);
      return dialogue.reply();
    };
    try {
      let reply = await ask();
      const steps = ['EHLO mx.dest.test', `MAIL FROM:<${from}>`, ...[to].flat().map((address) => `RCPT TO:<${address}>`), 'DATA'];
      for (const step of [...steps, `${content.replaceAll('\n', '\r\n')}\r\n.`]) {
        reply = await ask(step);
        if (!/^[23]/.test(reply)) break;
      }
      return reply;
    } finally {
      dialogue.destroy();
    }
  };
  return {
    ...relay,
    idle,
    arrive,
    deliver: async (mail) => {
      const { response } = await relay.send(mail);
      const id = /queued as ([0-9a-f]{32})/.exec(response)?.[1] ?? '';
      await relay.until((r) => r.type === 'Delivery' && r.id === id);
      return id;
    },
    report: async (to, content, from) => {
      const reply = await arrive(to, content, from);
      assert.match(reply, /^250 /);
      await idle();
      return /queued as ([0-9a-f]{32})/.exec(reply)?.[1] ?? '';
    },
    counted: async () => {
      const { values } = await context.metrics.inbound.get();
      return Object.fromEntries(values.map(({ labels, value }) => [`${labels['kind']} ${labels['match']}`.trim(), value]));
    },
  };
}

const failed = (address: string, action = 'failed'): string =>
  `\nFinal-Recipient: rfc822; ${address}\nAction: ${action}\nStatus: 5.1.1\nDiagnostic-Code: smtp; 550 5.1.1 gone\n`;

/** A late bounce as another system makes it. */
const dsn = (groups: string, more = '', returned = ''): string =>
  `From: MAILER-DAEMON@mx.dest.test\nSubject: failure\nAuto-Submitted: auto-replied\nMIME-Version: 1.0\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\n\n` +
  `--b\n\nwords\n--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.dest.test\n${more}${groups}\n${returned}--b--\n`;

const arf = (fields: string, returned = ''): string =>
  `From: fbl@isp.test\nMIME-Version: 1.0\nContent-Type: multipart/report; report-type=feedback-report; boundary=b\n\n` +
  `--b\n\nwords\n--b\nContent-Type: message/feedback-report\n\nFeedback-Type: abuse\nUser-Agent: Loop/1\nVersion: 1\n${fields}\n${returned}--b--\n`;

/** The message as the destination had it, or its header, as the last part. */
const returnedPart = (type: string, bytes: Buffer): string => {
  const text = bytes.toString('latin1').replaceAll('\r\n', '\n');
  return `--b\nContent-Type: ${type}\n\n${type === 'message/rfc822' ? text : text.slice(0, text.indexOf('\n\n') + 1)}`;
};

/** OOB and Feedback so far: id, recipient and how it was matched. */
const told = async (relay: Relay): Promise<string[]> =>
  (await relay.records())
    .filter(({ type }) => type === 'OOB' || type === 'Feedback')
    .map(({ type, id, recipient, inbound }) => `${type} ${id} ${String(recipient)} ${inbound?.matched}`);

test('a late bounce to a return path of ours becomes an OOB record of its message, and is told to nobody (rules 133, 139)', async (t) => {
  const relay = await startReading(t);
  const id = await relay.deliver({ from: 'n-bob@bounces.test', to: 'bob@dest.test' });
  const report = await relay.report('n-bob@bounces.test', dsn(failed('bob@DEST.test')));
  const [record] = (await relay.records('OOB')) as [DispositionRecord];
  assert.partialDeepStrictEqual(record, {
    id,
    event_id: `${report}.o0`,
    sender: 'n-bob@bounces.test',
    recipient: 'bob@dest.test',
    queue: 'dest.test',
    response: { code: 550, content: 'gone' },
    peer_address: { name: 'mx.dest.test', addr: '127.0.0.2' },
    bounce_classification: 'InvalidRecipient',
  });
  assert.deepEqual(record.inbound, { id: report, matched: 'verp', reverse_path: '' });
  assert.partialDeepStrictEqual((await relay.records('Reception')).at(-1), { id: report, sender: '', recipient: 'n-bob@bounces.test' });
  assert.equal(relay.sink.messages.length, 1, 'nothing went out but the message itself');
  assert.deepEqual(await relay.leftovers(), []);
});

test('the ENVID, our id in the returned header, and both ways of a complaint find the message, each alone (rule 133)', async (t) => {
  const relay = await startReading(t);
  const one = await relay.deliver({ from: 'v1@bounces.test', to: 'bob@dest.test', dsn: { envid: 'order 7' } });
  const two = await relay.deliver({ from: 'v2@bounces.test', to: ['bob@dest.test', 'eve@dest.test'] });
  const header = returnedPart('text/rfc822-headers', relay.sink.messages[1]?.bytes ?? Buffer.alloc(0));
  const whole = returnedPart('message/rfc822', relay.sink.messages[1]?.bytes ?? Buffer.alloc(0));
  await relay.report('any@bounces.test', dsn(failed('bob@dest.test'), 'Original-Envelope-Id: order 7\n'));
  await relay.report('any@bounces.test', dsn(failed('eve@dest.test'), '', header));
  await relay.report('fbl@home.test', arf('Original-Rcpt-To: <bob@dest.test>\nOriginal-Mail-From: <v1@bounces.test>\n'), 'fbl@isp.test');
  await relay.report('fbl@home.test', arf('Original-Rcpt-To: eve@dest.test\n', whole), 'fbl@isp.test');
  assert.deepEqual(await told(relay), [
    `OOB ${one} bob@dest.test envid`,
    `OOB ${two} eve@dest.test message-id`,
    `Feedback ${one} bob@dest.test verp`,
    `Feedback ${two} eve@dest.test message-id`,
  ]);
  assert.partialDeepStrictEqual((await relay.records('Feedback'))[1], {
    sender: 'v2@bounces.test',
    feedback_report: { feedback_type: 'abuse', user_agent: 'Loop/1', original_rcpt_to: ['eve@dest.test'] },
    inbound: { reverse_path: 'fbl@isp.test' },
  });
  assert.deepEqual(await relay.counted(), { 'bounce envid': 1, 'bounce message-id': 1, 'feedback verp': 1, 'feedback message-id': 1 });
});

test('a forged report matches nothing, and says what it tried (rule 134)', async (t) => {
  const relay = await startReading(t, { ingress: { domains: ['own.test'] } });
  const id = await relay.deliver({ from: 'v1@bounces.test', to: 'bob@dest.test' });
  await relay.report('v1@bounces.test', dsn(failed('victim@dest.test')));
  await relay.report('guess@bounces.test', dsn(failed('bob@dest.test')));
  // Nor does what a stranger claims to have sent himself.
  assert.match(await relay.arrive('ann@own.test', 'Subject: x\n\nhello\n', 'v9@bounces.test'), /^250 /);
  await relay.report('v9@bounces.test', dsn(failed('ann@own.test')));
  assert.deepEqual(await told(relay), ['OOB  victim@dest.test none', 'OOB  bob@dest.test none', 'OOB  ann@own.test none']);
  const [first, second] = await relay.records('OOB');
  assert.deepEqual([first?.inbound?.mismatch, second?.inbound?.mismatch], [{ id, matched: 'verp' }, undefined]);
});

test('what is no failure and no complaint is counted and leaves no record (rules 132, 136)', async (t) => {
  const relay = await startReading(t);
  await relay.deliver({ from: 'v1@bounces.test', to: 'bob@dest.test' });
  const groups = ['delayed', 'delivered', 'relayed', 'expanded'].map((action) => failed('bob@dest.test', action)).join('');
  await relay.report('v1@bounces.test', dsn(groups));
  await relay.report('v1@bounces.test', 'Auto-Submitted: auto-replied\nSubject: away\n\nI am away.\n');
  await relay.report('v1@bounces.test', dsn('').replace('message/delivery-status', 'message/disposition-notification'));
  await relay.report('v1@bounces.test', 'Subject: hello\n\nhello\n', 'ann@dest.test');
  assert.deepEqual(await told(relay), []);
  assert.deepEqual(await relay.counted(), { delayed: 1, delivered: 1, relayed: 1, expanded: 1, 'auto-reply': 1, disposition: 1, other: 1 });
  assert.equal(relay.sink.messages.length, 1, 'nothing is answered');
  assert.deepEqual(await relay.leftovers(), []);
});

test('strangers may send to the addresses for reports and nowhere else, and no more than so much', async (t) => {
  const relay = await startReading(t, { ingress: { reports: { to: ['bounces.test', 'fbl@home.test'], maxSize: 2000 } } });
  assert.match(await relay.arrive('bob@dest.test', 'x'), /^550 5\.7\.1 /);
  assert.match(await relay.arrive('other@home.test', 'x'), /^550 5\.7\.1 /);
  assert.match(await relay.arrive('any@sub.bounces.test', 'x'), /^550 5\.7\.1 /);
  assert.match(await relay.arrive('FBL@Home.test', `Subject: x\n\n${'x'.repeat(70)}\n`), /^250 /);
  assert.match(await relay.arrive('any@bounces.test', `Subject: x\n\n${`${'x'.repeat(70)}\n`.repeat(30)}`), /^552 5\.3\.4 /);
  await relay.idle();
  assert.equal(relay.sink.messages.length, 0);
});

test('one message to a report address and to another goes both ways', async (t) => {
  const relay = await startReading(t);
  await relay.deliver({ from: 'ann@home.test', to: ['any@bounces.test', 'bob@dest.test'] });
  await relay.idle();
  assert.deepEqual(
    relay.sink.messages.map(({ recipients }) => recipients),
    [['bob@dest.test']],
  );
  assert.deepEqual(await relay.counted(), { other: 1 });
  assert.deepEqual(await relay.leftovers(), []);
});

test('a failure here is not reported to a return path that is read here: its record says it', async (t) => {
  const relay = await startReading(t);
  await relay.send({ from: 'v1@bounces.test', to: nobody });
  const [bounce] = await relay.until((record) => record.type === 'Bounce');
  const deadline = Date.now() + 30_000;
  for (;;) {
    const mark = (await readReportMarks(relay.observer.redis, [bounce?.event_id ?? ''])).get(bounce?.event_id ?? '');
    if (mark) {
      assert.deepEqual(mark, { kind: 'suppressed', reason: 'read-here' });
      break;
    }
    assert.ok(Date.now() < deadline, 'nothing became of the report');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  await relay.idle();
  assert.deepEqual(await told(relay), []);
});

test('a message that took its reader down with it again and again is put aside unread (rule 138)', async (t) => {
  const relay = await startReading(t);
  const { redis } = relay.observer;
  const queue = new Queue(inboundQueue, { connection: redis.duplicate() as never, prefix: redis.prefix });
  cleanUp(t, () => queue.close());
  await queue.pause();
  const reply = await relay.arrive('v1@bounces.test', dsn(failed('bob@dest.test')));
  const report = /queued as ([0-9a-f]{32})/.exec(reply)?.[1] ?? '';
  // What BullMQ counts when the process that has the job dies.
  await redis.client.hset(`${redis.prefix}:${inboundQueue}:${report}`, 'stc', 4);
  await queue.resume();
  await relay.until((record) => record.event_id === `${report}.u`);
  await relay.idle();
  assert.deepEqual(await relay.counted(), { 'unreadable fault': 1 });
  assert.deepEqual(await told(relay), []);
  assert.deepEqual(await relay.leftovers(), []);
});

test('a report whose job runs again makes no second record', async (t) => {
  const relay = await startReading(t);
  const report = await relay.report('v1@bounces.test', dsn(failed('bob@dest.test')));
  const { context } = relay;
  const pipeline = openPipeline(context);
  cleanUp(t, () => pipeline.close());
  const key = `${context.redis.prefix}:${inboundQueue}:${report}`;
  const data: unknown = JSON.parse((await context.redis.client.hget(key, 'data')) ?? '{}');
  const tx = pipeline.queues.begin();
  tx.add(inboundQueue, { id: 'again', name: 'message', data });
  await tx.exec();
  await relay.idle();
  assert.equal((await relay.records('OOB')).length, 1);
});

test('a message that cannot be read is recorded and put aside, and the next is read (rule 138)', async (t) => {
  const relay = await startReading(
    t,
    { ingress: { reports: { to: ['bounces.test'], maxSize: '25MB' } } },
    { timeoutMs: 50_000, memoryMb: 64 },
  );
  const id = await relay.deliver({ from: 'v1@bounces.test', to: 'bob@dest.test' });
  const bad = await relay.report('v1@bounces.test', `Content-Type: text/plain\n\n${'\n'.repeat(8_000_000)}`);
  await relay.report('v1@bounces.test', dsn(failed('bob@dest.test')));
  assert.deepEqual(await told(relay), [`OOB ${id} bob@dest.test verp`]);
  const [rejection] = await relay.records('Rejection');
  assert.partialDeepStrictEqual(rejection, { id: bad, event_id: `${bad}.u`, recipient: 'v1@bounces.test', response: { code: 554 } });
  assert.match(rejection?.response.content ?? '', /could not be read: it needs too much memory/);
  assert.deepEqual(await relay.counted(), { 'unreadable memory': 1, 'bounce verp': 1 });
  assert.deepEqual(await relay.leftovers(), []);
});
