import type { Outbound, ConnectOptions, ConnectResult, Target } from './outbound.ts';
import { localReply, isPositive, replyOnOneLine, type Reply } from '../core/reply.ts';
import type { Peer } from '../core/outcome.ts';
import { noExtensions, parseExtensions, type Extensions } from '../core/smtp-extensions.ts';
import { isLoopback, tlsOptions } from './smtp-tls.ts';
import { SmtpConnection } from './smtp-transaction.ts';
import { dial, SmtpWire } from './smtp-wire.ts';

/**
 * Our own SMTP and LMTP client. This file opens a session: TCP, greeting, EHLO, STARTTLS, AUTH.
 * `smtp-transaction.ts` sends messages over it, `smtp-wire.ts` is the socket.
 */
export const smtpClient: Outbound = { connect };

async function connect(target: Target, options: ConnectOptions): Promise<ConnectResult> {
  const result = await open(target, options, target.tls);
  // Opportunistic security (RFC 7435 §3): a server whose TLS does not work gets its mail in clear, as if it had
  // never offered STARTTLS; the failed handshake has spoilt the connection, so a new one is made.
  return result === 'tls-failed' ? inClear(await open(target, options, 'disabled')) : result;
}

/** A session being opened; `offered` changes with each EHLO. */
interface Session {
  wire: SmtpWire;
  target: Target;
  options: ConnectOptions;
  peer: Peer;
  offered: Extensions;
}

type Opened = ConnectResult | 'tls-failed';

async function open(target: Target, options: ConnectOptions, tlsPolicy: Target['tls']): Promise<Opened> {
  const { timeouts, transcript } = options;
  if (target.login) transcript?.hide(target.login);
  const socket = await dial(target, options);
  if (!('write' in socket)) return { ok: false, reply: socket, peer: null };
  const peer: Peer = { name: target.name, address: target.address, port: target.port };
  const session: Session = { wire: new SmtpWire(socket, transcript), target, options, peer, offered: noExtensions };

  if (tlsPolicy === 'implicit') {
    const problem = await startTls(session, 'checked');
    if (problem) return giveUp(session, problem);
  }
  const greeting = await session.wire.read('connect', timeouts.greeting);
  if (!isPositive(greeting)) return giveUp(session, greeting);
  const refused = await hello(session);
  if (refused) return giveUp(session, refused);
  const unsafe = await upgrade(session, tlsPolicy);
  if (unsafe) return unsafe === 'tls-failed' ? unsafe : giveUp(session, unsafe);
  const denied = target.login && (await login(session, target.login));
  if (denied) return giveUp(session, denied);
  return { ok: true, connection: new SmtpConnection(session.wire, session.peer, session.offered, target.protocol, timeouts) };
}

/** EHLO (LHLO), and HELO where the server knows no EHLO (RFC 5321 §3.2). The reply that ends the attempt, if any. */
async function hello(session: Session): Promise<Reply | undefined> {
  const { wire, target, options } = session;
  // The name is configured by people; a line break in it must not become a command.
  const name = options.ehloName.replace(/[^!-~]/g, '') || 'localhost';
  const verb = target.protocol === 'lmtp' ? 'LHLO' : 'EHLO';
  wire.write(`${verb} ${name}\r\n`);
  const reply = await wire.read(verb, options.timeouts.command);
  session.offered = isPositive(reply) ? parseExtensions(reply) : noExtensions;
  if (isPositive(reply)) return undefined;
  if (reply.local || reply.code < 500 || verb === 'LHLO') return reply;
  wire.write(`HELO ${name}\r\n`);
  const second = await wire.read('HELO', options.timeouts.command);
  return isPositive(second) ? undefined : second;
}

/** STARTTLS where policy and server want it. A reply ends the attempt; `tls-failed` asks for a connection without TLS. */
async function upgrade(session: Session, policy: Target['tls']): Promise<Reply | 'tls-failed' | undefined> {
  const { wire, options } = session;
  if (policy === 'disabled' || policy === 'implicit') return undefined;
  const required = policy === 'required';
  if (!session.offered.startTls)
    return required ? localReply(454, '4.7.4', 'TLS is required and the server does not offer STARTTLS', 'STARTTLS') : undefined;
  wire.write('STARTTLS\r\n');
  const reply = await wire.read('STARTTLS', options.timeouts.command);
  if (reply.local) return required ? reply : 'tls-failed';
  if (reply.code !== 220 && required && reply.code >= 500)
    return localReply(454, '4.7.4', `TLS is required and the server refused it: ${replyOnOneLine(reply)}`, 'STARTTLS');
  if (reply.code !== 220) return required || reply.code === 421 ? reply : undefined;
  // RFC 3207 §6, CVE-2021-38371: words that came in clear must not be read as if they came under TLS.
  if (wire.hasUnread) return localReply(454, '4.7.0', 'server sent more than its reply before the TLS handshake', 'STARTTLS');
  const problem = await startTls(session, required ? 'checked' : 'unchecked');
  if (problem) return required ? problem : 'tls-failed';
  // RFC 3207 §4.2: what was offered in clear is forgotten.
  return hello(session);
}

async function startTls(session: Session, trust: 'checked' | 'unchecked'): Promise<Reply | undefined> {
  const { wire, target, options } = session;
  const problem = await wire.secure(tlsOptions(target, trust), options.timeouts.command);
  if (problem !== undefined) return localReply(454, '4.7.5', `TLS: ${problem}`, 'STARTTLS');
  session.peer = { ...session.peer, ...(wire.tls && { tls: wire.tls }) };
  return undefined;
}

/** AUTH PLAIN, or LOGIN where the server offers only that (RFC 4954, RFC 4616). The reply that ends the attempt, if any. */
async function login(session: Session, { user, password }: { user: string; password: string }): Promise<Reply | undefined> {
  const { wire, target, offered, options } = session;
  const ask = (line: string): Promise<Reply> => {
    wire.write(`${line}\r\n`);
    return wire.read('AUTH', options.timeouts.command);
  };
  const base64 = (text: string) => Buffer.from(text).toString('base64');
  if (!wire.tls && !isLoopback(target.address)) return localReply(454, '4.7.0', 'a password is not sent without TLS', 'AUTH');
  if (offered.auth.includes('PLAIN')) return refusal(await ask(`AUTH PLAIN ${base64(`\0${user}\0${password}`)}`));
  if (!offered.auth.includes('LOGIN')) return localReply(454, '4.7.0', 'server offers neither AUTH PLAIN nor LOGIN', 'AUTH');
  let reply = await ask('AUTH LOGIN');
  if (reply.code === 334) reply = await ask(base64(user));
  if (reply.code === 334) reply = await ask(base64(password));
  return refusal(reply);
}

const refusal = (reply: Reply): Reply | undefined => (isPositive(reply) ? undefined : reply);

/** Leaves a server with which no session came about. A 3xx to a greeting or an EHLO is no answer, and not the server's fault to report. */
function giveUp({ wire, peer }: Session, reply: Reply): ConnectResult {
  wire.leave();
  const command = reply.command ?? 'connect';
  return {
    ok: false,
    peer,
    reply: reply.code >= 400 ? reply : localReply(451, '4.5.0', `server answered ${command} with ${reply.code}`, command),
  };
}

/** The second attempt asks for no TLS and so cannot fail at it. */
function inClear(result: Opened): ConnectResult {
  return result === 'tls-failed' ? { ok: false, peer: null, reply: localReply(454, '4.7.5', 'TLS failed', 'STARTTLS') } : result;
}
