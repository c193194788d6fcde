import { traceMatcher, type TracedLine, type TraceFilter } from '../core/trace.ts';
import type { Context } from './context.ts';
import type { RedisLink } from './redis.ts';
import { withTimeout } from './with-timeout.ts';

/**
 * Tells those who watch of the conversations of this process. Costs one command a second while nobody does, and never
 * makes mail wait: lines that Redis does not take at once are left out, and counted.
 */
export interface Tracer {
  /** Name of this process. */
  readonly process: string;
  /** Somebody watches. Asked before anything is made of a line. */
  readonly isWatched: boolean;
  /** Who wants this line. */
  wantedBy(line: TracedLine): string[];
  tell(line: TracedLine, watchers: readonly string[]): void;
  close(): void;
}

/** What one process says at a time. */
export interface TraceBatch {
  process: string;
  lines: AddressedLine[];
  /** Lines since the batch before that there was no room for. */
  leftOut: number;
}

export interface AddressedLine {
  line: TracedLine;
  /** The watchers that it is for. */
  to: readonly string[];
}

/** How often a process asks whether somebody watches. Milliseconds. */
const lookInterval = 1000;
const flushInterval = 100;
/** Of an answer that a lost connection took along nobody hears any more where commands are not sent again. Milliseconds. */
const patience = 5000;
/** Lines of one flush: 2,000 a second. */
const mostLines = 200;

/** Hash: by watcher its filter and until when it watches, by the clock of Redis. */
const watchersKey = (redis: RedisLink): string => redis.key('tracers');
export const traceChannel = (redis: RedisLink): string => redis.key('trace');

/** How long a watcher is believed without being heard of; it renews three times as often. Milliseconds. */
export const watchLifetime = 6000;

export function openTracer({ redis, instance, log }: Pick<Context, 'redis' | 'instance' | 'log'>): Tracer {
  let watchers: { id: string; fits: (line: TracedLine) => boolean }[] = [];
  let lines: AddressedLine[] = [];
  let leftOut = 0;
  let isLooking = false;
  let isSending = false;
  let flushing: NodeJS.Timeout | undefined;

  const look = async (): Promise<void> => {
    // A Redis that hangs answers later, and by then another question would be waiting behind this one.
    if (isLooking || !redis.isReady) return;
    isLooking = true;
    try {
      watchers = Object.entries(await withTimeout(redis.client.hgetall(watchersKey(redis)), patience)).flatMap(
        ([id, text]) => readWatcher(id, text) ?? [],
      );
    } catch (error) {
      watchers = [];
      log.debug({ event: 'trace_look_failed', error: String(error) });
    } finally {
      isLooking = false;
    }
  };
  const flush = (): void => {
    flushing = undefined;
    if (isSending || !redis.isReady) {
      leftOut += lines.length;
      lines = [];
      return;
    }
    const batch: TraceBatch = { process: instance, lines, leftOut };
    lines = [];
    leftOut = 0;
    isSending = true;
    withTimeout(redis.client.publish(traceChannel(redis), JSON.stringify(batch)), patience)
      .catch((error: unknown) => {
        leftOut += batch.lines.length + batch.leftOut;
        log.debug({ event: 'trace_failed', error: String(error) });
      })
      .finally(() => (isSending = false));
  };
  const looking = setInterval(() => void look(), lookInterval);
  looking.unref();
  void look();
  return {
    process: instance,
    get isWatched() {
      return watchers.length > 0;
    },
    wantedBy: (line) => watchers.filter(({ fits }) => fits(line)).map(({ id }) => id),
    tell: (line, to) => {
      if (lines.length < mostLines) lines.push({ line, to });
      else leftOut += 1;
      flushing ??= setTimeout(flush, flushInterval).unref();
    },
    close: () => {
      clearInterval(looking);
      clearTimeout(flushing);
      if (lines.length > 0) flush();
    },
  };
}

function readWatcher(id: string, text: string): { id: string; fits: (line: TracedLine) => boolean } | undefined {
  try {
    return { id, fits: traceMatcher((JSON.parse(text) as Watcher).filter) };
  } catch {
    return undefined;
  }
}

interface Watcher {
  filter: TraceFilter;
  /** Epoch ms by the clock of Redis. */
  until: number;
}

/** Whoever renews also clears away those who died; the key itself ends when nobody is left to do that. */
const watchScript = `
local now = redis.call('TIME')
local ms = now[1] * 1000 + math.floor(now[2] / 1000)
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  local ok, watcher = pcall(cjson.decode, all[i + 1])
  if not ok or type(watcher) ~= 'table' or (tonumber(watcher['until']) or 0) < ms then redis.call('HDEL', KEYS[1], all[i]) end
end
redis.call('HSET', KEYS[1], ARGV[1], '{"filter":' .. ARGV[2] .. ',"until":' .. string.format('%.0f', ms + ARGV[3]) .. '}')
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1`;

/** Says that `watcher` watches, for the next seconds. */
export async function announceWatcher(redis: RedisLink, watcher: string, filter: TraceFilter): Promise<void> {
  await redis.client.eval(watchScript, 1, watchersKey(redis), watcher, JSON.stringify(filter), watchLifetime);
}

export async function withdrawWatcher(redis: RedisLink, watcher: string): Promise<void> {
  await redis.client.hdel(watchersKey(redis), watcher);
}
