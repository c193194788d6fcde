import { isUtf8 } from 'node:buffer';
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { SMTPServer } from 'smtp-server';
import type { SMTPConnectionOptions } from 'smtp-server/lib/smtp-connection.js';
import type { Envelope } from '../core/envelope.ts';
import { SmtpRefusal } from '../core/refusal.ts';
import { localReply, type Reply } from '../core/reply.ts';
import { parseMail, parseRcpt } from '../core/smtp-params.ts';
import {
  dataRefusal,
  done,
  mailOk,
  noArguments,
  rcptOk,
  startContent,
  startTlsRefusal,
  stateless,
  unlessRefused,
  welcome,
} from '../core/server-replies.ts';
import { verbs } from '../core/smtp-verbs.ts';
import { SmtpParser } from './smtp-parser.ts';
import { Timers } from './timers.ts';
import { InboundTalk } from './inbound-talk.ts';
import { LoginConnection } from './smtp-login.ts';
import type { About } from './smtp-replies.ts';
import { responseRewriter } from './smtp-rewriter.ts';
import type { ContentReceiver, Credentials, SmtpSession, SmtpSettings, SmtpUser } from './smtp-session.ts';

/** What a PROXY header adds: the client is unknown to the proxy itself (a health check), and so never trusted. */
export interface ConnectionOptions extends SMTPConnectionOptions {
  isUnknown?: boolean;
}

/** Lines longer than this are no command; RFC 3461 §5.4 and RFC 6531 §3.4 together ask for 1046 octets, AUTH= for 500 more. */
const maxLine = 4096;
const httpRequest = /^(?:OPTIONS|GET|HEAD|POST|PUT|DELETE|TRACE|CONNECT|PATCH) \S+ HTTP\/\d/i;
/** What the answer to a message answers, for a policy: however the client wrote it. */
const dataLine = Buffer.from('DATA');

/**
 * One SMTP connection. smtp-server has the socket, TLS and SASL; the commands, their order and their grammar are ours.
 */
export class SmtpConnection extends LoginConnection implements SmtpSession {
  readonly isTrusted: boolean;
  helo = '';
  envelope: Envelope | undefined;
  readonly #settings: SmtpSettings;
  protected readonly talk: InboundTalk;
  readonly #timers = new Timers(() => !this.isEnding);
  #addresses = new Set<string>();
  #receiver: ContentReceiver | undefined;
  /** The content is complete and its fate is being decided: the client waits for us. */
  #isDeciding = false;
  /** No further transaction: the connection ends after this one. */
  #isLeaving = false;
  #isCounted = false;
  #messages = 0;

  constructor(server: SMTPServer, socket: Socket, options: ConnectionOptions, settings: SmtpSettings) {
    super(server, socket, options);
    this.#settings = settings;
    this.talk = new InboundTalk(settings.tracer, this);
    this.isTrusted = !options.isUnknown && settings.isTrusted(this.remoteAddress);
  }

  get isEsmtp(): boolean {
    return this.openingCommand === 'EHLO';
  }

  get user(): SmtpUser | undefined {
    return (this.session.user as SmtpUser | undefined) || undefined;
  }

  get tls(): { protocol: string; cipher: string } | undefined {
    if (!(this._socket instanceof TLSSocket)) return undefined;
    return { protocol: this._socket.getProtocol() ?? 'TLS', cipher: this._socket.getCipher().name };
  }

  // --- Life of the connection ---------------------------------------------------------------------------------------

  override init(): void {
    const { handlers, ingress } = this.#settings;
    this._setListeners(() => {
      this.talk.opened();
      const refusal = handlers.connect(this);
      if (refusal) {
        this.#refuseConnection(refusal);
        this.whenReplied(() => this._socket.destroySoon()); // it must not hold what there is too little of until the client closes
        return;
      }
      this.#isCounted = true;
      this.#timers.after(ingress.sessionDeadline, () => this.#expire());
      const decision = handlers.accept(this);
      if (decision instanceof Promise) void decision.then((reply) => this.#greet(reply));
      else this.#greet(decision);
    });
  }

  #greet(refusal: Reply | undefined): void {
    const { greetingDelay } = this.#settings.ingress;
    if (this.isEnding) return;
    if (refusal) this.#refuseConnection(refusal);
    // Only those who could be robots wait; the delay is what catches them talking before the greeting.
    else if (this.isTrusted || greetingDelay === 0) this.connectionReady();
    else this.#timers.after(greetingDelay, () => this.connectionReady());
  }

  /** Ends the connection when its transaction is done: at once without one. Resolves when we have said our last word. */
  leave(): Promise<void> {
    this.#isLeaving = true;
    this.#leaveIfIdle();
    if (this._closing || this._closed) return Promise.resolve();
    return new Promise((resolve) => this.once('ended', resolve));
  }

