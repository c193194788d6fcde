import type { DispositionRecord } from '../../shared/core/disposition.ts';
import type { Reply } from '../../shared/core/reply.ts';

/** Why a site could not be reached just now. */
export interface SiteFailure {
  reply: Reply;
  peer: DispositionRecord['peer_address'];
}

/**
 * Sites that failed a moment ago. The messages waiting for one get the same answer without a connection each, so that
 * a dead site with a long queue is neither hammered nor holds its messages past their time.
 */
export interface SiteFailures {
  recent(lane: string): SiteFailure | undefined;
  /** `ms`: how long the answer stands. */
  failed(lane: string, failure: SiteFailure, ms: number): void;
  succeeded(lane: string): void;
  /** How long to leave a site alone that said 421, longer each time in a row. Milliseconds. */
  holdAfter421(lane: string): number;
}

const firstHold = 1000;
const longestHold = 60_000;
const maxSites = 10_000;

export function openSiteFailures(): SiteFailures {
  const failures = new Map<string, SiteFailure & { until: number }>();
  const holds = new Map<string, number>();
  return {
    recent: (lane) => {
      const failure = failures.get(lane);
      if (failure && failure.until > Date.now()) return failure;
      failures.delete(lane);
      return undefined;
    },
    failed: (lane, failure, ms) => {
      if (failures.size >= maxSites) failures.clear();
      failures.set(lane, { ...failure, until: Date.now() + ms });
    },
    succeeded: (lane) => {
      failures.delete(lane);
      holds.delete(lane);
    },
    holdAfter421: (lane) => {
      if (holds.size >= maxSites) holds.clear();
      const hold = Math.min((holds.get(lane) ?? firstHold / 2) * 2, longestHold);
      holds.set(lane, hold);
      return hold;
    },
  };
}
