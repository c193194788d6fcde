import { domainOf } from '../core/reception.ts';
import { canonicalDomain } from './own-domains.ts';

/**
 * Is an address one at which reports arrive (`ingress.reports.to`: domains, and single addresses)? Case says nothing. The
 * postmaster of such a domain is a person all the same (RFC 5321 §4.5.1), unless the address itself is named.
 */
export function reportAddresses(entries: readonly string[]): (address: string) => boolean {
  const known = new Set(entries.map((entry) => (entry.includes('@') ? canonicalAddress(entry) : canonicalDomain(entry))));
  if (known.size === 0) return () => false;
  return (address) => {
    const canonical = canonicalAddress(address);
    if (known.has(canonical)) return true;
    return !canonical.startsWith('postmaster@') && known.has(canonicalDomain(domainOf(address)));
  };
}

/**
 * One spelling of an address: lower case, a domain in A-labels, no quotes that are not needed. Systems on the way change
 * the case of local parts, so it tells no two addresses apart, and RFC 5321 §4.1.2 calls the two forms of a local part equal.
 */
export function canonicalAddress(address: string): string {
  const at = address.lastIndexOf('@');
  if (at < 0) return unquoted(address).toLowerCase();
  return `${unquoted(address.slice(0, at)).toLowerCase()}@${canonicalDomain(address.slice(at + 1))}`;
}

function unquoted(localPart: string): string {
  const inside = /^"(.*)"$/s.exec(localPart)?.[1]?.replace(/\\(.)/gs, '$1');
  // RFC 5322 §3.2.3: what is a dot-atom needs none.
  return inside !== undefined && /^[^\s"(),:;<>@[\\\].]+(?:\.[^\s"(),:;<>@[\\\].]+)*$/.test(inside) ? inside : localPart;
}
