import type { FastifyRequest } from 'fastify';
import type { Endpoints } from '../../../shared/core/api/endpoints.ts';
import { sessionCookie } from '../access.ts';
import { Problem } from '../problem.ts';
import { sessionLife } from '../sessions.ts';
import type { Handler } from './mount.ts';

export const me: Handler<Endpoints['me']> = ({ actor }, { access, context, version }) =>
  Promise.resolve({
    name: actor.name,
    role: actor.role,
    login: !access.hasLogins ? 'none' : actor.csrf === undefined ? 'credentials' : 'session',
    csrf: actor.csrf ?? null,
    hostname: context.config.hostname,
    version,
  });

export const login: Handler<Endpoints['login']> = async ({ body, request, reply }, { access }) => {
  const result = await access.logIn(body.user, body.password, request.ip);
  if (result instanceof Problem) throw result;
  reply.header('set-cookie', cookie(result.token, Math.floor(sessionLife / 1000), request));
  return { name: result.actor.name, role: result.actor.role };
};

export const logout: Handler<Endpoints['logout']> = async ({ request, reply }, { access }) => {
  await access.logOut(request);
  reply.header('set-cookie', cookie('', 0, request));
  return {};
};

/** Behind a proxy with TLS the browser shall never send it without; what the field says falsely hurts only who says it. */
function cookie(token: string, seconds: number, { headers }: FastifyRequest): string {
  const isSecure = headers['x-forwarded-proto'] === 'https';
  return `${sessionCookie}=${token}; Path=/; Max-Age=${seconds}; HttpOnly; SameSite=Strict${isSecure ? '; Secure' : ''}`;
}
