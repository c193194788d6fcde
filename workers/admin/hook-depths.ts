import { bounceSubscription } from '../../shared/core/subscriptions.ts';
import type { World } from './world.ts';

/** What waits for one subscriber. */
export interface HookDepth {
  /** The name of its queue. */
  name: string;
  /** Those of replays included, which stand behind the others. */
  waiting: number;
  delayed: number;
  active: number;
  /** Given up; the latest of them. */
  dead: number;
}

/** The queues of all subscribers, and of the bounce worker even when it is off: there may be jobs of before. */
export const queuesOfSubscribers = ({ context }: Pick<World, 'context'>): string[] => [
  ...new Set([bounceSubscription, ...context.subscriptions].map(({ queue }) => queue)),
];

export const readHookDepths = (world: Pick<World, 'context' | 'queues'>): Promise<HookDepth[]> =>
  readQueueDepths(world, queuesOfSubscribers(world));

export function readQueueDepths(world: Pick<World, 'queues'>, names: readonly string[]): Promise<HookDepth[]> {
  return Promise.all(
    names.map(async (name) => {
      const counts = await world.queues.backend(name).getCounts(['wait', 'delayed', 'active', 'failed', 'prioritized']);
      const [waiting = 0, delayed = 0, active = 0, dead = 0, replayed = 0] = counts;
      return { name, waiting: waiting + replayed, delayed, active, dead };
    }),
  );
}
