import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { test, type TestContext } from 'node:test';
import { Queue } from 'bullmq';
import { pino } from 'pino';
import { parseRfc3464 } from '../../shared/core/dsn/parse.ts';
import type { Context } from '../../shared/io/context.ts';
import { dkimSigner } from '../../shared/io/dkim.ts';
import { openPipeline } from '../../shared/io/pipeline.ts';
import { run as runBounce } from '../../workers/bounce/main.ts';
import { reportOn } from '../../workers/bounce/report.ts';
import { cleanUp } from '../support/cleanup.ts';
import { startRebound } from '../support/relay.ts';

const home = 'ann@home.test';
const sink = { rules: { rcpt: { 'bob@dest.test': '550 5.1.1 no such user' } } };

/** A relay whose message has failed and whose report nobody makes yet. */
async function startWaiting(t: TestContext, discloseInternals = true) {
  const relay = await startRebound(t, { sink, bounces: false, config: { bounce: { discloseInternals } } });
  await relay.send({ from: home, to: 'bob@dest.test' });
  const [record] = await relay.until((r) => r.type === 'Bounce');
  assert.ok(record);
  const lines: Record<string, unknown>[] = [];
  const log = pino({ level: 'info' }, { write: (line: string) => void lines.push(JSON.parse(line) as Record<string, unknown>) });
  const context: Context = { ...relay.observer, log };
  return {
    relay,
    record,
    context,
    logged: (event: string) => lines.filter((line) => line['event'] === event),
    faults: async () => (await context.metrics.reportFaults.get()).values.map(({ labels, value }) => [labels['fault'], value]),
  };
}

// As another version may have left it.
const olds: [name: string, changes: object][] = [
  ['the requests', { dsn: { recipients: [{ address: 'bob@dest.test', notify: 'FAILURE' }] } }],
  ['the peer', { peer_address: 'mx.dest.test' }],
];
for (const [name, changes] of olds)
  test(`a record with ${name} as text, of which no full report can be made, is told in a short one, logged and counted (rule 21)`, async (t) => {
    const { relay, record, context, logged, faults } = await startWaiting(t);
    const { redis } = relay.observer;
    const queue = new Queue('bounces', { connection: redis.client as never, prefix: redis.prefix });
    const odd = { ...record, ...changes };
    const job = await queue.getJob(record.event_id);
    await job?.updateData({ record: odd });
    const worker = await runBounce(context);
    cleanUp(t, () => worker.close());

    const report = await relay.sink.next((message) => message.sender === '');
    assert.deepEqual(report.recipients, [home]);
    assert.deepEqual(
      parseRfc3464(report.bytes)?.recipients.map((r) => [r.finalRecipient?.value, r.action, r.status]),
      [['bob@dest.test', 'failed', '5.0.0']],
    );
    const [line] = logged('report_minimal');
    assert.partialDeepStrictEqual(line, { level: 50, dispositionId: record.event_id, messageId: record.id });
    assert.match(JSON.stringify(line?.['err']), /TypeError/);
    assert.deepEqual(await faults(), [['minimal', logged('report_minimal').length]]);
    await queue.close();
  });

test('a report that cannot be signed goes out unsigned, is logged and counted', async (t) => {
  const { relay, record, context, logged, faults } = await startWaiting(t);
  const pipeline = openPipeline(context);
  cleanUp(t, () => pipeline.close());
  // A key that signs nothing: it is for key agreement.
  const { privateKey: key } = generateKeyPairSync('x25519');
  const sign = dkimSigner([{ domain: 'relay.test', selector: 's', algorithm: 'ed25519-sha256', key }]);
  const outcomes = await reportOn([record], {
    ...pipeline,
    context,
    isOwnDomain: () => false,
    isReadHere: () => false,
    templates: new Map(),
    sign,
  });
  assert.equal(outcomes.get(record.event_id), 'sent');

  const report = await relay.sink.next((message) => message.sender === '');
  assert.equal(parseRfc3464(report.bytes)?.recipients[0]?.status, '5.1.1');
  assert.doesNotMatch(report.bytes.toString('latin1'), /DKIM-Signature/);
  assert.partialDeepStrictEqual(logged('report_unsigned'), [{ level: 50, dispositionId: record.event_id }]);
  assert.deepEqual(await faults(), [['unsigned', 1]]);
});

for (const [discloses, want] of [
  [true, 'client.test'],
  [false, undefined],
] as const) {
  test(`the client that handed the message in is ${discloses ? '' : 'not '}named${discloses ? '' : ' where that is turned off'} (rules 49, 65)`, async (t) => {
    const { relay, context } = await startWaiting(t, discloses);
    const worker = await runBounce(context);
    cleanUp(t, () => worker.close());
    const { bytes } = await relay.sink.next((message) => message.sender === '');
    assert.equal(parseRfc3464(bytes)?.receivedFromMta?.value, want);
    assert.equal(bytes.includes('Received-From-MTA: dns; client.test ([127.0.0.1])\r\n'), discloses);
    assert.equal(bytes.includes('Remote-MTA'), discloses);
  });
}
