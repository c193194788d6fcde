import { randomUUID } from 'node:crypto';
import type { AddressInfo, Socket } from 'node:net';
import { SMTPServer, type SMTPServerAuthentication, type SMTPServerAuthenticationResponse, type SMTPServerSession } from 'smtp-server';
import { isInNetworks, parseCidr, type Cidr } from '../core/cidr.ts';
import type { Config } from '../core/config.ts';
import { maxProxyHeader, parseProxyHeader } from '../core/proxy-header.ts';
import type { Logger } from './log.ts';
import type { PolicyLink } from './policy.ts';
import { SmtpConnection, type ConnectionOptions } from './smtp-connection.ts';
import type { SmtpHandlers, SmtpSettings } from './smtp-session.ts';
import type { Tracer } from './tracer.ts';

export interface SmtpServerOptions {
  hostname: string;
  ingress: Config['ingress'];
  /** PEM of the private key and the certificate chain. */
  tls?: { key: string; cert: string };
  handlers: SmtpHandlers;
  policy: PolicyLink;
  tracer: Tracer;
  log: Logger;
}

/** The listening ports of one ingress. */
export interface SmtpServer {
  port: number;
  tlsPort: number | undefined;
  /** Listens no more, says 421 to idle clients at once and to the others after their transaction, or after `timeout` ms. */
  close(timeout: number): Promise<void>;
}

/** Time that a client has to take its last reply and close. Milliseconds. */
const lingerTimeout = 1000;

/** Listens on the plain port and, when one is set, on that of implicit TLS. Rejects when a port cannot be had. */
export async function openSmtpServer(options: SmtpServerOptions): Promise<SmtpServer> {
  const { ingress, hostname, handlers, policy, tracer, log } = options;
  const trusted = networks(ingress.trusted);
  const settings: SmtpSettings = {
    hostname,
    ingress,
    postmasterDomain: ingress.domains[0] ?? hostname,
    offersTls: options.tls !== undefined,
    isTrusted: (address) => isInNetworks(address, trusted),
    handlers,
    policy,
    tracer,
    log,
  };
  const open = (port: number, secure: boolean): Promise<Listener> => new Listener(settings, secure, options.tls).open(port, ingress.host);
  const plain = await open(ingress.port, false);
  const secure = ingress.tlsPort === 0 ? undefined : await open(ingress.tlsPort, true).catch((error: unknown) => plain.stop(error));
  const listeners = secure ? [plain, secure] : [plain];
  return {
    port: plain.port,
    tlsPort: secure?.port,
    close: async (timeout) => {
      await Promise.all(listeners.map((listener) => listener.leave(timeout)));
    },
  };
}

/** smtp-server's listener with our connections on it. */
class Listener extends SMTPServer {
  readonly #settings: SmtpSettings;
  readonly #open = new Set<SmtpConnection>();
  readonly #bySession = new WeakMap<SMTPServerSession, SmtpConnection>();
  readonly #proxies: readonly Cidr[];

