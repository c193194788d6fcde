/** The domains of the demo, whose one mail server knows them apart. */

/** Every mailbox of this domain is full, and what waits for it expires soon. */
export const fullDomain = 'full.example';
/** Takes its time over each message, on one connection: its lane has a backlog. */
export const slowDomain = 'slow.example';
/** Puts off everything at first, and is asked again after ten minutes: its lane has mail that waits for a retry. */
export const waitingDomain = 'patient.example';

/** How long the slow one thinks about a message. Milliseconds. */
export const slowness = 6000;

/** The mail exchanger of a domain, by which its site is called. */
export const exchangerOf = (domain: string): string => `mx.${domain}`;
