import type { Answer } from '../../../shared/io/client.ts';
import type { Column } from './table.ts';

export const queueColumns: readonly Column<Answer<'queues'>['queues'][number]>[] = [
  { title: 'QUEUE', value: ({ name }) => name },
  { title: 'WAITING', value: ({ waiting }) => waiting },
  { title: 'RETRY', value: ({ delayed }) => delayed },
  { title: 'ACTIVE', value: ({ active }) => active },
  { title: 'DEAD', value: ({ dead }) => dead, style: ({ dead }) => (dead > 0 ? 'red' : undefined) },
];
