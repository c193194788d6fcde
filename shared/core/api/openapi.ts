import { z } from 'zod';
import type { Endpoint } from './endpoint.ts';
import { isWrite } from './endpoint.ts';

type Json = Record<string, unknown>;

/** The OpenAPI 3.1 document of the given operations. */
export function openApi(endpoints: Readonly<Record<string, Endpoint>>, version: string): Json {
  const paths: Record<string, Json> = {};
  for (const [name, endpoint] of Object.entries(endpoints)) {
    const path = (paths[endpoint.path] ??= {});
    path[endpoint.method.toLowerCase()] = operation(name, endpoint);
  }
  return {
    openapi: '3.1.0',
    info: { title: 'Rebound', version, description: 'Errors are problem documents (RFC 9457). Unknown query parameters are refused.' },
    servers: [{ url: '/' }],
    security: [{ basic: [] }, { bearer: [] }, {}],
    paths,
    components: {
      securitySchemes: { basic: { type: 'http', scheme: 'basic' }, bearer: { type: 'http', scheme: 'bearer' } },
      schemas: { Problem: problem },
      responses: {
        Problem: {
          description: 'A problem',
          content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
        },
      },
    },
  };
}

function operation(name: string, endpoint: Endpoint): Json {
  const { summary, description, role, params, query, body, bodyType, status = 200, answer } = endpoint;
  const good = answer
    ? { 'application/json': { schema: schemaOf(answer, 'output') } }
    : { 'text/event-stream': { schema: { type: 'string' } } };
  const content = bodyType
    ? { [bodyType]: { schema: { type: 'string', format: 'binary' } } }
    : body && { 'application/json': { schema: schemaOf(body, 'input') } };
  return {
    operationId: name,
    summary,
    description: [description, `Needs the role ${role}.`].filter(Boolean).join('\n\n'),
    'x-role': role,
    parameters: [...parameters('path', params), ...parameters('query', query), ...(isWrite(endpoint) ? [idempotencyKey] : [])],
    ...(content && { requestBody: { required: true, content } }),
    responses: { [status]: { description: 'Done', content: good }, default: { $ref: '#/components/responses/Problem' } },
  };
}

function parameters(place: 'path' | 'query', schema: z.ZodObject | undefined): Json[] {
  if (!schema) return [];
  const { properties = {}, required = [] } = schemaOf(schema, 'input') as { properties?: Record<string, Json>; required?: string[] };
  return Object.entries(properties).map(([name, { description, ...property }]) => ({
    name,
    in: place,
    required: required.includes(name),
    ...(description !== undefined && { description }),
    schema: property,
  }));
}

function schemaOf(schema: z.ZodType, io: 'input' | 'output'): Json {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: 'any', target: 'draft-2020-12' }) as Json;
  return rest;
}

const idempotencyKey = {
  name: 'Idempotency-Key',
  in: 'header',
  required: false,
  description: 'The same key with the same request gets the same answer for 24 hours, and nothing is done twice',
  schema: { type: 'string', minLength: 1, maxLength: 200 },
};

const problem = {
  type: 'object',
  required: ['type', 'title', 'status', 'detail'],
  properties: {
    type: { type: 'string' },
    title: { type: 'string' },
    status: { type: 'integer' },
    detail: { type: 'string' },
    errors: {
      type: 'array',
      items: {
        type: 'object',
        required: ['field', 'message'],
        properties: { field: { type: 'string' }, message: { type: 'string' } },
      },
    },
  },
};
