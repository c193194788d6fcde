import net from 'node:net';
import tls from 'node:tls';
import { isLastReplyLine, localReply, parseReply, type Reply } from '../core/reply.ts';
import { decodeLine } from './decode-line.ts';
import { stuffDots } from './dot-stuffing.ts';
import type { Target } from './outbound.ts';
import type { Transcript } from './transcript.ts';

// What a server may say at most: RFC 5321 §4.5.3.1.5 knows 512 octets a line, real servers send a few lines more.
const maxLineOctets = 8192;
const maxReplyLines = 200;
const maxReplyOctets = 65_536;
const maxUnreadOctets = 262_144;

/** Content is given to the socket in pieces of this size, so that `block` is a limit per piece. */
const blockOctets = 65_536;

/**
 * How a connection came to its end: the server closed it or it broke, a time-out, an answer that is not SMTP, or this
 * side gave it up.
 */
export type EndCause = 'peer' | 'timeout' | 'protocol' | 'here';

interface End {
  cause: EndCause;
  why: string;
}

/** Opens a TCP connection, Nagle's algorithm off; a local reply when there is none. */
export function dial(
  { name, address, port }: Pick<Target, 'name' | 'address' | 'port'>,
  { localAddress, timeouts, transcript }: { localAddress?: string; timeouts: { connect: number }; transcript?: Transcript },
): Promise<net.Socket | Reply> {
  const timeoutMs = timeouts.connect;
  transcript?.connecting({ name, address, port });
  return new Promise((resolve) => {
    let isOver = false;
    const failed = (why: string) => {
      if (!isOver) transcript?.note(why);
      isOver = true;
      resolve(localReply(421, '4.4.1', why, 'connect'));
    };
    let socket: net.Socket;
    try {
      socket = net.connect({ host: address, port, noDelay: true, autoSelectFamily: false, ...(localAddress && { localAddress }) });
    } catch (error) {
      return failed(`cannot connect: ${codeOf(error)}`);
    }
    const timer = setTimeout(() => {
      socket.destroy();
      failed(`no connection within ${timeoutMs} ms`);
    }, timeoutMs);
    // Stays for good: an error that comes after the end of a session must not end the process.
    socket.on('error', (error) => {
      clearTimeout(timer);
      failed(`cannot connect: ${codeOf(error)}`);
    });
    socket.once('connect', () => {
      clearTimeout(timer);
      isOver = true;
      resolve(socket);
    });
  });
}

/**
 * One end of an SMTP connection: commands out, replies in. Whatever ends it is told as a local reply (`local` is set)
 * by every later `read`; nothing here throws. Replies that came before the end can still be read.
 */
