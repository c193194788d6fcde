import type { FastifyInstance } from 'fastify';
import type { Endpoint } from '../../../shared/core/api/endpoint.ts';
import { endpoints } from '../../../shared/core/api/endpoints.ts';
import { openApi } from '../../../shared/core/api/openapi.ts';
import { docsPage } from '../pages/docs.ts';
import type { World } from '../world.ts';

/** The description of the API, for programs and for people. It asks nothing of Redis. */
export function registerDocs(app: FastifyInstance, { context, ui, version }: World): void {
  const document = openApi(endpoints, version);
  const json = JSON.stringify(document, null, 2);
  const page = docsPage({ hostname: context.config.hostname, ui, endpoints: Object.entries<Endpoint>(endpoints), document }).text;
  app.get('/docs/openapi.json', (_request, reply) => reply.type('application/json; charset=utf-8').send(json));
  app.get('/docs', (_request, reply) => reply.type('text/html; charset=utf-8').send(page));
}
