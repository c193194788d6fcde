import { domainToASCII } from 'node:url';
import type { Mailbox } from '../../shared/core/address.ts';

/** May mail for this recipient come from anybody? */
export type IsOwnRecipient = (recipient: Mailbox) => boolean;

/** The rule for clients that are neither trusted nor logged in: our own domains, without any routing in the local part. */
export function ownRecipients(domains: readonly string[]): IsOwnRecipient {
  const own = new Set(domains.map(canonicalDomain));
  // A host behind us might read `user%other@own`, `other!user@own` or `"user@other"@own` as a request to relay.
  return ({ localPart, domain }) => domain === '' || (own.has(canonicalDomain(domain)) && !/[@%!]/.test(localPart));
}

/** One spelling of a domain: lower case, A-labels, no trailing dot. */
function canonicalDomain(domain: string): string {
  const name = domain.toLowerCase().replace(/\.$/, '');
  return name.startsWith('[') ? name : domainToASCII(name) || name;
}
