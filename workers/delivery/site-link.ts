import type { PathSettings } from '../../shared/core/config.ts';
import type { DeliveryJob } from '../../shared/core/delivery-job.ts';
import { formatPeer, type DispositionRecord } from '../../shared/core/disposition.ts';
import { egressPath } from '../../shared/core/lane.ts';
import { isPermanent, localReply } from '../../shared/core/reply.ts';
import type { ConnectOptions, ConnectResult, OutboundConnection, Target } from '../../shared/io/outbound.ts';
import type { Route } from '../../shared/io/router.ts';
import { Transcript } from '../../shared/io/transcript.ts';
import type { SiteFailure } from './site-health.ts';
import type { World } from './world.ts';

/** The connection of one session: opened when first needed, reused, replaced when it is used up. */
export interface SiteLink {
  /** An open connection to the route's site, or why there is none. `isFresh`: nothing was sent on it yet. */
  connection(route: HostsRoute, job: DeliveryJob, path: PathSettings, failureTtl: number): Promise<Connected | SiteFailure>;
  readonly isOpen: boolean;
  /** How long it may stay open without work, as far as the policy says. Milliseconds. */
  readonly idleTimeout: number | undefined;
  /** The last try to connect succeeded: the site takes connections, so more of them may help. */
  readonly isProven: boolean;
  /** QUIT and close. */
  close(): Promise<void>;
}

export type HostsRoute = Extract<Route, { kind: 'hosts' }>;
export interface Connected {
  connection: OutboundConnection;
  transcript: Transcript;
  isFresh: boolean;
}

/** RFC 5321 §5.1 wants at least two addresses tried; a site with more gets this many. */
const maxTargets = 6;

export function openSiteLink(lane: string, world: World): SiteLink {
  let connection: OutboundConnection | undefined;
  let transcript: Transcript | undefined;
  let site = '';
  let opening: PathSettings = {};
  let messages = 0;
  let isProven = false;
  let uncount = (): void => undefined;
  const cut = (): void => connection?.destroy();
  const release = async (): Promise<void> => {
    await connection?.close();
    connection = undefined;
    uncount();
    uncount = () => undefined;
  };
  world.cut.addEventListener('abort', cut);
  return {
    get isOpen() {
      return connection?.usable === true;
    },
    get idleTimeout() {
      return opening.idleTimeout;
    },
    get isProven() {
      return isProven;
    },
    connection: async (route, job, path, failureTtl) => {
      const limit = path.messagesPerConnection ?? world.context.config.delivery.messagesPerConnection;
      // Domains of one site may ask for different TLS.
      if (connection?.usable && transcript && site === route.site && messages < limit && opening.tls === path.tls) {
        messages += 1;
        return { connection, transcript, isFresh: false };
      }
      await release();
      // Whom the site fails for its TLS is no matter of those who want none.
      const key = path.tls === undefined ? lane : `${lane} tls-${path.tls}`;
      const failure = world.health.recentFailure(key);
      if (failure) return failure;
      transcript = new Transcript({ tracer: world.tracer, lane: egressPath(lane), subject: job });
      const opened = await connect(route, { source: job.source, path, transcript }, world);
      isProven = !('reply' in opened);
      if ('reply' in opened) {
        world.context.metrics.connects.inc({ result: 'failed' });
        world.health.failed(key, opened, failureTtl);
        return opened;
      }
      uncount = world.health.opened(lane);
      world.context.metrics.connects.inc({ result: 'opened' });
      connection = opened;
      site = route.site;
      opening = path;
      messages = 1;
      if (world.cut.aborted) connection.destroy();
      return { connection, transcript, isFresh: true };
    },
    close: async () => {
      world.cut.removeEventListener('abort', cut);
      await release();
    },
  };
}

/** Tries the addresses of each host in turn (RFC 5321 §5.1). A remote server's words are kept before our own. */
async function connect(route: HostsRoute, use: ConnectUse, world: World): Promise<OutboundConnection | SiteFailure> {
  const failure = await tryHosts(route, use, world);
  if (!('reply' in failure)) return failure;
  const lines = use.transcript.lines();
  return lines.length > 0 ? { ...failure, said: { lines } } : failure;
}

interface ConnectUse {
  source: string;
  path: PathSettings;
  transcript: Transcript;
}

async function tryHosts(route: HostsRoute, use: ConnectUse, world: World): Promise<OutboundConnection | SiteFailure> {
  const { path, transcript } = use;
  const options = connectOptions(use, world);
  let failure: SiteFailure | undefined;
  let tried = 0;
  for (const host of route.hosts) {
    const targets = await world.router.targets(host);
    if (!Array.isArray(targets)) {
      transcript.note(targets.failed.lines.join(' '));
      failure = prefer(failure, { reply: targets.failed, peer: null });
      continue;
    }
    for (const target of targets) {
      if (tried++ >= maxTargets || world.closing.aborted) return failure ?? unreached;
      const result = await untilCut(world.outbound.connect(withTls(target, path.tls), options), world.cut);
      if (!result) return unreached;
      if (result.ok) return result.connection;
      failure = prefer(failure, {
        reply: transcript.withoutLogin(result.reply),
        peer: result.peer ? formatPeer(result.peer) : named(target),
      });
    }
  }
  return failure ?? unreached;
}

/** The outcome of connecting, or undefined when the time for work in hand is over first; what is connected later is closed. */
async function untilCut(connecting: Promise<ConnectResult>, cut: AbortSignal): Promise<ConnectResult | undefined> {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  const end = (): void => resolve(undefined);
  if (cut.aborted) end();
  cut.addEventListener('abort', end);
  const result = await Promise.race([connecting, promise]);
  cut.removeEventListener('abort', end);
  if (!result) void connecting.then((late) => late.ok && late.connection.destroy());
  return result;
}

const unreached: SiteFailure = { reply: localReply(451, '4.4.4', 'No host of the destination could be tried', 'connect'), peer: null };

/** A remote server's words before our own, and of those a temporary failure before a lasting one: a further try may help. */
function prefer(before: SiteFailure | undefined, now: SiteFailure): SiteFailure {
  if (!before || before.reply.local === now.reply.local)
    return before && !isPermanent(before.reply) && isPermanent(now.reply) ? before : now;
  return now.reply.local ? before : now;
}

const named = (target: Target): DispositionRecord['peer_address'] => ({ name: target.name, addr: target.address });

/** A host that speaks TLS from the first octet can nothing else. */
const withTls = (target: Target, tls: PathSettings['tls']): Target => (tls && target.tls !== 'implicit' ? { ...target, tls } : target);

function connectOptions({ source, path, transcript }: ConnectUse, world: World): ConnectOptions {
  const { outbound, hostname } = world.context.config;
  const found = outbound.sources.find(({ name }) => name === source);
  return {
    ehloName: (found?.ehloName ?? '') || outbound.ehloName || hostname,
    ...(found?.address && { localAddress: found.address }),
    timeouts: path.timeouts ? withSet(outbound.timeouts, path.timeouts) : outbound.timeouts,
    transcript,
  };
}

type Timeouts = ConnectOptions['timeouts'];

const withSet = (defaults: Timeouts, set: NonNullable<PathSettings['timeouts']>): Timeouts => ({
  ...defaults,
  ...Object.fromEntries(Object.entries(set).filter(([, ms]) => ms !== undefined)),
});
