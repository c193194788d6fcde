import { queueSchedule } from '../config-delivery.ts';
import type { PartOfSchedule } from '../schedule.ts';
import { typeNameOf } from './define.ts';
import { problemOf } from './zod-problem.ts';

/** Milliseconds, or words such as `20m`. */
type Duration = number | string;

/** What is set for a queue; what is absent is that of the settings. */
export interface QueueConfig {
  readonly interval?: Duration;
  readonly maxInterval?: Duration;
  readonly maxAge?: Duration;
  readonly jitter?: number;
  /** The egress source of its messages, or several, used in turn; asked when a message comes in. */
  readonly source?: string | readonly string[];
}

/** Called for each queue, and again after a minute. */
export type GetQueueConfig = (
  domain: string,
  tenant: string | undefined,
  campaign: string | undefined,
  routingDomain: string | undefined,
) => void | undefined | null | QueueConfig | Promise<void | undefined | null | QueueConfig>;

export interface QueueSettings {
  schedule: PartOfSchedule;
  sources: readonly string[];
}

/** Reads a result. `known`: the names of the egress sources that there are. */
export function readQueueConfig(result: unknown, known: readonly string[]): { value: QueueSettings } | { problem: string } {
  if (result === undefined || result === null) return { value: { schedule: {}, sources: [] } };
  if (typeof result !== 'object' || Array.isArray(result)) return { problem: `expected settings of a queue, found ${typeNameOf(result)}` };
  const { source, ...schedule } = result as { source?: unknown };
  const sources = source === undefined ? [] : Array.isArray(source) ? (source as unknown[]) : [source];
  const stranger = sources.find((name) => typeof name !== 'string' || !known.includes(name));
  if (stranger !== undefined) return { problem: `there is no egress source ${JSON.stringify(stranger)?.slice(0, 60)}` };
  const parsed = queueSchedule.safeParse(schedule);
  if (!parsed.success) return { problem: problemOf(parsed.error) };
  return { value: { schedule: parsed.data, sources: sources as string[] } };
}
