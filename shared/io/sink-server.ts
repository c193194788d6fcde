import net from 'node:net';
import tls from 'node:tls';
import { SinkSession } from './sink-session.ts';

/**
 * What the sink answers: a reply (`550 5.1.1 no`; several lines with CRLF between them; sent as it is, so that it may
 * be no reply at all), `drop` (the socket is destroyed), `hang` (no answer, ever), a delay before another answer, or
 * undefined for the ordinary reply. After a reply with code 421 the connection is closed.
 */
export type SinkAnswer = string | 'drop' | 'hang' | { delayMs: number; answer?: SinkAnswer } | undefined;

/** What the sink knows when it answers. */
export interface SinkMoment {
  /** Counts from 1. */
  connectionId: number;
  /** Counts the transactions (MAIL) of the connection from 1; 0 before the first. */
  transaction: number;
  isTls: boolean;
  /** The command line, empty for `connect`, `body` and `message`. */
  line: string;
  sender: string;
  /** Accepted so far. */
  recipients: readonly string[];
  /** The one asked about by `rcpt`, and by `message` in LMTP. */
  recipient: string;
}

type Rule = SinkAnswer | ((moment: SinkMoment) => SinkAnswer);

/** One rule per step. `body` takes effect when the first octets of content arrive, `message` answers the final dot. */
export interface SinkRules {
  connect?: Rule;
  ehlo?: Rule;
  helo?: Rule;
  starttls?: Rule;
  auth?: Rule;
  mail?: Rule;
  rcpt?: Rule | Record<string, SinkAnswer>;
  data?: Rule;
  body?: Rule;
  message?: Rule;
  rset?: Rule;
  quit?: Rule;
}

export interface SinkMessage {
  sender: string;
  recipients: string[];
  /** The command lines with their parameters. */
  mailLine: string;
  rcptLines: string[];
  /** Without dot-stuffing. */
  bytes: Buffer;
  connectionId: number;
  isTls: boolean;
  /** The name of EHLO, HELO or LHLO. */
  clientName: string;
  /** The address it connected from. */
  clientAddress: string;
  /** Login name, where one was used. */
  user: string;
}

export interface SinkOptions {
  /** Default 127.0.0.1. */
  host?: string;
  /** Default 0: the system chooses. */
  port?: number;
  /** Name in greeting and EHLO, default `sink.test`. */
  name?: string;
  /** EHLO keywords; STARTTLS and AUTH are added by the options below. Default: all that the sink knows, SIZE without limit. */
  extensions?: readonly string[];
  lmtp?: boolean;
  /** Offers STARTTLS; with `implicitTls` the connection begins with TLS instead. */
  tls?: tls.SecureContextOptions;
  implicitTls?: boolean;
  /** Offers AUTH, by default PLAIN and LOGIN, and accepts this login. */
  login?: { user: string; password: string; mechanisms?: readonly string[] };
  rules?: SinkRules;
  /** False keeps no messages, for benchmarks and demos. Default true. */
  keep?: boolean;
  onMessage?: (message: SinkMessage) => void;
}

export interface SinkCounts {
  connections: { open: number; maxOpen: number; total: number };
  /** From an accepted MAIL to the end of its transaction. */
  transactions: { open: number; maxOpen: number; total: number };
  /** Messages accepted with at least one 2xx reply. */
  messages: number;
}

/** A running fake MX. */
export interface Sink {
  readonly host: string;
  readonly port: number;
  /** May be changed at any time; holds from the next command on. */
  rules: SinkRules;
  /** Accepted messages in their order. */
  readonly messages: readonly SinkMessage[];
  /** Every command line, in order, all connections: `2 RCPT TO:<x>` for connection 2. Empty when nothing is kept. */
  readonly log: readonly string[];
  readonly counts: SinkCounts;
  /** The first message that fits and that no earlier call returned. Rejects after `timeoutMs`. */
  next(fits?: (message: SinkMessage) => boolean, timeoutMs?: number): Promise<SinkMessage>;
  /** Resolves once the fact holds, looked at after each event of the sink. Rejects after `timeoutMs`. */
  until(fact: () => boolean, timeoutMs?: number): Promise<void>;
  /** Destroys every open connection. */
  dropConnections(): void;
  close(): Promise<void>;
}

