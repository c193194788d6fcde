/** `verp`: by its return path. `envid`: by the ENVID it was given. `message-id`: by our id in its returned header. */
export type MatchedBy = 'verp' | 'envid' | 'message-id';

/** What is kept of a message whose reports come here. */
export interface SentMessage {
  id: string;
  sender: string;
  recipients: string[];
  /** The decoded ORCPT of each recipient, empty for those that have none; absent when nobody has one. */
  originals?: string[];
  /** Epoch ms. */
  created: number;
  size: number;
  tenant?: string;
  campaign?: string;
}

/** What was found by each pointer of a report, newest first. */
export type FoundMessages = Readonly<Record<MatchedBy, readonly SentMessage[]>>;

/** The addresses by which a report names a recipient. */
export interface NamedRecipient {
  /** Original-Recipient: the ORCPT that we gave it, or the address (RFC 3464 §2.3.1). */
  original?: string;
  /** Final-Recipient, or those of a complaint. */
  addresses: readonly string[];
}

/** One spelling of an address, so that those that reach the same mailbox are the same text. */
export type CanonicalAddress = (address: string) => string;

/** `none` with a `mismatch`: there is such a message, and it never had this recipient. */
export type Match = { by: MatchedBy; message: SentMessage; recipient: string } | { by: 'none'; mismatch?: { by: MatchedBy; id: string } };

const order: readonly MatchedBy[] = ['verp', 'envid', 'message-id'];

/**
 * The message that a report of this recipient is about. It must have had it:
 * who knows a return path alone cannot make an address look bad that the message never went to. A report that names nobody
 * can only be about a message of one recipient.
 */
export function matchMessage(found: FoundMessages, named: NamedRecipient, canonical: CanonicalAddress): Match {
  const wanted = canonicalNames(named, canonical);
  for (const by of order) {
    const fits = found[by].flatMap((message) => {
      const recipient = recipientIn(message, wanted, canonical);
      return recipient === undefined ? [] : [{ by, message, recipient }];
    });
    const pointedAt = new Set([...found.envid, ...found['message-id']].map(({ id }) => id));
    // Many messages may share a return path: one that is named in another way too comes first, else the newest.
    const best = fits.find(({ message }) => pointedAt.has(message.id)) ?? fits[0];
    if (best) return best;
  }
  const by = order.find((candidate) => found[candidate].length > 0);
  const id = by && found[by][0]?.id;
  return { by: 'none', ...(by && id !== undefined && { mismatch: { by, id } }) };
}

const canonicalNames = ({ original, addresses }: NamedRecipient, canonical: CanonicalAddress): NamedRecipient => ({
  ...(original !== undefined && { original: canonical(original) }),
  addresses: addresses.map(canonical),
});

/** What our ORCPT says comes first: of two recipients one may have the address of the other for its original one. */
function recipientIn(
  { recipients, originals = [] }: SentMessage,
  { original, addresses }: NamedRecipient,
  canonical: CanonicalAddress,
): string | undefined {
  if (original === undefined && addresses.length === 0) return recipients.length === 1 ? recipients[0] : undefined;
  const named = original === undefined ? addresses : [original, ...addresses];
  return (
    recipients.find((_, n) => originals[n] && canonical(originals[n]) === original) ??
    recipients.find((recipient) => named.includes(canonical(recipient)))
  );
}
