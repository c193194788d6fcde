import type { Role } from '../core/api/endpoint.ts';
import type { Context } from './context.ts';

/** One change that somebody made or tried to make. */
export interface AuditEntry {
  /** RFC 3339. */
  time: string;
  who: string;
  role: Role;
  address: string;
  /** The name of the operation. */
  action: string;
  /** What it was done to. */
  target: string;
  reason: string | null;
  /** Of the HTTP answer. */
  status: number;
  result: string;
}

/** Entries kept; about 400 octets each. */
const mostEntries = 20_000;

const keyOf = (context: Pick<Context, 'redis'>): string => context.redis.key('audit');

/** Writes an entry into the log of this process, which is the one that cannot fail, and into the stream. */
export async function writeAudit(context: Pick<Context, 'redis' | 'log'>, entry: AuditEntry): Promise<void> {
  const { log, redis } = context;
  const { time: _, ...fields } = entry;
  log.info({ event: 'audit', ...fields });
  try {
    await redis.client.xadd(keyOf(context), 'MAXLEN', '~', mostEntries, '*', 'a', JSON.stringify(entry));
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
  const raw = await context.redis.client.xrevrange(keyOf(context), cursor === undefined ? '+' : `(${cursor}`, '-', 'COUNT', limit);
  const entries = raw.map(([id, fields]) => ({ id, ...(JSON.parse(fields[1] ?? '{}') as AuditEntry) }));
  return { entries, next: raw.length < limit ? null : (raw.at(-1)?.[0] ?? null) };
}
