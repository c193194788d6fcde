import { parseIp } from './cidr.ts';

/** The longest header of PROXY protocol version 1, with its CRLF. */
export const maxProxyHeader = 107;

/** The client a proxy speaks for; `unknown` for the proxy's own connections. */
export type ProxyHeader = { kind: 'client'; address: string; port: number } | { kind: 'unknown' };

/** Reads the line of PROXY protocol version 1, without its CRLF; undefined when it is none. */
export function parseProxyHeader(line: string): ProxyHeader | undefined {
  // What follows UNKNOWN is to be ignored (§2.1 of the protocol).
  if (/^PROXY UNKNOWN(?: |$)/.test(line)) return { kind: 'unknown' };
  const match = /^PROXY TCP([46]) ([0-9A-Fa-f.:]+) ([0-9A-Fa-f.:]+) (\d{1,5}) (\d{1,5})$/.exec(line);
  if (!match) return undefined;
  const [, family, source = '', destination = '', port] = match;
  const isV6 = family === '6';
  const fits = (address: string): boolean => parseIp(address) !== undefined && address.includes(':') === isV6;
  if (!fits(source) || !fits(destination) || Number(port) > 65535) return undefined;
  return { kind: 'client', address: source, port: Number(port) };
}
