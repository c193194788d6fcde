import { timeOfLogId } from '../../../shared/core/log-id.ts';
import type { ReplayPlan } from '../../../shared/core/replay.ts';
import { span } from '../demo/table.ts';
import { openScreen } from '../demo/screen.ts';

/** How far a replay is, on standard error: a bar that is redrawn on a terminal, elsewhere a line now and then. */
export interface Progress {
  /** `at`: the id of the log that is reached. */
  show(at: string, counts: Record<string, number>, note?: string): void;
  end(): void;
}

const barWidth = 24;
/** Milliseconds. */
const redrawInterval = 100;
const lineInterval = 5000;

/** The bar is that of the time of the log, which is what is known before. */
export function openProgress({ filter }: Pick<ReplayPlan, 'filter'>): Progress {
  const screen = openScreen(process.stderr, process.env);
  const interval = screen.isLive ? redrawInterval : lineInterval;
  let from = filter.since;
  let last = screen.isLive ? -Infinity : performance.now();
  return {
    show: (at, counts, note = '') => {
      const time = timeOfLogId(at);
      from ??= time;
      const now = performance.now();
      if (now - last < interval) return;
      last = now;
      const part = Math.min(1, Math.max(0, (time - from) / Math.max(1, filter.until - from)));
      const done = Math.round(part * barWidth);
      const words = Object.entries(counts).map(([name, count]) => `${count.toLocaleString('en')} ${name}`);
      const line = `${String(Math.round(part * 100)).padStart(3)} %  ${[...words, ...(note ? [note] : [])].join(', ')}`;
      if (screen.isLive) screen.draw([span(`${'█'.repeat(done)}${'░'.repeat(barWidth - done)} ${line}`)]);
      else screen.print(line);
    },
    end: () => screen.keep(),
  };
}
