import { useCallback, useEffect, useState } from 'preact/hooks';
import { ask, link, Refusal, type Answer, type Input, type Operation } from './api.ts';

export interface Asked<T> {
  /** Of the last good answer to this question. */
  data: T | undefined;
  problem: Refusal | undefined;
  again: () => void;
}

/** Milliseconds. */
const retryAfter = 3000;

/**
 * Asks when the question changes, and every `every` milliseconds while the page is looked at. An answer to an older
 * question is never shown.
 */
export function useAsk<O extends Operation>(operation: O, input: Omit<Input<O>, 'signal'> | undefined, every?: number): Asked<Answer<O>> {
  const question = input === undefined ? undefined : JSON.stringify([operation, input]);
  const [state, setState] = useState<{ question?: string | undefined; data?: Answer<O>; problem?: Refusal | undefined }>({});
  const [round, setRound] = useState(0);
  const again = useCallback(() => setRound((n) => n + 1), []);

  useEffect(() => {
    if (question === undefined || input === undefined) return undefined;
    const stop = new AbortController();
    let timer: number | undefined;
    /** Nothing good came of the last look: there will be another as soon as the server is heard of. */
    let isOwed = false;
    const look = async (): Promise<void> => {
      window.clearTimeout(timer);
      isOwed = true;
      if (!document.hidden && link.get().state !== 'expired') {
        try {
          const data = await ask(operation, { ...input, signal: stop.signal } as Input<O>);
          isOwed = false;
          if (!stop.signal.aborted) setState({ question, data, problem: undefined });
        } catch (error) {
          if (stop.signal.aborted) return;
          const problem = error instanceof Refusal ? error : new Refusal(0, String(error));
          setState((before) => ({ ...(before.question === question ? before : { question }), problem }));
        }
      }
      const pause = every ?? (isOwed ? retryAfter : undefined);
      if (pause !== undefined && !stop.signal.aborted) timer = window.setTimeout(() => void look(), pause);
    };
    void look();
    const wake = (): void => {
      if (!document.hidden && (isOwed || every !== undefined)) void look();
    };
    document.addEventListener('visibilitychange', wake);
    const deaf = link.listen(() => {
      if (link.get().state === 'live' && isOwed) void look();
    });
    return () => {
      stop.abort();
      window.clearTimeout(timer);
      document.removeEventListener('visibilitychange', wake);
      deaf();
    };
  }, [question, every, round]);

  const isCurrent = state.question === question;
  return { data: isCurrent ? state.data : undefined, problem: isCurrent ? state.problem : undefined, again };
}
