import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { bothDrivers, startLog as startLogOn, testArchive, type LogUnderTest } from '../support/archive.ts';
import { cleanUp } from '../support/cleanup.ts';
import { logRecord } from '../support/log-records.ts';

const script = fileURLToPath(new URL('../support/archiver-process.ts', import.meta.url));

/** Resolves when the process archives, or has ended. */
async function startArchiverProcess(t: TestContext, log: LogUnderTest, ...deathStep: string[]): Promise<ChildProcess> {
  const child = spawn(process.execPath, [script, log.redis.url, log.redis.dir, JSON.stringify(log.context.config.archive), ...deathStep], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  cleanUp(t, () => child.kill('SIGKILL'));
  await Promise.race([once(child.stdout, 'data'), once(child, 'exit')]);
  return child;
}

const exited = async (child: ChildProcess): Promise<void> => {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
};

/** With the stream gone, the archive alone must have everything, once and in order. */
async function assertWhole(log: LogUnderTest, count: number): Promise<void> {
  await log.context.redis.client.del(log.context.redis.key('log'));
  const found = (await log.read({ onDamage: ({ segment, problem }) => assert.fail(`${segment}: ${problem}`) })).map(
    ({ record }) => record.recipient,
  );
  assert.deepEqual(
    found,
    Array.from({ length: count }, (_, n) => logRecord(n).recipient),
  );
}

testArchive('an archiver that is killed before or after any step loses and doubles nothing', bothDrivers, async (t, startLog) => {
  const log = await startLog(t);
  let count = 0;
  const publish = (): Promise<string[]> => log.publish(...Array.from({ length: 12 }, () => logRecord(count++)));
  await publish();
  let hasDied = 0;
  // Until it gets further than there are steps in a round that finishes a segment.
  for (let deathStep = 1; deathStep <= 18; deathStep++) {
    const child = await startArchiverProcess(t, log, String(deathStep));
    await publish();
    // Dead already, it archives nothing any more.
    await Promise.race([exited(child), log.untilArchived().catch(() => undefined)]);
    hasDied += child.signalCode === null ? 0 : 1;
    child.kill('SIGKILL');
    await exited(child);
  }
  assert.ok(hasDied > 12, `it died by itself ${hasDied} times`);
  await startArchiverProcess(t, log);
  await log.untilArchived();
  await assertWhole(log, count);
});

testArchive('an archiver that is killed at any moment, under load, loses and doubles nothing', bothDrivers, async (t, startLog) => {
  const log = await startLog(t);
  let count = 0;
  const stop = new AbortController();
  const load = (async () => {
    for (; !stop.signal.aborted && count < 20_000; await sleep(1))
      await log.publish(...Array.from({ length: 20 }, () => logRecord(count++)));
  })();
  for (let n = 0; n < 10; n++) {
    const child = await startArchiverProcess(t, log);
    await sleep(Math.random() * 150);
    child.kill('SIGKILL');
    await exited(child);
  }
  stop.abort();
  await load;
  const segments = (await log.files()).filter((name) => name.endsWith('.jsonl.zst')).length;
  assert.ok(segments > 0, 'some segments were finished between the kills');
  await startArchiverProcess(t, log);
  await log.untilArchived();
  await assertWhole(log, count);
});

for (const moment of ['before it is done', 'before it is answered'] as const)
  test(`s3: an archiver that is killed at any request, ${moment}, loses and doubles nothing`, async (t) => {
    const log = await startLogOn(t, {}, 's3');
    const { s3 } = log;
    assert.ok(s3);
    let count = 0;
    const publish = (): Promise<string[]> => log.publish(...Array.from({ length: 12 }, () => logRecord(count++)));
    let deathStep = 0;
    let begun = 0;
    let killed = 0;
    let child: ChildProcess | undefined;
    const isTime = (n: number): boolean => n === begun + deathStep;
    const kill = (): void => {
      killed += 1;
      child?.kill('SIGKILL');
    };
    s3.fault = (_, n) => {
      if (moment !== 'before it is done' || !isTime(n)) return undefined;
      kill();
      return 'reset';
    };
    s3.onDone = (n) => {
      if (moment === 'before it is answered' && isTime(n)) kill();
    };
    for (deathStep = 1; deathStep <= 12; deathStep++) {
      await publish();
      begun = s3.asked.length;
      child = await startArchiverProcess(t, log);
      await publish();
      await Promise.race([exited(child), log.untilArchived().catch(() => undefined)]);
      child.kill('SIGKILL');
      await exited(child);
    }
    // Two probe, one or more list, one reads the end, one writes; then it may have been in time.
    assert.ok(killed >= 5, `it was killed ${killed} times`);
    s3.fault = () => undefined;
    s3.onDone = () => undefined;
    await startArchiverProcess(t, log);
    await log.untilArchived();
    await assertWhole(log, count);
  });
