import { formatPeer, type DispositionRecord } from '../../shared/core/disposition.ts';
import { isPermanent, localReply } from '../../shared/core/reply.ts';
import type { ConnectOptions, OutboundConnection, Target } from '../../shared/io/outbound.ts';
import type { Route } from '../../shared/io/router.ts';
import type { SiteFailure } from './site-failures.ts';
import type { World } from './world.ts';

/** The connection of one session: opened when first needed, reused, replaced when it is used up. */
export interface SiteLink {
  /** An open connection to the route's site, or why there is none. `isFresh`: nothing was sent on it yet. */
  connection(route: HostsRoute, source: string, failureTtl: number): Promise<Connected | SiteFailure>;
  readonly isOpen: boolean;
  /** QUIT and close. */
  close(): Promise<void>;
}

export type HostsRoute = Extract<Route, { kind: 'hosts' }>;
export interface Connected {
  connection: OutboundConnection;
  isFresh: boolean;
}

/** RFC 5321 §5.1 wants at least two addresses tried; a site with more gets this many. */
const maxTargets = 6;

export function openSiteLink(lane: string, world: World): SiteLink {
  let connection: OutboundConnection | undefined;
  let site = '';
  let messages = 0;
  const cut = (): void => connection?.destroy();
  world.cut.addEventListener('abort', cut);
  return {
    get isOpen() {
      return connection?.usable === true;
    },
    connection: async (route, source, failureTtl) => {
      const limit = world.context.config.delivery.messagesPerConnection;
      if (connection?.usable && site === route.site && messages < limit) {
        messages += 1;
        return { connection, isFresh: false };
      }
      await connection?.close();
      connection = undefined;
      const failure = world.failures.recent(lane);
      if (failure) return failure;
      const opened = await connect(route, source, world);
      if ('reply' in opened) {
        world.context.metrics.connects.inc({ result: 'failed' });
        world.failures.failed(lane, opened, failureTtl);
        return opened;
      }
      world.context.metrics.connects.inc({ result: 'opened' });
      connection = opened;
      site = route.site;
      messages = 1;
      if (world.cut.aborted) connection.destroy();
      return { connection, isFresh: true };
    },
    close: async () => {
      world.cut.removeEventListener('abort', cut);
      await connection?.close();
      connection = undefined;
    },
  };
}

/** Tries the addresses of each host in turn (RFC 5321 §5.1). A remote server's words are kept before our own. */
async function connect(route: HostsRoute, source: string, world: World): Promise<OutboundConnection | SiteFailure> {
  const options = connectOptions(source, world);
  let failure: SiteFailure | undefined;
  let tried = 0;
  for (const host of route.hosts) {
    const targets = await world.router.targets(host);
    if (!Array.isArray(targets)) {
      failure = prefer(failure, { reply: targets.failed, peer: null });
      continue;
    }
    for (const target of targets) {
      if (tried++ >= maxTargets || world.closing.aborted) return failure ?? unreached;
      const result = await world.outbound.connect(target, options);
      if (result.ok) return result.connection;
      failure = prefer(failure, { reply: result.reply, peer: result.peer ? formatPeer(result.peer) : named(target) });
    }
  }
  return failure ?? unreached;
}

const unreached: SiteFailure = { reply: localReply(451, '4.4.4', 'No host of the destination could be tried', 'connect'), peer: null };

/** A remote server's words before our own, and of those a temporary failure before a lasting one: a further try may help. */
function prefer(before: SiteFailure | undefined, now: SiteFailure): SiteFailure {
  if (!before || before.reply.local === now.reply.local)
    return before && !isPermanent(before.reply) && isPermanent(now.reply) ? before : now;
  return now.reply.local ? before : now;
}

const named = (target: Target): DispositionRecord['peer_address'] => ({ name: target.name, addr: target.address });

function connectOptions(source: string, world: World): ConnectOptions {
  const { outbound, hostname } = world.context.config;
  const found = outbound.sources.find(({ name }) => name === source);
  return {
    ehloName: (found?.ehloName ?? '') || outbound.ehloName || hostname,
    ...(found?.address && { localAddress: found.address }),
    timeouts: outbound.timeouts,
  };
}
