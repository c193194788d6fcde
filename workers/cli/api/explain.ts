import { printable } from '../../../shared/core/printable.ts';
import type { ApiError } from '../../../shared/io/client.ts';

export interface Explained {
  code: 1 | 2 | 3;
  lines: string[];
}

/**
 * An error of the client in words that say what to do, with the exit code; undefined for any other. By name, so that the
 * client is not loaded where it is not needed.
 */
export function explainApiError(error: unknown): Explained | undefined {
  if (!(error instanceof Error)) return undefined;
  if (error.name === 'ApiUnreachable') {
    const advice = 'is the admin role running? "rebound start" or "rebound admin" starts it; --url or REBOUND_URL name another one';
    return { code: 3, lines: [printable(error.message), advice] };
  }
  if (error.name !== 'ApiError') return undefined;
  const { status, detail, errors } = error as ApiError;
  const words = printable(detail);
  switch (status) {
    case 401:
      return { code: 3, lines: [words, 'log in with REBOUND_TOKEN, or with REBOUND_URL=http://user:password@host:port'] };
    case 403:
    case 429:
    case 503:
      return { code: 3, lines: [words] };
    case 400:
      return { code: 2, lines: errors.length > 0 ? errors.map(({ field, message }) => printable(`${field}: ${message}`)) : [words] };
    default:
      return { code: 1, lines: [words] };
  }
}
