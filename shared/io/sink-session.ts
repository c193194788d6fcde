import type net from 'node:net';
import tls from 'node:tls';
import { unstuffDots } from './dot-stuffing.ts';
import type { SinkAnswer, SinkMessage, SinkMoment, SinkRules } from './sink-server.ts';

/** What a session is given by the sink, and what it tells it. */
export interface SinkHooks {
  id: number;
  name: string;
  extensions: readonly string[];
  isLmtp: boolean;
  isImplicitTls: boolean;
  isKept: boolean;
  secureContext: tls.SecureContext | undefined;
  login: { user: string; password: string; mechanisms?: readonly string[] } | undefined;
  rules(): SinkRules;
  command(line: string): void;
  /** A transaction began (MAIL accepted), and ended. */
  opened(): void;
  ended(): void;
  accepted(message: SinkMessage): void;
  closed(): void;
}

interface Transaction {
  sender: string;
  mailLine: string;
  recipients: string[];
  rcptLines: string[];
}

const endOfContent = Buffer.from('\r\n.\r\n');
const noOctets = Buffer.alloc(0);

/** One connection of the sink. Replies to what arrives in one segment leave in one segment. */
export class SinkSession {
  readonly id: number;
  readonly #hooks: SinkHooks;
  #socket: net.Socket;
  #input: Buffer = noOctets;
  #output = '';
  /** Waits for a delay, a handshake, or for ever. */
  #isBlocked = false;
  #isGone = false;
  #timer: NodeJS.Timeout | undefined;
  #clientName = '';
  readonly #clientAddress: string;
  #user = '';
  #transactions = 0;
  #transaction: Transaction | undefined;
  /** The line that follows AUTH is an answer to a challenge. */
  #challenge: ((line: string) => void) | undefined;
  /** Content so far; undefined outside DATA. */
  #content: Buffer[] | undefined;
  #isBodyBegun = false;

  constructor(socket: net.Socket, hooks: SinkHooks) {
    this.id = hooks.id;
    this.#socket = socket;
    this.#hooks = hooks;
    this.#clientAddress = socket.remoteAddress ?? '';
  }

  start(): void {
    this.#socket.on('error', () => this.destroy());
    this.#socket.once('close', () => this.#leave());
    if (this.#hooks.isImplicitTls) this.#secure();
    else this.#listen();
    this.#answer('connect', '', `220 ${this.#hooks.name} ${this.#hooks.isLmtp ? 'LMTP' : 'ESMTP'} sink`);
    this.#flush();
  }

  destroy(): void {
    clearTimeout(this.#timer);
    this.#isBlocked = true;
    this.#socket.destroy();
  }

  #leave(): void {
    if (this.#isGone) return;
    this.#isGone = true;
    clearTimeout(this.#timer);
    this.#endTransaction();
    this.#hooks.closed();
  }

  #listen(): void {
    this.#socket.on('data', (chunk: Buffer) => {
      this.#input = this.#input.length > 0 ? Buffer.concat([this.#input, chunk]) : chunk;
      this.#pump();
    });
  }

