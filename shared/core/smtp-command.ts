import type { Envelope, Notify, Recipient } from './envelope.ts';
import { localReply, type Reply } from './reply.ts';
import type { Extensions } from './smtp-extensions.ts';
import { asciiOrcpt } from './utf8-address.ts';

/**
 * Why a message cannot be given to a server with these extensions at all, as the reply of each recipient; undefined
 * when it can. Nothing is converted on the way: a message is handed on as it is or not (RFC 6152 §3, RFC 6531 §3.2).
 */
export function refuseMessage(envelope: Envelope, size: number, offered: Extensions): Reply | undefined {
  if (offered.size && size > offered.size) {
    return localReply(552, '5.3.4', `message of ${size} octets is larger than the ${offered.size} the server takes`, 'MAIL');
  }
  // RFC 6531 §3.2, §3.5: what needs both extensions and gets neither is told what it needs first.
  if (needsSmtpUtf8(envelope) && !offered.smtpUtf8) {
    return hasUtf8Address(envelope)
      ? localReply(553, '5.6.7', 'an address is not ASCII and the server does not offer SMTPUTF8', 'MAIL')
      : localReply(554, '5.6.9', 'message has UTF-8 header fields and the server does not offer SMTPUTF8', 'MAIL');
  }
  // A report would be lost for its label alone (RFC 5321 §4.5.5: nobody hears of it); servers without 8BITMIME are 8-bit clean all the same.
  if (envelope.eightBit && !offered.eightBitMime && envelope.sender !== '')
    return localReply(554, '5.6.3', 'message has 8-bit content and the server does not offer 8BITMIME', 'MAIL');
  return envelope.sender !== '' && !isSafeAddress(envelope.sender)
    ? localReply(553, '5.1.7', 'sender address cannot be written in an SMTP command', 'MAIL')
    : undefined;
}

/** Why this recipient cannot be named in a command at all; undefined when it can. */
export function refuseRecipient(recipient: Recipient): Reply | undefined {
  return isSafeAddress(recipient.address)
    ? undefined
    : localReply(553, '5.1.3', 'recipient address cannot be written in an SMTP command', 'RCPT');
}

/** `MAIL FROM:<...>` with the parameters the server offers, without CRLF. DSN parameters: RFC 3461 §5.2.1 and §5.2.2 a. */
export function mailCommand(envelope: Envelope, size: number, offered: Extensions): string {
  let line = `MAIL FROM:<${envelope.sender}>`;
  if (offered.size !== undefined) line += ` SIZE=${size}`;
  if (envelope.eightBit && offered.eightBitMime) line += ' BODY=8BITMIME';
  if (needsSmtpUtf8(envelope)) line += ' SMTPUTF8';
  if (!offered.dsn) return line;
  if (envelope.ret === 'FULL' || envelope.ret === 'HDRS') line += ` RET=${envelope.ret}`;
  if (envelope.envid && isPrintable(envelope.envid)) line += ` ENVID=${envelope.envid}`;
  return line;
}

/** `RCPT TO:<...>` with its DSN parameters when the server offers DSN, without CRLF. `isUtf8`: MAIL said SMTPUTF8. */
export function rcptCommand(recipient: Recipient, offered: Extensions, isUtf8: boolean): string {
  const line = `RCPT TO:<${recipient.address}>`;
  if (!offered.dsn) return line;
  const notify = notifyParameter(recipient);
  const orcpt = orcptParameter(recipient, isUtf8);
  return `${line}${notify && ` NOTIFY=${notify}`}${orcpt && ` ORCPT=${orcpt}`}`;
}

/**
 * Has the server said that this is one recipient too many for one transaction? 552 counts as 452 (RFC 5321
 * §4.5.3.1.10). Only believed after a recipient was accepted, else a transaction more would change nothing.
 */
export function isTooManyRecipients(reply: Reply): boolean {
  return (reply.code === 452 || reply.code === 552) && (reply.enhanced === undefined || reply.enhanced.endsWith('.5.3'));
}

/** The words of the notify parameter, empty when there is none. */
export function notifyParameter(recipient: Recipient): string {
  const known: readonly Notify[] = ['NEVER', 'SUCCESS', 'FAILURE', 'DELAY'];
  return (recipient.notify ?? []).filter((word) => known.includes(word)).join(',');
}

export const needsSmtpUtf8 = (envelope: Envelope): boolean => envelope.smtpUtf8 || hasUtf8Address(envelope);

const hasUtf8Address = (envelope: Envelope): boolean => !isAscii(envelope.sender) || envelope.recipients.some((r) => !isAscii(r.address));

const isAscii = (text: string): boolean => /^[\x00-\x7f]*$/.test(text);

/** Characters that need no `xtext` and end no parameter. */
const isPrintable = (text: string): boolean => /^[!-~]+$/.test(text);

// RFC 3461 §5.4: a longer one need not be taken, and would cost the recipient its mail.
const longestOrcpt = 500;

// RFC 6533 §3: UTF-8 in it is for transactions with SMTPUTF8; in others the same address is written in ASCII.
function orcptParameter({ orcpt }: Recipient, isUtf8: boolean): string {
  if (!orcpt) return '';
  if (isUtf8 && /^[!-~\u{a1}-\u{10ffff}]+$/u.test(orcpt)) return orcpt;
  const ascii = asciiOrcpt(orcpt);
  return isPrintable(ascii) && ascii.length <= longestOrcpt ? ascii : '';
}

/**
 * Can an address stand between `<` and `>` without ending it? Addresses come from clients and from stored jobs: a line
 * break would be a command of its own, a `>` a parameter. Length: no sensible address is longer, and servers need not
 * read a longer line (RFC 5321 §4.5.3.1).
 */
function isSafeAddress(address: string): boolean {
  if (address.length === 0 || address.length > 1000) return false;
  if (/[\x00-\x1f\x7f-\x9f\u2028\u2029]/.test(address) || !address.isWellFormed()) return false;
  return /^(?:"(?:[^"\\]|\\.)*")?[^\s<>"]*$/.test(address);
}
