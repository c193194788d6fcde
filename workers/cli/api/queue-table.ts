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

/** The same with what the subscriber of a queue hears, and what may wait for it before the oldest is dropped. */
export const subscribedColumns = (subscribers: readonly Subscriber[]): readonly Column<Queue>[] => {
  const byQueue = new Map(subscribers.map((one) => [one.queue, one]));
  return [
    ...queueColumns,
    {
      title: 'MAY WAIT',
      value: ({ name }) => {
        const backlog = byQueue.get(name)?.backlog;
        return backlog ? `${backlog.records.toLocaleString('en')} for ${formatDuration(backlog.age_ms)}` : '-';
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
