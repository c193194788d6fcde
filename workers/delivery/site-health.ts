import type { DispositionRecord } from '../../shared/core/disposition.ts';
import type { Reply } from '../../shared/core/reply.ts';
import type { Said } from '../../shared/io/conversations.ts';

/** Why a site could not be reached just now. */
export interface SiteFailure {
  reply: Reply;
  peer: DispositionRecord['peer_address'];
  /** What was said until then. */
  said?: Said;
}

/**
 * What this process knows of the sites of its lanes. The messages waiting for a site that failed a moment ago get the same
 * answer without a connection each, so that a dead site with a long queue is neither hammered nor holds its messages
 * past their time. A site that serves some connections and refuses further ones is not dead but full.
 */
export interface SiteHealth {
  recentFailure(lane: string): SiteFailure | undefined;
  /** `ms`: how long the answer stands. */
  failed(lane: string, failure: SiteFailure, ms: number): void;
  succeeded(lane: string): void;
  /** Forgets every failure and refusal: somebody wants all tried again. */
  forget(): void;
  /** A connection was refused a moment ago: no more are asked for, though those that are open work. */
  isFull(lane: string): boolean;
  /** Counts a connection; what is returned uncounts it. */
  opened(lane: string): () => void;
  /** Has the lane a connection open? */
  isServed(lane: string): boolean;
  /** How long to leave a site alone that said 421, longer each time in a row. Milliseconds. */
  holdAfter421(lane: string): number;
}

const firstHold = 1000;
const longestHold = 60_000;
const maxSites = 10_000;

export function openSiteHealth(): SiteHealth {
  const failures = new Map<string, SiteFailure & { until: number }>();
  const full = new Map<string, number>();
  const holds = new Map<string, { ms: number; until: number }>();
  const open = new Map<string, number>();
  const bound = (map: Map<string, unknown>): void => {
    if (map.size >= maxSites) map.clear();
  };
  return {
    recentFailure: (lane) => {
      const failure = failures.get(lane);
      if (failure && failure.until > Date.now()) return failure;
      failures.delete(lane);
      return undefined;
    },
    failed: (lane, failure, ms) => {
      const until = Date.now() + ms;
      bound(full);
      full.set(lane, until);
      // Who is served by another connection has found no dead site.
      if (open.has(lane)) return;
      bound(failures);
      failures.set(lane, { ...failure, until });
    },
    succeeded: (lane) => {
      failures.delete(lane);
      holds.delete(lane);
    },
    forget: () => {
      failures.clear();
      full.clear();
      holds.clear();
    },
    isFull: (lane) => (full.get(lane) ?? 0) > Date.now(),
    opened: (lane) => {
      open.set(lane, (open.get(lane) ?? 0) + 1);
      return () => {
        const left = (open.get(lane) ?? 1) - 1;
        if (left > 0) open.set(lane, left);
        else open.delete(lane);
      };
    },
    isServed: (lane) => open.has(lane),
    holdAfter421: (lane) => {
      bound(holds);
      const now = Date.now();
      const last = holds.get(lane);
      // Sessions that hear the same 421 at the same time are one.
      if (last && last.until > now) return last.until - now;
      const ms = Math.min((last?.ms ?? firstHold / 2) * 2, longestHold);
      holds.set(lane, { ms, until: now + ms });
      return ms;
    },
  };
}
