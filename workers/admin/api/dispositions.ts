import type { Endpoints } from '../../../shared/core/api/endpoints.ts';
import type { Handler } from './mount.ts';

export const dispositions: Handler<Endpoints['dispositions']> = async ({ query }, { log }) => {
  const { type, recipient, limit, cursor } = query;
  const page = await log.newest({ types: new Set(type), ...(recipient && { recipient }) }, limit, cursor);
  return { records: page.entries.map(({ record }) => record), next: page.next ?? null };
};
