import type { Config } from './config.ts';
import { parseIp } from './cidr.ts';
import { isHostName } from './mx.ts';

/** The one host of a static route, as configured. */
export interface StaticRoute {
  /** Host name or address. */
  name: string;
  port: number;
  protocol: 'smtp' | 'lmtp';
  tls: 'opportunistic' | 'required' | 'disabled' | 'implicit';
  login?: { user: string; password: string };
}

type Routes = Config['outbound']['routes'];

/** Reads every static route, keys in lower case. `tls`: for a route that says nothing of it. Throws an Error that names the first bad one. */
export function parseStaticRoutes(routes: Routes, tls: StaticRoute['tls']): Map<string, StaticRoute> {
  return new Map(Object.entries(routes).map(([domain, value]) => [domain.toLowerCase(), parseRoute(domain, value, tls)]));
}

/** The route of a domain (lower case): its own, else that of `*`. */
export const matchStaticRoute = (routes: ReadonlyMap<string, StaticRoute>, domain: string): StaticRoute | undefined =>
  routes.get(domain) ?? routes.get('*');

/**
 * The site of a static route: `host:port`, and a mark for what must not share a connection with a plain route to the
 * same port: another protocol, another demand on TLS, a login.
 */
export function staticSite(route: StaticRoute): string {
  const host = route.name.includes(':') ? `[${route.name}]` : route.name;
  const marks = [
    route.protocol === 'lmtp' && 'lmtp',
    route.tls !== 'opportunistic' && `tls-${route.tls}`,
    route.login && `login-${fnv1a(route.login.user)}`,
  ];
  return [`${host}:${route.port}`, ...marks.filter(Boolean)].join('+');
}

/** `host`, `host:port`, `[::1]:port`, `192.0.2.1:port`; undefined when it is none of them. The port is 25 where none is given. */
export function parseHostPort(text: string): { name: string; port: number } | undefined {
  const match = /^(?:\[([^\]]+)\]|([^:[\]]+))(?::(\d{1,5}))?$/.exec(text.trim());
  const name = (match?.[1] ?? match?.[2] ?? '').toLowerCase();
  const port = Number(match?.[3] ?? 25);
  if (!match || port < 1 || port > 65535) return undefined;
  return parseIp(name) || (match[2] !== undefined && isHostName(name)) ? { name, port } : undefined;
}

function parseRoute(domain: string, value: Routes[string], tls: StaticRoute['tls']): StaticRoute {
  const text = typeof value === 'string' ? value : hostText(value.host, value.port);
  const at = parseHostPort(text);
  if (!at) throw new Error(`outbound.routes: "${domain}" leads to "${text}"; expected a host such as "mx.example.com:25" or "[::1]:2525"`);
  if (typeof value === 'string') return { ...at, protocol: 'smtp', tls };
  const login = value.user && { login: { user: value.user, password: value.password } };
  return { ...at, protocol: value.protocol, tls: value.tls ?? tls, ...login };
}

const hostText = (host: string, port: number): string => `${host.includes(':') && !host.startsWith('[') ? `[${host}]` : host}:${port}`;

// FNV-1a, 32 bits: keeps a login name out of queue names and dashboards. Both come from the operator, so that
// collisions by intent do not matter here.
function fnv1a(text: string): string {
  let hash = 0x811c9dc5;
  for (const unit of text) hash = Math.imul(hash ^ (unit.codePointAt(0) ?? 0), 0x01000193);
  return (hash >>> 0).toString(16).padStart(8, '0');
}
