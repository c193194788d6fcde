import { promisify } from 'node:util';
import { constants, crc32, zstdCompress, zstdDecompress } from 'node:zlib';
import { z } from 'zod';
import { bloomOf } from '../core/bloom.ts';
import { compareLogIds, isLogId } from '../core/log-id.ts';
import type { OpenSegment } from './archive-store.ts';

/**
 * The format of a segment: a zstd file that any tool unpacks to JSON lines. Each block of some hundred records is a frame of
 * its own; the index stands at the end, in a frame that decompressors skip (RFC 8878 §3.1.2):
 *
 *     block*  0x184D2A5E  length(u32)  zstd(JSON)  Bloom filters  length(u32)  jsonLength(u32)  crc32(u32)  "RLA1"
 *
 * The JSON is a SegmentIndex with the size of each filter in place of it; the filters follow in the order of the blocks. The
 * checksum is of both. Both lengths are of the content of the frame. Numbers are little-endian.
 */
export interface SegmentIndex {
  /** The id of the last record that the segment answers for. */
  last: string;
  records: number;
  blocks: Block[];
}

/** Records in a row, packed together; what is told of them saves unpacking. */
export interface Block {
  /** In the file, octets; `bytes` unpacked. */
  offset: number;
  length: number;
  bytes: number;
  records: number;
  /** Ids of its first and last record. */
  first: string;
  last: string;
  /** Words of `indexWords`. */
  bloom: Uint8Array;
}

/** The segment cannot be read; the message says what is wrong, not where. */
export class SegmentDamaged extends Error {
  override readonly name = 'SegmentDamaged';
}

/** Damaged, or not to be had: the disk is, or somebody else's hand was at it. Other errors are of the moment. */
export const isUnreadable = (error: unknown): boolean =>
  error instanceof SegmentDamaged || ['EIO', 'EISDIR', 'EACCES', 'EPERM'].includes(String((error as NodeJS.ErrnoException).code));

export interface SegmentWriter {
  /** Of the lines so far, unpacked. */
  readonly bytes: number;
  readonly records: number;
  add(at: string, line: string, words: readonly string[]): Promise<void>;
  /** Writes what is left and the index. `last`: the segment answers for everything up to this id. */
  finish(last: string): Promise<void>;
}

const blockRecords = 1000;
const blockBytes = 1024 * 1024;

/** Writes a segment front to back, holding one block in memory. */
export function segmentWriter(write: (chunk: Uint8Array) => Promise<void>): SegmentWriter {
  const blocks: Block[] = [];
  let lines: string[] = [];
  let length = 0;
  let words = new Set<string>();
  let [first, last] = ['', ''];
  let [offset, bytes, records] = [0, 0, 0];

  const flush = async (): Promise<void> => {
    if (lines.length === 0) return;
    const content = Buffer.from(lines.join(''));
    const packed = await compress(content, compression);
    await write(packed);
    blocks.push({ offset, length: packed.length, bytes: content.length, records: lines.length, first, last, bloom: bloomOf(words) });
    offset += packed.length;
    lines = [];
    words = new Set();
    length = 0;
  };
  return {
    get bytes() {
      return bytes;
    },
    get records() {
      return records;
    },
    add: async (at, line, ofRecord) => {
      if (lines.length === 0) first = at;
      last = at;
      lines.push(`${line}\n`);
      for (const word of ofRecord) words.add(word);
      length += line.length + 1;
      bytes += line.length + 1;
      records += 1;
      if (lines.length >= blockRecords || length >= blockBytes) await flush();
    },
    finish: async (lastOfAll) => {
      await flush();
      await write(await formatIndex({ last: lastOfAll, records, blocks }));
    },
  };
}

