import { isAddressLiteral, isHostName } from '../address.ts';
import { decodeWords } from '../dsn/encoded-word.ts';
import { readFields } from '../dsn/field.ts';
import { fieldProblem, type HeaderChange } from '../header-edit.ts';
import { isQueuePart } from '../queue-name.ts';
import type { Reply } from '../reply.ts';
import { typeNameOf } from './define.ts';
import { readRejection, type Rejected } from './reject.ts';
import type { ConnMeta } from './smtp-server-rewrite-response.ts';

/** A message that was received whole and is not queued yet. */
export interface MessageReceived {
  readonly id: string;
  /** Empty for the null sender. */
  readonly sender: string;
  readonly recipients: readonly string[];
  /** Octets, as the client sent it. */
  readonly size: number;
  /** In their order, unfolded, encoded-words decoded; the first 1,000. */
  readonly headers: readonly { readonly name: string; readonly value: string }[];
  /** The header is larger than 64 KB: `headers` is its beginning, and fields can be prepended only. */
  readonly isHeaderCut: boolean;
  /** Of the login. */
  readonly tenant?: string;
  /** What its records will say: `received_from`, `ehlo_domain`, `authn_id`, `trusted`. */
  readonly meta: Readonly<Record<string, unknown>>;
}

/** What is set for a message; what is absent stays as it is. */
export interface MessageChanges {
  readonly headers?: readonly HeaderChange[];
  readonly tenant?: string;
  readonly campaign?: string;
  /** Decides the route in place of the recipients' domains. A host name or address literal. */
  readonly routingDomain?: string;
  /** Into `meta` of all records of the message; at most 32. */
  readonly meta?: Readonly<Record<string, string | number | boolean>>;
}

export type MessageReceivedResult = void | undefined | null | MessageChanges | Rejected;

/** Called when a message was received whole; the client has its 250 after the answer. */
export type SmtpServerMessageReceived = (
  message: MessageReceived,
  conn: ConnMeta,
) => MessageReceivedResult | Promise<MessageReceivedResult>;

/** What a result means: all of it, or nothing. `fault`: the rejection is not in the handler's words. */
export type MessageVerdict = { changes: MessageChanges } | { reply: Reply; fault?: string } | { problem: string };

/** The fields of a header as a handler sees them. `header` has an octet a character. */
export const headersForPolicy = (header: string): MessageReceived['headers'] =>
  readFields(header, maxFields).map(({ name, value }) => ({ name, value: decodeWords(value, longestValue) }));

/** Reads a result. `mayRewrite`: the whole header is at hand, so that fields may be taken out of it. */
export function readMessageResult(result: unknown, mayRewrite: boolean): MessageVerdict {
  if (result === undefined || result === null) return { changes: {} };
  const rejection = readRejection(result);
  if (rejection) return rejection;
  if (typeof result !== 'object' || Array.isArray(result)) {
    return { problem: `expected changes of the message or reject(code, text), found ${typeNameOf(result)}` };
  }
  const { headers, tenant, campaign, routingDomain, meta, ...others } = result as { [K in keyof MessageChanges]: unknown };
  const [unknown] = Object.keys(others);
  const problem =
    (unknown === undefined ? undefined : `there is no "${unknown.slice(0, 50)}" to set of a message`) ??
    nameProblem('tenant', tenant) ??
    nameProblem('campaign', campaign) ??
    routingProblem(routingDomain) ??
    metaProblem(meta) ??
    headersProblem(headers, mayRewrite);
  if (problem !== undefined) return { problem };
  const changes = result as MessageChanges;
  return { changes: { ...changes, ...(changes.routingDomain && { routingDomain: changes.routingDomain.toLowerCase() }) } };
}

const maxFields = 1000;
const longestValue = 65_536;
const maxChanges = 100;
const maxMeta = 32;
const maxMetaText = 1000;
/** Where the message came from is not the policy's to say: reports are sent by it. */
const ownMeta = new Set(['received_from', 'ehlo_domain', 'authn_id', 'trusted']);
const ops: readonly unknown[] = ['prepend', 'append', 'replace', 'remove'];

const nameProblem = (what: string, value: unknown): string | undefined =>
  value === undefined || isQueuePart(value)
    ? undefined
    : `the ${what} is no name: 1 to 100 characters of printable ASCII without ":", "@" and "!"`;

const routingProblem = (value: unknown): string | undefined =>
  value === undefined || (typeof value === 'string' && (isHostName(value) || isAddressLiteral(value)))
    ? undefined
    : 'routingDomain is no host name or address literal';

function metaProblem(meta: unknown): string | undefined {
  if (meta === undefined) return undefined;
  if (typeof meta !== 'object' || meta === null || Array.isArray(meta)) return `expected an object in meta, found ${typeNameOf(meta)}`;
  const entries = Object.entries(meta as Record<string, unknown>);
  if (entries.length > maxMeta) return `meta has more than ${maxMeta} values`;
  for (const [key, value] of entries) {
    if (!/^[A-Za-z][A-Za-z0-9_.-]{0,63}$/.test(key) || ownMeta.has(key)) return `meta cannot have a value called "${key.slice(0, 64)}"`;
    const isFine = typeof value === 'boolean' || Number.isFinite(value) || (typeof value === 'string' && value.length <= maxMetaText);
    if (!isFine) return `meta.${key} is no text of up to ${maxMetaText} characters, number, true or false`;
  }
  return undefined;
}

function headersProblem(headers: unknown, mayRewrite: boolean): string | undefined {
  if (headers === undefined) return undefined;
  if (!Array.isArray(headers)) return `expected an array in headers, found ${typeNameOf(headers)}`;
  if (headers.length > maxChanges) return `more than ${maxChanges} changes of the header`;
  for (const change of headers as unknown[]) {
    if (typeof change !== 'object' || change === null) return `expected a change of the header, found ${typeNameOf(change)}`;
    const { op, name, value } = change as { op?: unknown; name?: unknown; value?: unknown };
    if (!ops.includes(op)) return 'op of a change of the header is prepend, append, replace or remove';
    if (op !== 'prepend' && !mayRewrite) return 'the header is larger than 64 KB: fields can be prepended only';
    if (typeof name !== 'string') return `expected a name of a header field, found ${typeNameOf(name)}`;
    if (op !== 'remove' && typeof value !== 'string') return `expected a value of ${name.slice(0, 76)}, found ${typeNameOf(value)}`;
    const problem = fieldProblem(name, typeof value === 'string' ? value : undefined);
    if (problem !== undefined) return problem;
  }
  return undefined;
}
