import { createHash } from 'node:crypto';
import dns from 'node:dns/promises';
import { isIP } from 'node:net';
import { domainToASCII } from 'node:url';
import type { Config } from '../core/config.ts';
import { isHostName, planMx, shuffleEqual, type MxRecord } from '../core/mx.ts';
import { isPublicAddress } from '../core/public-address.ts';
import { localReply, type Reply } from '../core/reply.ts';
import { siteName } from '../core/site.ts';
import { matchStaticRoute, parseStaticRoutes, staticSite, type StaticRoute } from '../core/static-route.ts';
import { unreachable } from '../core/unreachable.ts';
import type { Target } from './outbound.ts';
import { openResolver, type Answer } from './resolver.ts';
import type { Route, RouteHost, Router } from './router.ts';

/** Chance and time, for tests that need them fixed. `now`: epoch ms. */
export interface RouterWorld {
  random: () => number;
  now: () => number;
}

/**
 * Routes by the configuration, else by DNS (RFC 5321 §5.1): static route, address literal, MX records, the address of
 * the domain itself. Throws when a static route cannot be read.
 */
export function openRouter(config: Config, world: RouterWorld = { random: Math.random, now: Date.now }): Router {
  const { outbound } = config;
  const routes = new Map(
    [...parseStaticRoutes(outbound.routes, outbound.tls)].map(([domain, route]) => [asciiName(domain) ?? domain, route]),
  );
  const resolver = openResolver(outbound, world.now);
  const atExchanger = (name: string): RouteHost => ({ name, port: outbound.port, protocol: 'smtp', tls: outbound.tls });
  const isAllowed = (address: string, host?: RouteHost) => outbound.allowPrivate || host?.isConfigured === true || isPublicAddress(address);
  const families = outbound.family === 'any' ? familyOrder : ([outbound.family === 'ipv4' ? 4 : 6] satisfies (4 | 6)[]);

  return {
    async route(domain) {
      const name = domain.startsWith('[') ? domain.toLowerCase() : asciiName(domain);
      const route = matchStaticRoute(routes, name ?? domain.toLowerCase());
      if (route) return staticRoute(route);
      if (name === undefined) return failed(550, '5.1.2', `"${domain.slice(0, 80)}" is not a domain name`);
      if (name.startsWith('[')) return literalRoute(name);
      return mxRoute(name);
    },

    async targets(host) {
      const target = (address: string): Target => {
        const { isConfigured: _, ...rest } = host;
        return { ...rest, address };
      };
      if (isIP(host.name) !== 0) return isAllowed(host.name, host) ? [target(host.name)] : { failed: prohibited(host.name) };
      const answers = isLocalhost(host) ? [] : await Promise.all(families.map((family) => resolver.addresses(host.name, family)));
      const addresses = answers.flatMap((answer) => (answer.kind === 'found' ? shuffle(answer.records) : []));
      const known = addresses.length > 0 || !host.isConfigured ? addresses : await systemAddresses(host.name);
      const allowed = known
        .filter((address) => isAllowed(address, host) && families.includes(isIP(address) === 6 ? 6 : 4))
        .slice(0, maxAddresses);
      if (allowed.length > 0) return allowed.map(target);
      return { failed: known.length > 0 ? prohibited(host.name) : noAddress(host.name, answers) };
    },
  };

  function staticRoute(route: StaticRoute): Route {
    return { kind: 'hosts', site: staticSite(route), hosts: [{ ...route, isConfigured: true }] };
  }

  /** RFC 5321 §4.1.3. */
  function literalRoute(literal: string): Route {
    const address = literal.slice(1, -1).replace(/^ipv6:/, '');
    const isRight = literal.endsWith(']') && isIP(address) === (literal.startsWith('[ipv6:') ? 6 : 4);
    if (!isRight) return failed(550, '5.1.2', `"${literal.slice(0, 80)}" is not an address literal`);
    if (!isAllowed(address)) return { kind: 'failed', permanent: true, reply: prohibited(address) };
    return { kind: 'hosts', site: literal, hosts: [atExchanger(address)] };
  }

  async function mxRoute(domain: string): Promise<Route> {
    const answer = await resolver.mx(domain);
    switch (answer.kind) {
      case 'none':
        return failed(550, '5.1.2', `domain ${domain} does not exist`);
      case 'failed':
        return failed(451, '4.4.3', `no answer from DNS for ${domain} (${answer.why})`);
      case 'empty':
        return implicitRoute(domain);
      case 'found':
        return planRoute(domain, answer.records);
      default:
        return unreachable(answer);
    }
  }

  function planRoute(domain: string, records: readonly MxRecord[]): Route {
    const plan = planMx(records, config.hostname);
    switch (plan.kind) {
      case 'null':
        return failed(556, '5.1.10', `domain ${domain} does not take mail (null MX)`);
      case 'loop':
        return failed(554, '5.4.6', `mail for ${domain} would loop back to this system`);
      case 'none':
        return failed(451, '4.4.4', `no MX record of ${domain} names a host`);
      case 'hosts': {
        const hosts = shuffleEqual(plan.hosts, world.random).map((r) => atExchanger(r.exchange));
        return { kind: 'hosts', site: siteName(plan.hosts, digest), hosts };
      }
      default:
        return unreachable(plan);
    }
  }

  /** RFC 5321 §5.1: without MX records the domain is its own mail exchanger, if it has an address. */
  async function implicitRoute(domain: string): Promise<Route> {
    const answers = await Promise.all(familyOrder.map((family) => resolver.addresses(domain, family)));
    const unknown = answers.find((answer) => answer.kind === 'failed');
    if (answers.some((answer) => answer.kind === 'found')) return { kind: 'hosts', site: domain, hosts: [atExchanger(domain)] };
    if (unknown) return failed(451, '4.4.3', `no answer from DNS for ${domain} (${unknown.why})`);
    return failed(550, '5.1.2', `domain ${domain} has neither mail exchangers nor an address`);
  }

  function shuffle(addresses: readonly string[]): string[] {
    return addresses
      .map((address) => ({ address, lot: world.random() }))
      .toSorted((a, b) => a.lot - b.lot)
      .map(({ address }) => address);
  }
}

