import { parseDuration } from './duration.ts';

/** `50/s`, `100/5m` as messages per milliseconds; undefined when it is no rate. */
export function parseRate(text: string): { max: number; ms: number } | undefined {
  const match = /^(\d+)\/(\d*)(ms|s|m|h)$/.exec(text.trim());
  const ms = match ? parseDuration(`${match[2] || 1}${match[3]}`) : undefined;
  return ms ? { max: Number(match?.[1]), ms } : undefined;
}
