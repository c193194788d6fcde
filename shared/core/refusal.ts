import { localReply, type Reply } from './reply.ts';

/** An error with two faces: a bland reply for the SMTP client, the cause for the log (never shown to the peer). */
export class SmtpRefusal extends Error {
  readonly reply: Reply;

  constructor(code: number, enhanced: string, text: string, options?: { cause: unknown }) {
    super(text, options);
    this.name = 'SmtpRefusal';
    this.reply = localReply(code, enhanced, text);
  }
}

/** The queue cannot take mail just now; the client keeps the message and comes back. */
export const queueUnavailable = (cause: unknown): SmtpRefusal =>
  new SmtpRefusal(451, '4.3.0', 'Queue temporarily unavailable, try again later', { cause });

/** No room in Redis or on disk. */
export const spoolFull = (cause: unknown): SmtpRefusal =>
  new SmtpRefusal(452, '4.3.1', 'Insufficient system storage, try again later', { cause });
