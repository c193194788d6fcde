import type { z } from 'zod';
import { isWrite, type Endpoint } from '../core/api/endpoint.ts';
import { endpoints, type EndpointName, type Endpoints } from '../core/api/endpoints.ts';
import type { FieldError } from '../core/api/problem.ts';
import { readEvents, type ServerSentEvent, type StreamPlace } from './server-sent-events.ts';

export type { FieldError } from '../core/api/problem.ts';
export type { ServerSentEvent } from './server-sent-events.ts';

export interface ClientOptions {
  /** Where the admin role listens, with what a proxy puts before `/api`. `user:password@` is used as login. Default `http://127.0.0.1:8080`. */
  url?: string;
  /** Of `admin.tokens`; goes before user and password. */
  token?: string;
  user?: string;
  password?: string;
  /** Ends every call. */
  signal?: AbortSignal;
  /** How long an answer may take, streams apart. Milliseconds; default 60,000. */
  timeout?: number;
}

/** The API said no. `message` is one line for people. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  /** Of HTTP. */
  readonly status: number;
  /** What is wrong, in words of the server. */
  readonly detail: string;
  /** The fields that are to blame. */
  readonly errors: readonly FieldError[];
  /** When it may be tried again, if the server said so. Milliseconds. */
  readonly retryAfter: number | undefined;

  constructor(status: number, detail: string, errors: readonly FieldError[] = [], retryAfter?: number) {
    super(detail);
    this.status = status;
    this.detail = detail;
    this.errors = errors;
    this.retryAfter = retryAfter;
  }
}

/** There was no answer: nobody listens, the connection broke, or it took too long. What was asked may have been done. */
export class ApiUnreachable extends Error {
  override readonly name = 'ApiUnreachable';
}

/** One method for each operation of the API, by its `operationId`; docs/api.md and `/docs` tell what each does. */
export type Operations = { [Name in EndpointName]: (...args: Arguments<Endpoints[Name]>) => Result<Endpoints[Name]> };

/** What an operation answers, by its name. */
export type Answer<Name extends EndpointName> = Endpoints[Name] extends { answer: infer S extends z.ZodType } ? z.output<S> : never;

/** What an operation may be asked, by its name. */
export type Request<Name extends EndpointName> = RequestOf<Endpoints[Name]>;

/** One method for each operation of the API. */
export interface ReboundClient extends Operations {}

/**
 * The API of Rebound for programs. Methods resolve with the answer; they reject with `ApiError` when the API says no, with
 * `ApiUnreachable` when there is no answer, and with the signal's reason when it is aborted. Operations that answer with a
 * stream give its events, `data` as text, until the loop is left or the signal is aborted; a stream that breaks off goes on
 * behind the last event.
 */
export const ReboundClient: new (options?: ClientOptions) => ReboundClient = makeClass();

