import { setTimeout as sleep } from 'node:timers/promises';
import { queueOfTarget } from '../../../shared/core/replay.ts';
import { readReplay, type ReplayState } from '../../../shared/io/replay-state.ts';
import { runReplay, type ReplayEnd, type ReplayWorld } from '../../../shared/io/replay.ts';
import { Failure } from '../command.ts';
import { warn } from '../log/warn.ts';
import { openProgress, type Progress } from './progress.ts';

/** A run that was killed keeps its right for ten seconds. Milliseconds. */
const busyPatience = 15_000;
/** Without any news for so long, what is left is left to itself. Milliseconds. */
const followPatience = 15_000;
const lookInterval = 250;

/** Adds the jobs of a replay and waits for what becomes of them, as long as something does. Resolves with the exit code. */
export async function runAndFollow(world: ReplayWorld, id: string, signal: AbortSignal): Promise<number> {
  const { redis } = world;
  const state = await readReplay(redis, id);
  if (!state) throw new Failure(`there is no replay ${id}`);
  const progress = openProgress(state.plan);
  let isDamaged = false;
  const run = (): Promise<ReplayEnd> =>
    runReplay(world, id, {
      signal,
      onProgress: ({ at, queued, isTargetFull }) =>
        progress.show(at, { queued }, isTargetFull ? `waiting for ${queueOfTarget(state.plan.target)}` : ''),
      onDamage: ({ segment, problem }) => {
        isDamaged = true;
        warn(`${segment} is passed over: ${problem}`);
      },
    });
  try {
    let end = state.status === 'queued' ? 'queued' : await run();
    for (const deadline = Date.now() + busyPatience; end === 'busy' && !signal.aborted && Date.now() < deadline;) {
      await sleep(lookInterval, undefined, { signal }).catch(() => undefined);
      end = await run();
    }
    if (end === 'busy') throw new Failure('another process is at it');
    if (end === 'queued') await follow(world, id, progress, signal);
    progress.end();
    if (end === 'cancelled' || end === 'unknown') return 1;
    if (end === 'interrupted') {
      warn(`interrupted; "rebound replay resume ${id}" goes on`);
      return 130;
    }
    return isDamaged ? 1 : 0;
  } finally {
    progress.end();
  }
}

async function follow({ redis }: ReplayWorld, id: string, progress: Progress, signal: AbortSignal): Promise<void> {
  let pending = Infinity;
  let since = Date.now();
  while (!signal.aborted) {
    const state: ReplayState | undefined = await readReplay(redis, id);
    if (!state || state.pending === 0 || state.status === 'cancelled') return;
    if (state.pending < pending) [pending, since] = [state.pending, Date.now()];
    progress.show(`${state.plan.filter.until}-0`, { queued: state.queued, ...state.outcomes }, `${state.pending} pending`);
    if (Date.now() - since > followPatience) {
      return warn(`${state.pending} records wait in the queue ${queueOfTarget(state.plan.target)}; is a bounce process running?`);
    }
    await sleep(lookInterval, undefined, { signal }).catch(() => undefined);
  }
}
