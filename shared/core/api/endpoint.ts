import type { z } from 'zod';

/** Each may do what those before it may. `viewer` looks, `operator` acts on mail, `admin` sees settings and who did what. */
export const roles = ['viewer', 'operator', 'admin'] as const;
export type Role = (typeof roles)[number];

export const isRoleEnough = (role: Role, needed: Role): boolean => roles.indexOf(role) >= roles.indexOf(needed);

/**
 * One operation of the API. From it come the route with its validation and access, the OpenAPI document and the types of
 * clients. Schemas take what a request may hold: text, in `params` and `query`.
 */
export interface Endpoint {
  method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** As OpenAPI writes it: `/api/messages/{id}`. */
  path: string;
  role: Role;
  /** One line without a full stop. */
  summary: string;
  /** Markdown. */
  description?: string;
  params?: z.ZodObject;
  query?: z.ZodObject;
  body?: z.ZodType;
  /** Of a body that is no JSON; no schema looks at it. */
  bodyType?: 'message/rfc822';
  /** How large a body may be: 16 KB, or with `message` what `ingress.maxSize` makes of it. */
  bodyLimit?: 'message';
  /** A POST that changes nothing: no audit, no Idempotency-Key. */
  isReading?: true;
  /** Of a good answer; default 200. */
  status?: 200 | 201 | 202;
  /** Of a good answer; absent where it is a stream. */
  answer?: z.ZodType;
}

/** Does it change something? Then it is in the audit log and may carry an Idempotency-Key. */
export const isWrite = ({ method, isReading }: Endpoint): boolean => method !== 'GET' && !isReading;

/** Keeps the types of the schemas. */
export const endpoint = <const E extends Endpoint>(definition: E): E => definition;
