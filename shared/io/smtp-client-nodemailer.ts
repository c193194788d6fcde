import type { Socket } from 'node:net';
import { Readable } from 'node:stream';
import { TLSSocket } from 'node:tls';
import SMTPConnection, { type SMTPConnectionEnvelope } from 'nodemailer/lib/smtp-connection';
import type { Envelope, Recipient } from '../core/envelope.ts';
import type { Outcome, Peer } from '../core/outcome.ts';
import { isPositive, localReply, parseReply, type Reply } from '../core/reply.ts';
import { isTooManyRecipients, needsSmtpUtf8, notifyParameter, refuseMessage, refuseRecipient } from '../core/smtp-command.ts';
import { noExtensions, type Extensions } from '../core/smtp-extensions.ts';
import { asciiOrcpt } from '../core/utf8-address.ts';
import type { ConnectOptions, ConnectResult, Outbound, OutboundConnection, Target, Transaction } from './outbound.ts';
import { isLoopback, tlsOptions } from './smtp-tls.ts';
import type { Transcript } from './transcript.ts';
import { dial } from './smtp-wire.ts';
import { exactly } from './whole-content.ts';

/**
 * nodemailer's SMTP connection behind the same interface as our own client: a second opinion for the conformance
 * suite, and a way out should ours fail with some server. What it cannot do, and what is done instead:
 *
 * - One set of DSN parameters for all recipients: recipients are sent in one transaction for each set (content that is
 *   a stream can be read once, so that the other sets are `untried` and come again at once).
 * - No time-outs by command: `greeting` holds for the greeting, the longest of the others for every silence after it.
 * - Replies that come in one segment with the end of the connection may be lost: those recipients are charged with the end.
 * - LMTP keeps no final reply but the last: after an end between them all recipients are charged with it.
 * - A reply of the wrong class (3xx to RCPT, 2xx to DATA) does not end the transaction; a temporary refusal of EHLO or an
 *   answer that is no reply is followed by HELO; words in clear behind the answer to STARTTLS are thrown away.
 * - DSN parameters are decoded and encoded again: the same value, perhaps another spelling.
 * - SMTPUTF8 is asked for by addresses only: a message that needs it for its header is refused with 5.6.9.
 * - A quoted local part with `<` or `>` is refused.
 * - A bare LF ends a reply line; the size of a reply is limited while it is incomplete only.
 * - Octets of the content pass through JavaScript one by one: several times the CPU for large messages.
 */
export const nodemailerClient: Outbound = { connect };

type NodemailerError = Parameters<Parameters<SMTPConnection['reset']>[0]>[0] & Error;
type Sent = { info: SMTPConnection.SentMessageInfo } | { error: NodemailerError };

async function connect(target: Target, options: ConnectOptions): Promise<ConnectResult> {
  const result = await open(target, options, target.tls);
  const again = result === 'tls-failed' ? await open(target, options, 'disabled') : result;
  return again === 'tls-failed' ? { ok: false, peer: null, reply: localReply(454, '4.7.5', 'TLS failed', 'STARTTLS') } : again;
}