export class SmtpWire {
  #socket: net.Socket | tls.TLSSocket;
  /** The reply being received: its lines, their octets, and the start of a line that has no end yet. */
  #lines: string[] = [];
  #octets = 0;
  #partial = '';
  /** Whole replies that nobody has read. */
  #unread: string[][] = [];
  #unreadOctets = 0;
  #waiting: { command: string; resolve: (reply: Reply) => void; timer: NodeJS.Timeout } | undefined;
  #onRelief: (() => void) | undefined;
  #end: End | undefined;
  readonly #listeners = {
    data: (chunk: Buffer) => this.#receive(chunk),
    drain: () => this.#onRelief?.(),
    end: () => this.#finish('peer', 'server closed the connection'),
    error: (error: Error) => this.#finish('peer', `connection lost (${codeOf(error)})`),
    close: () => this.#finish('peer', 'connection closed'),
  };

  readonly #transcript: Transcript | undefined;

  constructor(socket: net.Socket, transcript?: Transcript) {
    this.#socket = socket;
    this.#transcript = transcript;
    this.#attach(socket);
  }

  /** Undefined while the connection lives. */
  get endCause(): EndCause | undefined {
    return this.#end?.cause;
  }

  /** Has the server said something that nobody has read? */
  get hasUnread(): boolean {
    return this.#unread.length > 0 || this.#lines.length > 0 || this.#partial !== '';
  }

  /** Protocol and cipher once `secure` has succeeded. */
  get tls(): { protocol: string; cipher: string } | undefined {
    if (!(this.#socket instanceof tls.TLSSocket)) return undefined;
    return { protocol: this.#socket.getProtocol() ?? 'TLS', cipher: this.#socket.getCipher().standardName };
  }

  /** Sends command lines, CRLF included, in one write. */
  write(text: string): void {
    if (this.#end) return;
    this.#transcript?.client(text);
    this.#socket.write(text, 'utf8');
  }

  /** The next reply, or a local one when none comes in time or the connection has ended. `command` names what it answers. */
  read(command: string, timeoutMs: number): Promise<Reply> {
    const lines = this.#unread.shift();
    if (lines) {
      this.#unreadOctets -= octetsOf(lines);
      return Promise.resolve(this.#parse(lines, command));
    }
    if (this.#end) return Promise.resolve(this.#lost(command));
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#finish('timeout', `no reply within ${timeoutMs} ms`), timeoutMs);
      this.#waiting = { command, resolve, timer };
    });
  }

  /**
   * Sends content and final dot. False when it could not be sent to its end: the connection is lost, a piece was not
   * taken within `blockMs`, or the server has spoken in between. The final dot is not sent then.
   * Rejects when reading `content` fails.
   */
  async sendContent(content: Buffer | AsyncIterable<Buffer>, blockMs: number): Promise<boolean> {
    if (Buffer.isBuffer(content) && content.length <= blockOctets) {
      if (this.#end || this.hasUnread) return false;
      const { bytes } = stuffDots(content, true);
      this.#transcript?.content(content.length);
      this.#socket.cork();
      this.#socket.write(bytes);
      this.#socket.write(endsLine(content) ? '.\r\n' : '\r\n.\r\n', 'latin1');
      this.#socket.uncork();
      return true;
    }
    let atLineStart = true;
    let last: Buffer = Buffer.alloc(0);
    let sent = 0;
    for await (const chunk of Buffer.isBuffer(content) ? slices(content) : content) {
      if (chunk.length === 0) continue;
      const stuffed = stuffDots(chunk, atLineStart);
      if (!(await this.#push(stuffed.bytes, blockMs)) || this.hasUnread) {
        this.#transcript?.note(`the content was broken off after ${sent} octets`);
        return false;
      }
      sent += chunk.length;
      atLineStart = stuffed.atLineStart;
      last = Buffer.concat([last, chunk.subarray(-2)]).subarray(-2);
    }
    if (this.#end) return false;
    this.#transcript?.content(sent);
    this.#socket.write(endsLine(last) ? '.\r\n' : '\r\n.\r\n', 'latin1');
    return true;
  }

  /** TLS from here on. The words of what went wrong, or undefined; after a failure the connection has ended. */
  secure(options: tls.ConnectionOptions, timeoutMs: number): Promise<string | undefined> {
    const plain = this.#socket;
    this.#detach(plain);
    let secured: tls.TLSSocket;
    try {
      secured = tls.connect({ ...options, socket: plain });
    } catch (error) {
      this.#transcript?.note(`TLS: ${codeOf(error)}`);
      this.destroy();
      return Promise.resolve(codeOf(error));
    }
    this.#socket = secured;
    return new Promise((resolve) => {
      const failed = (problem: string) => {
        clearTimeout(timer);
        if (!this.#end) this.#transcript?.note(`TLS failed: ${problem}`);
        this.destroy();
        plain.destroy();
        resolve(problem);
      };
      const onError = (error: Error) => failed(error.message);
      const onClose = () => failed('server closed the connection');
      const timer = setTimeout(() => failed(`no TLS handshake within ${timeoutMs} ms`), timeoutMs);
      secured.on('error', onError);
      secured.on('close', onClose);
      secured.once('secureConnect', () => {
        clearTimeout(timer);
        this.#attach(secured);
        secured.off('error', onError).off('close', onClose);
        this.#transcript?.note(`TLS: ${this.tls?.protocol} ${this.tls?.cipher}`);
        resolve(undefined);
      });
    });
  }

  /** Says QUIT and goes, without waiting for the answer. */
  leave(): void {
    if (this.#end) return;
    const socket = this.#socket;
    this.#transcript?.client('QUIT\r\n');
    socket.end('QUIT\r\n', () => socket.destroy());
    this.#finish('here', 'connection closed by this side', false);
    setTimeout(() => socket.destroy(), 1000).unref();
  }

  /** Ends the connection now. */
  destroy(): void {
    this.#finish('here', 'connection closed by this side');
    this.#socket.destroy();
  }

  /** Resolves when the socket is gone. */
  closed(): Promise<void> {
    return this.#socket.closed ? Promise.resolve() : new Promise((resolve) => void this.#socket.once('close', () => resolve()));
  }

  #attach(socket: net.Socket): void {
    for (const [event, listener] of Object.entries(this.#listeners)) socket.on(event, listener);
  }

  #detach(socket: net.Socket): void {
    for (const [event, listener] of Object.entries(this.#listeners)) socket.off(event, listener);
  }

  #receive(chunk: Buffer): void {
    if (this.#end) return;
    // Octets as characters: UTF-8 may be cut anywhere here and is decoded when the reply is whole.
    const text = this.#partial + chunk.toString('latin1');
    let from = 0;
    // RFC 5321 §2.3.8: CRLF alone ends a line; a bare CR or LF is part of it.
    for (let end = text.indexOf('\r\n', Math.max(0, this.#partial.length - 1)); end >= 0; end = text.indexOf('\r\n', from)) {
      this.#receiveLine(text.slice(from, end));
      from = end + 2;
      if (this.#end) return;
    }
    this.#partial = this.#clip(text.slice(from));
    if (this.#octets + this.#partial.length > maxReplyOctets) this.#finish('protocol', 'reply is too long');
  }

  /** Keeps the start of a long line, and the CR that may be half of its end. */
  #clip(line: string): string {
    if (line.length <= maxLineOctets) return line;
    const kept = line.slice(0, maxLineOctets) + (line.endsWith('\r') ? '\r' : '');
    this.#octets += line.length - kept.length;
    return kept;
  }

  #receiveLine(line: string): void {
    this.#octets += line.length + 2;
    this.#lines.push(line.length > maxLineOctets ? line.slice(0, maxLineOctets) : line);
    if (this.#lines.length > maxReplyLines || this.#octets > maxReplyOctets) return this.#finish('protocol', 'reply is too long');
    if (isLastReplyLine(line) === false) return;
    const lines = this.#lines;
    this.#lines = [];
    this.#octets = 0;
    this.#receiveReply(lines);
  }

  #receiveReply(lines: string[]): void {
    this.#transcript?.server(lines);
    const waiting = this.#waiting;
    if (waiting) {
      clearTimeout(waiting.timer);
      this.#waiting = undefined;
      waiting.resolve(this.#parse(lines, waiting.command));
      return;
    }
    this.#unread.push(lines);
    this.#unreadOctets += octetsOf(lines);
    if (this.#unreadOctets > maxUnreadOctets) {
      this.#unread = [];
      return this.#finish('protocol', 'server talks without being asked');
    }
    // A server that speaks while content is on its way will not take the rest of it.
    this.#onRelief?.();
  }

  #parse(lines: string[], command: string): Reply {
    const reply = parseReply(lines.map(decodeLine), command);
    if (reply) return reply;
    this.#unread = [];
    this.#finish('protocol', 'answer is not an SMTP reply');
    return this.#lost(command);
  }

  #push(bytes: Buffer, blockMs: number): Promise<boolean> {
    if (this.#end) return Promise.resolve(false);
    if (this.#socket.write(bytes)) return Promise.resolve(true);
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#finish('timeout', `no content taken within ${blockMs} ms`), blockMs);
      this.#onRelief = () => {
        clearTimeout(timer);
        this.#onRelief = undefined;
        resolve(this.#end === undefined);
      };
    });
  }

  #lost(command: string): Reply {
    const { cause, why } = this.#end ?? { cause: 'peer', why: 'connection closed' };
    const words = `${why} (${stepName(command)})`;
    return cause === 'protocol' ? localReply(451, '4.5.0', words, command) : localReply(421, '4.4.2', words, command);
  }

  #finish(cause: EndCause, why: string, destroy = true): void {
    if (this.#end) return;
    this.#end = { cause, why };
    if (this.#transcript) {
      // What was said and never came to its end may be what tells why.
      const begun = this.#partial === '' ? this.#lines : [...this.#lines, this.#partial];
      if (begun.length > 0) this.#transcript.server(begun);
      this.#transcript.note(why);
    }
    this.#partial = '';
    this.#lines = [];
    if (destroy) this.#socket.destroy();
    this.#onRelief?.();
    const waiting = this.#waiting;
    if (!waiting) return;
    clearTimeout(waiting.timer);
    this.#waiting = undefined;
    waiting.resolve(this.#lost(waiting.command));
  }
}

function* slices(content: Buffer): Generator<Buffer> {
  for (let at = 0; at < content.length; at += blockOctets) yield content.subarray(at, at + blockOctets);
}

function stepName(command: string): string {
  if (command === 'connect') return 'waiting for the greeting';
  return command === '.' ? 'after the content' : `waiting for the reply to ${command}`;
}

const endsLine = (bytes: Buffer): boolean => bytes.length === 0 || (bytes.at(-1) === 10 && bytes.at(-2) === 13);

const octetsOf = (lines: readonly string[]): number => lines.reduce((sum, line) => sum + line.length, 0);

const codeOf = (error: unknown): string =>
  error instanceof Error ? ((error as NodeJS.ErrnoException).code ?? error.message) : String(error);
