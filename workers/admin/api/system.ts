import type { Endpoints } from '../../../shared/core/api/endpoints.ts';
import { hideSecrets } from '../../../shared/core/config-describe.ts';
import { readAudit } from '../../../shared/io/audit.ts';
import { readWorkers } from '../../../shared/io/worker-registry.ts';
import type { Handler } from './mount.ts';

export const workers: Handler<Endpoints['workers']> = async (_request, { context }) => ({ workers: await readWorkers(context.redis) });

export const config: Handler<Endpoints['config']> = (_request, world) =>
  Promise.resolve({ config: hideSecrets(world.context.config) as Record<string, unknown> });

export const audit: Handler<Endpoints['audit']> = ({ query }, { context }) => readAudit(context, query.limit, query.cursor);
