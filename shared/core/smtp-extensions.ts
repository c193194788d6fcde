import type { Reply } from './reply.ts';

/** What a server offered in its answer to EHLO or LHLO (RFC 5321 §4.1.1.1). */
export interface Extensions {
  pipelining: boolean;
  dsn: boolean;
  eightBitMime: boolean;
  smtpUtf8: boolean;
  startTls: boolean;
  /** Undefined: SIZE is not offered; 0: no limit is stated (RFC 1870 §4). */
  size: number | undefined;
  /** SASL mechanisms in upper case. */
  auth: string[];
}

/** What is left after HELO: nothing. */
export const noExtensions: Extensions = {
  pipelining: false,
  dsn: false,
  eightBitMime: false,
  smtpUtf8: false,
  startTls: false,
  size: undefined,
  auth: [],
};

/** Reads the keyword lines; the first line is the greeting and says nothing. */
export function parseExtensions(reply: Reply): Extensions {
  const offers = new Map<string, string[]>();
  for (const line of reply.lines.slice(1)) {
    // `AUTH=LOGIN` is the spelling of servers older than RFC 2554 that some still send beside the right one.
    const [keyword = '', ...parameters] = line
      .trim()
      .toUpperCase()
      .replace(/^AUTH=/, 'AUTH ')
      .split(/\s+/);
    offers.set(keyword, [...(offers.get(keyword) ?? []), ...parameters]);
  }
  const size = offers.get('SIZE');
  return {
    pipelining: offers.has('PIPELINING'),
    dsn: offers.has('DSN'),
    eightBitMime: offers.has('8BITMIME'),
    smtpUtf8: offers.has('SMTPUTF8'),
    startTls: offers.has('STARTTLS'),
    size: size && (/^\d{1,15}$/.test(size[0] ?? '') ? Number(size[0]) : 0),
    auth: offers.get('AUTH') ?? [],
  };
}
