import type { PathSettings } from '../../shared/core/config.ts';
import type { DeliveryJob } from '../../shared/core/delivery-job.ts';
import { parseLaneName } from '../../shared/core/lane.ts';
import { readPathConfig } from '../../shared/core/policy/get-egress-path-config.ts';
import type { Context } from '../../shared/io/context.ts';
import type { Lanes } from '../../shared/io/lanes.ts';
import { rememberAnswers } from '../../shared/io/policy-memory.ts';

/** What the policy says of egress paths. */
export interface EgressPaths {
  /** For a job of a lane; the limits among it are in force for the lane then. */
  of(lane: string, job: DeliveryJob): Promise<PathSettings>;
}

const asSet: PathSettings = {};

export function openEgressPaths({ policy, log }: Pick<Context, 'policy' | 'log'>, lanes: Lanes): EgressPaths {
  const ask = rememberAnswers(policy, 'get_egress_path_config', readPathConfig);
  return {
    of: async (lane, job) => {
      if (!policy.handles('get_egress_path_config')) return asSet;
      const path = await ask(job.routingDomain ?? job.domain, job.source, parseLaneName(lane)?.site ?? '');
      if (!path) return asSet;
      // Limits of before are better than mail that waits.
      await lanes.steer(lane, path).catch((error: unknown) => log.warn({ event: 'limits_not_written', lane, error: String(error) }));
      return path;
    },
  };
}
