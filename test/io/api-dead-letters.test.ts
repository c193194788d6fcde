import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { UnrecoverableError, Worker } from 'bullmq';
import type { SubscriberJob } from '../../shared/io/dispositions.ts';
import { bounceRecord, startTestAdmin, type Answer, type TestAdmin } from '../support/admin.ts';
import { until } from '../support/archive.ts';
import { cleanUp } from '../support/cleanup.ts';

interface Letter {
  job: string;
  reason: string;
  record: { event_id: string } | null;
}

interface Consumer {
  /** Event ids of the jobs that it did, one for each time. */
  done: string[];
  isMended: boolean;
}

const queue = 'bounces';

/** A consumer of bounces that gives everything up until it is mended. */
function consume(t: TestContext, { context }: TestAdmin): Consumer {
  const consumer: Consumer = { done: [], isMended: false };
  const worker = new Worker<SubscriberJob>(
    queue,
    (job) => {
      if (!consumer.isMended) throw new UnrecoverableError('the key is gone\u202e');
      consumer.done.push(job.data.record.event_id);
      return Promise.resolve();
    },
    { connection: context.redis.duplicate() as never, prefix: context.redis.prefix, concurrency: 20 },
  );
  worker.on('error', () => undefined);
  cleanUp(t, () => worker.close());
  return consumer;
}

async function started(t: TestContext, records: number): Promise<{ admin: TestAdmin; consumer: Consumer }> {
  const admin = await startTestAdmin(t);
  const consumer = consume(t, admin);
  await admin.publish(...Array.from({ length: records }, (_, n) => bounceRecord({ event_id: `e${n}` })));
  await until(async () => Number((await list(admin)).json['total']) === records, 'all to be given up');
  return { admin, consumer };
}

const list = (admin: Pick<TestAdmin, 'ask'>, query = ''): Promise<Answer> => admin.ask(`/api/queues/${queue}/dead-letters${query}`);
const lettersOf = ({ json }: Answer): Letter[] => json['dead_letters'] as Letter[];
const retry = (admin: Pick<TestAdmin, 'post'>, body: object): Promise<Answer> =>
  admin.post(`/api/queues/${queue}/dead-letters/retry`, { reason: 'mended', ...body });
const drop = (admin: Pick<TestAdmin, 'post'>, body: object): Promise<Answer> =>
  admin.post(`/api/queues/${queue}/dead-letters/drop`, { reason: 'too old', ...body });

test('dead letters are listed in pages with why, and put back one by one or all at once', async (t) => {
  const { admin, consumer } = await started(t, 25);
  const seen: Letter[] = [];
  for (let cursor = ''; ;) {
    const page = await list(admin, `?limit=10${cursor}`);
    assert.equal(page.status, 200, page.text);
    assert.ok(!/[\u202a-\u202e]/.test(page.text), 'what a stranger wrote is harmless');
    seen.push(...lettersOf(page));
    if (page.json['next'] === null) break;
    cursor = `&cursor=${page.json['next'] as string}`;
  }
  assert.equal(new Set(seen.map(({ record }) => record?.event_id)).size, 25);
  assert.equal(seen.length, 25);
  assert.partialDeepStrictEqual(seen[0], { reason: 'the key is gone\u202e', attempts: 1, replay: null });

  consumer.isMended = true;
  const [one] = seen;
  assert.ok(one);
  assert.partialDeepStrictEqual((await retry(admin, { jobs: [one.job, 'never was'] })).json, { done: 1, passed_over: 1, left: 0 });
  await until(() => Promise.resolve(consumer.done.length === 1), 'the first to be done');
  assert.partialDeepStrictEqual((await retry(admin, { all: true })).json, { done: 24, passed_over: 0, left: 0 });
  await until(() => Promise.resolve(consumer.done.length === 25), 'all to be done');
  assert.equal(new Set(consumer.done).size, 25, 'each once');
  assert.equal((await list(admin)).json['total'], 0);
});

test('what is given up again is not put back by the same request', async (t) => {
  const { admin } = await started(t, 5);
  assert.partialDeepStrictEqual((await retry(admin, { all: true })).json, { done: 5, left: 0 });
  await until(async () => (await list(admin)).json['total'] === 5, 'all to be given up again');
});

