import type { ChainableCommander, Redis } from 'ioredis';
import type { Role } from '../core/api/endpoint.ts';
import type { Context } from './context.ts';
import type { RedisLink } from './redis.ts';

/** One change that somebody made or tried to make. */
export interface AuditEntry {
  /** RFC 3339. */
  time: string;
  who: string;
  role: Role;
  address: string;
  /** The name of the operation; of the command line `replay` and the like. */
  action: string;
  /** What it was done to. */
  target: string;
  reason: string | null;
  /** Of the HTTP answer; 200 for what the command line did. */
  status: number;
  result: string;
}

/** Entries kept; about 400 octets each. */
const mostEntries = 20_000;

const keyOf = (redis: RedisLink): string => redis.key('audit');

/** Writes an entry into the log of this process, which is the one that cannot fail, and into the stream. */
export async function writeAudit(context: Pick<Context, 'redis' | 'log'>, entry: AuditEntry): Promise<void> {
  const { log, redis } = context;
  const { time: _, ...fields } = entry;
  log.info({ event: 'audit', ...fields });
  try {
    await redis.client.xadd(keyOf(redis), 'MAXLEN', '~', mostEntries, '*', 'a', JSON.stringify(entry));
  } catch (error) {
    log.error({ event: 'audit_not_written', error: String(error) });
  }
}

/** The newest entries before `cursor`, the newest first. */
export async function readAudit(
  context: Pick<Context, 'redis'>,
  limit: number,
  cursor: string | undefined,
): Promise<{ entries: (AuditEntry & { id: string })[]; next: string | null }> {
  const raw = await context.redis.client.xrevrange(keyOf(context.redis), cursor === undefined ? '+' : `(${cursor}`, '-', 'COUNT', limit);
  const entries = raw.map(([id, fields]) => ({ id, ...(JSON.parse(fields[1] ?? '{}') as AuditEntry) }));
  return { entries, next: raw.length < limit ? null : (raw.at(-1)?.[0] ?? null) };
}

/** Characters of one field of what the command line writes. */
const longest = 2000;

/** Adds what a person did at the command line: to a transaction, or with `redis.client` at once, which is to be awaited. */
export function audit(
  to: ChainableCommander | Redis,
  redis: RedisLink,
  done: { who: string; action: string; target: string; why: string; result: string },
): unknown {
  const cut = (text: string): string => text.slice(0, longest);
  const entry: AuditEntry = {
    time: new Date().toISOString(),
    who: cut(done.who),
    role: 'admin',
    address: '',
    action: done.action,
    target: cut(done.target),
    reason: cut(done.why) || null,
    status: 200,
    result: cut(done.result),
  };
  return to.xadd(keyOf(redis), 'MAXLEN', '~', mostEntries, '*', 'a', JSON.stringify(entry));
}
