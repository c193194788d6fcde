export const segmentSuffix = '.jsonl.zst';

/**
 * Where finished segments lie: a folder (archive-disk.ts), or objects of a bucket (archive-s3.ts): anything that creates a
 * name only where there is none. That one condition is what keeps two archivers from doubling a record.
 */
export interface ArchiveStore {
  /** For people: the folder, or bucket and prefix. */
  readonly place: string;
  /** Finished segments in any order; none when the place does not exist. */
  list(): Promise<StoredSegment[]>;
  /** Undefined when there is none of the name (any more). */
  open(name: string): Promise<OpenSegment | undefined>;
  create(): Promise<Draft>;
  remove(name: string): Promise<void>;
  /** Takes a damaged segment out of the list without losing it. */
  setAside(name: string): Promise<void>;
  /** Before an archiver begins: removes what archivers left that died. Throws where the store cannot keep that condition. */
  prepare(): Promise<void>;
}

/** The store gives no answer: what is asked next would have none either. */
export class StoreAway extends Error {
  override readonly name = 'StoreAway';
}

/** The segment was removed while it was read. */
export class SegmentGone extends Error {
  override readonly name = 'SegmentGone';
  override readonly message = 'it was removed while it was read';
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
