import { compareLogIds } from '../../shared/core/log-id.ts';
import { runReplay, type ReplayProgress, type ReplayWorld } from '../../shared/io/replay.ts';
import { leaveRuns, readRuns } from '../../shared/io/replay-state.ts';
import { redisPatience } from '../../shared/io/close-worker.ts';
import { whileAnswering } from '../../shared/io/redis.ts';
import type { Logger } from '../../shared/io/log.ts';

/** Runs the replays that were begun or resumed through the API. */
export interface ReplayRunner {
  /** Looks for work now, and from then on every second. */
  look(): void;
  /** How far a replay is that this process runs. */
  progressOf(id: string): ReplayProgress | undefined;
  /** Stops in the middle: another process, or the next start of this one, goes on. */
  close(): Promise<void>;
}

/** Milliseconds. */
const lookInterval = 1000;
/** More wait for their turn. Those that only wait for their target do nothing, so they keep nobody else from working. */
const mostAtOnce = 4;

/**
 * What is to be run stands in Redis, and each run has the right to its replay for some seconds: so any admin process takes
 * up what another has left, and no two run the same.
 */
export function openReplayRunner(world: ReplayWorld, log: Logger): ReplayRunner {
  const running = new Map<string, { work: Promise<void>; progress?: ReplayProgress }>();
  const closing = new AbortController();
  let looking: Promise<void> | undefined;

  const run = async (id: string): Promise<void> => {
    const end = await runReplay(world, id, {
      signal: closing.signal,
      onProgress: (progress) => {
        const entry = running.get(id);
        if (entry && (!entry.progress || compareLogIds(progress.at, entry.progress.at) >= 0)) entry.progress = progress;
      },
      onDamage: ({ segment, problem }) => log.error({ event: 'replay_passed_over', replay: id, segment, problem }),
    });
    // What is busy is run by another process, which may yet be killed.
    if (end === 'busy' || end === 'interrupted') return;
    await leaveRuns(world.redis, id);
    log.info({ event: 'replay', replay: id, end });
  };
  const atWork = (): number => [...running.values()].filter(({ progress }) => !progress?.isTargetFull).length;
  const look = async (): Promise<void> => {
    if (!world.redis.isReady || closing.signal.aborted) return;
    for (const id of await readRuns(world.redis)) {
      if (closing.signal.aborted || atWork() >= mostAtOnce) return;
      if (running.has(id)) continue;
      // A Redis that goes away ends the run, and the next look goes on.
      const work = run(id)
        .catch((error: unknown) => log.warn({ event: 'replay_stopped', replay: id, error: String(error) }))
        .finally(() => running.delete(id));
      running.set(id, { work });
    }
  };
  const lookOnce = (): void => {
    looking ??= look()
      .catch((error: unknown) => log.debug({ event: 'replay_look_failed', error: String(error) }))
      .finally(() => (looking = undefined));
  };
  let timer: NodeJS.Timeout | undefined;
  return {
    look: () => {
      timer ??= setInterval(lookOnce, lookInterval);
      lookOnce();
    },
    progressOf: (id) => running.get(id)?.progress,
    close: async () => {
      clearInterval(timer);
      closing.abort();
      // A Redis that does not answer is not waited for: whoever goes on begins at what it had taken.
      const ended = Promise.resolve(looking).then(() => Promise.all([...running.values()].map(({ work }) => work)));
      await whileAnswering(world.redis, ended, redisPatience).catch(() => undefined);
    },
  };
}
