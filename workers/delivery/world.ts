import type { Context } from '../../shared/io/context.ts';
import type { Conversations } from '../../shared/io/conversations.ts';
import type { Outbound } from '../../shared/io/outbound.ts';
import type { Pipeline } from '../../shared/io/pipeline.ts';
import type { RuleFiles } from '../../shared/io/rule-file.ts';
import type { Tracer } from '../../shared/io/tracer.ts';
import type { EgressPaths } from './egress-paths.ts';
import type { HeldJobs } from './held-jobs.ts';
import type { StatusRewriter } from './rewrite.ts';
import type { SiteHealth } from './site-health.ts';

/** What the steps of a delivery need of the process. */
export interface World extends Omit<Pipeline, 'close' | 'intake'> {
  context: Context;
  outbound: Outbound;
  tracer: Tracer;
  conversations: Conversations;
  held: HeldJobs;
  paths: EgressPaths;
  health: SiteHealth;
  rules: RuleFiles;
  /** Asked in turn for the status of a rejection; the first that gives one decides. */
  rewriters: readonly StatusRewriter[];
  /** Aborted on shutdown: no further job is taken. */
  closing: AbortSignal;
  /** Aborted when the time for work in hand is over: connections are cut. */
  cut: AbortSignal;
}
