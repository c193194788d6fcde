import { STATUS_CODES } from 'node:http';
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from '../../shared/io/log.ts';

/** A request that gets no answer but this: RFC 9457 for the API, plain text elsewhere. The message is for people. */
export class Problem extends Error {
  override readonly name = 'Problem';
  readonly status: number;
  /** Further members of the problem document. */
  readonly members: Readonly<Record<string, unknown>>;

  constructor(status: number, detail: string, members: Readonly<Record<string, unknown>> = {}) {
    super(detail);
    this.status = status;
    this.members = members;
  }
}

/** The answer to whatever a route threw. What is no Problem and no fault of the client is logged and told to nobody. */
export function answerProblem(error: FastifyError | Problem, request: FastifyRequest, reply: FastifyReply, log: Logger): FastifyReply {
  const status = error instanceof Problem ? error.status : (error.statusCode ?? 500);
  if (status >= 500 && !(error instanceof Problem))
    log.error({ event: 'request_failed', method: request.method, route: request.routeOptions.url, error: error.stack });
  const detail =
    status >= 500 && !(error instanceof Problem)
      ? 'the request could not be carried out; the log of this process tells why'
      : error.message;
  reply.code(status);
  if (status === 401) reply.header('www-authenticate', 'Basic realm="Rebound", charset="UTF-8"');
  if (!request.url.startsWith('/api/'))
    return reply.type('text/plain; charset=utf-8').send(`${status} ${STATUS_CODES[status] ?? ''}: ${detail}\n`);
  const members = error instanceof Problem ? error.members : {};
  return reply
    .type('application/problem+json')
    .send(JSON.stringify({ type: 'about:blank', title: STATUS_CODES[status] ?? 'Error', status, detail, ...members }));
}
