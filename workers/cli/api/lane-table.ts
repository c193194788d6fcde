import type { Answer } from '../../../shared/io/client.ts';
import type { Column } from './table.ts';
import { formatDuration } from '../../../shared/core/duration.ts';
import { agoOf } from './times.ts';

export type Lane = Answer<'lanes'>['lanes'][number];

export const laneColumns: readonly Column<Lane>[] = [
  { title: 'LANE', value: ({ lane }) => lane },
  { title: 'WAITING', value: ({ waiting }) => waiting },
  { title: 'RETRY', value: ({ delayed }) => delayed },
  { title: 'ACTIVE', value: ({ active }) => active },
  { title: 'OLDEST', value: ({ oldest }) => agoOf(oldest) },
  { title: 'STATE', value: (lane) => stateOf(lane), style: (lane) => (isTroubled(lane) ? 'yellow' : undefined) },
];

export function stateOf({ paused, suspended, held_ms: held, delayed, waiting, active }: Lane): string {
  if (paused) return 'paused';
  if (suspended) return 'suspended';
  if (held > 0) return `left alone for ${formatDuration(held)}`;
  if (active > 0) return 'delivering';
  return waiting > 0 ? 'waiting' : delayed > 0 ? 'retrying' : 'idle';
}

/** Somebody should know: it is stopped, the site wants to be left alone, or mail was put off. */
export const isTroubled = ({ paused, suspended, held_ms: held, delayed }: Lane): boolean =>
  paused || suspended !== null || held > 0 || delayed > 0;
