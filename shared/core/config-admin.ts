import { z } from 'zod';
import { roles } from './api/endpoint.ts';

/** It goes into logs and, before the colon, into Basic credentials (RFC 7617 §2). */
const adminName = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9@._+-]{0,63}$/, { error: 'expected letters, digits, "@", ".", "_", "+" or "-"' });
const oneOfRoles = `expected one of ${roles.map((role) => `"${role}"`).join(', ')}`;

/** The settings of the admin role. */
export const adminSchema = z
  .strictObject({
    host: z.string().default('127.0.0.1').describe('Address to listen on; beyond loopback needs a login: admin.password, users or tokens'),
    port: z.int().min(0).max(65535).default(8080).describe('Dashboard, API and metrics of queues'),
    user: z.string().default('admin').describe('Login name of the user with admin.password, whose role is admin'),
    password: z.string().default('').describe('Password, or its hash from `rebound hash-password`; empty: no such user'),
    users: z
      .array(
        z.strictObject({
          name: adminName.describe('Login name'),
          password: z.string().min(1).describe('The password, or its hash from `rebound hash-password`'),
          role: z
            .enum(roles, { error: oneOfRoles })
            .describe('viewer looks, operator acts on mail, admin sees settings and the audit log too'),
        }),
      )
      .default([])
      .describe('Users of dashboard and API: name, password (or its hash) and role (viewer, operator, admin); see docs/api.md'),
    tokens: z
      .array(
        z.strictObject({
          name: adminName.describe('Whose it is, for the audit log'),
          token: z
            .string()
            .min(16, { error: 'expected 16 characters at least' })
            .describe('The token, or its hash from `rebound hash-password`'),
          role: z.enum(roles, { error: oneOfRoles }).describe('As of users'),
        }),
      )
      .default([])
      .describe('Tokens of programs (Authorization: Bearer): name, token (or its hash) and role'),
  })
  .prefault({});
