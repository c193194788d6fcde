import type { z } from 'zod';

/** The first thing that is wrong, and where: `maxAge: expected a duration`. */
export function problemOf({ issues: [issue] }: z.ZodError): string {
  return issue ? [issue.path.join('.').slice(0, 100), issue.message.slice(0, 200)].filter(Boolean).join(': ') : 'it is not valid';
}