async function open(target: Target, options: ConnectOptions, tlsPolicy: Target['tls']): Promise<ConnectResult | 'tls-failed'> {
  const { timeouts, transcript } = options;
  if (target.login) transcript?.hide(target.login);
  const socket = await dial(target, options);
  if (!('write' in socket)) return { ok: false, reply: socket, peer: null };
  const peer: Peer = { name: target.name, address: target.address, port: target.port };
  const isChecked = tlsPolicy === 'required' || tlsPolicy === 'implicit';
  const silence = Math.max(timeouts.command, timeouts.data, timeouts.block, timeouts.final);
  const smtp = new SMTPConnection({
    connection: socket,
    host: target.name,
    port: target.port,
    name: options.ehloName.replace(/[^!-~]/g, '') || 'localhost',
    lmtp: target.protocol === 'lmtp',
    secure: tlsPolicy === 'implicit',
    requireTLS: tlsPolicy === 'required',
    ignoreTLS: tlsPolicy === 'disabled',
    opportunisticTLS: tlsPolicy === 'opportunistic',
    tls: tlsOptions(target, isChecked ? 'checked' : 'unchecked'),
    connectionTimeout: timeouts.greeting + 3 * timeouts.command,
    greetingTimeout: timeouts.greeting,
    socketTimeout: silence,
    socketCloseTimeout: 500,
    maxResponseSize: 65_536,
    ...(transcript && { transactionLog: true, logger: transcribing(transcript) as never }),
  });
  const session = new NodemailerConnection(smtp, socket, peer, transcript);
  const opened = await session.run<boolean>((done) => smtp.connect((error) => done(error ?? null, true)));
  if ('error' in opened) {
    const isTlsFailure = smtp.upgrading === true;
    const isStartTlsLost = opened.error.response === undefined && /[ -]STARTTLS\b/i.test(String(smtp.lastServerResponse));
    session.destroy();
    if (tlsPolicy === 'opportunistic' && (isTlsFailure || isStartTlsLost)) return 'tls-failed';
    return {
      ok: false,
      peer,
      reply: isTlsFailure ? localReply(454, '4.7.5', `TLS: ${opened.error.message}`, 'STARTTLS') : connectReply(opened.error, tlsPolicy),
    };
  }
  // A 421 to STARTTLS is taken for a mere refusal first.
  if (!session.usable)
    return { ok: false, peer, reply: parseReply(String(smtp.lastServerResponse).split('\n'), 'STARTTLS') ?? lost('STARTTLS') };
  session.start();
  const denied = target.login && (await login(session, smtp, target));
  if (!denied) return { ok: true, connection: session };
  session.destroy();
  return { ok: false, peer, reply: denied };
}

async function login(
  session: NodemailerConnection,
  smtp: SMTPConnection,
  { login: credentials, address }: Target,
): Promise<Reply | undefined> {
  if (!smtp.secure && !isLoopback(address)) return localReply(454, '4.7.0', 'a password is not sent without TLS', 'AUTH');
  if (!smtp.allowsAuth) return localReply(454, '4.7.0', 'server offers no AUTH', 'AUTH');
  const result = await session.run<boolean>((done) =>
    smtp.login({ user: credentials?.user, pass: credentials?.password }, (error) => done(error ?? null, true)),
  );
  return 'error' in result ? replyOf(result.error, 'AUTH') : undefined;
}

class NodemailerConnection implements OutboundConnection {
  peer: Peer;
  readonly #smtp: SMTPConnection;
  readonly #socket: Socket;
  #offered: Extensions = noExtensions;
  #reused = false;
  #needsReset = false;
  #isBusy = false;
  #lastError: NodemailerError | undefined;

  constructor(smtp: SMTPConnection, socket: Socket, peer: Peer, transcript?: Transcript) {
    this.#smtp = smtp;
    this.#socket = socket;
    this.peer = peer;
    smtp.on('error', (error: NodemailerError) => {
      this.#lastError = error;
      if (error.response === undefined) transcript?.note(error.message);
    });
    smtp.once('end', () => transcript?.note('connection closed'));
  }

  get usable(): boolean {
    return !this.#smtp.destroyed;
  }

  get takesEightBit(): boolean {
    return this.#offered.eightBitMime;
  }

  /** To be called when the handshake is over: only then is it known what the server offers. */
  start(): void {
    this.#offered = extensionsOf(this.#smtp);
    const secured = this.#smtp._socket;
    if (secured instanceof TLSSocket) this.peer = { ...this.peer, tls: cipherOf(secured) };
  }

