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
  /** The operator named this host in a static route: its addresses may be private ones. */
  isConfigured?: true;
}

/**
 * Where mail for a domain goes.
 * `hosts`: in the order to try, equal preferences already shuffled (RFC 5321 §5.1).
 * `failed`: permanent for a domain that does not exist (550 5.1.2), takes no mail (null MX, 556 5.1.10) or leads back to
 * us (554 5.4.6), and for a prohibited address literal (550 5.4.4); else temporary (no answer, 451 4.4.3).
 */
export type Route = { kind: 'hosts'; site: string; hosts: RouteHost[] } | { kind: 'failed'; permanent: boolean; reply: Reply };

export interface Router {
  /** Static route, address literal or MX lookup; answers are cached for their TTL, failures for a short time. Never throws. */
  route(domain: string): Promise<Route>;
  /**
   * The targets of one host: every allowed address, at least one, in the order to try. `failed`: temporary when there is
   * no answer (451 4.4.3) or no address (451 4.4.4), permanent when all addresses are prohibited (550 5.4.4). Never throws.
   */
  targets(host: RouteHost): Promise<Target[] | { failed: Reply }>;
}
