import { pathSettings } from '../config-delivery.ts';
import type { PathSettings } from '../config.ts';
import { typeNameOf } from './define.ts';
import { problemOf } from './zod-problem.ts';

/** Milliseconds, or words such as `20m`. */
type Duration = number | string;

/** What is set for an egress path; what is absent is that of the settings. */
export interface EgressPathConfig {
  /** Connections, over all delivery processes. */
  readonly connections?: number;
  /** Transactions in flight. */
  readonly concurrency?: number;
  /** Messages per time, such as `50/s`. */
  readonly rate?: string;
  readonly messagesPerConnection?: number;
  /** How long a connection without work stays open. */
  readonly idleTimeout?: Duration;
  readonly tls?: 'opportunistic' | 'required' | 'disabled';
  readonly timeouts?: {
    readonly connect?: Duration;
    readonly greeting?: Duration;
    readonly command?: Duration;
    readonly data?: Duration;
    readonly block?: Duration;
    readonly final?: Duration;
  };
}

/** Called for the first message to a domain by a path, and again after a minute. `domain`: the routing domain where one is set. */
export type GetEgressPathConfig = (
  domain: string,
  source: string,
  site: string,
) => void | undefined | null | EgressPathConfig | Promise<void | undefined | null | EgressPathConfig>;

/** Reads a result. */
export function readPathConfig(result: unknown): { value: PathSettings } | { problem: string } {
  if (result === undefined || result === null) return { value: {} };
  if (typeof result !== 'object') return { problem: `expected settings of an egress path, found ${typeNameOf(result)}` };
  const parsed = pathSettings.safeParse(result);
  return parsed.success ? { value: parsed.data } : { problem: problemOf(parsed.error) };
}
