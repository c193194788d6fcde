import { domainOf } from '../core/reception.ts';
import { canonicalDomain } from './own-domains.ts';

/** Is an address one at which reports arrive (`ingress.reports.to`: domains, and single addresses)? Case says nothing. */
export function reportAddresses(entries: readonly string[]): (address: string) => boolean {
  const known = new Set(entries.map((entry) => (entry.includes('@') ? canonicalAddress(entry) : canonicalDomain(entry))));
  if (known.size === 0) return () => false;
  return (address) => known.has(canonicalDomain(domainOf(address))) || known.has(canonicalAddress(address));
}

/** One spelling of an address. Systems on the way change the case of local parts, so it tells no two return paths apart. */
export function canonicalAddress(address: string): string {
  const at = address.lastIndexOf('@');
  return `${address.slice(0, at).toLowerCase()}@${canonicalDomain(address.slice(at + 1))}`;
}
