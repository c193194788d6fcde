import { formatDate } from '../date.ts';
import { unreachable } from '../unreachable.ts';
import { fieldTextUtf8 } from './field.ts';
import type { ReturnNote } from './original.ts';
import { en } from './wording/en.ts';

/** What the human-readable part tells. Strings may be hostile. */
export interface Explanation {
  /** The system that reports. */
  host: string;
  /** Of the message, to name when asking for help. */
  id?: string;
  /** Of the message, decoded. */
  subject?: string;
  /** Epoch ms. */
  receivedAt?: number;
  sender: string;
  /** At least one; a recipient is in one of them only. */
  cases: readonly ExplainedCase[];
  note?: ReturnNote;
  /** Address of a person who can help. */
  contact: string;
}

/** What happened to some recipients, and why. */
export interface ExplainedCase {
  recipients: readonly string[];
  /** `class.subject.detail`. */
  status: string;
  /** Of the reply. */
  code: number;
  /** What it answered. */
  command?: string;
  /** The reply, line by line as it came. */
  said: readonly string[];
  /** The words of the server that refused it, in one line; or our own when no server did. */
  cause: { kind: 'remote'; peer?: { name: string; address: string }; response: string } | { kind: 'local'; status: string };
  /** `until`: epoch ms of the last attempt. `isFailureTold`: all of the recipients' failures would be told too. */
  outcome:
    | { action: 'failed'; isExpired: boolean }
    | { action: 'delayed'; isFailureTold: boolean; until?: number | undefined }
    | { action: 'delivered' }
    | { action: 'relayed' };
}

const width = 76;
/** Stands for a blank at which no line is broken; `fieldTextUtf8` lets no control through. */
const heldBlank = '\u0000';

/** The text in the words of the original, as lines ended by CRLF; UTF-8 only where an address is not ASCII. */
export function explain(explanation: Explanation): string {
  const lines = [
    ...opening(explanation),
    ...caseLines(explanation.cases),
    ...(explanation.note ? ['', en.note(explanation.note)] : []),
    '',
    `For help, write to ${fieldTextUtf8(explanation.contact)}.`,
  ];
  return lines
    .flatMap(wrap)
    .map((line) => `${line}\r\n`)
    .join('')
    .replaceAll(heldBlank, ' ');
}

function opening({ receivedAt, sender, cases }: Explanation): string[] {
  const received = receivedAt === undefined ? 'The message was received' : `The message was received at ${formatDate(receivedAt)}`;
  return [received, `from ${unbroken(sender)} and addressed to ${addressees(cases.flatMap(({ recipients }) => recipients))}.`];
}

const addressees = (recipients: readonly string[]): string => recipients.map(unbroken).join(', ');

/** An address may have blanks (`"a b"@example.com`); one longer than any real one may be broken. */
function unbroken(address: string): string {
  const text = fieldTextUtf8(address);
  return text.length > 320 ? text : text.replaceAll(' ', heldBlank);
}

/** Each case with its recipients, where there are several; what happens next is said once where it is the same for all. */
function caseLines(cases: readonly ExplainedCase[]): string[] {
  const [first, ...others] = cases.map(({ outcome }) => outcomeLines(outcome));
  const isSame = others.every((lines) => lines.join() === first?.join());
  const told = cases.flatMap(({ recipients, cause, outcome }) => [
    ...(cases.length > 1 ? ['', `To ${addressees(recipients)}:`] : []),
    ...causeLines(cause),
    ...(isSame ? [] : ['', ...outcomeLines(outcome)]),
  ]);
  return isSame ? [...told, '', ...(first ?? [])] : told;
}

function causeLines(cause: ExplainedCase['cause']): string[] {
  if (cause.kind === 'local') return [`Status: ${fieldTextUtf8(cause.status)}`];
  const { peer, response } = cause;
  return [
    ...(peer ? [`While communicating with ${fieldTextUtf8(peer.name)} (${fieldTextUtf8(peer.address)}):`] : []),
    `Response: ${fieldTextUtf8(response, 8192)}`,
  ];
}

/** What happens next, and what the reader has to do (RFC 3464 §1.2 a). */
function outcomeLines(outcome: ExplainedCase['outcome']): string[] {
  switch (outcome.action) {
    case 'failed':
      return [
        ...(outcome.isExpired ? ['The message could not be delivered in the time it may stay in the queue.'] : []),
        'The message will be deleted from the queue.',
        'No further attempts will be made to deliver it.',
      ];
    case 'delayed':
      return [
        'The message could not be delivered yet. It stays in the queue.',
        outcome.until === undefined ? 'It will be tried again.' : `It will be tried again until ${formatDate(outcome.until)}.`,
        'This is only a warning: nothing need be done.',
        'The message need not be sent again.',
      ];
    case 'delivered':
      return ['The message was delivered. You are told because you asked for it.'];
    case 'relayed':
      return [
        'The message was passed on to this server, which reports no success itself.',
        'You are told because you asked for it. No further success report will follow.',
      ];
    default:
      return unreachable(outcome);
  }
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
