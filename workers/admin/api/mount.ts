import { createHash, randomUUID } from 'node:crypto';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { z } from 'zod';
import { isRoleEnough, isWrite, type Endpoint } from '../../../shared/core/api/endpoint.ts';
import { fieldErrors, harmlessJson } from '../../../shared/core/api/problem.ts';
import { writeAudit } from '../../../shared/io/audit.ts';
import { beginOnce, idempotencyKey } from '../../../shared/io/idempotency.ts';
import { whileAnswering } from '../../../shared/io/redis.ts';
import type { Actor } from '../access.ts';
import { badRequest, Problem } from '../problem.ts';
import type { World } from '../world.ts';

type Read<S> = S extends z.ZodType ? z.output<S> : undefined;

/** A request whose parts fit the schemas of its operation. */
export interface ApiRequest<E extends Endpoint> {
  params: Read<E['params']>;
  query: Read<E['query']>;
  /** Octets where the operation has a `bodyType`. */
  body: E extends { bodyType: string } ? Buffer : Read<E['body']>;
  actor: Actor;
  /** The name under which it may be remembered what was done, when the client gave an Idempotency-Key. */
  once: string | undefined;
  /** What the audit log shall say of a change; without it, the reason is the request's and the target its path. */
  note: (words: Note) => void;
  request: FastifyRequest;
  reply: FastifyReply;
}

export interface Note {
  target?: string;
  result: string;
  /** False: repeated with its Idempotency-Key, the request shall do the rest. */
  isComplete?: boolean;
}

/** Does what an operation is for. Resolves with its answer; throws Problem. */
export type Handler<E extends Endpoint> = (
  request: ApiRequest<E>,
  world: World,
) => Promise<E['answer'] extends z.ZodType ? z.input<E['answer']> : void>;

/** Octets of a body that is no message. */
const usualBody = 16 * 1024;
/** Base64 and JSON make a message so much larger. */
const bodyFactor = 1.5;

/** Makes an operation of the API a route: role, validation, audit, Idempotency-Key and answer. */
export function mount(app: FastifyInstance, world: World, name: string, endpoint: Endpoint, handler: Handler<Endpoint>): void {
  const { redis, config, log } = world.context;
  const { method, path, role, answer, status = 200 } = endpoint;
  app.route({
    method,
    url: path.replace(/\{(\w+)\}/g, ':$1'),
    exposeHeadRoute: false,
    bodyLimit: endpoint.bodyLimit === 'message' ? Math.ceil(config.ingress.maxSize * bodyFactor) + usualBody : usualBody,
    // Before the body is read.
    onRequest: async ({ actor, ip }) => {
      if (isRoleEnough(actor.role, role)) return;
      log.warn({ event: 'access_refused', who: actor.name, role: actor.role, address: ip, action: name });
      throw new Problem(403, `this needs the role ${role}; ${actor.name} is ${actor.role}`);
    },
    handler: async (request, reply) => {
      const input = readInput(endpoint, request);
      const call: Call = { ...input, actor: request.actor, once: undefined, note: () => undefined, request, reply };
      const work = isWrite(endpoint)
        ? write(world, name, call, (told) => handler(told as never, world), status)
        : handler(call as never, world).then((body) => ({ status, body: answer ? harmlessJson(body) : '' }));
      const told = await whileAnswering(redis, work, config.redis.timeout);
      if (!answer) return reply;
      return reply.code(told.status).type('application/json; charset=utf-8').send(told.body);
    },
  });
}

interface Input {
  params: unknown;
  query: unknown;
  body: unknown;
}

type Call = Input & Pick<ApiRequest<Endpoint>, 'actor' | 'once' | 'note' | 'request' | 'reply'>;

function readInput({ params, query, body, bodyType }: Endpoint, request: FastifyRequest): Input {
  const path = params?.safeParse(request.params);
  if (path?.error) throw new Problem(404, 'there is nothing of that name', { errors: fieldErrors(path.error, 'path') });
  // The parser's object has no prototype, and with it a field `__proto__` like any other.
  const asked = query?.safeParse({ ...(request.query as object) });
  const given = body?.safeParse(request.body);
  const errors = [
    ...(asked?.error ? fieldErrors(asked.error, 'query') : []),
    ...(given?.error ? fieldErrors(given.error, 'body') : []),
    ...(bodyType && !Buffer.isBuffer(request.body) ? [{ field: 'body', message: `expected ${bodyType}` }] : []),
  ];
  if (errors.length > 0) throw badRequest(errors);
  return { params: path?.data, query: asked?.data, body: body ? given?.data : request.body };
}

interface Told {
  status: number;
  body: string;
}

/** A change: done once under its key, and in the audit log whatever becomes of it. */
async function write(world: World, name: string, call: Call, act: (call: Call) => Promise<unknown>, status: number): Promise<Told> {
  const { redis, log } = world.context;
  const key = keyOf(call, redis);
  const begun = key === undefined ? undefined : await beginOnce(redis, key, digestOf(name, call), randomUUID());
  if (begun?.kind === 'done') {
    call.reply.header('idempotency-replayed', 'true');
    return begun.answer;
  }
  if (begun?.kind === 'running') throw new Problem(409, 'a request with this Idempotency-Key is under way', {}, { 'retry-after': '1' });
  if (begun?.kind === 'different') throw otherRequest();
  const quietly = (work: Promise<void> | undefined): Promise<void> =>
    (work ?? Promise.resolve()).catch((error: unknown) => log.warn({ event: 'idempotency_not_kept', action: name, error: String(error) }));
  let note: Note = { result: 'done' };
  try {
    const body = harmlessJson(await act({ ...call, once: key, note: (words) => (note = words) }));
    await writeAudit(world.context, auditEntry(name, call, note, status));
    const isComplete = note.isComplete ?? true;
    await quietly(isComplete ? begun?.finish({ status, body }) : begun?.giveUp());
    return { status, body };
  } catch (error) {
    const failed = error instanceof Problem ? error.status : 500;
    const result = error instanceof Problem ? error.message : 'failed';
    await writeAudit(world.context, auditEntry(name, call, { ...note, result }, failed));
    await quietly(begun?.giveUp());
    throw error;
  }
}

function otherRequest(): Problem {
  const message = 'was used for another request';
  return new Problem(422, `Idempotency-Key: ${message}`, { errors: [{ field: 'Idempotency-Key', message }] });
}

function keyOf({ request, actor }: Call, redis: World['context']['redis']): string | undefined {
  const key = request.headers['idempotency-key'];
  if (key === undefined) return undefined;
  if (typeof key !== 'string' || !/^[\x21-\x7e]{1,200}$/.test(key))
    throw badRequest([{ field: 'Idempotency-Key', message: 'expected 1 to 200 printable ASCII characters' }]);
  return idempotencyKey(redis, actor.name, key);
}

const digestOf = (name: string, { params, query, body }: Call): string =>
  createHash('sha256')
    .update(JSON.stringify([name, params, query, Buffer.isBuffer(body) ? undefined : body]))
    .update(Buffer.isBuffer(body) ? body : '')
    .digest('hex');

function auditEntry(action: string, { actor, request, params, query, body }: Call, note: Note, status: number) {
  const reason = [body, query].map((part) => (part as { reason?: unknown } | undefined)?.reason).find((text) => typeof text === 'string');
  return {
    time: new Date().toISOString(),
    who: actor.name,
    role: actor.role,
    address: request.ip,
    action,
    target: note.target ?? Object.values((params as Record<string, string> | undefined) ?? {}).join(' '),
    reason: reason ?? null,
    status,
    result: note.result,
  };
}