test('two operators at once put back and drop nothing twice', async (t) => {
  const { admin, consumer } = await started(t, 120);
  const other = await admin.another();
  consumer.isMended = true;
  const letters = lettersOf(await list(admin, '?limit=100')).map(({ job }) => job);
  const answers = await Promise.all([
    retry(admin, { all: true }),
    retry(other, { all: true }),
    drop(other, { jobs: letters }),
    retry(admin, { jobs: letters }),
  ]);
  const sum = (field: string, some: Answer[]): number => some.reduce((total, { json }) => total + Number(json[field]), 0);
  const [first, second, dropped, third] = answers;
  assert.ok(first && second && dropped && third);
  for (const answer of answers) assert.equal(answer.status, 200, answer.text);
  await retry(admin, { all: true });
  await until(async () => (await list(admin)).json['total'] === 0, 'nothing to be left');
  const droppedCount = sum('done', [dropped]);
  await until(() => Promise.resolve(consumer.done.length + droppedCount >= 120), 'the rest to be done');
  assert.equal(new Set(consumer.done).size, consumer.done.length, 'nothing is done twice');
  assert.equal(consumer.done.length + droppedCount, 120, 'what was put back is not dropped');
});

test('a dropped letter lets go of the original that it held, and one that was put back keeps it', async (t) => {
  const admin = await startTestAdmin(t);
  const [kept = '', dropped = ''] = await admin.queue('a@dest.test', 'b@dest.test');
  const { redis } = admin.context;
  const holders = async (message: string): Promise<string[]> =>
    (await redis.client.hkeys(redis.key(`spool:${message}`))).filter((field) => field.startsWith('h:bounces/'));
  const consumer = consume(t, admin);
  await admin.publish(...[kept, dropped].map((id) => bounceRecord({ id })));
  await until(async () => (await list(admin)).json['total'] === 2, 'both to be given up');
  assert.deepEqual([(await holders(kept)).length, (await holders(dropped)).length], [1, 1]);
  const jobOf = (message: string): string => found.find(({ record }) => record?.event_id.startsWith(message))?.job ?? '';
  const found = lettersOf(await list(admin));
  assert.partialDeepStrictEqual((await drop(admin, { jobs: [jobOf(dropped)] })).json, { done: 1 });
  consumer.isMended = true;
  assert.partialDeepStrictEqual((await retry(admin, { jobs: [jobOf(kept)] })).json, { done: 1 });
  // Too late: it is in its queue again, or done.
  assert.partialDeepStrictEqual((await drop(admin, { jobs: [jobOf(kept)] })).json, { done: 0, passed_over: 1 });
  assert.deepEqual([(await holders(kept)).length, (await holders(dropped)).length], [1, 0], 'this consumer lets go of nothing itself');
  const { json } = await admin.ask('/api/audit');
  const results = (json['entries'] as { action: string; result: string }[]).map(({ action, result }) => `${action}: ${result}`);
  assert.deepEqual(results, [
    'dropDeadLetters: 0 dropped, 0 left',
    'retryDeadLetters: 1 put back, 0 left',
    'dropDeadLetters: 1 dropped, 0 left',
  ]);
});

test('what is wrong with a request about dead letters is told by the name of the field', async (t) => {
  const admin = await startTestAdmin(t);
  const path = (name: string): string => `/api/queues/${encodeURIComponent(name)}/dead-letters`;
  const cases: [body: object, field: string][] = [
    [{ reason: 'x' }, 'jobs'],
    [{ reason: 'x', jobs: [], all: true }, 'jobs'],
    [{ reason: 'x', jobs: ['a'], all: true }, 'jobs'],
    [{ reason: 'x', jobs: Array.from({ length: 501 }, String) }, 'jobs'],
    [{ reason: 'x', jobs: ['x'.repeat(65_536)] }, 'jobs.0'],
    [{ reason: 'x', all: false }, 'all'],
    [{ reason: 'x', all: true, before: 'soon' }, 'before'],
    [{ all: true }, 'reason'],
  ];
  for (const [body, field] of cases) {
    for (const verb of ['retry', 'drop']) {
      const answer = await admin.post(`${path(queue)}/${verb}`, body);
      const name = `${verb} ${JSON.stringify(body).slice(0, 80)}: ${answer.text.slice(0, 300)}`;
      assert.deepEqual([answer.status, (answer.json['errors'] as { field: string }[])[0]?.field], [400, field], name);
    }
  }
  for (const name of ['sessions', 'default->dest.test', 'hook-none', 'bounces:failed', '\u202e', 'x'.repeat(500)])
    assert.equal((await admin.ask(path(name))).status, 404, name);
  assert.equal((await admin.ask(`${path(queue)}?cursor=AAAA`)).status, 400);
  assert.equal((await admin.ask(`${path(queue)}?limit=101`)).status, 400);
});
