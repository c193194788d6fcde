import type { Context } from '../../shared/io/context.ts';
import type { Outbound } from '../../shared/io/outbound.ts';
import type { Pipeline } from '../../shared/io/pipeline.ts';
import type { HeldJobs } from './held-jobs.ts';
import type { SiteHealth } from './site-health.ts';

/** What the steps of a delivery need of the process. */
export interface World extends Omit<Pipeline, 'close' | 'intake'> {
  context: Context;
  outbound: Outbound;
  held: HeldJobs;
  health: SiteHealth;
  /** Aborted on shutdown: no further job is taken. */
  closing: AbortSignal;
  /** Aborted when the time for work in hand is over: connections are cut. */
  cut: AbortSignal;
}