/** IPv4 first: a host without IPv6, or without a name for its IPv6 address, is still the usual one. */
const familyOrder: readonly (4 | 6)[] = [4, 6];

/** As with hosts: a name with thousands of addresses must not keep a session busy for days. */
const maxAddresses = 20;

/** RFC 6761 §6.3: not asked of DNS. Only where the operator wrote it: an MX record of this name means nothing good. */
const isLocalhost = (host: RouteHost): boolean => host.isConfigured === true && host.name === 'localhost';

/** What only the system knows, such as its hosts file: for hosts of static routes. */
async function systemAddresses(name: string): Promise<string[]> {
  if (name === 'localhost') return ['127.0.0.1', '::1'];
  try {
    return (await dns.lookup(name, { all: true })).map(({ address }) => address);
  } catch {
    return [];
  }
}

/** Lower case, U-labels as A-labels (RFC 5891), no trailing dot. Undefined when it is no domain name. */
function asciiName(domain: string): string | undefined {
  const bare = domain.replace(/\.$/, '');
  // domainToASCII reads numbers as addresses: `0x7f.1`, and full-width digits, too. isHostName refuses numeric endings.
  const name = /^[!-~]*$/.test(bare) ? bare.toLowerCase() : domainToASCII(bare);
  return isHostName(name) ? name : undefined;
}

const digest = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 20);

const failed = (code: number, enhanced: string, text: string): Route => ({
  kind: 'failed',
  permanent: code >= 500,
  reply: localReply(code, enhanced, text),
});

const prohibited = (name: string): Reply => localReply(550, '5.4.4', `${name} has no address that mail may be sent to`);

function noAddress(name: string, answers: readonly Answer<string>[]): Reply {
  const unknown = answers.find((answer) => answer.kind === 'failed');
  return unknown
    ? localReply(451, '4.4.3', `no answer from DNS for ${name} (${unknown.why})`)
    : localReply(451, '4.4.4', `host ${name} has no address`);
}
