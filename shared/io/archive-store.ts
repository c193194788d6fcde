/**
 * Where finished segments lie: a folder (archive-disk.ts), or anything that can hold objects and create one only where
 * none of its name exists (of S3, `If-None-Match: *`). That one condition is what keeps two archivers from doubling a record.
 */
export interface ArchiveStore {
  /** For people: the folder. */
  readonly place: string;
  /** Finished segments in any order; none when the place does not exist. */
  list(): Promise<StoredSegment[]>;
  /** Undefined when there is none of the name (any more). */
  open(name: string): Promise<OpenSegment | undefined>;
  create(): Promise<Draft>;
  remove(name: string): Promise<void>;
  /** Takes a damaged segment out of the list without losing it. */
  setAside(name: string): Promise<void>;
  /** Removes what archivers left that died. */
  removeDrafts(): Promise<void>;
}

export interface StoredSegment {
  name: string;
  /** Octets. */
  size: number;
}

export interface OpenSegment {
  readonly size: number;
  /** The octets there are; fewer than `length` at the end. */
  read(offset: number, length: number): Promise<Buffer>;
  close(): Promise<void>;
}

/** A segment that nobody sees yet. */
export interface Draft {
  write(chunk: Uint8Array): Promise<void>;
  /** Makes it a segment that survives a power failure. False when one of the name exists: then nothing was changed and the draft is gone. */
  commit(name: string): Promise<boolean>;
  discard(): Promise<void>;
}