/** Reads the index. Throws SegmentDamaged when the file does not end in one. */
export async function readIndex(file: Pick<OpenSegment, 'size' | 'read'>): Promise<SegmentIndex> {
  const trailer = await file.read(Math.max(0, file.size - trailerLength), trailerLength);
  if (trailer.length < trailerLength || trailer.toString('latin1', 12) !== magic) throw new SegmentDamaged('it has no index at its end');
  const length = trailer.readUInt32LE(0) - trailerLength;
  const jsonLength = trailer.readUInt32LE(4);
  const start = file.size - trailerLength - length;
  if (length < jsonLength || start < 0) throw new SegmentDamaged('the lengths of its index are wrong');
  const content = await file.read(start, length);
  if (content.length < length || crc32(content) !== trailer.readUInt32LE(8)) throw new SegmentDamaged('the checksum of its index is wrong');
  return parseIndex(content, jsonLength, start);
}

/** The lines of a block. Throws SegmentDamaged. */
export async function readBlock(file: Pick<OpenSegment, 'read'>, block: Block): Promise<string[]> {
  const packed = await file.read(block.offset, block.length);
  const content = await decompress(packed, { maxOutputLength: Math.max(1, block.bytes) }).catch((error: Error) => {
    throw new SegmentDamaged(`the block at ${block.offset} cannot be unpacked: ${error.message}`);
  });
  const lines = content.toString().split('\n');
  lines.pop();
  return lines;
}

const compress = promisify(zstdCompress);
const decompress = promisify(zstdDecompress);
const compression = { params: { [constants.ZSTD_c_compressionLevel]: 3, [constants.ZSTD_c_checksumFlag]: 1 } };

const skippableFrame = 0x184d2a5e;
const trailerLength = 16;
const magic = 'RLA1';
/** An index is a fraction of this; a larger one is none of ours. Octets. */
const largestIndex = 64 * 1024 * 1024;

const whole = z.int().nonnegative();
const id = z.string().refine(isLogId);
const indexSchema = z.object({
  last: id,
  records: whole,
  blocks: z.array(z.object({ offset: whole, length: whole, bytes: whole, records: whole, first: id, last: id, bloom: whole })),
});

async function formatIndex({ blocks, ...rest }: SegmentIndex): Promise<Buffer> {
  const json: z.infer<typeof indexSchema> = { ...rest, blocks: blocks.map(({ bloom, ...block }) => ({ ...block, bloom: bloom.length })) };
  const packed = await compress(Buffer.from(JSON.stringify(json)), compression);
  const content = Buffer.concat([packed, ...blocks.map(({ bloom }) => bloom)]);
  const head = Buffer.alloc(8);
  head.writeUInt32LE(skippableFrame, 0);
  head.writeUInt32LE(content.length + trailerLength, 4);
  const trailer = Buffer.alloc(trailerLength);
  trailer.writeUInt32LE(content.length + trailerLength, 0);
  trailer.writeUInt32LE(packed.length, 4);
  trailer.writeUInt32LE(crc32(content), 8);
  trailer.write(magic, 12, 'latin1');
  return Buffer.concat([head, content, trailer]);
}

/** `end`: where the index begins, and the blocks end before it. */
async function parseIndex(content: Buffer, jsonLength: number, end: number): Promise<SegmentIndex> {
  let index: z.infer<typeof indexSchema>;
  try {
    const json = await decompress(content.subarray(0, jsonLength), { maxOutputLength: largestIndex });
    index = indexSchema.parse(JSON.parse(json.toString()));
  } catch (error) {
    throw new SegmentDamaged(`its index cannot be read: ${(error as Error).message.slice(0, 200)}`);
  }
  let at = jsonLength;
  const blocks = index.blocks.map((block) => ({ ...block, bloom: content.subarray(at, (at += block.bloom)) }));
  const isInOrder = blocks.every(
    ({ first, last }, i) => compareLogIds(blocks[i - 1]?.last ?? '0-0', first) <= 0 && compareLogIds(first, last) <= 0,
  );
  if (at !== content.length || !isInOrder || blocks.some(({ offset, length }) => offset + length > end)) {
    throw new SegmentDamaged('its index contradicts itself');
  }
  return { ...index, blocks };
}