export const allExtensions: readonly string[] = ['PIPELINING', '8BITMIME', 'SMTPUTF8', 'DSN', 'ENHANCEDSTATUSCODES', 'SIZE'];

const patienceMs = 30_000;

/** A mail server that takes everything, and fails on request: the MX of the tests, the demo and the benchmarks. */
export async function startSink(options: SinkOptions = {}): Promise<Sink> {
  const host = options.host ?? '127.0.0.1';
  const messages: SinkMessage[] = [];
  const taken = new WeakSet<SinkMessage>();
  const log: string[] = [];
  const sessions = new Set<SinkSession>();
  const observers = new Set<() => void>();
  const counts: SinkCounts = {
    connections: { open: 0, maxOpen: 0, total: 0 },
    transactions: { open: 0, maxOpen: 0, total: 0 },
    messages: 0,
  };
  const isKept = options.keep ?? true;
  const changed = () => {
    for (const observer of observers) observer();
  };

  const secureContext = options.tls && tls.createSecureContext(options.tls);
  const server = net.createServer({ noDelay: true, allowHalfOpen: false }, (socket) => {
    enter(counts.connections);
    const session = new SinkSession(socket, {
      id: counts.connections.total,
      name: options.name ?? 'sink.test',
      extensions: options.extensions ?? allExtensions,
      isLmtp: options.lmtp ?? false,
      isImplicitTls: options.implicitTls ?? false,
      isKept,
      secureContext,
      login: options.login,
      rules: () => sink.rules,
      command: (line) => {
        if (isKept) log.push(`${session.id} ${line}`);
        changed();
      },
      opened: () => enter(counts.transactions),
      ended: () => void (counts.transactions.open -= 1),
      accepted: (message) => {
        counts.messages += 1;
        if (isKept) messages.push(message);
        options.onMessage?.(message);
        changed();
      },
      closed: () => {
        counts.connections.open -= 1;
        sessions.delete(session);
        changed();
      },
    });
    sessions.add(session);
    changed();
    session.start();
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port ?? 0, host, resolve);
  });
  const address = server.address();

  const sink: Sink = {
    host,
    port: typeof address === 'object' && address ? address.port : 0,
    rules: options.rules ?? {},
    messages,
    log,
    counts,
    async next(fits = () => true, timeoutMs = patienceMs) {
      let found: SinkMessage | undefined;
      await sink.until(() => (found = messages.find((message) => !taken.has(message) && fits(message))) !== undefined, timeoutMs);
      if (!found) throw new Error('no message');
      taken.add(found);
      return found;
    },
    until(fact, timeoutMs = patienceMs) {
      const vain = () => `messages: ${messages.length}, ${JSON.stringify(counts)}, last commands: ${log.slice(-5).join(' | ')}`;
      return fact() ? Promise.resolve() : waitFor(fact, observers, timeoutMs, vain);
    },
    dropConnections() {
      for (const session of sessions) session.destroy();
    },
    async close() {
      sink.dropConnections();
      await new Promise((resolve) => void server.close(resolve));
    },
  };
  return sink;
}

function waitFor(fact: () => boolean, observers: Set<() => void>, timeoutMs: number, vain: () => string): Promise<void> {
  return new Promise((resolve, reject) => {
    const end = () => {
      clearTimeout(timer);
      observers.delete(observer);
    };
    const observer = () => {
      if (!fact()) return;
      end();
      resolve();
    };
    const timer = setTimeout(() => {
      end();
      reject(new Error(`the sink waited ${timeoutMs} ms in vain; ${vain()}`));
    }, timeoutMs);
    observers.add(observer);
  });
}

function enter(count: SinkCounts['connections']): void {
  count.total += 1;
  count.open += 1;
  count.maxOpen = Math.max(count.maxOpen, count.open);
}