function makeClass(): new (options?: ClientOptions) => ReboundClient {
  class Client {
    readonly #connection: Connection;

    constructor(options: ClientOptions = {}) {
      this.#connection = connectionOf(options);
    }

    static {
      for (const [name, endpoint] of Object.entries<Endpoint>(endpoints)) {
        const value = function (this: Client, call: Call = {}): Promise<unknown> | AsyncIterable<ServerSentEvent> {
          return endpoint.answer ? ask(this.#connection, endpoint, call) : follow(this.#connection, endpoint, call);
        };
        Object.defineProperty(this.prototype, name, { value, writable: true, configurable: true });
      }
    }
  }
  // The table has made what the type says.
  return Client as unknown as new (options?: ClientOptions) => ReboundClient;
}

type Arguments<E> = Record<never, never> extends RequestOf<E> ? [request?: RequestOf<E>] : [request: RequestOf<E>];

type RequestOf<E> = ParamsOf<E> & QueryOf<E> & BodyOf<E> & KeyOf<E> & { signal?: AbortSignal };
type ParamsOf<E> = E extends { params: infer S extends z.ZodType } ? { params: z.input<S> } : unknown;
type QueryOf<E> = E extends { query: infer S extends z.ZodType } ? OptionalIfEmpty<'query', Written<S>> : unknown;
type BodyOf<E> = E extends { bodyType: string }
  ? { body: string | Uint8Array<ArrayBuffer> }
  : E extends { body: infer S extends z.ZodType }
    ? { body: z.input<S> }
    : unknown;
type KeyOf<E> = E extends { method: 'GET' } | { isReading: true } ? unknown : { idempotencyKey?: string };

/** What a query may hold: where the server takes any text for a number, only the number. */
type Written<S extends z.ZodType> = {
  [K in keyof z.input<S>]: (unknown extends z.input<S>[K] ? z.output<S>[K & keyof z.output<S>] : z.input<S>[K]) | undefined;
};
type OptionalIfEmpty<Name extends string, T> = Record<never, never> extends T ? { [K in Name]?: T } : { [K in Name]: T };

type Result<E> = E extends { answer: infer S extends z.ZodType } ? Promise<z.output<S>> : AsyncIterable<ServerSentEvent>;

interface Call {
  params?: unknown;
  query?: unknown;
  body?: unknown;
  idempotencyKey?: string;
  signal?: AbortSignal;
}

interface Connection {
  /** Without a slash at the end. */
  base: string;
  authorization: string | undefined;
  signal: AbortSignal | undefined;
  timeout: number;
}

function connectionOf({ url = 'http://127.0.0.1:8080', token, user, password, signal, timeout = 60_000 }: ClientOptions): Connection {
  const place = URL.canParse(url) ? new URL(url) : undefined;
  if (place?.protocol !== 'http:' && place?.protocol !== 'https:') throw new TypeError('expected an address such as http://127.0.0.1:8080');
  // Whatever rejects a header would put the token into its message.
  if (token !== undefined && !/^[!-~]+$/.test(token)) throw new TypeError('a token is one word of printable ASCII');
  const login = user ?? decodeURIComponent(place.username);
  const secret = password ?? decodeURIComponent(place.password);
  return {
    base: place.origin + place.pathname.replace(/\/+$/, ''),
    authorization: token !== undefined ? `Bearer ${token}` : login === '' ? undefined : `Basic ${base64(`${login}:${secret}`)}`,
    signal,
    timeout,
  };
}

const base64 = (text: string): string => btoa(String.fromCharCode(...new TextEncoder().encode(text)));

async function ask(connection: Connection, endpoint: Endpoint, call: Call): Promise<unknown> {
  const signal = AbortSignal.any([...signalsOf(connection, call), AbortSignal.timeout(connection.timeout)]);
  const response = await send(connection, endpoint, call, signal, {});
  return reading(connection, call, response.json());
}

const signalsOf = (connection: Connection, call: Call): AbortSignal[] =>
  [connection.signal, call.signal].filter((one) => one !== undefined);

async function send(
  connection: Connection,
  endpoint: Endpoint,
  call: Call,
  signal: AbortSignal,
  fields: Record<string, string>,
): Promise<Response> {
  const { authorization, base } = connection;
  const { method, bodyType } = endpoint;
  const response = await reading(
    connection,
    call,
    fetch(base + pathOf(endpoint.path, call), {
      method,
      redirect: 'error', // a login goes nowhere else
      signal,
      headers: {
        ...fields,
        ...(authorization !== undefined && { authorization }),
        ...(call.body !== undefined && { 'content-type': bodyType ?? 'application/json' }),
        ...(call.idempotencyKey !== undefined && isWrite(endpoint) && { 'idempotency-key': call.idempotencyKey }),
      },
      ...(call.body !== undefined && { body: bodyType ? (call.body as string | Uint8Array<ArrayBuffer>) : JSON.stringify(call.body) }),
    }),
  );
  if (response.ok) return response;
  throw await errorOf(connection, call, response);
}

/** The reason of an aborted signal is the caller's own; anything else that breaks a connection is ours to name. */
async function reading<T>(connection: Connection, call: Call, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    for (const signal of signalsOf(connection, call)) signal.throwIfAborted();
    if (error instanceof DOMException && error.name === 'TimeoutError')
      throw new ApiUnreachable(`${connection.base} has not answered for ${connection.timeout / 1000} s`, { cause: error });
    throw new ApiUnreachable(`${connection.base} cannot be reached: ${causeOf(error)}`, { cause: error });
  }
}

