import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { RedisLink } from '../../shared/io/redis.ts';

/** A login of a browser. */
export interface Session {
  /** Whose it is. */
  name: string;
  /** What its changes must bring along. */
  csrf: string;
}

/**
 * Redis knows a session by the digest of its token, which only the browser has: whoever reads Redis can use none. With the
 * name lies a proof of the password that was right: after a change of the settings the session is worth nothing.
 */
export interface Sessions {
  /** Resolves with the token, for the cookie. */
  open(name: string, password: string): Promise<string>;
  /** `passwordOf`: what the settings say of a name. Undefined: it has ended, or there never was one. */
  find(token: string, passwordOf: (name: string) => string | undefined): Promise<Session | undefined>;
  close(token: string): Promise<void>;
}

/** Milliseconds: a day at work; whoever leaves the page open for longer logs in again. */
export const sessionLife = 12 * 60 * 60 * 1000;
/** Of all people and browsers together; beyond, the oldest ends. */
const mostSessions = 1000;
const tokenForm = /^[A-Za-z0-9_-]{43}$/;

export function openSessions(redis: RedisLink): Sessions {
  const all = redis.key('admin-sessions');
  const keyOf = (digest: string): string => redis.key(`admin-session:${digest}`);
  return {
    open: async (name, password) => {
      const token = randomBytes(32).toString('base64url');
      const digest = digestOf(token);
      const now = Date.now();
      const answers = await redis.client
        .multi()
        .zremrangebyscore(all, 0, now - sessionLife)
        .zadd(all, now, digest)
        .pexpire(all, sessionLife)
        .set(keyOf(digest), JSON.stringify({ name, proof: proofOf(token, password) }), 'PX', sessionLife)
        .zrange(all, '0', String(-1 - mostSessions))
        .exec();
      const tooMany = (answers?.at(-1)?.[1] ?? []) as string[];
      if (tooMany.length > 0)
        await redis.client
          .multi()
          .zrem(all, ...tooMany)
          .del(...tooMany.map(keyOf))
          .exec();
      return token;
    },
    find: async (token, passwordOf) => {
      if (!tokenForm.test(token)) return undefined;
      const kept = await redis.client.get(keyOf(digestOf(token)));
      if (kept === null) return undefined;
      const { name, proof } = JSON.parse(kept) as { name: string; proof: string };
      const password = passwordOf(name);
      if (password === undefined || !isSame(proof, proofOf(token, password))) return undefined;
      return { name, csrf: csrfOf(token) };
    },
    close: async (token) => {
      if (!tokenForm.test(token)) return;
      const digest = digestOf(token);
      await redis.client.multi().zrem(all, digest).del(keyOf(digest)).exec();
    },
  };
}

/** In a time that tells nothing. */
export function isSame(a: string, b: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}

const digestOf = (token: string): string => createHash('sha256').update(token).digest('hex');
const proofOf = (token: string, password: string): string =>
  createHmac('sha256', token).update(`password\0${password}`).digest('base64url');
const csrfOf = (token: string): string => createHmac('sha256', token).update('csrf').digest('base64url');
