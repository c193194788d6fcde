import { isAscii } from 'node:buffer';
import type { Envelope } from '../core/envelope.ts';
import { fixNewlines, scanMessage } from '../core/message.ts';
import { formatReceived } from '../core/received.ts';
import type { Context } from './context.ts';
import { newMessageId } from './ids.ts';
import type { Pipeline } from './pipeline.ts';
import type { Transaction } from './queues.ts';

/** A message that a program hands in over HTTP, to be treated as one that a trusted client sends over SMTP. */
export interface Submission {
  envelope: Pick<Envelope, 'sender' | 'recipients' | 'ret' | 'envid'>;
  content: CheckedContent;
  /** Who hands it in, and from where. */
  user: string;
  address: string;
  tenant?: string | undefined;
  campaign?: string | undefined;
}

/** Content with CRLF line ends, without what SMTP forbids. */
export interface CheckedContent {
  octets: Buffer;
  hasHeader: boolean;
  messageId?: string | undefined;
  /** The header holds octets above 127: the next hop must know SMTPUTF8. */
  isUtf8: boolean;
  isEightBit: boolean;
}

/** Checks content and makes its line ends CRLF; a text says what is wrong with it, for people. */
export function checkContent(content: Buffer, { config }: Pick<Context, 'config'>): CheckedContent | string {
  const { maxSize, maxLineLength, maxHops } = config.ingress;
  if (content.length === 0) return 'is empty';
  // RFC 5321 §4.5.2: programs on the way end their strings at it.
  if (content.includes(0)) return 'holds NUL octets';
  const text = fixNewlines(content.toString('latin1'));
  const whole = text.endsWith('\r\n') ? text : `${text}\r\n`;
  if (whole.length > maxSize) return `is larger than ${maxSize} octets`;
  const scan = scanMessage(maxLineLength);
  if (scan.push(whole)) return `holds a line of more than ${maxLineLength} octets (RFC 5321 4.5.3.1.6)`;
  if (scan.hops >= maxHops) return 'has had too many hops: it goes round in a loop';
  const octets = Buffer.from(whole, 'latin1');
  const end = octets.indexOf('\r\n\r\n');
  const isUtf8 = scan.hasHeader && !isAscii(end < 0 ? octets : octets.subarray(0, end));
  return { octets, hasHeader: scan.hasHeader, messageId: scan.messageId, isUtf8, isEightBit: !isAscii(octets) };
}

/**
 * Queues a message; resolves with its id when that is durable. Rejects with SmtpRefusal when it cannot be taken now. `also`
 * is done in the same transaction.
 */
export async function submit(
  { config }: Pick<Context, 'config'>,
  { spool, intake }: Pick<Pipeline, 'spool' | 'intake'>,
  submission: Submission,
  also?: (tx: Transaction, id: string) => void,
): Promise<string> {
  const { content, user, tenant, campaign, envelope } = submission;
  const address = submission.address.replace(/^::ffff:(?=[\d.]+$)/i, '');
  spool.assertRoom();
  const draft = spool.draft(newMessageId());
  const [only, another] = envelope.recipients;
  // RFC 5321 §4.1.4: what a client without a name calls itself.
  const literal = address.includes(':') ? `[IPv6:${address}]` : `[${address}]`;
  const received = formatReceived({
    helo: literal,
    address,
    by: config.hostname,
    protocol: 'HTTP',
    id: draft.id,
    ...(only && !another && { recipient: only.address }),
    at: Date.now(),
  });
  try {
    await draft.write(content.octets);
    draft.prepend(Buffer.from(content.hasHeader ? received : `${received}\r\n`));
    await intake.receive(
      {
        envelope: {
          ...envelope,
          // RFC 3461 §6.1: no report about a report.
          recipients: envelope.sender === '' ? envelope.recipients.map((r) => ({ ...r, notify: ['NEVER'] })) : envelope.recipients,
          smtpUtf8: content.isUtf8,
          eightBit: content.isEightBit || !isAscii(Buffer.from(received)),
        },
        content: draft,
        messageId: content.messageId,
        info: { protocol: 'HTTP', peer: { name: literal, address }, isTrusted: true, user },
        ...(tenant && { tenant }),
        ...(campaign && { campaign }),
      },
      also && ((tx) => also(tx, draft.id)),
    );
  } catch (error) {
    await draft.discard();
    throw error;
  }
  return draft.id;
}