/** `fetch failed` says nothing; what is behind it does. */
function causeOf(error: unknown): string {
  const { cause } = error as { cause?: { code?: unknown; message?: unknown } };
  if (cause === undefined) return error instanceof Error ? error.message : String(error);
  return String(cause.message || cause.code);
}

function pathOf(path: string, { params, query }: Call): string {
  const values = (params ?? {}) as Record<string, unknown>;
  const filled = path.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = String(values[name]).toWellFormed();
    // An address would lead elsewhere; there is nothing of that name.
    if (value === '' || value === '.' || value === '..') throw new ApiError(404, 'there is nothing of that name');
    return encodeURIComponent(value);
  });
  const asked = new URLSearchParams();
  for (const [name, value] of Object.entries((query ?? {}) as Record<string, unknown>)) {
    for (const item of Array.isArray(value) ? value : [value]) if (item !== undefined) asked.append(name, String(item));
  }
  return asked.size > 0 ? `${filled}?${asked.toString()}` : filled;
}

async function errorOf(connection: Connection, call: Call, response: Response): Promise<ApiError> {
  const text = await reading(connection, call, response.text());
  const problem = problemOf(text);
  const seconds = response.headers.get('retry-after');
  return new ApiError(
    response.status,
    problem.detail ?? `the answer is ${response.status} ${response.statusText}`.trimEnd(),
    problem.errors ?? [],
    seconds !== null && /^\d{1,6}$/.test(seconds) ? Number(seconds) * 1000 : undefined,
  );
}

/** Of a problem document (RFC 9457); a proxy may say anything. */
function problemOf(text: string): { detail?: string; errors?: FieldError[] } {
  try {
    const { detail, errors } = JSON.parse(text) as { detail?: unknown; errors?: unknown };
    return {
      ...(typeof detail === 'string' && { detail }),
      ...(Array.isArray(errors) && { errors: errors as FieldError[] }),
    };
  } catch {
    return {};
  }
}

/** A server that is alive says so more often, even where nothing happens. Milliseconds. */
const longestSilence = 60_000;
const usualRetry = 2000;
const longestRetry = 30_000;

/** The events of a stream. What cannot be reached at first is an error; later it is tried again for as long as it takes. */
async function* follow(connection: Connection, endpoint: Endpoint, call: Call): AsyncGenerator<ServerSentEvent, void, undefined> {
  const stop = AbortSignal.any(signalsOf(connection, call));
  const place: StreamPlace = {};
  let isKnown = false;
  let failures = 0;
  while (!stop.aborted) {
    const silence = new AbortController();
    const alarm = setTimeout(() => silence.abort(new Error('it is silent')), longestSilence);
    try {
      const fields = { accept: 'text/event-stream', ...(place.lastId !== undefined && { 'last-event-id': place.lastId }) };
      const response = await send(connection, endpoint, call, AbortSignal.any([stop, silence.signal]), fields);
      isKnown = true;
      failures = 0;
      if (response.body) yield* readEvents(heard(response.body, alarm), place);
    } catch (error) {
      if (stop.aborted) return;
      if (!isKnown || !isPassing(error)) throw error;
      failures += 1;
    } finally {
      clearTimeout(alarm);
      silence.abort();
    }
    await wait(Math.min((place.retry ?? usualRetry) * 2 ** Math.max(failures - 1, 0), longestRetry), stop);
  }
}

/** Sets the alarm back with each part. */
async function* heard(body: AsyncIterable<Uint8Array>, alarm: NodeJS.Timeout): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const part of body) {
    alarm.refresh();
    yield part;
  }
}

/** A connection that broke, a server that restarts or is full: not a login or a question that is wrong. */
const isPassing = (error: unknown): boolean => !(error instanceof ApiError) || error.status >= 500 || error.status === 429;

const wait = (ms: number, stop: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      stop.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    stop.addEventListener('abort', end);
    if (stop.aborted) end();
  });
