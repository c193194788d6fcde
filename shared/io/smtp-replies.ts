import type { Socket } from 'node:net';
import { SMTPConnection } from 'smtp-server/lib/smtp-connection.js';
import { localReply, type Reply } from '../core/reply.ts';

/** What a refused command was about, as far as it is known. */
export interface About {
  sender: string;
  recipients: string[];
}

/** Enhanced codes for the replies that smtp-server itself makes (TLS, SASL); its own table fits other uses. */
const libraryCodes: Record<number, string> = {
  220: '2.0.0',
  235: '2.7.0',
  421: '4.7.0',
  451: '4.3.0',
  454: '4.7.0',
  501: '5.5.4',
  503: '5.5.1',
  504: '5.5.4',
  535: '5.7.8',
};
/** Refused commands of one connection (RFC 5321 §7.8 leaves the number to us). */
const maxErrors = 20;

/** smtp-server's connection with one way out for replies, its own included. */
export abstract class ReplyingConnection extends SMTPConnection {
  /** The command that the next reply answers: a verb, `.` for content, undefined for what nobody asked for. */
  protected command: string | undefined;
  protected about: About = { sender: '', recipients: [] };
  protected errors = 0;
  #corked: Socket | undefined;

  /** Hears of every reply of 400 or more. */
  protected abstract refused(reply: Reply): void;
  /** Does this refusal (5xx) count towards the errors that one connection may make? */
  protected abstract isError(reply: Reply): boolean;

  /** The one place that writes replies. A 421 closes the connection. */
  protected reply(reply: Reply): void {
    const prefix = reply.enhanced ? `${reply.enhanced} ` : '';
    this.#cork();
    super.send(
      reply.code,
      reply.lines.map((line) => prefix + line),
      false,
    );
    if (reply.code < 400) return;
    const answer = this.command === undefined ? reply : { ...reply, command: this.command };
    this.refused(answer);
    if (reply.code >= 500 && this.isError(answer) && ++this.errors >= maxErrors && !this._closing) {
      this.tell(localReply(421, '4.7.0', 'Too many errors, closing connection'));
    }
  }

  /** A reply to no command. */
  protected tell(reply: Reply): void {
    this.command = undefined;
    this.reply(reply);
  }

  /** What smtp-server itself has to say. */
  override send(code: number, data?: string | string[] | null, context?: string | false): void {
    const enhanced = context === false ? undefined : libraryCodes[code];
    this.reply({ code, ...(enhanced && { enhanced }), lines: [data ?? ''].flat() });
  }

  override upgrade(callback: () => void, secureCallback?: () => void): void {
    this.#flush(); // the 220 must leave before the socket speaks TLS
    super.upgrade(callback, secureCallback);
  }

  /** The replies to pipelined commands leave in one packet. */
  #cork(): void {
    if (this.#corked || this._upgrading) return;
    this.#corked = this._socket;
    this.#corked.cork();
    process.nextTick(() => this.#flush());
  }

  #flush(): void {
    this.#corked?.uncork();
    this.#corked = undefined;
  }
}
