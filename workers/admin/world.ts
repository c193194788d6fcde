import type { ServerResponse } from 'node:http';
import type { Context } from '../../shared/io/context.ts';
import type { Lanes } from '../../shared/io/lanes.ts';
import type { Pipeline } from '../../shared/io/pipeline.ts';
import type { RecordSource } from '../../shared/io/record-reader.ts';
import type { Queues } from '../../shared/io/queues.ts';
import type { LoadedTemplates } from '../../shared/io/template-load.ts';
import type { Access } from './access.ts';
import type { DispositionCounting } from './count-dispositions.ts';
import type { AskDepths } from './lane-depths.ts';
import type { Recent } from './recent.ts';
import type { ReplayRunner } from './replay-runner.ts';
import type { RecordLog } from './record-log.ts';
import type { TraceFeed } from './trace-feed.ts';
import type { Ui } from './ui-files.ts';

/** What the routes need of the process. */
export interface World {
  context: Context;
  queues: Queues;
  lanes: Lanes;
  log: RecordLog;
  /** The log and its archive. */
  source: RecordSource;
  counting: DispositionCounting;
  replays: ReplayRunner;
  recent: () => Promise<Recent>;
  depths: AskDepths;
  /** For what puts mail in or reads it. */
  pipeline: Pipeline;
  /** The wordings of reports, read when they are first needed. */
  templates: () => Promise<LoadedTemplates>;
  /** Conversations of all processes as they happen. */
  trace: TraceFeed;
  streamTimes: StreamTimes;
  /** Open event streams. */
  streams: Set<ServerResponse>;
  access: Access;
  ui: Ui;
  version: string;
  /** Epoch ms. */
  startedAt: number;
}

/** Of event streams; milliseconds. */
export interface StreamTimes {
  /** Something is said at least this often. */
  heartbeat: number;
  /** A client that takes nothing for so long is dropped; what it did not take waits in the log, not in our memory. */
  patience: number;
}
