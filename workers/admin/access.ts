import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { FastifyRequest } from 'fastify';
import { isInNetworks, parseCidr } from '../../shared/core/cidr.ts';
import type { Config } from '../../shared/core/config.ts';
import { verifyPassword } from '../../shared/io/password.ts';
import { Problem } from './problem.ts';

/**
 * Who may come in: with a password whoever knows it, without one whoever is on this machine. Throws when others could
 * come in without one. The returned function resolves with why a request is refused (401, 403), or undefined.
 */
export function openAccess(admin: Config['admin']): (request: FastifyRequest) => Promise<Problem | undefined> {
  if (!admin.password && !isLoopback(admin.host)) {
    throw new Error(`admin.password is needed because admin.host (${admin.host}) can be reached from other machines`);
  }
  const logsIn = admin.password ? openLogin(admin) : undefined;
  return async (request) => {
    if (open.has(request.url.split('?')[0] ?? '')) return undefined;
    if (!isSameOrigin(request)) return new Problem(403, 'this request comes from a page of another site');
    if (logsIn) return (await logsIn(request.headers.authorization)) ? undefined : new Problem(401, 'a login is needed');
    return isForThisMachine(request, admin.host) ? undefined : notForThisMachine();
  };
}

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

/** Browsers add the login to requests that pages of other sites make; only ours may change anything. */
function isSameOrigin({ method, headers }: FastifyRequest): boolean {
  if (method === 'GET' || method === 'HEAD' || headers.origin === undefined) return true;
  return headers.origin.replace(/^https?:\/\//, '').toLowerCase() === headers.host?.toLowerCase();
}

/** HTTP Basic (RFC 7617). A login that was right is remembered by its digest: each check of a hashed password takes some 40 ms. */
function openLogin(admin: Config['admin']): (authorization: string | undefined) => Promise<boolean> {
  const key = randomBytes(32);
  const digest = (text: string): Buffer => createHmac('sha256', key).update(text).digest();
  const user = digest(admin.user);
  let known: Buffer | undefined;
  return async (authorization) => {
    const encoded = /^basic +([A-Za-z0-9+/=]{1,4096})$/i.exec(authorization ?? '')?.[1];
    if (encoded === undefined) return false;
    const login = Buffer.from(encoded, 'base64').toString();
    if (known && timingSafeEqual(known, digest(login))) return true;
    const colon = login.indexOf(':');
    // Both are looked at in any case: the time taken does not tell which one is wrong.
    const isUser = timingSafeEqual(user, digest(login.slice(0, Math.max(colon, 0))));
    const isPassword = await verifyPassword(login.slice(colon + 1), admin.password);
    if (colon < 0 || !isUser || !isPassword) return false;
    known = digest(login);
    return true;
  };
}
