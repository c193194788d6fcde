import type { z } from 'zod';
import type { EndpointName, Endpoints } from '../../../shared/core/api/endpoints.ts';
import { createStore } from './store.ts';

/** An operation by method and path, as the documentation writes them: `GET /api/lanes/{lane}`. */
type OperationOf<N extends EndpointName> = `${Endpoints[N]['method']} ${Endpoints[N]['path']}`;
export type Operation = { [N in EndpointName]: OperationOf<N> }[EndpointName];
type EndpointOf<O extends Operation> = { [N in EndpointName]: OperationOf<N> extends O ? Endpoints[N] : never }[EndpointName];

type Given<E, Part extends string> = E extends Record<Part, infer S extends z.ZodType> ? z.input<S> : undefined;
export type Answer<O extends Operation> = EndpointOf<O> extends { answer: infer S extends z.ZodType } ? z.output<S> : undefined;
export interface Input<O extends Operation> {
  params?: Given<EndpointOf<O>, 'params'>;
  query?: Given<EndpointOf<O>, 'query'>;
  body?: Given<EndpointOf<O>, 'body'>;
  signal?: AbortSignal;
}

/** An answer that is no good one; `status` 0: there was none. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
  readonly status: number;
  readonly fields: readonly { field: string; message: string }[];

  constructor(status: number, message: string, fields: readonly { field: string; message: string }[] = []) {
    super(message);
    this.status = status;
    this.fields = fields;
  }
}

export type Me = Answer<'GET /api/me'>;
/** Who looks; undefined until that is known, null: a login is needed. */
export const me = createStore<Me | null | undefined>(undefined);

/** `lost`: no answer, or none but that Redis is away; it is asked again. `expired`: the session is over. */
export type Link = { state: 'live' } | { state: 'lost'; why: string } | { state: 'expired' };
const live: Link = { state: 'live' };
export const link = createStore<Link>(live);

/** A backtest or a search far back takes its time. Milliseconds. */
const patience = 30_000;

/** Asks the server. Throws Refusal. */
export async function ask<O extends Operation>(operation: O, input: Input<O> = {}): Promise<Answer<O>> {
  const [method = 'GET', template = ''] = operation.split(' ');
  const { params, query, body, signal } = input as { params?: object; query?: object; body?: unknown; signal?: AbortSignal };
  const csrf = me.get()?.csrf;
  const timeout = AbortSignal.timeout(patience);
  let response: Response;
  try {
    response = await fetch(pathOf(template, params ?? {}, query ?? {}), {
      method,
      cache: 'no-store',
      headers: {
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...(method !== 'GET' && csrf && { 'x-csrf-token': csrf }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
    });
  } catch {
    if (signal?.aborted) throw new Refusal(-1, 'given up');
    link.set({ state: 'lost', why: 'the server does not answer' });
    throw new Refusal(0, 'the server does not answer');
  }
  const told = (await response.json().catch(() => ({}))) as Record<string, unknown>;
  if (response.ok) {
    link.set(live);
    return told as Answer<O>;
  }
  const problem = refusalOf(response.status, told);
  if (problem.status === 401 && operation !== 'POST /api/login') endSession();
  else link.set(problem.status === 503 ? { state: 'lost', why: problem.message } : live);
  throw problem;
}

/** Who it was stays on the page, so that the same person goes on where he was. */
export function endSession(): void {
  link.set({ state: 'expired' });
  if (me.get() === undefined) me.set(null);
}

/** `{name}` replaced, and what is undefined or empty left out of the query. */
export function pathOf(template: string, params: object, query: object): string {
  const values = params as Record<string, string | undefined>;
  const path = template.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(values[name] ?? ''));
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) if (value !== undefined && value !== '') search.append(name, String(value));
  const text = search.toString();
  return text === '' ? path : `${path}?${text}`;
}

function refusalOf(status: number, told: Record<string, unknown>): Refusal {
  const detail = typeof told['detail'] === 'string' ? told['detail'] : `the server answered ${status}`;
  const errors = Array.isArray(told['errors']) ? (told['errors'] as { field: string; message: string }[]) : [];
  return new Refusal(status, detail, errors);
}
