import { formatDuration } from '../../../shared/core/duration.ts';

/** How long ago, for people: `3m 20s`; `-` when never. */
export const agoOf = (time: string | null | undefined, now = Date.now()): string => {
  const at = time ? Date.parse(time) : NaN;
  return Number.isNaN(at) ? '-' : formatDuration(Math.max(0, now - at));
};

/** In how long: `in 5m`; `now` when the time has come. */
export const inOf = (time: string | null | undefined, now = Date.now()): string => {
  const at = time ? Date.parse(time) : NaN;
  return Number.isNaN(at) ? '-' : at <= now ? 'now' : `in ${formatDuration(at - now)}`;
};
