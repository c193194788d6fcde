import { isAddressLiteral, isAscii, isHostName } from './address.ts';
import { formatDate } from './date.ts';

/** What a Received field tells. */
export interface ReceivedInfo {
  /** The argument of HELO or EHLO, not trusted. */
  helo: string;
  /** The client's IPv4 or IPv6 address. */
  address: string;
  /** Our own name. */
  by: string;
  protocol: string;
  id: string;
  tls?: { protocol: string; cipher: string };
  /** The one recipient; left out for more, so that nobody learns of the others (RFC 5321 §4.4, §7.6). */
  recipient?: string;
  /** Epoch ms. */
  at: number;
}

/** The Received field of RFC 5321 §4.4, folded, with its CRLF. */
export function formatReceived(info: ReceivedInfo): string {
  const literal = info.address.includes(':') ? `[IPv6:${info.address}]` : `[${info.address}]`;
  const isName = isAddressLiteral(info.helo) || (isAscii(info.helo) && isHostName(info.helo));
  // A name that is none stands in the comment, without what could end the comment or the field.
  const from = isName ? `${info.helo} (${literal})` : `${literal} (helo ${info.helo.replace(/[^!-'*-[\]-~]/g, '?').slice(0, 255)})`;
  const tls = info.tls ? `\r\n\t(${info.tls.protocol} ${info.tls.cipher})` : '';
  const recipient = info.recipient === undefined ? '' : `\r\n\tfor <${info.recipient}>`;
  return `Received: from ${from}\r\n\tby ${info.by} with ${info.protocol}${tls} id ${info.id}${recipient};\r\n\t${formatDate(info.at)}\r\n`;
}

/** The `with` word of RFC 3848, or of RFC 6531 §4.3 for a message sent with SMTPUTF8. */
export function protocolName(session: { isEsmtp: boolean; isSecure: boolean; isAuthenticated: boolean }, smtpUtf8: boolean): string {
  if (!session.isEsmtp) return 'SMTP';
  return `${smtpUtf8 ? 'UTF8SMTP' : 'ESMTP'}${session.isSecure ? 'S' : ''}${session.isAuthenticated ? 'A' : ''}`;
}
