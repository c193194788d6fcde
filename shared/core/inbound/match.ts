import { domainOf } from '../reception.ts';

/** `verp`: by its return path. `envid`: by the ENVID it was given. `message-id`: by our id in its returned header. */
export type MatchedBy = 'verp' | 'envid' | 'message-id';

/** What is kept of a message whose reports come here. */
export interface SentMessage {
  id: string;
  sender: string;
  recipients: string[];
  /** Epoch ms. */
  created: number;
  size: number;
  tenant?: string;
  campaign?: string;
}

/** What was found by each pointer of a report, newest first. */
export type FoundMessages = Readonly<Record<MatchedBy, readonly SentMessage[]>>;

/** `none` with a `mismatch`: there is such a message, and it never had this recipient. */
export type Match = { by: MatchedBy; message: SentMessage; recipient: string } | { by: 'none'; mismatch?: { by: MatchedBy; id: string } };

const order: readonly MatchedBy[] = ['verp', 'envid', 'message-id'];

/**
 * The message that a report of these addresses (original and final recipient) is about. It must have had one of them:
 * who knows a return path alone cannot make an address look bad that the message never went to. A report that names nobody
 * can only be about a message of one recipient.
 */
export function matchMessage(found: FoundMessages, addresses: readonly string[]): Match {
  for (const by of order) {
    const fits = found[by].flatMap((message) => {
      const recipient = recipientIn(message, addresses);
      return recipient === undefined ? [] : [{ by, message, recipient }];
    });
    const named = new Set([...found.envid, ...found['message-id']].map(({ id }) => id));
    // Many messages may share a return path: one that is named in another way too comes first, else the newest.
    const best = fits.find(({ message }) => named.has(message.id)) ?? fits[0];
    if (best) return best;
  }
  const by = order.find((candidate) => found[candidate].length > 0);
  const id = by && found[by][0]?.id;
  return { by: 'none', ...(by && id !== undefined && { mismatch: { by, id } }) };
}

function recipientIn({ recipients }: SentMessage, addresses: readonly string[]): string | undefined {
  if (addresses.length === 0) return recipients.length === 1 ? recipients[0] : undefined;
  return recipients.find((recipient) => addresses.some((address) => isSameMailbox(recipient, address)));
}

/** RFC 5321 §2.4: only the domain is the same in any case. */
function isSameMailbox(a: string, b: string): boolean {
  return domainOf(a) === domainOf(b) && localPartOf(a) === localPartOf(b);
}

const localPartOf = (address: string): string => address.replace(/@[^@]*$/, '');
