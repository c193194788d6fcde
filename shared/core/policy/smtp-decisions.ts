import type { Reply } from '../reply.ts';
import { isQueuePart } from '../queue-name.ts';
import { typeNameOf } from './define.ts';
import { readRejection, type Rejected } from './reject.ts';
import type { ConnMeta } from './smtp-server-rewrite-response.ts';

/** Nothing (it is as it would be without the handler), or `reject(code, text)`. */
export type Decision = void | undefined | null | Rejected;
/** Also `{ relay: true }`: this recipient is taken although `ingress` would not relay to it. */
export type RcptDecision = Decision | { readonly relay: true };
/** Is it the password? `{ tenant }`: it is, and the mail belongs to this tenant. Anything else is no. */
export type AuthDecision = boolean | { readonly tenant?: string } | Rejected;

type Awaitable<T> = T | Promise<T>;

/** Before the greeting. */
export type SmtpServerConnectionAccepted = (conn: ConnMeta) => Awaitable<Decision>;
/** EHLO and HELO; `domain` is their argument. */
export type SmtpServerEhlo = (domain: string, conn: ConnMeta) => Awaitable<Decision>;
/**
 * A login that `ingress.users` does not know, by AUTH PLAIN or LOGIN. `authz`: who the client wants to act for; empty: for
 * itself. The password goes nowhere else.
 */
export type SmtpServerAuthPlain = (authz: string, authc: string, password: string, conn: ConnMeta) => Awaitable<AuthDecision>;
/** MAIL, after our own checks; `sender` is empty for the null sender. */
export type SmtpServerMailFromAccepted = (sender: string, conn: ConnMeta) => Awaitable<Decision>;
/** RCPT, before it is decided whether we relay to it. */
export type SmtpServerRcptToAccepted = (recipient: string, conn: ConnMeta) => Awaitable<RcptDecision>;

/** What a result means; `problem`: what in it cannot be used. */
export interface Decided {
  reply?: Reply;
  mayRelay?: true;
  problem?: string;
}

/** Reads what a handler of a command decided. `mayGrantRelay`: only of a recipient. */
export function readDecision(result: unknown, mayGrantRelay = false): Decided {
  if (result === undefined || result === null) return {};
  const rejection = readRejection(result);
  if (rejection) return 'reply' in rejection ? withFault(rejection) : rejection;
  if (typeof result === 'object' && 'relay' in result && mayGrantRelay) {
    return result.relay === true ? { mayRelay: true } : { problem: `expected true in relay, found ${typeNameOf(result.relay)}` };
  }
  const forms = mayGrantRelay ? 'nothing, reject(code, text) or { relay: true }' : 'nothing or reject(code, text)';
  return { problem: `expected ${forms}, found ${typeNameOf(result)}` };
}

/** `accepted` is there only when the handler clearly said so; neither that nor a reply: it gave no usable answer. */
export interface Login {
  accepted?: { tenant?: string };
  /** It said no. */
  refused?: true;
  reply?: Reply;
  problem?: string;
}

/** Reads what a handler of AUTH decided: what is not clearly yes is not yes. */
export function readLogin(result: unknown): Login {
  if (result === true) return { accepted: {} };
  if (result === false) return { refused: true };
  const rejection = readRejection(result);
  if (rejection) return 'reply' in rejection ? withFault(rejection) : rejection;
  if (typeof result !== 'object' || result === null || Array.isArray(result)) {
    return { problem: `expected true, false, { tenant } or reject(code, text), found ${typeNameOf(result)}` };
  }
  const { tenant, ...others } = result as { tenant?: unknown };
  if (Object.keys(others).length > 0) return { problem: 'an accepted login has a tenant and nothing else' };
  if (tenant === undefined) return { accepted: {} };
  return isQueuePart(tenant) ? { accepted: { tenant } } : { problem: 'the tenant is no name: printable ASCII without ":", "@" and "!"' };
}

const withFault = ({ reply, fault }: { reply: Reply; fault?: string }): { reply: Reply; problem?: string } => ({
  reply,
  ...(fault !== undefined && { problem: fault }),
});