  /** Ends the connection whatever it is doing; a message that is being decided on may be in the queue already. */
  cutOff(): void {
    if (!this.isEnding) this.tell(localReply(421, '4.3.2', 'Shutting down, closing connection'));
  }

  /** Closes the socket without waiting for the client. */
  destroy(): void {
    this._socket.destroy();
  }

  override close(): void {
    super.close();
    this.whenReplied(() => this.emit('ended'));
  }

  override _createParser(): SmtpParser {
    return new SmtpParser({
      command: (line, next) => this._onCommand(line, next),
      longLine: (next) => this.#longLine(next),
      mayTalk: () => this.#mayTalk(),
    });
  }

  override _onTimeout(): void {
    if (this._closing) {
      this._socket.destroy();
    } else if (this._handlerPending || this.isReplying || this.#isDeciding) {
      this._armTimeout(); // it is us who are slow
    } else {
      this.tell(localReply(421, '4.4.2', 'Nothing heard for too long, closing connection'));
    }
  }

  override _onClose(): void {
    this.#timers.clear();
    if (!this.#isDeciding) this.#receiver?.abort();
    this.#receiver = undefined;
    super._onClose();
    this.emit('ended');
    this.emit('closed');
    this.talk.closed();
    if (this.#isCounted) this.#settings.handlers.close(this);
    this.#isCounted = false;
  }

  /** Called by smtp-server after EHLO, HELO, STARTTLS and RSET, and by us after each message. */
  override _resetSession(): void {
    this.talk.secured();
    this.envelope = undefined;
    if (this.#addresses.size > 0) this.#addresses = new Set();
  }

  #expire(): void {
    this.#isLeaving = true;
    if (!this.#isDeciding) this.tell(localReply(421, '4.4.2', 'The connection has lasted too long, closing it'));
  }

  #leaveIfIdle(): void {
    if (!this.#isLeaving || this.isEnding || this.envelope || this.#receiver || this._handlerPending) return;
    this.tell(localReply(421, '4.3.2', 'Shutting down, closing connection'));
  }

  #refuseConnection(reply: Reply): void {
    this.tell(reply);
    this.close();
  }

  protected override refused(reply: Reply, about: About): void {
    this.#settings.handlers.refused(this, reply, about);
  }

  /** Trusted clients and users may have as many bad recipients as their lists have. */
  protected override isError(reply: Reply): boolean {
    return !((this.isTrusted || this.user) && ['MAIL', 'RCPT', 'DATA', '.'].includes(reply.command ?? ''));
  }

  protected override rewriter(): ReturnType<typeof responseRewriter> {
    return responseRewriter(this.#settings.policy, this, this.#settings.hostname);
  }

  /** Of what is said without being asked for, the line is the one that the client is in the middle of. */
  protected override tell(reply: Reply): void {
    const isMidway = this._nextHandler !== false || (this.#receiver !== undefined && !this.#isDeciding);
    if (!isMidway) this.line = undefined;
    super.tell(reply);
  }

  // --- Commands -------------------------------------------------------------------------------------------------------

  #mayTalk(): boolean {
    if (this._ready || this._upgrading || this.isEnding) return true;
    // RFC 5321 §3.1: 554 in place of the greeting. Who does not wait for it is no mail server.
    this.#refuseConnection(localReply(554, '5.5.1', 'Protocol error: talked before the greeting'));
    return false;
  }

  #longLine(next: () => void): void {
    this.command = undefined;
    this.about = { sender: '', recipients: [] };
    if (!this._nextHandler) this.line = undefined;
    this._nextHandler = false;
    this.talk.note('a line that is too long');
    this.reply(localReply(500, '5.5.2', 'Line too long'));
    this.line = undefined;
    this._whenWritable(next);
  }

  override _onCommand(line: Buffer, callback: () => void = () => undefined): void {
    const next = (): void => {
      this._handlerPending = false;
      if (!this._nextHandler && !this.#receiver) this.line = undefined;
      this.#leaveIfIdle();
      this._whenWritable(callback);
    };
    this._handlerPending = true;
    try {
      this.#obey(line, next);
    } catch (error) {
      this.reply(this.#failure(error));
      next();
    }
  }

  #failure(error: unknown): Reply {
    if (error instanceof SmtpRefusal) return error.reply;
    this.#settings.log.error({ event: 'command_failed', command: this.command, err: error });
    return localReply(451, '4.3.0', 'Internal error, try again later');
  }

  async #replyLater(answer: Promise<Reply>, next: () => void): Promise<void> {
    this.reply(await answer.catch((error: unknown) => this.#failure(error)));
    next();
  }

  #obey(line: Buffer, next: () => void): void {
    const continuation = this._nextHandler;
    this._nextHandler = false;
    this.about = { sender: '', recipients: [] };
    if (continuation) {
      this.command = 'AUTH'; // the line is credentials
      this.talk.credentials();
      continuation.call(this, line, next);
      return;
    }
    const text = line.toString('latin1');
    const space = text.search(/[ \t]/);
    const verb = (space < 0 ? text : text.slice(0, space)).toUpperCase();
    const args = space < 0 ? '' : text.slice(space).trim();
    this.command = /^[A-Z]{4,8}$/.test(verb) ? verb : undefined;
    this.line = undefined;
    this.isAuthDue = /^\W*AUTH/i.test(text) || (this.isAuthDue && !verbs.has(verb));
    this.talk.client(text, this.isAuthDue);
    if (line.length > maxLine && verb !== 'AUTH') {
      this.reply(localReply(500, '5.5.2', 'Line too long'));
      return next();
    }
    if (httpRequest.test(text)) return this.tell(localReply(421, '4.7.0', 'This is SMTP, not HTTP'));
    const isText = isUtf8(line);
    if (isText) this.line = line;
    if (/[\x00-\x08\x0a-\x1f\x7f]/.test(text) || !isText) {
      this.reply(localReply(501, '5.5.2', 'The line holds what no command may'));
      return next();
    }
    switch (verb) {
      case 'STARTTLS':
        return this.#startTls(line, args, next);
      case 'AUTH':
        return this.#auth(line, next);
      case 'DATA':
        return this.#data(args, next);
      case 'QUIT':
        return this.#quit(args, next);
      default: {
        const answer = this.#answer(verb, args, line);
        if (answer instanceof Promise) return void this.#replyLater(answer, next);
        this.reply(answer);
        next();
      }
    }
  }

  /** Commands that are done as soon as they are read, and decided. */
  #answer(verb: string, args: string, line: Buffer): Reply | Promise<Reply> {
    switch (verb) {
      case 'MAIL':
        return this.#mail(line.toString());
      case 'RCPT':
        return this.#rcpt(line.toString());
      case 'EHLO':
      case 'HELO':
        return this.#hello(verb, args);
      case 'RSET':
        if (args) return noArguments(verb);
        this._resetSession();
        return done;
      default:
        return stateless(verb, args);
    }
  }

  #hello(verb: 'EHLO' | 'HELO', name: string): Reply | Promise<Reply> {
    // RFC 5321 §4.1.4 forbids to refuse a name for what it is; this is no name at all.
    if (!/^[!-~]{1,255}$/.test(name)) return localReply(501, '5.5.4', `Syntax: ${verb} hostname`);
    return unlessRefused(this.#settings.handlers.hello(this, name), () => this.#welcome(verb, name));
  }

  #welcome(verb: 'EHLO' | 'HELO', name: string): Reply {
    const { hostname, ingress, offersTls, handlers } = this.#settings;
    this.openingCommand = verb;
    this.hostNameAppearsAs = this.helo = name;
    this._resetSession();
    const greeting = `${hostname} at your service, [${this.remoteAddress}]`;
    if (verb === 'HELO') return { code: 250, lines: [greeting] };
    const login = (this.secure || ingress.allowPlainAuth) && !this.user && handlers.offersAuth();
    return welcome(greeting, { size: ingress.maxSize, startTls: offersTls && !this.secure, login });
  }

  #mail(line: string): Reply | Promise<Reply> {
    if (!this.helo) return localReply(503, '5.5.1', 'Send EHLO first');
    if (this.envelope) return localReply(503, '5.5.1', 'There is a transaction already');
    if (this.#messages >= this.#settings.ingress.maxMessagesPerConnection) {
      return localReply(421, '4.7.0', 'Enough messages on one connection, open another');
    }
    const parsed = parseMail(line);
    this.about = { sender: parsed.ok ? parsed.value.sender : parsed.address, recipients: [] };
    if (!parsed.ok) return parsed.reply;
    const { sender, smtpUtf8, ret, envid } = parsed.value;
    return unlessRefused(this.#settings.handlers.mail(this, parsed.value), () => {
      this.envelope = { sender, recipients: [], smtpUtf8, eightBit: false, ...(ret && { ret }), ...(envid !== undefined && { envid }) };
      return mailOk;
    });
  }

  #rcpt(line: string): Reply | Promise<Reply> {
    const { envelope } = this;
    if (!envelope) return localReply(503, '5.5.1', 'Send MAIL first');
    const { ingress, handlers, postmasterDomain } = this.#settings;
    const parsed = parseRcpt(line, envelope.smtpUtf8);
    const named = parsed.ok ? parsed.value.mailbox.address : parsed.address;
    this.about = { sender: envelope.sender, recipients: named ? [named] : [] };
    // One mailbox, however its domain is written (RFC 5321 §2.4), is delivered to once, as first asked for.
    if (!parsed.ok) return parsed.reply;
    const { mailbox, notify, orcpt } = parsed.value;
    const mailboxKey = `${mailbox.localPart}@${(mailbox.domain || postmasterDomain).toLowerCase()}`;
    if (this.#addresses.has(mailboxKey)) return rcptOk;
    if (envelope.recipients.length >= ingress.maxRecipients) return localReply(452, '4.5.3', 'Too many recipients');
    return unlessRefused(handlers.rcpt(this, parsed.value), () => {
      this.#addresses.add(mailboxKey);
      const address = mailbox.domain === '' ? `${mailbox.address}@${postmasterDomain}` : mailbox.address;
      envelope.recipients.push({ address, ...(notify && { notify }), ...(orcpt !== undefined && { orcpt }) });
      return rcptOk;
    });
  }

  #quit(args: string, next: () => void): void {
    if (args) this.reply(noArguments('QUIT'));
    else {
      this.reply({ code: 221, enhanced: '2.0.0', lines: ['Bye'] });
      this.close();
    }
    next();
  }

  // --- Content --------------------------------------------------------------------------------------------------------

  #data(args: string, next: () => void): void {
    const { envelope, _parser: parser } = this;
    const refusal = dataRefusal(args, envelope);
    if (refusal || !envelope || !(parser instanceof SmtpParser)) {
      if (refusal) this.reply(refusal);
      return next();
    }
    this.about = { sender: envelope.sender, recipients: envelope.recipients.map((r) => r.address) };
    const { handlers, ingress } = this.#settings;
    const receiver = handlers.data(this, envelope);
    let octets = 0;
    this.#receiver = receiver;
    const deadline = this.#timers.after(ingress.dataDeadline, () => {
      this.command = '.';
      this.reply(localReply(421, '4.4.2', 'The content took too long, closing connection'));
    });
    parser.startContent({
      write: (piece) => {
        octets += piece.length;
        return receiver.write(piece);
      },
      end: (proceed) => {
        this.talk.content(octets);
        this.#timers.cancel(deadline);
        // After a 421 or a lost connection the client will send it again: it must not be queued now.
        if (this.isEnding) proceed();
        else void this.#decide(receiver, proceed);
      },
    });
    this.reply(startContent);
    next();
  }

  async #decide(receiver: ContentReceiver, proceed: () => void): Promise<void> {
    this.#isDeciding = true;
    this.line = undefined;
    const reply = await receiver.end();
    this.#isDeciding = false;
    this.#receiver = undefined;
    this.#messages++;
    if (reply.code < 400) this.errors = 0;
    this.command = '.';
    this.line = dataLine;
    this.reply(reply);
    this.line = undefined;
    this._resetSession();
    this.#leaveIfIdle();
    this._whenWritable(proceed);
  }

  // --- TLS and AUTH ---------------------------------------------------------------------------------------------------

  #startTls(line: Buffer, args: string, next: () => void): void {
    const refusal = startTlsRefusal(args, this.#settings.offersTls, this.secure);
    if (refusal) {
      this.reply(refusal);
      return next();
    }
    this.helo = ''; // RFC 3207 §4.2: nothing that was said in the clear is known any more
    super.handler_STARTTLS(line, next);
  }

  #auth(line: Buffer, next: () => void): void {
    const refusal = this.#authRefusal();
    if (!refusal) return super.handler_AUTH(line, next);
    this.reply(refusal);
    next();
  }

  #authRefusal(): Reply | undefined {
    const { handlers, offersTls, ingress } = this.#settings;
    const isAllowed = this.secure || ingress.allowPlainAuth;
    if (!handlers.offersAuth() || (!isAllowed && !offersTls)) return localReply(502, '5.5.1', 'AUTH is not offered');
    if (!this.helo) return localReply(503, '5.5.1', 'Send EHLO first');
    // RFC 4954 §4: 538 is for mechanisms that need encryption.
    if (!isAllowed) return localReply(538, '5.7.11', 'Encryption required, send STARTTLS first');
    if (this.user) return localReply(503, '5.5.1', 'You are logged in already');
    return this.envelope ? localReply(503, '5.5.1', 'Not in a transaction') : undefined;
  }

  protected override authenticate(credentials: Credentials): Promise<SmtpUser | Reply | undefined> {
    return this.#settings.handlers.login(this, credentials);
  }
}
