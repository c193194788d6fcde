import type { BounceConfig, RetrySchedule } from './config.ts';
import type { DeliveryJob } from './delivery-job.ts';
import { parseQueueName } from './queue-name.ts';

/** When to try again, or that the message has had its time (RFC 5321 §4.5.4.1). */
export type NextStep = { kind: 'retry'; at: number } | { kind: 'expire' };

/**
 * The step after the `attempts`-th failed attempt at `now`. Waits double from `interval` up to `maxInterval`; `jitter`
 * is a number from -1 to 1 that moves the wait by that part of the schedule's spread. The last attempt is made at
 * `maxAge` itself, so that a message expires when it is due and not a doubled wait before.
 */
export function nextStep(schedule: RetrySchedule, message: { created: number; attempts: number }, now: number, jitter: number): NextStep {
  const expiresAt = message.created + schedule.maxAge;
  if (now >= expiresAt) return { kind: 'expire' };
  const doubled = schedule.interval * 2 ** Math.min(Math.max(message.attempts - 1, 0), 40);
  const wait = Math.min(doubled, Math.max(schedule.maxInterval, schedule.interval)) * (1 + schedule.jitter * jitter);
  return { kind: 'retry', at: Math.min(Math.round(now + wait), expiresAt) };
}

/** Is a message that has to wait again at `now` so late that its sender is warned (RFC 3461 §5.2.5)? Not more often than configured. */
export function isWarningDue(
  { delayWarning, delayWarnings }: Pick<BounceConfig, 'delayWarning' | 'delayWarnings'>,
  { created, warned = { times: 0, at: created } }: Pick<DeliveryJob, 'created' | 'warned'>,
  now: number,
): boolean {
  return delayWarning > 0 && warned.times < delayWarnings && now - warned.at >= delayWarning;
}

/** The schedule of a queue: what is set for the queue itself, else for its tenant (`tenant@`), else for its domain. */
export function scheduleOf(queue: string, defaults: RetrySchedule, queues: Readonly<Record<string, PartOfSchedule>>): RetrySchedule {
  const { domain, tenant } = parseQueueName(queue);
  return completeSchedule(queues[queue] ?? (tenant ? queues[`${tenant}@`] : undefined) ?? queues[domain], defaults);
}

export type PartOfSchedule = { [K in keyof RetrySchedule]?: RetrySchedule[K] | undefined };

/** A part of a schedule, and the defaults for the rest. */
export const completeSchedule = (part: PartOfSchedule | undefined, defaults: RetrySchedule): RetrySchedule =>
  part
    ? {
        interval: part.interval ?? defaults.interval,
        maxInterval: part.maxInterval ?? defaults.maxInterval,
        maxAge: part.maxAge ?? defaults.maxAge,
        jitter: part.jitter ?? defaults.jitter,
      }
    : defaults;
