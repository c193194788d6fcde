// Writes an archive of synthetic records, to measure how long a search takes:
//   node test/bench/fill-archive.ts <folder> <records>
// then, with a Redis: REBOUND_ARCHIVE_DIR=<folder> infra/rebound log search --recipient user123@d0.test
import { formatLogLine } from '../../shared/core/log-entry.ts';
import { indexWords } from '../../shared/core/log-filter.ts';
import { diskArchive } from '../../shared/io/archive-disk.ts';
import { segmentWriter } from '../../shared/io/archive-segment.ts';
import { segmentName } from '../../shared/io/archive.ts';
import { logRecord } from '../support/log-records.ts';

const [dir, count] = process.argv.slice(2);
if (dir === undefined || !(Number(count) > 0)) throw new Error('expected a folder and a number of records');
const store = diskArchive(dir, 1024 ** 3);
const segmentBytes = 64 * 1024 * 1024;
const begun = performance.now();
let after = '0-0';
for (let n = 0; n < Number(count);) {
  const draft = await store.create();
  const writer = segmentWriter((chunk) => draft.write(chunk));
  let at = after;
  for (; n < Number(count) && writer.bytes < segmentBytes; n++) {
    const record = logRecord(n);
    at = `${record.timestamp * 1000}-${n}`;
    await writer.add(at, formatLogLine({ at, record }, JSON.stringify(record)), indexWords(record));
  }
  await writer.finish(at);
  if (!(await draft.commit(segmentName(after)))) throw new Error(`${dir} has a segment of that name`);
  after = at;
}
const bytes = (await store.list()).reduce((sum, { size }) => sum + size, 0);
process.stdout.write(`${count} records, ${bytes} octets, ${Math.round((performance.now() - begun) / 1000)} s\n`);
