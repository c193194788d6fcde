/** Where the content of large messages lies: a driver of the spool. `test/io/spool.conformance.ts` says what each must do. */
export interface SpoolTier {
  readonly name: 'redis' | 'disk';
  open(id: string): TierWriter;
  /** The content in chunks; throws when it is not there. */
  read(id: string): AsyncIterable<Buffer>;
  remove(id: string): Promise<void>;
  /** Why nothing more fits, or undefined. */
  full(): Promise<string | undefined>;
  /** Octets that are free, where that is known. */
  free?(): Promise<number>;
  /** Removes what crashed writers left and nobody refers to; `isHeld` asks for the spool entry. */
  sweep(isHeld: (id: string) => Promise<boolean>): Promise<void>;
}

export interface TierWriter {
  write(chunk: Buffer): Promise<void>;
  /** Resolves when the content is durable. */
  seal(): Promise<void>;
  /** Removes what was written; harmless when repeated. */
  discard(): Promise<void>;
}

/** The content of a message is not where it should be, and will not come back. */
export class ContentGone extends Error {}
