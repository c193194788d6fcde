// A replayer as a process of its own, for tests that kill it: node replayer-process.ts <redis url> <data folder> <replay> <lease>.
import { subscriptionsOf } from '../../shared/core/subscriptions.ts';
import { openContext } from '../../shared/io/context.ts';
import { openQueues } from '../../shared/io/queues.ts';
import { runReplay } from '../../shared/io/replay.ts';
import { testConfig } from './relay.ts';

const [url = '', dataDir = '', id = '', lease] = process.argv.slice(2);
const config = testConfig(dataDir, 25);
const context = await openContext(config, url, `replayer-${process.pid}`);
const world = { redis: context.redis, queues: openQueues(context.redis), subscriptions: subscriptionsOf(config) };
process.stdout.write('ready\n');
// Another's right ends by itself: whoever was killed before.
for (let end = 'busy'; end === 'busy';) {
  end = await runReplay(world, id, { lease: Number(lease), depth: 100_000 });
  if (end === 'busy') await new Promise((resolve) => setTimeout(resolve, 10));
  else process.stdout.write(`${end}\n`);
}
await context.close();
