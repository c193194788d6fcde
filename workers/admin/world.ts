import type { Context } from '../../shared/io/context.ts';
import type { Lanes } from '../../shared/io/lanes.ts';
import type { Queues } from '../../shared/io/queues.ts';
import type { Depths } from './lane-depths.ts';
import type { Recent } from './recent.ts';
import type { RecordLog } from './record-log.ts';

/** What the routes need of the process. */
export interface World {
  context: Context;
  queues: Queues;
  lanes: Lanes;
  log: RecordLog;
  recent: () => Promise<Recent>;
  depths: () => Promise<Depths>;
  /** Epoch ms. */
  startedAt: number;
}