  constructor(settings: SmtpSettings, secure: boolean, tls: { key: string; cert: string } | undefined) {
    const { ingress, hostname } = settings;
    super({
      name: hostname,
      banner: ingress.banner,
      secure,
      logger: false,
      disableReverseLookup: true,
      authOptional: true,
      allowInsecureAuth: true, // SmtpConnection decides
      authMethods: ['PLAIN', 'LOGIN'],
      maxClients: ingress.maxConnections,
      socketTimeout: ingress.idleTimeout,
      noDelay: true,
      minVersion: 'TLSv1.2',
      ...(tls ?? { hideSTARTTLS: true }),
    });
    this.#settings = settings;
    this.#proxies = networks(ingress.proxies);
    this.on('error', (error) => settings.handlers.failed('tls', error));
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  open(port: number, host: string): Promise<this> {
    return new Promise((resolve, reject) => {
      this.server.once('error', reject);
      this.listen(port, host, () => {
        this.server.off('error', reject);
        resolve(this);
      });
    });
  }

  /** Gives up after a failure elsewhere. */
  async stop(cause: unknown): Promise<never> {
    await this.leave(0);
    throw cause;
  }

  async leave(timeout: number): Promise<void> {
    const closed = new Promise<void>((resolve) => this.server.close(() => resolve()));
    for (const socket of this._pendingSockets.values()) socket.destroy();
    const allLeave = (): Promise<unknown> => Promise.all([...this.#open].map((connection) => connection.leave()));
    await within(allLeave(), timeout);
    for (const connection of this.#open) connection.cutOff();
    await within(allLeave(), lingerTimeout); // a policy may be looking at the last word
    await within(closed, lingerTimeout);
    for (const connection of this.#open) connection.destroy();
    await closed;
  }

  override connect(socket: Socket, options: ConnectionOptions): void {
    const connection = new SmtpConnection(this, socket, options, this.#settings);
    this.#bySession.set(connection.session, connection);
    this.connections.add(connection);
    this.#open.add(connection);
    connection.on('error', (error: Error) => this.#settings.handlers.failed('socket', error));
    connection.once('closed', () => this.#open.delete(connection));
    connection.init();
  }

  override onConnect(_session: SMTPServerSession, callback: () => void): void {
    callback();
  }

  override onSecure(_socket: Socket, _session: SMTPServerSession, callback: () => void): void {
    callback();
  }

  override onAuth(
    auth: SMTPServerAuthentication,
    session: SMTPServerSession,
    callback: (error: Error | null, response?: SMTPServerAuthenticationResponse) => void,
  ): void {
    const connection = this.#bySession.get(session);
    const credentials = { authz: auth.authzid ?? '', authc: auth.username ?? '', password: auth.password ?? '' };
    const answer = connection?.login(credentials) ?? Promise.resolve({});
    answer.then(
      (response) => callback(null, response),
      (error: unknown) => {
        this.#settings.log.error({ event: 'login_failed', err: error });
        callback(Object.assign(new Error('Temporary authentication failure'), { responseCode: 454 }));
      },
    );
  }

  /** Before the TLS handshake nobody counts the connections of an address. */
  override _acceptSocket(socket: Socket, handshake: boolean): (() => void) | false {
    const address = socket.remoteAddress ?? '';
    const isLimited = handshake && !this.#settings.isTrusted(address) && !this._expectsProxyHeader(socket);
    const pending = isLimited ? [...this._pendingSockets.keys()].filter((other) => other.remoteAddress === address).length : 0;
    if (pending >= this.#settings.ingress.maxConnectionsPerAddress) {
      socket.on('error', () => undefined).destroy();
      return false;
    }
    return super._acceptSocket(socket, handshake);
  }

  override _expectsProxyHeader(socket: Socket): boolean {
    return isInNetworks(socket.remoteAddress ?? '', this.#proxies);
  }

  /** Like smtp-server's, for networks of proxies, and strict: from a proxy of ours nothing else is expected. */
  override _handleProxy(socket: Socket, callback: (error: Error | null, options?: ConnectionOptions & { id: string }) => void): void {
    const id = randomUUID();
    if (!this._expectsProxyHeader(socket)) return callback(null, { id });
    readProxyHeader(socket, (line) => {
      const header = line === undefined ? undefined : parseProxyHeader(line);
      if (!header) {
        const error = new Error('the proxy sent no PROXY header');
        socket.on('error', () => undefined);
        socket.destroy();
        this.#settings.handlers.failed('proxy', error);
        callback(error);
      } else if (header.kind === 'unknown') {
        callback(null, { id, isUnknown: true });
      } else {
        callback(null, { id, remoteAddress: header.address, remotePort: header.port });
      }
    });
  }
}

/** Reads the first line, without its CRLF; undefined when the socket closes before it, or the line is too long. */
function readProxyHeader(socket: Socket, callback: (line: string | undefined) => void): void {
  let received = Buffer.alloc(0);
  const finish = (line: string | undefined): void => {
    socket.off('readable', read).off('error', fail).off('close', fail).off('end', fail);
    callback(line);
  };
  const fail = (): void => finish(undefined);
  const read = (): void => {
    const chunk = socket.read() as Buffer | null;
    if (!chunk) return;
    received = Buffer.concat([received, chunk]);
    const end = received.indexOf('\r\n');
    if (end < 0 ? received.length >= maxProxyHeader : end + 2 > maxProxyHeader) return fail();
    if (end < 0) return;
    const rest = received.subarray(end + 2);
    if (rest.length > 0) socket.unshift(rest);
    finish(received.toString('latin1', 0, end));
  };
  socket.on('readable', read).on('error', fail).on('close', fail).on('end', fail);
}

/** Resolves with the work, or after `ms`. */
async function within(work: Promise<unknown>, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const expired = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([work, expired]);
  clearTimeout(timer);
}

const networks = (texts: readonly string[]): Cidr[] => texts.map(parseCidr).filter((cidr) => cidr !== undefined);
