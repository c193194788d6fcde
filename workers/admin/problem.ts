import { STATUS_CODES } from 'node:http';
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { harmlessJson, type FieldError } from '../../shared/core/api/problem.ts';
import type { Context } from '../../shared/io/context.ts';

/** A request that gets no answer but this: RFC 9457 for the API, plain text elsewhere. The message is for people. */
export class Problem extends Error {
  override readonly name = 'Problem';
  readonly status: number;
  /** Further members of the problem document. */
  readonly members: Readonly<Record<string, unknown>>;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    status: number,
    detail: string,
    members: Readonly<Record<string, unknown>> = {},
    headers: Readonly<Record<string, string>> = {},
  ) {
    super(detail);
    this.status = status;
    this.members = members;
    this.headers = headers;
  }
}

/** A request with mistakes, each with the field that has it. */
export const badRequest = (errors: readonly FieldError[]): Problem => {
  const [first] = errors;
  return new Problem(400, first ? `${first.field}: ${first.message}` : 'the request is wrong', { errors });
};

/** Commands would wait for Redis, and pages with them. */
export const redisAway = (): Problem => new Problem(503, 'Redis is away; this works again when it is back', {}, { 'retry-after': '5' });

/** The answer to whatever a route threw. What is no Problem and no fault of the client is logged and told to nobody. */
export function answerProblem(
  thrown: FastifyError | Problem,
  request: FastifyRequest,
  reply: FastifyReply,
  { redis, log }: Pick<Context, 'redis' | 'log'>,
): FastifyReply {
  const problem = thrown instanceof Problem ? thrown : asProblem(thrown, request, redis.isReady, log);
  const { status, message, members, headers } = problem;
  reply.code(status).headers(headers);
  if (status === 401)
    reply.header('www-authenticate', isBrowser(request) ? 'Session realm="Rebound"' : 'Basic realm="Rebound", charset="UTF-8"');
  if (!/^\/(?:api|docs)\//.test(request.url))
    return reply.type('text/plain; charset=utf-8').send(`${status} ${STATUS_CODES[status] ?? ''}: ${message}\n`);
  return reply
    .type('application/problem+json')
    .send(harmlessJson({ type: 'about:blank', title: STATUS_CODES[status] ?? 'Error', status, detail: message, ...members }));
}

/** A browser, which adds this field itself: asked for Basic, it would put up a window of its own before our page. */
const isBrowser = ({ headers }: FastifyRequest): boolean => headers['sec-fetch-site'] !== undefined;

function asProblem(error: FastifyError, request: FastifyRequest, isRedisReady: boolean, log: Context['log']): Problem {
  const status = error.statusCode ?? 500;
  if (status === 413) return new Problem(413, 'the body is too large', { errors: [{ field: 'body', message: 'is too large' }] });
  if (status === 415) return new Problem(415, 'this operation takes another content type');
  // Of a body that is no JSON, or of a URL that cannot be decoded: our own words, since the parser's may repeat what was sent.
  if (status < 500) return badRequest([{ field: error.code === 'FST_ERR_BAD_URL' ? 'path' : 'body', message: wordsOf(error) }]);
  if (!isRedisReady || wasDisconnected(error)) return redisAway();
  // A script refuses before its first write, a transaction as a whole: nothing was done.
  if (/^(?:OOM|EXECABORT)\b/.test(error.message)) return new Problem(503, 'Redis is full', {}, { 'retry-after': '30' });
  log.error({ event: 'request_failed', method: request.method, route: request.routeOptions.url, error: error.stack });
  return new Problem(500, 'the request could not be carried out; the log of this process tells why');
}

function wordsOf({ code }: FastifyError): string {
  switch (code) {
    case 'FST_ERR_CTP_EMPTY_JSON_BODY':
      return 'is missing';
    case 'FST_ERR_BAD_URL':
      return 'is not well formed';
    default:
      return 'is not valid JSON';
  }
}

/** What ioredis says of commands whose connection was lost, or that it would not send. */
const wasDisconnected = ({ message }: Error): boolean =>
  /^(?:Connection is closed|Stream isn't writeable|Command aborted|no answer within|read ECONNRESET|write EPIPE)/.test(message);
