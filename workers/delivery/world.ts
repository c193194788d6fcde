import type { Context } from '../../shared/io/context.ts';
import type { Dispositions } from '../../shared/io/dispositions.ts';
import type { Lanes } from '../../shared/io/lanes.ts';
import type { Outbound } from '../../shared/io/outbound.ts';
import type { Queues } from '../../shared/io/queues.ts';
import type { Router } from '../../shared/io/router.ts';
import type { SpoolStore } from '../../shared/io/spool-store.ts';
import type { HeldJobs } from './held-jobs.ts';
import type { SiteFailures } from './site-failures.ts';

/** What the steps of a delivery need of the process. */
export interface World {
  context: Context;
  queues: Queues;
  lanes: Lanes;
  spool: SpoolStore;
  dispositions: Dispositions;
  router: Router;
  outbound: Outbound;
  held: HeldJobs;
  failures: SiteFailures;
  /** Aborted on shutdown: no further job is taken. */
  closing: AbortSignal;
  /** Aborted when the time for work in hand is over: connections are cut. */
  cut: AbortSignal;
}
