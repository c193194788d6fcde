import { formatDate } from '../date.ts';
import { fieldTextUtf8 } from './field.ts';

/** What the human-readable part tells. Strings may be hostile. */
export interface Explanation {
  /** Epoch ms. */
  receivedAt?: number;
  sender: string;
  recipients: readonly string[];
  /** The words of the server that refused it, in one line; or our own when no server did. */
  cause: { kind: 'remote'; peer?: { name: string; address: string }; response: string } | { kind: 'local'; status: string };
  isExpired: boolean;
  /** Further sentences, each a line. */
  notes: readonly string[];
  /** Address of a person who can help. */
  contact: string;
}

const width = 76;

/** The text as lines ended by CRLF; UTF-8 only where an address is not ASCII. */
export function explain(explanation: Explanation): string {
  const lines = [
    ...opening(explanation),
    ...causeLines(explanation.cause),
    '',
    ...(explanation.isExpired ? ['The message could not be delivered in the time it may stay in the queue.'] : []),
    'The message will be deleted from the queue.',
    'No further attempts will be made to deliver it.',
    ...(explanation.notes.length > 0 ? ['', ...explanation.notes] : []),
    '',
    `For help, write to ${fieldTextUtf8(explanation.contact)}.`,
  ];
  return lines
    .flatMap(wrap)
    .map((line) => `${line}\r\n`)
    .join('');
}

function opening({ receivedAt, sender, recipients }: Explanation): string[] {
  const received = receivedAt === undefined ? 'The message was received' : `The message was received at ${formatDate(receivedAt)}`;
  const addressees = recipients.map((recipient) => fieldTextUtf8(recipient)).join(', ');
  return [received, `from ${fieldTextUtf8(sender)} and addressed to ${addressees}.`];
}

function causeLines(cause: Explanation['cause']): string[] {
  if (cause.kind === 'local') return [`Status: ${fieldTextUtf8(cause.status)}`];
  const { peer, response } = cause;
  return [
    ...(peer ? [`While communicating with ${fieldTextUtf8(peer.name)} (${fieldTextUtf8(peer.address)}):`] : []),
    `Response: ${fieldTextUtf8(response, 8192)}`,
  ];
}

/** A long line as several, broken at blanks; the further ones begin with two blanks. */
function wrap(text: string): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.match(/ *[^ ]+/g) ?? []) {
    if (line !== '' && line.length + word.length > width) {
      lines.push(line);
      line = `  ${word.trimStart()}`;
    } else {
      line += word;
    }
  }
  return [...lines, line];
}
