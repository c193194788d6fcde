import { DelayedError, Worker, type Job } from 'bullmq';
import { recipientsOf, type DispositionRecord } from '../../shared/core/disposition.ts';
import type { Envelope, Recipient } from '../../shared/core/envelope.ts';
import { parseQueueName } from '../../shared/core/queue-name.ts';
import { redeliverable, redeliverQueue, replayJobId } from '../../shared/core/replay.ts';
import { closeWorker } from '../../shared/io/close-worker.ts';
import type { Context } from '../../shared/io/context.ts';
import type { SubscriberJob } from '../../shared/io/dispositions.ts';
import { claimGathered } from '../../shared/io/gathered.ts';
import { consumerOptions } from '../../shared/io/hook-consumer.ts';
import { newMessageId } from '../../shared/io/ids.ts';
import type { Pipeline } from '../../shared/io/pipeline.ts';
import { openReplayed, type Replayed } from '../../shared/io/replayed.ts';
import { markLifetime } from '../../shared/io/report-marks.ts';

type RedeliveryWorld = Pick<Pipeline, 'queues' | 'spool' | 'intake'> & { context: Context };

/** `gone`: the original is not kept any more. `not-a-failure`, `null-sender`: never delivered again. `unknown`: too old to know. */
type Redelivery = 'redelivered' | 'repeated' | 'gone' | 'null-sender' | 'not-a-failure' | 'unknown' | 'cancelled';

/** When to look again at what another worker is at. Milliseconds. */
const claimedElsewhereDelay = 250;

/** Consumes the queue of redelivery: each job is a failed disposition whose message is put into the queue once more. */
export async function startRedelivery(world: RedeliveryWorld): Promise<{ close(): Promise<void> }> {
  const { context } = world;
  const { redis, config, log } = context;
  const replayed = openReplayed(redeliverQueue, context);
  const worker = new Worker<SubscriberJob, Redelivery>(
    redeliverQueue,
    async (job, token = '') => {
      const outcome = (await replayed.isCancelled(job)) ? 'cancelled' : await redeliver(job, token, replayed, world);
      if (!outcome) {
        await job.moveToDelayed(Date.now() + claimedElsewhereDelay, token);
        throw new DelayedError();
      }
      const { record, replay } = job.data;
      log.info({ event: 'redelivery', outcome, replay: replay?.id, dispositionId: record.event_id, messageId: record.id });
      return outcome;
    },
    { ...consumerOptions(context), connection: redis.duplicate() as never, concurrency: config.bounce.concurrency },
  );
  worker.on('error', (error) => log.warn({ event: 'redeliver_worker_error', error: error.message }));
  worker.on('failed', (job, error) =>
    log.error({ event: 'redelivery_failed', dispositionId: job?.data.record.event_id, error: String(error) }),
  );
  await worker.waitUntilReady();
  return { close: () => closeWorker(worker, world.context) };
}

/** Once for each disposition, however often it is replayed, unless forced. Undefined while another worker is at the message. */
async function redeliver(
  job: Job<SubscriberJob>,
  token: string,
  replayed: Replayed,
  world: RedeliveryWorld,
): Promise<Redelivery | undefined> {
  const { record, replay } = job.data;
  const { redis, config } = world.context;
  const claim = await claimGathered(redis, redeliverQueue, record.id, token, config.delivery.lockDuration);
  if (!claim) return undefined;
  try {
    const markKeys = [record.event_id, ...(replay?.force ? [replayJobId(record.event_id, replay.id)] : [])].map((name) =>
      redis.key(`redelivered:${name}`),
    );
    const whyNot = await refusalOf(record, markKeys.at(-1) ?? '', replay?.force === true, world);
    if (whyNot) {
      await replayed.count(job, whyNot);
      return whyNot;
    }
    return await reinject(job, markKeys, replayed, world);
  } finally {
    await claim.end().catch(() => undefined);
  }
}

async function refusalOf(
  record: DispositionRecord,
  markKey: string,
  isForced: boolean,
  { context: { redis } }: RedeliveryWorld,
): Promise<Redelivery | undefined> {
  // RFC 3464 §2, RFC 5321 §4.5.5: a report that failed has ended.
  if (record.sender === '') return 'null-sender';
  if (!redeliverable.includes(record.type)) return 'not-a-failure';
  if ((await redis.client.exists(markKey)) === 1) return 'repeated';
  return !isForced && Date.now() / 1000 - record.timestamp >= markLifetime ? 'unknown' : undefined;
}

async function reinject(
  job: Job<SubscriberJob>,
  markKeys: readonly string[],
  replayed: Replayed,
  { spool, intake }: RedeliveryWorld,
): Promise<Redelivery> {
  const { record, replay } = job.data;
  spool.assertRoom();
  const content = await spool.read(record.id);
  if (!content) {
    await replayed.count(job, 'gone');
    return 'gone';
  }
  const draft = spool.draft(newMessageId());
  try {
    if (Buffer.isBuffer(content)) await draft.write(content);
    else for await (const chunk of content) await draft.write(chunk);
    const { tenant, campaign, routingDomain } = parseQueueName(record.queue);
    const { meta } = record;
    await intake.receive(
      {
        envelope: envelopeOf(record),
        content: draft,
        info: { protocol: 'Redelivery', peer: null, isTrusted: meta['trusted'] === true },
        meta: { ...meta, redelivered_from: record.id, redelivered_event: record.event_id, ...(replay && { replay: replay.id }) },
        ...(tenant && { tenant }),
        ...(campaign && { campaign }),
        ...(routingDomain && { routingDomain }),
        trace: record.traceparent,
      },
      (tx) => {
        for (const key of markKeys) tx.redis.set(key, draft.id, 'EX', markLifetime);
        replayed.countIn(tx, job, 'redelivered');
      },
    );
  } catch (error) {
    await draft.discard();
    throw error;
  }
  return 'redelivered';
}

/** The envelope that the message came with, for the recipients that failed. */
function envelopeOf({ sender, dsn, ...record }: DispositionRecord): Envelope {
  const requests = new Map((dsn?.recipients ?? []).map((request) => [request.address, request]));
  const recipients = recipientsOf(record).map((address): Recipient => {
    const { notify, orcpt } = requests.get(address) ?? {};
    return { address, ...(notify && { notify: notify as NonNullable<Recipient['notify']> }), ...(orcpt && { orcpt }) };
  });
  return {
    sender,
    recipients,
    ...(dsn?.ret && { ret: dsn.ret }),
    ...(dsn?.envid && { envid: dsn.envid }),
    smtpUtf8: dsn?.smtp_utf8 === true,
    eightBit: dsn?.eight_bit === true,
  };
}
