import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ConfigInput } from '../../shared/core/config.ts';
import type { DispositionRecord } from '../../shared/core/disposition.ts';
import type { LogEntry } from '../../shared/core/log-entry.ts';
import { compareLogIds, firstLogId } from '../../shared/core/log-id.ts';
import { archivePosition } from '../../shared/io/archive-position.ts';
import { openArchiveStore } from '../../shared/io/archive.ts';
import type { ArchiveStore } from '../../shared/io/archive-store.ts';
import { openContext, type Context } from '../../shared/io/context.ts';
import { readRecords, type ReadOptions } from '../../shared/io/record-reader.ts';
import { startArchiver, type ArchiverOptions } from '../../workers/admin/archiver.ts';
import { cleanUp } from './cleanup.ts';
import { startRedis, type TestRedis } from './redis.ts';
import { testConfig } from './relay.ts';
import { startS3, type S3Server } from './s3-server.ts';

/** A disposition log and a folder for its archive. */
export interface LogUnderTest {
  redis: TestRedis;
  context: Context;
  store: ArchiveStore;
  /** Where its files are, whatever the driver: the storage of the tests keeps objects so too. */
  dir: string;
  /** With the driver `s3`. */
  s3: S3Server | undefined;
  /** Adds records; resolves with their ids. */
  publish(...records: DispositionRecord[]): Promise<string[]>;
  /** Adds what is no record. */
  publishText(text: string): Promise<void>;
  /** An archiver in this process, which makes small segments; closed after the test. */
  archiver(options?: Partial<ArchiverOptions>, store?: ArchiveStore): Promise<{ close(): Promise<void> }>;
  /** Resolves when everything that is in the log now is archived. */
  untilArchived(): Promise<void>;
  read(options?: ReadOptions): Promise<LogEntry[]>;
  files(): Promise<string[]>;
}

export const quick: Partial<ArchiverOptions> = { segmentBytes: 1, segmentAge: 0, pollInterval: 5, lease: 300 };

export type Driver = 'disk' | 's3';

export type StartLog = (t: TestContext, overrides?: ConfigInput) => Promise<LogUnderTest>;

export const bothDrivers: readonly Driver[] = ['disk', 's3'];
/** Where a folder is something else than objects. */
export const diskOnly: readonly Driver[] = ['disk'];

export function testArchive(name: string, drivers: readonly Driver[], run: (t: TestContext, start: StartLog) => Promise<void>): void {
  for (const driver of drivers) test(`${driver}: ${name}`, (t) => run(t, (_, overrides) => startLog(t, overrides, driver)));
}

export async function startLog(t: TestContext, overrides: ConfigInput = {}, driver: Driver = 'disk'): Promise<LogUnderTest> {
  const redis = await startRedis(t, '--stream-node-max-entries', '10');
  const s3 = driver === 's3' ? await startS3(t, join(redis.dir, 'archive')) : undefined;
  const archive = { ...(s3 && { driver, s3: { timeout: '5s', ...s3.settings } }), ...overrides.archive };
  const config = testConfig(redis.dir, 25, { ...overrides, spool: { minFreeDisk: 0, ...overrides.spool }, archive });
  const dir = join(redis.dir, 'archive', config.redis.prefix);
  const open = async (): Promise<Context> => {
    const context = await openContext(config, redis.url, 'archive-test');
    cleanUp(t, () => context.close());
    return context;
  };
  const context = await open();
  const { client } = context.redis;
  const key = context.redis.key('log');
  const store = openArchiveStore(config);
  const publishText = async (text: string): Promise<string> => String(await client.xadd(key, '*', 'r', text));
  return {
    redis,
    context,
    store,
    dir,
    s3,
    publish: (...records) => Promise.all(records.map((record) => publishText(JSON.stringify(record)))),
    publishText: async (text) => void (await publishText(text)),
    archiver: async (options = {}, other = store) => {
      const archiver = startArchiver(await open(), other, { ...quick, ...options });
      cleanUp(t, () => archiver.close());
      return archiver;
    },
    untilArchived: async () => {
      const [newest] = await client.xrevrange(key, '+', '-', 'COUNT', 1);
      const end = newest?.[0] ?? firstLogId;
      await until(async () => compareLogIds((await archivePosition(context.redis)) ?? firstLogId, end) >= 0, 'the log to be archived');
    },
    read: async (options) => {
      const found: LogEntry[] = [];
      for await (const entry of readRecords({ redis: context.redis, archive: store }, options)) found.push(entry);
      return found;
    },
    files: () =>
      readdir(dir).then(
        (names) => names.sort(),
        () => [],
      ),
  };
}

export async function until(holds: () => Promise<boolean>, what: string): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`waited for ${what}`);
    await sleep(10);
  }
}
