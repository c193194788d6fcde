import type { Config } from '../core/config.ts';
import type { Envelope } from '../core/envelope.ts';
import type { Reply } from '../core/reply.ts';
import type { MailCommand, RcptCommand } from '../core/smtp-params.ts';
import type { Logger } from './log.ts';
import type { PolicyLink } from './policy.ts';
import type { About } from './smtp-replies.ts';
import type { Tracer } from './tracer.ts';

/** A user who logged in. */
export interface SmtpUser {
  name: string;
  tenant?: string;
}

/** What handlers may know of a connection. */
export interface SmtpSession {
  readonly id: string;
  /** The client's address, told by the proxy where there is one. */
  readonly remoteAddress: string;
  readonly remotePort: number;
  /** The listener that it came to. */
  readonly localAddress: string;
  readonly localPort: number;
  readonly isTrusted: boolean;
  readonly isEsmtp: boolean;
  /** The argument of HELO or EHLO, as given; empty before it. */
  readonly helo: string;
  readonly user: SmtpUser | undefined;
  readonly tls: { protocol: string; cipher: string } | undefined;
  /** The transaction in hand. */
  readonly envelope: Envelope | undefined;
}

/** A password, from whatever mechanism. */
export interface Credentials {
  /** Who the client wants to act for; empty: for itself. */
  authz: string;
  authc: string;
  password: string;
}

/** Undefined accepts; it is there at once unless somebody else has a say. */
export type Refusal = Reply | undefined | Promise<Reply | undefined>;

/** Where the content of one message goes. Neither promise rejects. */
export interface ContentReceiver {
  /** Resolves when the next piece may come. Line ends as the client sent them, dots unstuffed. */
  write(piece: Buffer): Promise<void>;
  /** Resolves with the answer for the client. */
  end(): Promise<Reply>;
  /** The content will not be completed. */
  abort(): void;
}

/** The decisions. `undefined` accepts; a reply or a thrown SmtpRefusal refuses. */
export interface SmtpHandlers {
  /** Before the greeting. */
  connect(session: SmtpSession): Reply | undefined;
  /** Before the greeting, of a connection that there is room for; its promise does not reject. */
  accept(session: SmtpSession): Refusal;
  /** EHLO or HELO. */
  hello(session: SmtpSession, name: string): Refusal;
  /** May anybody log in? */
  offersAuth(): boolean;
  /** Undefined: the password is wrong. A reply: whatever is said instead. */
  login(session: SmtpSession, credentials: Credentials): Promise<SmtpUser | Reply | undefined>;
  mail(session: SmtpSession, command: MailCommand): Refusal;
  rcpt(session: SmtpSession, command: RcptCommand): Refusal;
  data(session: SmtpSession, envelope: Envelope): ContentReceiver;
  /** A reply of 400 or more was sent; what it was about, as far as it is known. */
  refused(session: SmtpSession, reply: Reply, about: About): void;
  /** Once for each connection that was accepted. */
  close(session: SmtpSession): void;
  /** A connection that never came to SMTP: no PROXY header, no TLS. */
  failed(reason: 'proxy' | 'tls' | 'socket', error: Error): void;
}

export interface SmtpSettings {
  hostname: string;
  ingress: Config['ingress'];
  /** Domain of `<postmaster>` (RFC 5321 §4.5.1). */
  postmasterDomain: string;
  offersTls: boolean;
  isTrusted(address: string): boolean;
  handlers: SmtpHandlers;
  policy: PolicyLink;
  /** Whoever watches conversations. */
  tracer: Tracer;
  log: Logger;
}
