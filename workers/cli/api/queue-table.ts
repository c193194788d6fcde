import type { Answer } from '../../../shared/io/client.ts';
import { formatDuration } from '../../../shared/core/duration.ts';
import type { Column } from './table.ts';

type Queue = Answer<'queues'>['queues'][number];
type Subscriber = Answer<'subscribers'>['subscribers'][number];

export const queueColumns: readonly Column<Queue>[] = [
  { title: 'QUEUE', value: ({ name }) => name },
  { title: 'WAITING', value: ({ waiting }) => waiting },
  { title: 'RETRY', value: ({ delayed }) => delayed },
  { title: 'ACTIVE', value: ({ active }) => active },
  { title: 'DEAD', value: ({ dead }) => dead, style: ({ dead }) => (dead > 0 ? 'red' : undefined) },
];

/** The same with what the subscriber of a queue hears, and how old the oldest is that waits for it. */
export const subscribedColumns = (subscribers: readonly Subscriber[]): readonly Column<Queue>[] => {
  const byQueue = new Map(subscribers.map((one) => [one.queue, one]));
  return [
    ...queueColumns,
    {
      title: 'OLDEST',
      value: ({ name }) => {
        const age = byQueue.get(name)?.backlog?.age_ms ?? 0;
        return age === 0 ? '-' : formatDuration(age);
      },
    },
    {
      title: 'HEARS',
      value: ({ name }) => {
        const subscriber = byQueue.get(name);
        return subscriber === undefined ? '-' : (subscriber.types?.join(', ') ?? 'a hook that these settings do not know');
      },
    },
  ];
};
