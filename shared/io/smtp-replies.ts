import type { Socket } from 'node:net';
import { SMTPConnection } from 'smtp-server/lib/smtp-connection.js';
import { maskCommandLine } from '../core/policy/command-line.ts';
import { localReply, type Reply } from '../core/reply.ts';
import type { InboundTalk } from './inbound-talk.ts';

/** What a refused command was about, as far as it is known. */
export interface About {
  sender: string;
  recipients: string[];
}

/** A reply and its lines as they are written, without the code. */
export interface SentReply {
  reply: Reply;
  text: string[];
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
  /** The command in hand, through all of an AUTH exchange or of the content; undefined between commands. */
  protected line: Buffer | undefined;
  /** AUTH was said and no other command since: what is no command may be a password that did not wait for our answer. */
  protected isAuthDue = false;
  protected errors = 0;
  #corked: Socket | undefined;
  /** Replies that a policy is looking at, all of them, in their order; undefined when there is none. */
  #pending: Promise<void> | undefined;
  /** The last word was said, though it may not have been written yet. */
  #isEnding = false;
  #isLastWritten = false;

  /** Hears of every reply of 400 or more, as it was sent. */
  protected abstract refused(reply: Reply, about: About): void;
  /** Hears what is written. */
  protected abstract readonly talk: InboundTalk;
  /** Does this refusal (5xx) count towards the errors that one connection may make? */
  protected abstract isError(reply: Reply): boolean;
  /** What rewrites replies, given the line that failed; undefined when nobody wants to. What it returns never rejects. */
  protected abstract rewriter(): ((reply: Reply, line: string | undefined) => Promise<SentReply>) | undefined;

  /** Nothing that comes now is answered. */
  protected get isEnding(): boolean {
    return this.#isEnding || this._closing || this._closed;
  }

  /** Does the client wait for a reply that is being looked at? */
  protected get isReplying(): boolean {
    return this.#pending !== undefined;
  }

  /**
   * The one place that replies go through. A 421 closes the connection. With a policy the reply is written later, and
   * whatever depends on it (`close`, `upgrade`, the next command) waits for that.
   */
  protected reply(reply: Reply): void {
    if (this.#isEnding) return;
    const { about, command } = this;
    const rewrite = this.rewriter();
    const answer = command === undefined || (!rewrite && reply.code < 400) ? reply : { ...reply, command };
    const asIs = { reply: answer, text: textOf(reply) };
    if (!rewrite && !this.#pending) {
      this.#write(asIs, about);
    } else {
      const line = reply.code >= 400 || command === '.' ? this.#lineForPolicy() : undefined;
      const rewritten = rewrite?.(answer, line) ?? asIs;
      const before = this.#pending;
      this.#wait(async () => {
        const sent = await rewritten;
        await before;
        this.#write(sent, about);
      });
      if (reply.code === 421) this.close();
    }
    // What a policy makes of a refusal does not give the client more of them.
    if (reply.code >= 500 && this.isError(answer) && ++this.errors >= maxErrors && !this.isEnding) {
      this.tell(localReply(421, '4.7.0', 'Too many errors, closing connection'));
    }
  }

  /** A reply to no command. */
  protected tell(reply: Reply): void {
    this.command = undefined;
    this.reply(reply);
  }

  /** After the replies that were given before. */
  override close(): void {
    if (!this.#pending) return super.close();
    if (this.#isEnding) return;
    this.#isEnding = true;
    if (this._parser) this._parser.isClosed = true;
    this.whenReplied(() => super.close());
  }

  /** Acts when every reply given so far is written: at once without a policy. */
  protected whenReplied(act: () => void): void {
    if (this.#pending) this.#pending.then(act).catch((error: unknown) => this.#fail(error));
    else act();
  }

  /** The next command is read when this one is answered: what a policy says may be the end of the connection. */
  override _whenWritable(next: () => void): void {
    this.whenReplied(() => super._whenWritable(next));
  }

  #lineForPolicy(): string | undefined {
    return this.line && maskCommandLine(this.line.toString(), this.isAuthDue && !this.session.user);
  }

  #wait(work: () => Promise<void>): void {
    const pending = work()
      .catch((error: unknown) => this.#fail(error))
      .finally(() => {
        if (this.#pending === pending) this.#pending = undefined;
      });
    this.#pending = pending;
  }

  /** A defect of ours ends this connection and no other. */
  #fail(error: unknown): void {
    this.emit('error', error);
    this._socket.destroy();
  }

  #write({ reply, text }: SentReply, about: About): void {
    if (this.#isLastWritten) return;
    this.#isLastWritten = reply.code === 421;
    this.talk.server(reply.code, text);
    this.#cork();
    super.send(reply.code, text, false);
    if (reply.code >= 400) this.refused(reply, about);
  }

  /** What smtp-server itself has to say. */
  override send(code: number, data?: string | string[] | null, context?: string | false): void {
    const enhanced = context === false ? undefined : libraryCodes[code];
    this.reply({ code, ...(enhanced && { enhanced }), lines: [data ?? ''].flat() });
  }

  override upgrade(callback: () => void, secureCallback?: () => void): void {
    this.whenReplied(() => {
      if (this.isEnding) return;
      this.#flush(); // the 220 must leave before the socket speaks TLS
      super.upgrade(callback, secureCallback);
    });
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

const textOf = ({ enhanced, lines }: Reply): string[] => (enhanced ? lines.map((line) => `${enhanced} ${line}`) : lines);
