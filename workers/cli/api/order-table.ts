import type { Answer } from '../../../shared/io/client.ts';
import type { Column, Style } from './table.ts';
import { agoOf, inOf } from './times.ts';

export type Order = Answer<'order'>;

const styles: Record<Order['state'], Style> = { working: 'cyan', 'in force': 'yellow', ended: 'dim' };

export const orderColumns: readonly Column<Order>[] = [
  { title: 'ORDER', value: ({ id }) => id },
  { title: 'KIND', value: ({ kind }) => kind },
  { title: 'STATE', value: ({ state }) => state, style: ({ state }) => styles[state] },
  { title: 'DONE', value: ({ messages }) => messages.done },
  { title: 'ENDS', value: ({ expires, state }) => (state === 'ended' ? '-' : inOf(expires)) },
  { title: 'AGE', value: ({ created }) => agoOf(created) },
  { title: 'WHO', value: ({ who }) => who },
  { title: 'WHICH', value: ({ criteria }) => criteriaWords(criteria) },
  { title: 'REASON', value: ({ reason }) => reason },
];

/** As the options name them: `domain example.org, tenant acme`. */
export const criteriaWords = (criteria: Record<string, unknown>): string =>
  Object.entries(criteria)
    .map(([name, value]) =>
      name === 'everything' ? 'all messages' : `${name.replaceAll('_', '-')} ${value === '' ? '<>' : String(value)}`,
    )
    .join(', ');