  #secure(): void {
    const plain = this.#socket;
    plain.removeAllListeners('data');
    const secureContext = this.#hooks.secureContext ?? tls.createSecureContext();
    this.#socket = new tls.TLSSocket(plain, { isServer: true, secureContext });
    this.#socket.on('error', () => this.destroy());
    this.#socket.once('close', () => plain.destroy());
    this.#listen();
  }

  /** Reads commands and content until the input is used up or an answer has to wait. */
  #pump(): void {
    while (!this.#isBlocked && this.#input.length > 0) {
      if (this.#content) {
        if (!this.#receiveContent(this.#content)) break;
        continue;
      }
      const end = this.#input.indexOf('\r\n', 0, 'latin1');
      if (end < 0) break;
      const line = this.#input.toString('utf8', 0, end);
      this.#input = this.#input.subarray(end + 2);
      this.#receiveLine(line);
    }
    this.#flush();
  }

  #flush(): void {
    if (this.#output !== '' && !this.#socket.destroyed) this.#socket.write(this.#output);
    this.#output = '';
  }

  #receiveLine(line: string): void {
    this.#hooks.command(line);
    if (this.#challenge) {
      const challenge = this.#challenge;
      this.#challenge = undefined;
      return challenge(line);
    }
    const verb = line.slice(0, 8).split(' ', 1)[0]?.toUpperCase();
    switch (verb) {
      case 'EHLO':
      case 'LHLO':
        return this.#hello('ehlo', line, (verb === 'LHLO') === this.#hooks.isLmtp ? this.#offers() : '500 5.5.1 wrong protocol');
      case 'HELO':
        return this.#hello('helo', line, `250 ${this.#hooks.name}`);
      case 'STARTTLS':
        return this.#startTls(line);
      case 'AUTH':
        return this.#auth(line);
      case 'MAIL':
        return this.#mail(line);
      case 'RCPT':
        return this.#rcpt(line);
      case 'DATA':
        return this.#data(line);
      case 'RSET':
        return this.#answer('rset', line, '250 2.0.0 flushed', () => this.#endTransaction());
      case 'QUIT':
        return this.#answer('quit', line, '221 2.0.0 bye', () => this.#hangUp());
      case 'NOOP':
        return this.#say('250 2.0.0 ok');
      default:
        return this.#say('500 5.5.2 unknown command');
    }
  }

  #hello(step: 'ehlo' | 'helo', line: string, reply: string): void {
    this.#clientName = line.slice(5).trim();
    this.#answer(step, line, reply, () => this.#endTransaction());
  }

  #offers(): string {
    const { name, extensions, secureContext, login, isImplicitTls } = this.#hooks;
    const all = [...extensions];
    if (secureContext && !isImplicitTls && !this.#isTls) all.push('STARTTLS');
    if (login) all.push(`AUTH ${(login.mechanisms ?? ['PLAIN', 'LOGIN']).join(' ')}`);
    return [name, ...all].map((text, i) => `250${i < all.length ? '-' : ' '}${text}`).join('\r\n');
  }

  #startTls(line: string): void {
    if (!this.#hooks.secureContext || this.#isTls) return this.#say('502 5.5.1 not available');
    // Only the ordinary answer leads to a handshake: a rule can say 220 and then not know TLS.
    this.#answer('starttls', line, '220 2.0.0 go ahead', (isOrdinary) => {
      if (!isOrdinary) return;
      this.#flush();
      this.#input = noOctets;
      this.#endTransaction();
      this.#secure();
    });
  }

  #auth(line: string): void {
    const [, mechanism = '', initial] = line.split(' ');
    const ask = (prompt: string, then: (text: string) => void) => {
      this.#say(`334 ${Buffer.from(prompt).toString('base64')}`);
      this.#challenge = (answer) => then(Buffer.from(answer, 'base64').toString());
    };
    const check = (user: string, password: string) => {
      const { login } = this.#hooks;
      const isRight = login !== undefined && user === login.user && password === login.password;
      if (isRight) this.#user = user;
      this.#answer('auth', line, isRight ? '235 2.7.0 welcome' : '535 5.7.8 wrong login');
    };
    const plain = (text: string) => check(text.split('\0')[1] ?? '', text.split('\0')[2] ?? '');
    if (mechanism.toUpperCase() === 'LOGIN') return ask('Username:', (user) => ask('Password:', (password) => check(user, password)));
    if (mechanism.toUpperCase() !== 'PLAIN') return this.#say('504 5.5.4 unknown mechanism');
    return initial === undefined ? ask('', plain) : plain(Buffer.from(initial, 'base64').toString());
  }

  #mail(line: string): void {
    if (this.#transaction) return this.#say('503 5.5.1 nested MAIL');
    const sender = pathOf(line);
    if (sender === undefined) return this.#say('501 5.5.4 syntax');
    this.#transactions += 1;
    this.#answer('mail', line, '250 2.1.0 ok', (_, code) => {
      if (code >= 300) return;
      this.#transaction = { sender, mailLine: line, recipients: [], rcptLines: [] };
      this.#hooks.opened();
    });
  }

  #rcpt(line: string): void {
    const transaction = this.#transaction;
    const recipient = pathOf(line);
    if (!recipient) return this.#say('501 5.5.4 syntax');
    const accept = (_: boolean, code: number) => {
      if (code >= 300) return;
      transaction?.recipients.push(recipient);
      transaction?.rcptLines.push(line);
    };
    this.#answer('rcpt', line, transaction ? '250 2.1.5 ok' : '503 5.5.1 MAIL first', accept, recipient);
  }

  #data(line: string): void {
    const recipients = this.#transaction?.recipients.length ?? 0;
    this.#answer('data', line, recipients > 0 ? '354 go ahead' : '503 5.5.1 no recipients', (_, code) => {
      if (code !== 354) return;
      this.#content = [];
      this.#isBodyBegun = false;
    });
  }

  /** True when the content has come to its end, false when more is needed. */
  #receiveContent(content: Buffer[]): boolean {
    if (!this.#isBodyBegun) {
      this.#isBodyBegun = true;
      // An answer in the middle of the content is no part of SMTP; real servers give one before they hang up.
      this.#answer('body', '', '');
      if (this.#isBlocked) return false;
    }
    const isEmpty = content.length === 0 && this.#input.indexOf('.\r\n', 0, 'latin1') === 0;
    const end = isEmpty ? -2 : this.#input.indexOf(endOfContent);
    if (end >= 0 || isEmpty) {
      content.push(this.#input.subarray(0, end + 2));
      this.#input = this.#input.subarray(end + 5);
      this.#content = undefined;
      this.#endMessage(content);
      return true;
    }
    // The final dot may be cut in two: its first four octets stay in the input.
    const whole = this.#input.length - (endOfContent.length - 1);
    if (whole > 0) {
      content.push(this.#hooks.isKept ? this.#input.subarray(0, whole) : noOctets);
      this.#input = this.#input.subarray(whole);
    }
    return false;
  }

  #endMessage(content: Buffer[]): void {
    const { sender = '', mailLine = '', recipients = [], rcptLines = [] } = this.#transaction ?? {};
    const message: SinkMessage = {
      sender,
      mailLine,
      recipients,
      rcptLines,
      bytes: this.#hooks.isKept ? unstuffDots(Buffer.concat(content)) : noOctets,
      connectionId: this.id,
      isTls: this.#isTls,
      clientName: this.#clientName,
      clientAddress: this.#clientAddress,
      user: this.#user,
    };
    // RFC 2033 §4.2: LMTP answers once for each recipient.
    const asked = this.#hooks.isLmtp ? [...recipients] : [''];
    let isAccepted = false;
    const answerNext = () => {
      const recipient = asked.shift();
      if (recipient === undefined) return;
      this.#answer(
        'message',
        '',
        '250 2.0.0 taken',
        (_, code) => {
          if (code < 300 && !isAccepted && recipients.length > 0) {
            isAccepted = true;
            this.#hooks.accepted(message);
          }
          if (asked.length === 0) this.#endTransaction();
          answerNext();
        },
        recipient,
      );
    };
    answerNext();
  }

  #endTransaction(): void {
    if (!this.#transaction) return;
    this.#transaction = undefined;
    this.#hooks.ended();
  }

  /** Asks the rule of a step for its answer; `then` runs with the code of what was said. */
  #answer(step: keyof SinkRules, line: string, ordinary: string, then?: (isOrdinary: boolean, code: number) => void, recipient = ''): void {
    const rules = this.#hooks.rules();
    const rule = rules[step];
    if (rule === undefined) return this.#speak(ordinary, true, then);
    const answer = typeof rule === 'function' ? rule(this.#moment(line, recipient)) : rule;
    this.#carryOut(isTable(answer) ? answer[recipient] : answer, ordinary, then);
  }

  #carryOut(answer: SinkAnswer, ordinary: string, then?: (isOrdinary: boolean, code: number) => void): void {
    if (answer === undefined) return this.#speak(ordinary, true, then);
    if (typeof answer !== 'string') return this.#wait(answer.delayMs, () => this.#carryOut(answer.answer, ordinary, then));
    if (answer === 'drop') {
      this.#flush();
      return this.destroy();
    }
    if (answer !== 'hang') return this.#speak(answer, false, then);
    this.#isBlocked = true;
    this.#flush();
    // In the middle of the content silence is told from slowness only by a window that stays shut.
    if (this.#content) this.#socket.pause();
  }

  #speak(reply: string, isOrdinary: boolean, then?: (isOrdinary: boolean, code: number) => void): void {
    this.#say(reply);
    const last = reply.slice(reply.lastIndexOf('\r\n') + 1).trimStart();
    then?.(isOrdinary, Number(last.slice(0, 3)));
    if (last.startsWith('421')) this.#hangUp();
  }

  #wait(ms: number, then: () => void): void {
    this.#flush();
    this.#isBlocked = true;
    this.#timer = setTimeout(() => {
      this.#isBlocked = false;
      then();
      this.#pump();
    }, ms);
  }

  #say(reply: string): void {
    if (reply !== '') this.#output += `${reply}\r\n`;
  }

  /** Closes after what was said has left; what the client still sends is read and forgotten, so that it can read that. */
  #hangUp(): void {
    this.#flush();
    this.#isBlocked = true;
    this.#socket.removeAllListeners('data').resume();
    this.#socket.end();
  }

  #moment(line: string, recipient: string): SinkMoment {
    return {
      connectionId: this.id,
      transaction: this.#transactions,
      isTls: this.#isTls,
      line,
      recipient,
      sender: this.#transaction?.sender ?? '',
      recipients: this.#transaction?.recipients ?? [],
    };
  }

  get #isTls(): boolean {
    return this.#socket instanceof tls.TLSSocket;
  }
}

const isTable = (answer: SinkAnswer | Record<string, SinkAnswer>): answer is Record<string, SinkAnswer> =>
  typeof answer === 'object' && !('delayMs' in answer);

/** The path of MAIL FROM:<...> or RCPT TO:<...>; undefined when there is none. */
function pathOf(line: string): string | undefined {
  return /^\w+ \w+:\s?<((?:"(?:[^"\\]|\\.)*")?[^<>]*)>/.exec(line)?.[1];
}
