import { boundConversation, type ConversationLine } from '../core/conversation.ts';
import type { Context } from './context.ts';
import type { Transaction } from './queues.ts';
import type { RedisLink } from './redis.ts';

/**
 * The conversations of attempts that failed. A hash for each hour, so that what is old, or too much, goes at once:
 * `<lane job>.<attempt>` the lines, or `=<lane job>.<attempt>` where another message of the lane had the same one;
 * `octets` their sum.
 */
export interface Conversations {
  /** Keeps what was said in an attempt, in the transaction that settles it. `attempt`: of this job, from 1. */
  keep(tx: Transaction, job: string, attempt: number, said: Said): void;
}

/** One object for each conversation: what is kept twice is known by that. */
export interface Said {
  lines: readonly ConversationLine[];
}

export interface KeptConversation {
  lines: ConversationLine[];
  /** Lines were left out. */
  truncated: boolean;
}

const hour = 3_600_000;
/** All that is kept, about 100,000 ordinary ones. */
const mostOctets = 128 * 1024 * 1024;

const keyOf = (redis: RedisLink, at: number): string => redis.key(`conversations:${Math.floor(at / hour)}`);

/** The hours in which something may be kept, the oldest first. */
function hoursUntil(now: number, keepFor: number): number[] {
  const first = Math.floor((now - keepFor) / hour);
  return Array.from({ length: Math.floor(now / hour) - first + 2 }, (_, n) => (first + n) * hour);
}

// One command and not three: a failure of a large list is a hundred thousand of them.
const keepScript = `
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('HINCRBY', KEYS[1], 'octets', #ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 0`;

export function openConversations({ redis, config }: Pick<Context, 'redis' | 'config'>): Conversations {
  const { keepConversations } = config.delivery;
  redis.client.defineCommand('reboundConversation', { lua: keepScript });
  /** Under what name a conversation was kept first. */
  const names = new WeakMap<Said, string>();
  return {
    keep: (tx, job, attempt, said) => {
      if (keepConversations === 0 || said.lines.length === 0) return;
      const field = `${job}.${attempt}`;
      const first = names.get(said);
      names.set(said, first ?? field);
      const value = first === undefined || first === field ? JSON.stringify(boundConversation(said.lines)) : `=${first}`;
      const call = tx.redis as unknown as { reboundConversation(count: number, ...args: (string | number)[]): void };
      call.reboundConversation(1, keyOf(redis, Date.now()), field, value, keepConversations + hour);
    },
  };
}

/** `<lane job>.<attempt>` of an event that may have a conversation: a failure of an attempt. */
const attemptOf = (eventId: string): string | undefined => /^([0-9a-f]{32}\.\d+\.\d+)\.[btx]\d+$/.exec(eventId)?.[1];

/** What was said in the attempt that an event is about; undefined when nothing is kept of it (any more). */
export async function readConversation(
  { redis, config }: Pick<Context, 'redis' | 'config'>,
  eventId: string,
): Promise<KeptConversation | undefined> {
  const attempt = attemptOf(eventId);
  if (attempt === undefined) return undefined;
  const text = await find(redis, config.delivery.keepConversations, attempt);
  const whole = text?.startsWith('=') ? await find(redis, config.delivery.keepConversations, text.slice(1)) : text;
  return whole === undefined || whole.startsWith('=') ? undefined : (JSON.parse(whole) as KeptConversation);
}

/** Of these events those that have one. */
export async function whichHaveConversations(
  { redis, config }: Pick<Context, 'redis' | 'config'>,
  eventIds: readonly string[],
): Promise<string[]> {
  const asked = eventIds.flatMap((eventId) => {
    const attempt = attemptOf(eventId);
    return attempt === undefined ? [] : [{ eventId, attempt }];
  });
  const { keepConversations } = config.delivery;
  const found = await namesKept(
    redis,
    keepConversations,
    asked.map(({ attempt }) => attempt),
  );
  // A name alone is not enough: what it stands for may be gone, or its transaction have failed.
  const others = [...found.values()].filter((first) => first !== '');
  const firsts = await namesKept(redis, keepConversations, others);
  const isKept = (attempt: string): boolean => {
    const first = found.get(attempt);
    return first === '' || (first !== undefined && firsts.get(first) === '');
  };
  return asked.filter(({ attempt }) => isKept(attempt)).map(({ eventId }) => eventId);
}

/** Of these attempts those of which something is kept: the other attempt that had the same conversation, or nothing where it is its own. */
async function namesKept(redis: RedisLink, keepFor: number, attempts: readonly string[]): Promise<Map<string, string>> {
  const [oldest] = attempts.toSorted();
  if (oldest === undefined) return new Map();
  const trip = redis.client.pipeline();
  for (const at of hoursOf(oldest, keepFor)) trip.eval(namesScript, 1, keyOf(redis, at), ...new Set(attempts));
  const pairs = ((await trip.exec()) ?? []).flatMap(([error, value]) => (error ? [] : (value as [string, string][])));
  return new Map(pairs);
}

// A conversation may be long; a name is not, and only that is read.
const namesScript = `
local found = {}
for i = 1, #ARGV do
  local size = redis.call('HSTRLEN', KEYS[1], ARGV[i])
  if size > 0 then
    local value = size < 200 and redis.call('HGET', KEYS[1], ARGV[i]) or ''
    found[#found + 1] = { ARGV[i], string.sub(value, 1, 1) == '=' and string.sub(value, 2) or '' }
  end
end
return found`;

/** No attempt was made before its message came in, which its id tells. */
function hoursOf(attempt: string, keepFor: number): number[] {
  const received = Number.parseInt(attempt.slice(0, 12), 16);
  const now = Date.now();
  return hoursUntil(now, Math.min(keepFor + hour, Math.max(0, now - received) + hour));
}

async function find(redis: RedisLink, keepFor: number, attempt: string): Promise<string | undefined> {
  const trip = redis.client.pipeline();
  for (const at of hoursOf(attempt, keepFor)) trip.hget(keyOf(redis, at), attempt);
  for (const [error, value] of (await trip.exec()) ?? []) {
    if (error) throw error;
    if (typeof value === 'string') return value;
  }
  return undefined;
}

/** Conversations give way to everything else: the older half of them when Redis runs short, and whatever is too much. */
export async function trimConversations({ redis, config, log }: Context, isShort: boolean): Promise<void> {
  const hours = hoursUntil(Date.now(), config.delivery.keepConversations + hour);
  const trip = redis.client.pipeline();
  for (const at of hours) trip.hget(keyOf(redis, at), 'octets');
  const sizes = ((await trip.exec()) ?? []).map(([, value]) => Number(value ?? 0));
  const total = sizes.reduce((sum, size) => sum + size, 0);
  const bearable = isShort ? total / 2 : mostOctets;
  let left = total;
  const dropped: string[] = [];
  for (const [n, at] of hours.entries()) {
    const size = sizes[n] ?? 0;
    if (left <= bearable) break;
    if (size === 0) continue;
    dropped.push(keyOf(redis, at));
    left -= size;
  }
  if (dropped.length === 0) return;
  await redis.client.unlink(...dropped);
  log.warn({ event: 'conversations_trimmed', octets: total - left, left }, isShort ? 'Redis runs short of memory' : 'there were too many');
}
