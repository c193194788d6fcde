import type { RetrySchedule } from '../core/config.ts';
import { readQueueConfig } from '../core/policy/get-queue-config.ts';
import { parseQueueName } from '../core/queue-name.ts';
import { completeSchedule, scheduleOf } from '../core/schedule.ts';
import type { Context } from './context.ts';
import { rememberAnswers } from './policy-memory.ts';

/** What holds for a queue: of the settings, and of the policy over them. */
export interface QueueSettings {
  schedule(queue: string): Promise<RetrySchedule> | RetrySchedule;
  /** The egress source of a message, its queue given; undefined: the policy names none. */
  source(queue: string): Promise<string | undefined> | undefined;
}

export function openQueueSettings({ config, policy }: Context): QueueSettings {
  const names = config.outbound.sources.map(({ name }) => name);
  const known = names.length > 0 ? names : ['default'];
  const ask = rememberAnswers(policy, 'get_queue_config', (result) => readQueueConfig(result, known));
  const settingsOf = (queue: string): ReturnType<typeof ask> => {
    if (!policy.handles('get_queue_config')) return undefined;
    const { domain, tenant, campaign, routingDomain } = parseQueueName(queue);
    return ask(domain, tenant, campaign, routingDomain);
  };
  const turns = new WeakMap<object, number>();
  const next = (settings: { sources: readonly string[] }): string | undefined => {
    const turn = turns.get(settings) ?? 0;
    turns.set(settings, turn + 1);
    return settings.sources[turn % settings.sources.length];
  };
  return {
    schedule: (queue) => {
      const configured = scheduleOf(queue, config.retry, config.queues);
      return settingsOf(queue)?.then((settings) => completeSchedule(settings?.schedule, configured)) ?? configured;
    },
    source: (queue) => settingsOf(queue)?.then((settings) => settings && next(settings)),
  };
}
