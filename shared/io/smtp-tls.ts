import { isIP } from 'node:net';
import type { ConnectionOptions } from 'node:tls';
import { isInNetworks, parseCidr, type Cidr } from '../core/cidr.ts';
import type { Target } from './outbound.ts';

/**
 * `unchecked` is for opportunistic TLS: a certificate that nobody vouches for still keeps listeners out, and the
 * alternative is no encryption at all (RFC 7435). `checked`: known issuer and the name of the target.
 */
export function tlsOptions(target: Target, trust: 'checked' | 'unchecked'): ConnectionOptions {
  // RFC 6066 §3: no address in the server name; the certificate is then checked against `host`.
  return { host: target.name, ...(isIP(target.name) === 0 && { servername: target.name }), rejectUnauthorized: trust === 'checked' };
}

const loopback: readonly Cidr[] = ['127.0.0.0/8', '::1/128'].flatMap((text) => parseCidr(text) ?? []);

export const isLoopback = (address: string): boolean => isInNetworks(address, loopback);
