import { z } from 'zod';
import { endpoint, roles } from './endpoint.ts';

const name = z.string();
const role = z.enum(roles);

export const sessionEndpoints = {
  me: endpoint({
    method: 'GET',
    path: '/api/me',
    role: 'viewer',
    summary: 'Who asks, and what that allows',
    query: z.strictObject({}),
    answer: z.strictObject({
      name,
      role,
      login: z.enum(['none', 'session', 'credentials']).describe('none: the settings have no logins; session: by the cookie of a login'),
      csrf: z.string().nullable().describe('In a session, changes bring this in the field X-CSRF-Token'),
      hostname: z.string(),
      version: z.string(),
    }),
  }),
  login: endpoint({
    method: 'POST',
    path: '/api/login',
    role: 'viewer',
    summary: 'Begin a session: for browsers, which get a cookie',
    description: 'For users with a password. Programs need none of it: they send Basic or Bearer with each request.',
    isReading: true,
    query: z.strictObject({}),
    body: z.strictObject({ user: z.string().min(1).max(64), password: z.string().min(1).max(1000) }),
    answer: z.strictObject({ name, role }),
  }),
  logout: endpoint({
    method: 'POST',
    path: '/api/logout',
    role: 'viewer',
    summary: 'End the session of this browser',
    isReading: true,
    query: z.strictObject({}),
    answer: z.strictObject({}),
  }),
};
