import { createHmac, randomBytes } from 'node:crypto';
import type { FastifyRequest } from 'fastify';
import { LRUCache } from 'lru-cache';
import type { Role } from '../../shared/core/api/endpoint.ts';
import { isInNetworks, parseCidr } from '../../shared/core/cidr.ts';
import type { Config } from '../../shared/core/config.ts';
import type { Context } from '../../shared/io/context.ts';
import type { Logger } from '../../shared/io/log.ts';
import { hashPassword, verifyPassword } from '../../shared/io/password.ts';
import { openAttempts } from './attempts.ts';
import { Problem, redisAway } from './problem.ts';
import { isSame, openSessions, type Sessions } from './sessions.ts';
import { isPagePath, isPublicFile } from './ui-paths.ts';

/** Who makes a request. */
export interface Actor {
  name: string;
  role: Role;
  /** Of a browser that is logged in: what its changes must bring along. */
  csrf?: string;
}

/** Who may come in: with logins whoever has one, without whoever is on this machine. */
export interface Access {
  /** False: without logins in the settings, whoever is on this machine is everybody. */
  hasLogins: boolean;
  /** Resolves with who it is, or why nobody comes in (401, 403, 429); undefined where it does not matter. */
  actorOf(request: FastifyRequest): Promise<Actor | Problem | undefined>;
  /** Resolves with the token of a new session. */
  logIn(name: string, password: string, address: string): Promise<{ actor: Actor; token: string } | Problem>;
  /** Ends the session of this request, if it has one. */
  logOut(request: FastifyRequest): Promise<void>;
}

/** The cookie of a session, and the fields with which its changes prove that our page makes them (the second is bull-board's). */
export const sessionCookie = 'rebound_session';
const csrfFields = ['x-csrf-token', 'x-xsrf-token'];

/** Throws when others than those on this machine could come in without a login. */
export function openAccess(context: Pick<Context, 'config' | 'redis' | 'log'>): Access {
  const { redis, log } = context;
  const { admin } = context.config;
  const accounts = accountsOf(admin);
  const hasLogins = accounts.users.size + accounts.tokens.length > 0;
  if (!hasLogins && !isLoopback(admin.host)) {
    throw new Error(`admin.password is needed because admin.host (${admin.host}) can be reached from other machines`);
  }
  const check = openLogin(accounts, log);
  const sessions = openSessions(redis);
  const sessionOf = openSessionCheck(accounts, sessions, redis);
  return {
    hasLogins,
    actorOf: async (request) => {
      const path = request.url.split('?')[0] ?? '';
      if (open.has(path)) return undefined;
      if (!isOwnPage(request)) return new Problem(403, 'this request comes from a page of another site');
      if (!hasLogins) return isForThisMachine(request, admin.host) ? local : notForThisMachine();
      // The page itself is the same for everybody and says nothing: what it shows, it asks for.
      if (path === '/api/login' || isPublicFile(path) || isPagePath(path)) return undefined;
      const match = /^(basic|bearer) +([\x21-\x7e]{1,4096})$/i.exec(request.headers.authorization ?? '');
      if (match) return check((match[1] ?? '').toLowerCase(), match[2] ?? '', request.ip);
      return sessionOf(request);
    },
    logIn: async (name, password, address) => {
      if (!hasLogins) return new Problem(409, 'no login is needed here');
      const actor = await check('basic', Buffer.from(`${name}:${password}`).toString('base64'), address);
      if (actor instanceof Problem) return actor;
      log.info({ event: 'login', who: name, address });
      return { actor, token: await sessions.open(name, accounts.users.get(name)?.password ?? '') };
    },
    logOut: (request) => sessions.close(tokenOf(request)),
  };
}

/** Who it is by the cookie, and whether a change comes from our own page. */
function openSessionCheck(
  { users }: Accounts,
  sessions: Sessions,
  redis: Context['redis'],
): (request: FastifyRequest) => Promise<Actor | Problem> {
  return async (request) => {
    const token = tokenOf(request);
    if (token === '') return new Problem(401, 'a login is needed');
    if (!redis.isReady) return redisAway();
    const session = await sessions.find(token, (name) => users.get(name)?.password);
    const user = session && users.get(session.name);
    if (!session || !user) return new Problem(401, 'the session has ended; log in again');
    if (request.method !== 'GET' && request.method !== 'HEAD' && !hasToken(request, session.csrf))
      return new Problem(403, 'a change in a session needs its X-CSRF-Token (see GET /api/me)');
    return { name: session.name, role: user.role, csrf: session.csrf };
  };
}

