import type { Mailbox } from '../../shared/core/address.ts';
import { ownDomains } from '../../shared/io/own-domains.ts';

/** May mail for this recipient come from anybody? */
export type IsOwnRecipient = (recipient: Mailbox) => boolean;

/** The rule for clients that are neither trusted nor logged in: our own domains, without any routing in the local part. */
export function ownRecipients(domains: readonly string[]): IsOwnRecipient {
  const isOwnDomain = ownDomains(domains);
  // A host behind us might read `user%other@own`, `other!user@own` or `"user@other"@own` as a request to relay.
  return ({ localPart, domain }) => domain === '' || (isOwnDomain(domain) && !/[@%!]/.test(localPart));
}
