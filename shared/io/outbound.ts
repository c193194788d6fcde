import type { Envelope } from '../core/envelope.ts';
import type { Outcome, Peer } from '../core/outcome.ts';
import type { Reply } from '../core/reply.ts';
import type { Transcript } from './transcript.ts';

/** Where and how to connect: one address of one host of a site. */
export interface Target {
  /** Host name without trailing dot, for TLS and records. */
  name: string;
  /** IPv4 or IPv6 address. */
  address: string;
  port: number;
  protocol: 'smtp' | 'lmtp';
  tls: 'opportunistic' | 'required' | 'disabled' | 'implicit';
  login?: { user: string; password: string };
}

export interface ConnectOptions {
  ehloName: string;
  /** Local address to bind, or undefined for the system's choice. */
  localAddress?: string;
  timeouts: { connect: number; greeting: number; command: number; data: number; block: number; final: number };
  /** Notes what is said. */
  transcript?: Transcript;
}

export interface Transaction {
  envelope: Envelope;
  /** Octets of the content, for SIZE. */
  size: number;
  /** CRLF line ends, not dot-stuffed. A Buffer when small, a stream of chunks when large. */
  content: Buffer | AsyncIterable<Buffer>;
}

/** An open session with one server, after EHLO, STARTTLS and AUTH. One transaction at a time. */
export interface OutboundConnection {
  readonly peer: Peer;
  /** False once it cannot carry a further transaction: closed, 421, protocol error. */
  readonly usable: boolean;
  /** Does the server offer 8BITMIME (RFC 6152)? */
  readonly takesEightBit: boolean;
  /** One outcome per recipient of the envelope, in its order. Never throws for what a server or the network does. */
  send(transaction: Transaction): Promise<Outcome[]>;
  /** QUIT, then close; resolves when the socket is gone, after at most a few seconds. */
  close(): Promise<void>;
  /** Closes the socket now; a transaction in hand settles as `failed` or `untried`. */
  destroy(): void;
}

export type ConnectResult =
  | { ok: true; connection: OutboundConnection }
  /** `reply` is the server's own (a 554 greeting, a refused EHLO or AUTH) or a local one (timeout, refused, TLS). */
  | { ok: false; reply: Reply; peer: Peer | null };

/** An SMTP client. `test/io/outbound.conformance.ts` says what each must do. */
export interface Outbound {
  connect(target: Target, options: ConnectOptions): Promise<ConnectResult>;
}