const hasToken = ({ headers }: FastifyRequest, csrf: string): boolean =>
  csrfFields.some((field) => {
    const value = headers[field];
    return typeof value === 'string' && isSame(value, csrf);
  });

/** The token in the cookie; empty: none. */
const tokenOf = ({ headers }: FastifyRequest): string => /(?:^|; *)rebound_session=([^;]*)/.exec(headers.cookie ?? '')?.[1] ?? '';

const local: Actor = { name: 'local', role: 'admin' };
const isLoopback = (host: string): boolean => host === 'localhost' || isInNetworks(host, loopback);

/** What orchestrators ask without a login, and what tells nothing. */
const open = new Set(['/healthz', '/readyz']);
const loopback = ['127.0.0.0/8', '::1/128'].flatMap((text) => parseCidr(text) ?? []);

/**
 * A page of another site can make a name of its own lead to 127.0.0.1 and then read our answers as its own (DNS
 * rebinding). The Host field still tells that name.
 */
function isForThisMachine(request: FastifyRequest, configured: string): boolean {
  const host = hostName(request.headers.host ?? '');
  return isLoopback(host) || host === configured.toLowerCase();
}

const notForThisMachine = (): Problem =>
  new Problem(403, 'without a password this server answers only to the names of this machine, such as 127.0.0.1 and localhost');

/** `[::1]:8080` as `::1`, `localhost:8080` as `localhost`. */
const hostName = (host: string): string => (/^\[(.*)\](?::\d+)?$/.exec(host)?.[1] ?? host.replace(/:\d*$/, '')).toLowerCase();

/**
 * Browsers add the login to requests that pages of other sites make; only ours may change anything. Both fields are the
 * browser's own: no page can leave them out or choose them.
 */
function isOwnPage({ method, headers }: FastifyRequest): boolean {
  if (method === 'GET' || method === 'HEAD') return true;
  const site = headers['sec-fetch-site'];
  if (site !== undefined && site !== 'same-origin' && site !== 'none') return false;
  return headers.origin === undefined || headers.origin.replace(/^https?:\/\//, '').toLowerCase() === headers.host?.toLowerCase();
}

interface Accounts {
  users: Map<string, { password: string; role: Role }>;
  tokens: { name: string; token: string; role: Role }[];
}

function accountsOf({ user, password, users, tokens }: Config['admin']): Accounts {
  const first = password ? [{ name: user, password, role: 'admin' as const }] : [];
  return { users: new Map([...users, ...first].map((each) => [each.name, each])), tokens };
}

/**
 * Logins are remembered by their digests: each check of a hash takes some 40 ms, and a page that asks again and again with
 * an old password guesses only once.
 */
const mostKnown = 1000;

/** Checks the credentials of HTTP Basic (RFC 7617) or Bearer (RFC 6750); `address` is who guesses. */
type Check = (scheme: string, credentials: string, address: string) => Promise<Actor | Problem>;

function openLogin({ users, tokens }: Accounts, log: Logger): Check {
  const key = randomBytes(32);
  const digest = (text: string): string => createHmac('sha256', key).update(text).digest('base64');
  const known = new LRUCache<string, Actor>({ max: mostKnown });
  const wrong = new LRUCache<string, true>({ max: mostKnown });
  const attempts = openAttempts();
  // A name that nobody has takes as long as a wrong password.
  const nobody = hashPassword(randomBytes(16).toString('hex'));

  const check = async (scheme: string, credentials: string): Promise<Actor | undefined> => {
    if (scheme === 'bearer') {
      for (const { name, role, token } of tokens) if (await verifyPassword(credentials, token)) return { name, role };
      return undefined;
    }
    const login = Buffer.from(credentials, 'base64').toString();
    const colon = login.indexOf(':');
    const name = login.slice(0, Math.max(colon, 0));
    const user = users.get(name);
    const isRight = await verifyPassword(login.slice(colon + 1), user?.password ?? (await nobody));
    return user && isRight && colon >= 0 ? { name, role: user.role } : undefined;
  };

  return async (scheme, credentials, address) => {
    const id = digest(`${scheme} ${credentials}`);
    const actor = known.get(id);
    if (actor) return actor;
    if (wrong.has(id)) return new Problem(401, 'the login is wrong');
    const attempt = attempts.begin(address);
    if (!attempt) {
      log.warn({ event: 'login_limited', address });
      return new Problem(429, 'too many wrong logins from your address; try again in a minute', {}, { 'retry-after': '60' });
    }
    const found = await check(scheme, credentials);
    if (!found) {
      wrong.set(id, true);
      log.warn({ event: 'login_failed', address, scheme });
      return new Problem(401, 'the login is wrong');
    }
    attempt.wasRight();
    known.set(id, found);
    return found;
  };
}
