import type { Reply } from '../core/reply.ts';
import type { Target } from './outbound.ts';

/** A host of a route, its addresses not yet looked up. */
export interface RouteHost {
  /** Host name without trailing dot, or the address of an address literal. */
  name: string;
  port: number;
  protocol: Target['protocol'];
  tls: Target['tls'];
  login?: { user: string; password: string };
}

/**
 * Where mail for a domain goes.
 * `hosts`: in the order to try, equal preferences already shuffled (RFC 5321 §5.1).
 * `failed`: permanent for a null MX (556 5.1.10) or a prohibited address, else temporary (no answer, NXDOMAIN).
 */
export type Route =
  | { kind: 'hosts'; site: string; hosts: RouteHost[] }
  | { kind: 'failed'; permanent: boolean; reply: Reply };

export interface Router {
  /** Static route, address literal or MX lookup; answers are cached for their TTL, failures for a short time. Never throws. */
  route(domain: string): Promise<Route>;
  /** The targets of one host: every allowed address, in the order to try; empty when none resolves or all are prohibited. */
  targets(host: RouteHost): Promise<Target[] | { failed: Reply }>;
}
