// An archiver as a process of its own, for tests that kill it: node archiver-process.ts <redis url> <data folder> [<step>].
// With a step it kills itself there: before or after the so-manieth thing it does to the store.
import { join } from 'node:path';
import { diskArchive } from '../../shared/io/archive-disk.ts';
import type { ArchiveStore } from '../../shared/io/archive-store.ts';
import { openContext } from '../../shared/io/context.ts';
import { startArchiver } from '../../workers/admin/archiver.ts';
import { testConfig } from './relay.ts';

const [url = '', dataDir = '', deathStep] = process.argv.slice(2);
let steps = 0;

const step = (): void => {
  steps += 1;
  if (steps === Number(deathStep)) process.kill(process.pid, 'SIGKILL');
};

const mortal =
  <A extends unknown[], R>(work: (...args: A) => Promise<R>) =>
  async (...args: A): Promise<R> => {
    step();
    const result = await work(...args);
    step();
    return result;
  };

const config = testConfig(dataDir, 25);
const disk = diskArchive(join(dataDir, 'archive', config.redis.prefix), 0);
const store: ArchiveStore = {
  ...disk,
  list: mortal(disk.list),
  open: mortal(disk.open),
  prepare: mortal(disk.prepare),
  create: mortal(async () => {
    const { write, commit, discard } = await disk.create();
    return { write: mortal(write), commit: mortal(commit), discard };
  }),
};
const context = await openContext(config, url, `archiver-${process.pid}`);
startArchiver(context, store, { segmentBytes: 4000, segmentAge: 20, pollInterval: 2, lease: 100 });
process.stdout.write('ready\n');