  async send(transaction: Transaction): Promise<Outcome[]> {
    if (this.#isBusy) throw new Error('one transaction at a time');
    this.#isBusy = true;
    try {
      return await this.#sendAll(transaction);
    } finally {
      this.#isBusy = false;
    }
  }

  async close(): Promise<void> {
    if (!this.usable || this.#isBusy) return this.destroy();
    await this.run<boolean>((done) => {
      setTimeout(() => done(null, true), 2000).unref();
      this.#smtp.quit();
    });
    this.destroy();
  }

  destroy(): void {
    this.#smtp.close();
    this.#socket.destroy();
  }

  /** Calls back into a promise; an end of the connection that nodemailer keeps from the callback settles it too. */
  run<T>(start: (done: (error: NodemailerError | null, value?: T) => void) => void): Promise<{ value: T } | { error: NodemailerError }> {
    return new Promise((resolve) => {
      const settle = (result: { value: T } | { error: NodemailerError }) => {
        this.#smtp.off('end', onEnd).off('error', onEnd);
        resolve(result);
      };
      // nodemailer emits before it calls back, and the callback knows more.
      const onEnd = () =>
        void setImmediate(() => settle({ error: this.#lastError ?? (new Error('connection closed') as NodemailerError) }));
      this.#smtp.once('end', onEnd).once('error', onEnd);
      start((error, value) => settle(error ? { error } : { value: value as T }));
    });
  }

  async #sendAll({ envelope, size, content }: Transaction): Promise<Outcome[]> {
    const refused = refuseMessage(envelope, size, this.#offered) ?? refuseUnsupported(envelope);
    if (refused) return envelope.recipients.map(() => ({ kind: 'refused', reply: refused }));
    const outcomes = new Map<Recipient, Outcome>();
    for (const recipient of envelope.recipients) {
      const reply = refuseRecipient(recipient) ?? refuseBrackets(recipient.address, '5.1.3', 'RCPT');
      if (reply) outcomes.set(recipient, { kind: 'refused', reply });
    }
    const open = envelope.recipients.filter((recipient) => !outcomes.has(recipient));
    let isContentLeft = true;
    for (const group of Map.groupBy(open, parametersOf).values()) {
      const results = isContentLeft ? await this.#sendGroup(envelope, group, size, content) : undefined;
      isContentLeft = Buffer.isBuffer(content);
      for (const [i, recipient] of group.entries()) {
        outcomes.set(recipient, results?.[i] ?? { kind: 'untried', reply: localReply(451, '4.3.0', 'content could be read once only') });
      }
    }
    return envelope.recipients.map(
      (recipient) => outcomes.get(recipient) ?? { kind: 'failed', reply: localReply(451, '4.5.0', 'no outcome') },
    );
  }

  async #sendGroup(envelope: Envelope, group: Recipient[], size: number, content: Transaction['content']): Promise<Outcome[]> {
    if (this.#needsReset && !(await this.#reset())) return group.map(() => ({ kind: 'untried', reply: lost('RSET') }));
    const isReused = this.#reused;
    this.#reused = true;
    // Whether the server has said anything at all of this message is told by this alone.
    this.#smtp.lastServerResponse = false;
    const parameters = nodemailerEnvelope(envelope, group, size);
    const sent = await this.run<SMTPConnection.SentMessageInfo>((done) =>
      this.#smtp.send(parameters, Buffer.isBuffer(content) ? content : Readable.from(exactly(content, size), { objectMode: false }), done),
    );
    const result: Sent = 'error' in sent ? sent : { info: sent.value };
    if ('error' in result && this.#isUntried(result.error, isReused))
      return group.map(() => ({ kind: 'untried', reply: replyOf(result.error, 'MAIL') }));
    this.#needsReset = 'error' in result && result.error.code !== 'EMESSAGE';
    // Content without its end: nodemailer leaves the server waiting for the final dot. The same when the refusal of a
    // large message came before its end, which cannot be told here.
    const isCut = 'error' in result && (result.error.code === 'ESTREAM' || (result.error.code === 'EMESSAGE' && size > 65_536));
    if (isCut) this.destroy();
    // nodemailer keeps its books in the object it was given: after an error too, they say who was refused before.
    const { rejectedErrors = [] } = parameters as Partial<SMTPConnectionEnvelope>;
    const outcomes = outcomesOf(group, result, rejectedErrors, this.#offered.dsn);
    if (outcomes.some(({ reply }) => reply.code === 421 || reply.enhanced === '4.5.0')) this.destroy();
    return outcomes;
  }

  #isUntried(error: NodemailerError, isReused: boolean): boolean {
    if (error.command === 'API' && error.code === 'ECONNECTION') return true;
    if (!isReused) return false;
    const isFirstWord = this.#smtp.lastServerResponse === false && error.code !== 'ETIMEDOUT' && error.code !== 'ESTREAM';
    return isFirstWord || (error.command === 'MAIL FROM' && error.responseCode === 421);
  }

  async #reset(): Promise<boolean> {
    this.#needsReset = false;
    const result = await this.run<boolean>((done) => this.#smtp.reset((error) => done(error ?? null, true)));
    if ('error' in result) this.destroy();
    return !('error' in result);
  }
}

function outcomesOf(group: readonly Recipient[], sent: Sent, rejections: readonly NodemailerError[], relayedDsn: boolean): Outcome[] {
  // After a refused MAIL the recipients are refused only for want of it.
  const own = 'error' in sent && sent.error.command === 'MAIL FROM' ? [] : rejections;
  // A 421 is reported without its command; the recipient that it answered has the same words with it.
  const whole = 'error' in sent ? (own.find((error) => error.response === sent.error.response) ?? sent.error) : undefined;
  let isAnyAccepted = false;
  return group.map(({ address }) => {
    const rejection = own.find((error) => error.recipient === address);
    if (rejection) {
      const reply = replyOf(rejection, commandOf(rejection));
      return isAnyAccepted && reply.command === 'RCPT' && isTooManyRecipients(reply) ? { kind: 'untried', reply } : negative(reply);
    }
    isAnyAccepted = true;
    if (whole) return negative(replyOf(whole, commandOf(whole)));
    return { kind: 'accepted', reply: acceptance('info' in sent ? sent.info.response : ''), relayedDsn };
  });
}

/** In LMTP the last reply may be another recipient's refusal. */
function acceptance(response: string): Reply {
  const reply = parseReply(response.split('\n'), '.');
  return reply && isPositive(reply) ? reply : localReply(250, '2.0.0', 'accepted', '.');
}

function refuseUnsupported(envelope: Envelope): Reply | undefined {
  const isForHeader = needsSmtpUtf8(envelope) && !needsSmtpUtf8({ ...envelope, smtpUtf8: false });
  if (isForHeader) return localReply(554, '5.6.9', 'this client asks for SMTPUTF8 for addresses only', 'MAIL');
  return refuseBrackets(envelope.sender, '5.1.7', 'MAIL');
}

const refuseBrackets = (address: string, enhanced: string, command: string): Reply | undefined =>
  /[<>]/.test(address)
    ? localReply(553, enhanced, 'this client cannot send to or from an address with angle brackets', command)
    : undefined;

function negative(reply: Reply): Outcome {
  if (reply.local) return { kind: 'failed', reply };
  return reply.code >= 400
    ? { kind: 'refused', reply }
    : { kind: 'failed', reply: localReply(451, '4.5.0', `server answered with ${reply.code}`, reply.command) };
}

function commandOf(error: NodemailerError): string | undefined {
  if (error.code === 'EMESSAGE') return '.';
  switch (error.command) {
    case 'MAIL FROM':
      return 'MAIL';
    case 'RCPT TO':
      return 'RCPT';
    case 'CONN':
    case 'API':
      return undefined;
    default:
      return error.command?.startsWith('AUTH') ? 'AUTH' : error.command;
  }
}

/** The server's own words where there are any. */
function replyOf(error: NodemailerError, command: string | undefined): Reply {
  const reply = error.response && parseReply(error.response.split('\n'), command);
  if (reply) return reply;
  switch (error.code) {
    case 'EPROTOCOL':
      return localReply(451, '4.5.0', 'answer is not an SMTP reply', command);
    case 'ESTREAM':
      return localReply(451, '4.3.0', 'content of the message could not be read', command);
    case 'ETLS':
      return localReply(454, '4.7.5', `TLS: ${error.message}`, 'STARTTLS');
    case 'EAUTH':
      return localReply(454, '4.7.0', error.message, 'AUTH');
    default:
      return error.response ? localReply(451, '4.5.0', 'answer is not an SMTP reply', command) : lost(command, error.message);
  }
}

function connectReply(error: NodemailerError, tlsPolicy: Target['tls']): Reply {
  const command = error.command === 'CONN' ? 'connect' : commandOf(error);
  const reply = replyOf(error, command);
  const isAboutTls = reply.command === 'STARTTLS' || (tlsPolicy === 'required' && reply.command === 'EHLO');
  if (!isAboutTls) return reply.code >= 400 ? reply : localReply(451, '4.5.0', `server answered ${command} with ${reply.code}`, command);
  return reply.code < 500
    ? reply
    : localReply(454, '4.7.4', `TLS is required and the server refused it: ${reply.lines.join(' ')}`, 'STARTTLS');
}

const lost = (command?: string, why = 'connection closed'): Reply => localReply(421, '4.4.2', why, command);

const parametersOf = (recipient: Recipient): string => `${notifyParameter(recipient)} ${recipient.orcpt ?? ''}`;

function nodemailerEnvelope(envelope: Envelope, group: readonly Recipient[], size: number): SMTPConnection.Envelope {
  const [first] = group;
  return {
    from: envelope.sender || false,
    to: group.map((recipient) => recipient.address),
    size,
    use8BitMime: envelope.eightBit,
    dsn: {
      ret: envelope.ret,
      envid: envelope.envid && decodeXtext(envelope.envid),
      notify: (first && notifyParameter(first)) || null,
      // It would write UTF-8 as xtext, which the type utf-8 does not know.
      orcpt: first?.orcpt && decodeXtext(asciiOrcpt(first.orcpt)),
    },
  };
}

/** nodemailer encodes what it is given (RFC 3461 §4), so that it must be given the value itself. */
const decodeXtext = (text: string): string =>
  text.replace(/\+([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));

/** The list is there, though not in nodemailer's types; the conformance suite notices when it goes. */
function extensionsOf(smtp: SMTPConnection): Extensions {
  const { _supportedExtensions: names = [], _maxAllowedSize: limit = 0 } = smtp as unknown as {
    _supportedExtensions?: string[];
    _maxAllowedSize?: number;
  };
  return {
    ...noExtensions,
    dsn: names.includes('DSN'),
    eightBitMime: names.includes('8BITMIME'),
    smtpUtf8: names.includes('SMTPUTF8'),
    pipelining: names.includes('PIPELINING'),
    size: names.includes('SIZE') ? limit : undefined,
  };
}

/** nodemailer's log of its traffic, as a transcript; it does not log content. */
function transcribing(transcript: Transcript): Record<string, (data: unknown, message?: string) => void> {
  const ignore = (): void => undefined;
  return {
    trace: ignore,
    debug: (data, message = '') => {
      const { tnx } = data as { tnx?: string };
      if (tnx === 'client') transcript.client(message);
      if (tnx === 'server') transcript.server(message.split(/\r?\n/));
    },
    info: (data) => {
      const { tnx, outByteCount } = data as { tnx?: string; outByteCount?: number };
      if (tnx === 'message' && outByteCount !== undefined) transcript.content(outByteCount);
    },
    warn: ignore,
    error: ignore,
    fatal: ignore,
  };
}

const cipherOf = (socket: TLSSocket) => ({ protocol: socket.getProtocol() ?? 'TLS', cipher: socket.getCipher().standardName });
