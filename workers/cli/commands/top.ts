import { parseArgs } from 'node:util';
import { explainApiError } from '../api/explain.ts';
import { apiHelp, apiOptions, exitCodes, openApi } from '../api/connect.ts';
import { openLiveScreen, type LiveScreen } from '../api/live-screen.ts';
import { ratesBetween, readOverview, type LaneChoice, type Overview, type Rates } from '../api/overview.ts';
import { paperOf, print, printJson } from '../api/table.ts';
import { frameOf } from '../api/top-frame.ts';
import { UsageError, type Help } from '../command.ts';
import { parseDuration } from '../../../shared/core/duration.ts';
import type { ReboundClient } from '../../../shared/io/client.ts';
import { whenStopped } from '../../../shared/io/lifecycle.ts';

export const help: Help = {
  usage: '[--every <time>] [--sort depth|age] [--once]',
  summary: 'the same live: rates, queues and the deepest lanes, drawn anew every second',
  options: [
    ['--every <time>', 'how often (1s)'],
    ['--sort depth|age', 'lanes: the deepest first, or the one with the oldest message (depth)'],
    ['--once', 'one frame, and end'],
    ...apiHelp,
  ],
  notes: `Keys: d by depth, a by age, q or Ctrl-C ends. Where it cannot draw (a pipe, TERM=dumb) it prints one frame after another.\n${exitCodes}`,
};

const options = {
  ...apiOptions,
  every: { type: 'string', default: '1s' },
  sort: { type: 'string', default: 'depth' },
  once: { type: 'boolean', default: false },
} as const;

/** Milliseconds. */
const shortest = 200;

export async function run(args: string[]): Promise<number> {
  const { values } = parseArgs({ args, options });
  const { sort, once, json } = values;
  const every = parseDuration(values.every);
  if (every === undefined || every < shortest) throw new UsageError('--every must be a time such as 2s, 200ms at least');
  if (sort !== 'depth' && sort !== 'age') throw new UsageError('--sort must be depth or age');
  const stop = new AbortController();
  const api = await openApi(values, stop.signal);
  const choice: LaneChoice = { sort, limit: 100 };
  if (once) {
    const overview = await readOverview(api, choice);
    if (json) printJson(overview);
    else print(frameOf({ overview, rates: undefined, sort }, paperOf(process.stdout, process.env), Infinity));
    return 0;
  }
  void whenStopped().then(() => stop.abort());
  const first = await readOverview(api, choice); // what cannot be reached at all is told on the usual screen
  const screen = json ? undefined : openLiveScreen(process.stdin, process.stdout, process.env);
  const live: Live = { api, choice, every, screen, stop: stop.signal, wake: () => undefined };
  screen?.onKey((key) => {
    if (key === 'q' || key === '\u0003') stop.abort();
    if (key === 'd') choice.sort = 'depth';
    if (key === 'a') choice.sort = 'age';
    live.wake();
  });
  try {
    await redraw(live, first);
  } finally {
    screen?.close();
  }
  return 0;
}

interface Live {
  api: ReboundClient;
  choice: LaneChoice;
  /** Milliseconds. */
  every: number;
  /** Absent: JSON is printed. */
  screen: LiveScreen | undefined;
  stop: AbortSignal;
  /** Ends the time of this frame. */
  wake(): void;
}

/** Until it is told to stop. An API that goes away is said on the screen, and waited for. */
async function redraw(live: Live, first: Overview): Promise<void> {
  const { api, choice, screen, stop } = live;
  let overview = first;
  let rates: Rates | undefined;
  let problem: string | undefined;
  const draw = (): void => {
    if (!screen) return problem === undefined ? printJson(overview) : undefined;
    const seen = { overview, rates, sort: choice.sort, ...(problem !== undefined && { problem }) };
    screen.draw((paper, height) => frameOf(seen, paper, height));
  };
  screen?.onResize(draw);
  for (;;) {
    draw();
    await waitForFrame(live);
    if (stop.aborted) return;
    try {
      const next = await readOverview(api, choice);
      rates = ratesBetween(overview, next) ?? rates;
      overview = next;
      problem = undefined;
    } catch (error) {
      if (stop.aborted) return;
      const told = explainApiError(error);
      if (!told) throw error;
      problem = told.lines[0] ?? '';
    }
  }
}

/** The time of one frame, cut short by a key or by the end. */
const waitForFrame = (live: Live): Promise<void> =>
  new Promise((resolve) => {
    const { every, stop } = live;
    const end = (): void => {
      clearTimeout(timer);
      stop.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, every);
    stop.addEventListener('abort', end);
    live.wake = end;
    if (stop.aborted) end();
  });
