import { domainToASCII } from 'node:url';

/** Is a domain one of ours (`ingress.domains`), however it is spelt? Subdomains are domains of their own. */
export function ownDomains(domains: readonly string[]): (domain: string) => boolean {
  const own = new Set(domains.map(canonicalDomain));
  return (domain) => own.has(canonicalDomain(domain));
}

/** One spelling of a domain: lower case, A-labels, no trailing dot. */
export function canonicalDomain(domain: string): string {
  const name = domain.toLowerCase().replace(/\.$/, '');
  return name.startsWith('[') ? name : domainToASCII(name) || name;
}
