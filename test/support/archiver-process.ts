// An archiver as a process of its own, for tests that kill it: node archiver-process.ts <redis url> <data folder> <settings of archive> [<step>].
// With a step it kills itself there: before or after the so-manieth thing it does to the store.
import type { ConfigInput } from '../../shared/core/config.ts';
import type { ArchiveStore } from '../../shared/io/archive-store.ts';
import { openArchiveStore } from '../../shared/io/archive.ts';
import { openContext } from '../../shared/io/context.ts';
import { startArchiver } from '../../workers/admin/archiver.ts';
import { testConfig } from './relay.ts';

const [url = '', dataDir = '', archive = '', deathStep] = process.argv.slice(2);
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

const config = testConfig(dataDir, 25, { spool: { minFreeDisk: 0 }, archive: JSON.parse(archive) as NonNullable<ConfigInput['archive']> });
const real = openArchiveStore(config);
const store: ArchiveStore = {
  ...real,
  list: mortal(real.list),
  open: mortal(real.open),
  prepare: mortal(real.prepare),
  create: mortal(async () => {
    const { write, commit, discard } = await real.create();
    return { write: mortal(write), commit: mortal(commit), discard };
  }),
};
const context = await openContext(config, url, `archiver-${process.pid}`);
startArchiver(context, store, { segmentBytes: 4000, segmentAge: 20, pollInterval: 2, lease: 100 });
process.stdout.write('ready\n');
