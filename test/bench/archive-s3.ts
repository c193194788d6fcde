// How fast the archive on object storage is written and searched, with the storage of the tests in this process:
//   node test/bench/archive-s3.ts [<records>]
import type { TestContext } from 'node:test';
import { formatLogLine } from '../../shared/core/log-entry.ts';
import { indexWords } from '../../shared/core/log-filter.ts';
import { segmentWriter } from '../../shared/io/archive-segment.ts';
import { segmentName } from '../../shared/io/archive.ts';
import type { ReadOptions } from '../../shared/io/record-reader.ts';
import { startLog } from '../support/archive.ts';
import { logRecord } from '../support/log-records.ts';

const count = Number(process.argv[2] ?? 1_000_000);
const segmentBytes = 64 * 1024 * 1024;
const closing: (() => unknown)[] = [];
const log = await startLog({ after: (close: () => unknown) => closing.push(close) } as unknown as TestContext, {}, 's3');
const { s3, store, context } = log;
if (!s3) throw new Error('expected object storage');
s3.pageSize = 1000;
const say = (words: string): void => void process.stdout.write(`${words}\n`);

const inStream = Math.min(200_000, count);
for (let n = 0; n < inStream; n += 1000) {
  const trip = context.redis.client.pipeline();
  for (let i = n; i < n + 1000; i++) trip.xadd(context.redis.key('log'), '*', 'r', JSON.stringify(logRecord(i)));
  await trip.exec();
}
let begun = performance.now();
const seconds = (): number => (performance.now() - begun) / 1000;
const archiver = await log.archiver({ segmentBytes, segmentAge: 2000, pollInterval: 100, lease: 30_000 });
await log.untilArchived();
say(`archived ${inStream} records: ${Math.round(inStream / seconds())} a second, ${s3.asked.length} requests`);
await archiver.close();
await context.redis.client.flushall();
for (const { name } of await store.list()) await store.remove(name);

for (let n = 0, after = '0-0'; n < count;) {
  const draft = await store.create();
  const writer = segmentWriter((chunk) => draft.write(chunk));
  let at = after;
  for (; n < count && writer.bytes < segmentBytes; n++) {
    const record = logRecord(n);
    at = `${record.timestamp * 1000}-${n}`;
    await writer.add(at, formatLogLine({ at, record }, JSON.stringify(record)), indexWords(record));
  }
  await writer.finish(at);
  await draft.commit(segmentName(after));
  after = at;
}
const segments = await store.list();
const size = segments.reduce((sum, segment) => sum + segment.size, 0);
say(`${count} records, ${segments.length} segments, ${size} octets`);

const recipient = String(logRecord(Math.floor(count / 2)).recipient);
const searches: [name: string, options: ReadOptions][] = [
  [`one recipient (${recipient})`, { filter: { recipient } }],
  ['nobody', { filter: { recipient: 'nobody@nowhere.test' } }],
  ['a text, which reads all', { filter: { text: 'there is no such text' } }],
];
for (const [name, options] of searches) {
  const [asked, sent] = [s3.asked.length, s3.sent];
  begun = performance.now();
  const found = await log.read(options);
  say(`${name}: ${found.length} found, ${seconds().toFixed(2)} s, ${s3.asked.length - asked} requests, ${s3.sent - sent} octets`);
}
for (const close of closing) await close();
process.exit(0);
