import { parentPort } from 'node:worker_threads';
import { memoize as memoizeQuietly, type MemoizeOptions } from './memoize.ts';
import { areWordsKept } from './policy-secrecy.ts';
import type { Word } from './policy-thread.ts';

/** `memoize` for policy files: each call that failed is also told to the process, which logs and counts it. */
export const memoize: typeof memoizeQuietly = (fn, options) =>
  memoizeQuietly(fn, {
    ...options,
    onError: (failure) => {
      tell(failure);
      options.onError?.(failure);
    },
  });

const tell: NonNullable<MemoizeOptions['onError']> = ({ name, error, isStale }) => {
  const words = areWordsKept() ? '(left out: they may hold a password)' : error instanceof Error ? error.message : String(error);
  const then = isStale ? 'the result of before is used' : 'there is no result of before';
  parentPort?.postMessage({ kind: 'strayed', message: `memoize "${name}": ${words.slice(0, 1000)}; ${then}` } satisfies Word);
};
