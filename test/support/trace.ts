import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Request } from '../../shared/io/client.ts';
import { ReboundClient } from '../../shared/io/client.ts';
import type { LiveLine } from '../../workers/cli/trace/live.ts';
import { cleanUp } from './cleanup.ts';

/** Somebody who watches live conversations over the API. */
export interface Watch {
  /** All lines so far. */
  readonly lines: readonly LiveLine[];
  /** Lines that were left out, as the stream has said. */
  readonly leftOut: number;
  /** Resolves with the first line that fits; `probe` is done again and again until there is one. Rejects after thirty seconds. */
  until(fits: (line: LiveLine) => boolean, probe?: () => Promise<unknown>): Promise<LiveLine>;
  stop(): void;
}

const patience = 30_000;

export function watchSmtp(t: TestContext, url: string, query: Request<'smtpTrace'>['query'] = {}): Watch {
  const stopped = new AbortController();
  const lines: LiveLine[] = [];
  let leftOut = 0;
  let problem: Error | undefined;
  const read = async (): Promise<void> => {
    const api = new ReboundClient({ url, signal: stopped.signal });
    for await (const { event, data } of api.smtpTrace({ query })) {
      if (event === 'gap') leftOut += (JSON.parse(data) as { left_out: number }).left_out;
      else lines.push(JSON.parse(data) as LiveLine);
    }
  };
  const reading = read().catch((error: unknown) => {
    if (!stopped.signal.aborted) problem = error as Error;
  });
  cleanUp(t, async () => {
    stopped.abort();
    await reading;
  });
  return {
    lines,
    get leftOut() {
      return leftOut;
    },
    until: async (fits, probe) => {
      const deadline = Date.now() + patience;
      for (;;) {
        if (problem) throw problem;
        const found = lines.find(fits);
        if (found) return found;
        if (Date.now() > deadline)
          throw new Error(
            `no such line; the last ones are\n${lines
              .slice(-30)
              .map(({ text }) => text)
              .join('\n')}`,
          );
        await probe?.();
        await sleep(probe ? 100 : 10);
      }
    },
    stop: () => stopped.abort(),
  };
}
