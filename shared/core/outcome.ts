import type { Reply } from './reply.ts';

/** The remote server of a connection. */
export interface Peer {
  /** The MX host name without trailing dot, or the address literal's address. */
  name: string;
  address: string;
  port: number;
  tls?: { protocol: string; cipher: string };
}

/**
 * What one transaction did for one recipient.
 * `untried`: the connection ended before the server said anything of this message (an idle connection that was closed,
 * a 421 to the first command of a reused connection): it is tried again at once and counts as no attempt.
 */
export type Outcome =
  | { kind: 'accepted'; reply: Reply; relayedDsn: boolean }
  | { kind: 'refused'; reply: Reply }
  | { kind: 'failed'; reply: Reply }
  | { kind: 'untried'; reply: Reply };
