import type { ChainableCommander, Redis } from 'ioredis';
import type { RedisLink } from './redis.ts';

/** Something that a person had done. */
export interface AuditEntry {
  who: string;
  what: string;
  why: string;
  result: string;
}

/** Entries kept, about. */
const kept = 10_000;
/** Characters of one field. */
const longest = 2000;

/** Adds an entry to the audit log: to a transaction, or with `redis.client` at once, which is to be awaited. */
export function audit(to: ChainableCommander | Redis, redis: RedisLink, { who, what, why, result }: AuditEntry): unknown {
  const fields = { who, what, why, when: String(Date.now()), result };
  const values = Object.entries(fields).flatMap(([name, value]) => [name, value.slice(0, longest)]);
  return to.xadd(redis.key('audit'), 'MAXLEN', '~', kept, '*', ...values);
}
