/**
 * The header of a message that is being received, kept until it is known what becomes of it. Up to the limit: a larger
 * one goes its way unchanged.
 */
export interface HeldHeader {
  /** Takes the next piece of the message; what is to be written now. `headerLength`: of the whole message, once it is known. */
  take(piece: Buffer, headerLength: number | undefined): Buffer;
  /** The octets held: the whole header with its blank line, or the beginning of one that was too large. */
  readonly content: Buffer;
  readonly isCut: boolean;
}

/** Larger than any header that is meant to be read; what a draft may keep in memory besides is more. Octets. */
const limit = 64 * 1024;
/** A buffer takes 300 octets however little it holds. */
const mostParts = 64;

export function holdHeader(): HeldHeader {
  let parts: Buffer[] = [];
  let length = 0;
  let isOver = false;
  let isCut = false;
  const keep = (piece: Buffer): void => {
    parts.push(piece);
    length += piece.length;
    if (parts.length === mostParts) parts = [Buffer.concat(parts)];
  };
  return {
    take: (piece, headerLength) => {
      if (isOver) return piece;
      if (headerLength === 0) {
        isOver = true;
        const written = Buffer.concat([...parts, piece]); // what began like a header was none
        parts = [];
        return written;
      }
      const rest = headerLength === undefined ? piece.length : headerLength - length;
      if (length + rest > limit) {
        isOver = isCut = true;
        const written = Buffer.concat([...parts, piece]);
        parts = [written.subarray(0, limit)];
        return written;
      }
      keep(piece.subarray(0, rest));
      isOver = headerLength !== undefined;
      return piece.subarray(rest);
    },
    get content() {
      return Buffer.concat(parts);
    },
    get isCut() {
      return isCut;
    },
  };
}
