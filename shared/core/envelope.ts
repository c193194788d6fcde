/** When a sender wants to hear of a recipient (RFC 3461 §4.1). `NEVER` stands alone. */
export type Notify = 'NEVER' | 'SUCCESS' | 'FAILURE' | 'DELAY';

export interface Recipient {
  /** The mailbox as accepted: case, quotes and spelling unchanged (RFC 3461 §6.3 e). */
  address: string;
  notify?: Notify[];
  /** `addr-type;xtext` exactly as received, so that it can be passed on unchanged (RFC 3461 §5.2.1). */
  orcpt?: string;
}

export interface Envelope {
  /** The reverse-path; empty for the null sender. */
  sender: string;
  recipients: Recipient[];
  ret?: 'FULL' | 'HDRS';
  /** xtext exactly as received (RFC 3461 §4.4). */
  envid?: string;
  /** The content needs SMTPUTF8 on the next hop (RFC 6531 §3.4); addresses that are not ASCII need it too. */
  smtpUtf8: boolean;
  /** The content holds octets above 127 and needs 8BITMIME on the next hop (RFC 6152). */
  eightBit: boolean;
}
