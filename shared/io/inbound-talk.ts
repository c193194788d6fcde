import { randomBytes } from 'node:crypto';
import { cutLine, maskClientLine, masked, type ConversationLine } from '../core/conversation.ts';
import type { TracedLine } from '../core/trace.ts';
import { domainOf } from '../core/reception.ts';
import { decodeLine } from './decode-line.ts';
import type { SmtpSession } from './smtp-session.ts';
import type { Tracer } from './tracer.ts';

/** Lines of a transaction that wait until it is known whether somebody wants to see it. */
const mostHeld = 40;

/**
 * What those who watch are told of one inbound connection: nothing is done, and nothing kept, while nobody watches. A
 * transaction that becomes interesting with its recipient, or with the id that it gets, is told from where the watching began.
 */
export class InboundTalk {
  readonly #tracer: Tracer;
  readonly #session: SmtpSession;
  #connection = '';
  #held: TracedLine[] = [];
  #domains: string[] = [];
  #message: string | undefined;
  #isSecureTold = false;

  constructor(tracer: Tracer, session: SmtpSession) {
    this.#tracer = tracer;
    this.#session = session;
  }

  opened(): void {
    const { remoteAddress, remotePort, localPort } = this.#session;
    if (this.#tracer.isWatched) this.#say('note', `connection from ${remoteAddress} port ${remotePort} to port ${localPort}`);
  }

  /** To be called whenever TLS may have begun. */
  secured(): void {
    if (this.#isSecureTold || !this.#tracer.isWatched) return;
    const { tls } = this.#session;
    if (!tls) return;
    this.#isSecureTold = true;
    this.#say('note', `TLS: ${tls.protocol} ${tls.cipher}`);
  }

  note(text: string): void {
    if (this.#tracer.isWatched) this.#say('note', text);
  }

  /** A line of an AUTH exchange. */
  credentials(): void {
    if (this.#tracer.isWatched) this.#say('client', masked);
  }

  /** A command line, its octets as one character each. */
  client(line: string, mayBeCredentials: boolean): void {
    if (!this.#tracer.isWatched) return;
    const text = maskClientLine(decodeLine(line), mayBeCredentials);
    if (/^(?:RSET|EHLO|HELO|STARTTLS)\b/i.test(text)) this.#forget();
    const address = /^RCPT\s+TO:\s*<([^>]{1,400})>/i.exec(text)?.[1];
    if (address !== undefined && this.#domains.length < mostHeld) this.#domains = [...this.#domains, domainOf(address)];
    this.#say('client', text);
  }

  content(octets: number): void {
    if (this.#tracer.isWatched) this.#say('client', `[${octets} octets]`);
  }

  server(code: number, text: readonly string[]): void {
    if (!this.#tracer.isWatched) return;
    // RFC 4954 §4: a challenge may hold what the answer is made of.
    if (code === 334) return this.#say('server', `334 ${masked}`);
    const id = code === 250 ? /\bqueued as ([0-9a-f]{32})$/.exec(text.at(-1) ?? '')?.[1] : undefined;
    this.#message = id;
    for (const [n, line] of text.entries()) this.#say('server', `${code}${n < text.length - 1 ? '-' : ' '}${line}`);
    if (id !== undefined) this.#forget();
  }

  closed(): void {
    if (this.#tracer.isWatched) this.#say('note', 'connection closed');
  }

  #forget(): void {
    this.#held = [];
    this.#domains = [];
    this.#message = undefined;
  }

  #say(direction: ConversationLine['direction'], text: string): void {
    this.#connection ||= randomBytes(3).toString('hex');
    const { helo, remoteAddress } = this.#session;
    const line: TracedLine = {
      at: Date.now(),
      direction,
      text: cutLine(text),
      process: this.#tracer.process,
      way: 'inbound',
      connection: this.#connection,
      peer: { name: helo, address: remoteAddress },
      domains: this.#domains,
      ...(this.#message !== undefined && { message: this.#message }),
    };
    if (!this.#tracer.fits(line)) {
      this.#held.push(line);
      if (this.#held.length > mostHeld) this.#held.shift();
      return;
    }
    // Each reader looks again for himself: what led here is of the same message and the same recipients.
    const { domains, message } = line;
    for (const earlier of this.#held) this.#tracer.tell({ ...earlier, domains, ...(message !== undefined && { message }) });
    this.#held = [];
    this.#tracer.tell(line);
  }
}
