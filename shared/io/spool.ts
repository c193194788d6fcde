/**
 * Where message bytes wait until every holder is done with them. A holder is a name: a lane job or a subscriber's
 * event. The entry lives as long as it has one; taking a holder away twice does no harm, so a crash between settling
 * and releasing repeats nothing and loses nothing.
 */
export interface Spool {
  /** Starts the entry of a new message; nothing is kept until `Intake.receive` commits it. */
  draft(id: string): SpoolDraft;
  /** The content as one Buffer when small, else as a stream of chunks; undefined when the entry is gone. */
  read(id: string): Promise<Buffer | AsyncIterable<Buffer> | undefined>;
  /** Is there room for more? Cheap; looks at numbers that a timer refreshes. Throws SmtpRefusal 452 when not. */
  assertRoom(): void;
  /** The same as a question. */
  hasRoom(): boolean;
  close(): Promise<void>;
}

/** The content of a message on its way into the spool, in the order written: CRLF line ends, not dot-stuffed. */
export interface SpoolDraft {
  readonly id: string;
  /** Octets so far. */
  readonly size: number;
  /** Resolves when the next chunk may come. Throws SmtpRefusal 451 or 452 when the spool cannot take it. */
  write(chunk: Buffer): Promise<void>;
  /** Puts bytes in front of what was written (trace fields); only before the draft is committed. */
  prepend(head: Buffer): void;
  /** Gives up the message; harmless after a commit. */
  discard(): Promise<void>;
}
