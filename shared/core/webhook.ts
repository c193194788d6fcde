/** What an answer of an endpoint means for the records sent. `afterMs`: it asked to be left alone for so long. */
export type WebhookVerdict =
  | { kind: 'done' }
  /** The endpoint does not want these records; a few tries more, in case it was mistaken. */
  | { kind: 'refused'; reason: string }
  /** Not now. */
  | { kind: 'later'; reason: string; afterMs?: number };

/** Request Timeout, Too Early (RFC 8470), Too Many Requests (RFC 6585): the only 4xx that say nothing about the request. */
const passing: readonly number[] = [408, 425, 429];

/** Of an HTTP status and the field Retry-After (RFC 9110 §10.2.3); `now` in epoch ms. Redirects are not followed: they wait for a person. */
export function judgeAnswer(status: number, retryAfter: string | undefined, now: number): WebhookVerdict {
  if (status >= 200 && status < 300) return { kind: 'done' };
  const reason = `HTTP ${status}`;
  if (status >= 400 && status < 500 && !passing.includes(status)) return { kind: 'refused', reason };
  const afterMs = status === 429 || status === 503 ? parseRetryAfter(retryAfter, now) : undefined;
  return { kind: 'later', reason, ...(afterMs !== undefined && { afterMs }) };
}

export interface Backoff {
  /** Milliseconds. */
  first: number;
  max: number;
}

/** The wait after the n-th failure in a row (from 1 on): doubled each time, and between half and all of that by `chance` (0 to 1). */
export const backoffDelay = ({ first, max }: Backoff, failures: number, chance: number): number =>
  Math.round(Math.min(max, first * 2 ** Math.min(failures - 1, 30)) * (0.5 + chance / 2));

/** Nobody may silence us for longer. Milliseconds. */
const longestPause = 3_600_000;

/** Seconds or an HTTP date, as milliseconds from `now`; undefined when it is neither. */
function parseRetryAfter(text: string | undefined, now: number): number | undefined {
  if (text === undefined || text.length > 64) return undefined;
  const ms = /^\d{1,10}$/.test(text.trim()) ? Number(text) * 1000 : Date.parse(text) - now;
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(ms, 0), longestPause);
}
