import { startSink, type Sink, type SinkMessage, type SinkRules } from '../../../shared/io/sink-server.ts';
import { fullDomain, slowDomain, slowness, waitingDomain } from './places.ts';

/** What the destination said to a recipient, at whatever step of the transaction. */
export type Answer = 'accepted' | 'deferred' | 'refused';

/** Whoever keeps the books of what the destination does. */
export interface Bookkeeper {
  answered(recipient: string, answer: Answer): void;
  arrived(message: SinkMessage): void;
}

const unknownUser = '550 5.1.1 No such user here';
const greylisted = '451 4.7.1 Greylisted, please try again in a second';
const patience = '451 4.7.1 We do not know you yet, please try again in ten minutes';
const mailboxFull = '452 4.2.2 Mailbox full, try again later';
const closed = '550 5.7.1 Nobody takes mail for this department';
const gone = '450 4.2.1 This mailbox is closed and will not be opened again';
const spam = '554 5.7.1 Message refused: it looks like spam';

/** Starts the one mail server of all domains, on a free port: it behaves as the local part asks it to. */
export async function startDestination(books: Bookkeeper): Promise<Sink> {
  const greylist = new Set<string>();
  const refuseAll = (recipients: readonly string[], reply: string): string => {
    for (const recipient of recipients) books.answered(recipient, 'refused');
    return reply;
  };
  const defer = (recipient: string, reply: string): string => {
    books.answered(recipient, 'deferred');
    return reply;
  };
  const rules: SinkRules = {
    rcpt: ({ recipient }) => {
      const local = recipient.split('@')[0] ?? '';
      if (is(local, 'nobody')) return refuseAll([recipient], unknownUser);
      if (recipient.endsWith(`@${fullDomain}`)) return defer(recipient, mailboxFull);
      // It says "try again" and means "never": the demo's rule file makes a bounce of it.
      if (is(local, 'gone')) return defer(recipient, gone);
      if (!(is(local, 'later') || recipient.endsWith(`@${waitingDomain}`)) || greylist.has(recipient)) return undefined;
      greylist.add(recipient);
      return defer(recipient, recipient.endsWith(`@${waitingDomain}`) ? patience : greylisted);
    },
    data: ({ recipients }) => (some(recipients, 'closed') ? refuseAll(recipients, closed) : undefined),
    message: ({ recipients }) => {
      if (some(recipients, 'spam')) return refuseAll(recipients, spam);
      return recipients.some((recipient) => recipient.endsWith(`@${slowDomain}`)) ? { delayMs: slowness } : undefined;
    },
  };
  return startSink({
    name: 'mx.destination.example',
    rules,
    onMessage: (message) => {
      for (const recipient of message.recipients) books.answered(recipient, 'accepted');
      books.arrived(message);
    },
  });
}

const is = (local: string, word: string): boolean => local === word || local.startsWith(`${word}-`);
const some = (recipients: readonly string[], word: string): boolean =>
  recipients.some((recipient) => is(recipient.split('@')[0] ?? '', word));
