import { randomUUID } from 'node:crypto';
import type { Config } from '../core/config.ts';
import { parseListing } from '../core/s3-answers.ts';
import { segmentSuffix, SegmentGone, type ArchiveStore, type Draft, type OpenSegment, type StoredSegment } from './archive-store.ts';
import { openS3, type S3Client } from './s3-client.ts';

/** One request for the index of nearly every segment, which stands at the end. Octets. */
const tailLength = 1024 * 1024;
/** Of 1,000 objects at most, whose names S3 allows to have 1,024 octets. */
const longestListing = 8 * 1024 * 1024;
/** An archive of five years has a twentieth of this; what is longer is no archive of ours. */
const mostPages = 1000;
/** An object of one archiver's making is told by it. */
const draftField = 'x-amz-meta-rebound-draft';

/** Segments as objects of a bucket, below `folder`, which ends in a slash. Any number of hosts may share it. */
export function s3Archive(settings: Config['archive']['s3'], folder: string): ArchiveStore {
  const client = openS3(settings);
  let isProven = false;
  return {
    place: `s3://${settings.bucket}/${folder}`,
    list: () => listObjects(client, folder),
    open: (name) => openObject(client, folder + name),
    create: () => Promise.resolve(createDraft(client, folder)),
    remove: async (name) => void (await client.send({ method: 'DELETE', key: folder + name, expected: [404] })),
    setAside: async (name) => {
      const key = folder + name;
      const copy = { 'x-amz-copy-source': `/${settings.bucket}/${key}` };
      const { body } = await client.send({ method: 'PUT', key: `${key}.damaged`, headers: copy, body: Buffer.alloc(0) });
      // A copy that fails half-way has been answered with 200 by then.
      if (!body.includes('<CopyObjectResult')) throw new Error(`${name} could not be put aside`);
      await client.send({ method: 'DELETE', key, expected: [404] });
    },
    prepare: async () => {
      if (!isProven) await proveConditionalWrites(client, folder);
      isProven = true;
    },
  };
}

async function listObjects(client: S3Client, folder: string): Promise<StoredSegment[]> {
  const segments: StoredSegment[] = [];
  let next: string | undefined;
  for (let page = 0; page < mostPages; page++) {
    const query = { 'list-type': '2', prefix: folder, delimiter: '/', ...(next !== undefined && { 'continuation-token': next }) };
    const { body } = await client.send({ method: 'GET', key: '', query, longest: longestListing });
    const listing = parseListing(body.toString());
    for (const { key, size } of listing.objects) {
      if (key.startsWith(folder) && key.endsWith(segmentSuffix)) segments.push({ name: key.slice(folder.length), size });
    }
    if (listing.next === undefined) return segments;
    if (listing.next === next) break;
    next = listing.next;
  }
  throw new Error('the list of objects has no end');
}

async function openObject(client: S3Client, key: string): Promise<OpenSegment | undefined> {
  const tail = await client.send({
    method: 'GET',
    key,
    headers: { range: `bytes=-${tailLength}` },
    longest: tailLength,
    expected: [404, 416],
  });
  // 416: there is no last octet of nothing.
  if (tail.status === 416) return { size: 0, read: () => Promise.resolve(Buffer.alloc(0)), close: () => Promise.resolve() };
  if (tail.status === 404) return undefined;
  const { start, size } = rangeOf(tail.headers['content-range'], tail.body.length);
  if (start !== Math.max(0, size - tailLength)) throw wrongRange();
  const { etag } = tail.headers;
  const inside = (offset: number): boolean => offset >= start;

  return {
    size,
    read: async (offset, length) => {
      const end = Math.min(offset + length, size);
      if (end <= offset) return Buffer.alloc(0);
      if (inside(offset)) return tail.body.subarray(offset - start, end - start);
      const last = Math.min(end, start) - 1;
      const head = await client.send({
        method: 'GET',
        key,
        headers: { range: `bytes=${offset}-${last}`, ...(etag !== undefined && { 'if-match': etag }) },
        longest: last + 1 - offset,
        expected: [404, 412],
      });
      if (head.status === 404 || head.status === 412) throw new SegmentGone();
      const found = rangeOf(head.headers['content-range'], head.body.length);
      if (found.start !== offset || found.size !== size || head.body.length !== last + 1 - offset) throw wrongRange();
      return end > start ? Buffer.concat([head.body, tail.body.subarray(0, end - start)]) : head.body;
    },
    close: () => Promise.resolve(),
  };
}

function rangeOf(field: string | undefined, length: number): { start: number; size: number } {
  const found = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15})$/.exec(field ?? '');
  const [start, end, size] = (found ?? []).slice(1).map(Number);
  if (start === undefined || end === undefined || size === undefined || end + 1 - start !== length || end >= size) throw wrongRange();
  return { start, size };
}

const wrongRange = (): Error => new Error('the storage answered with another part of the object than it was asked for');

/** Kept in memory, packed: storage takes an object whole, so what an archiver leaves that dies is nothing. */
function createDraft(client: S3Client, folder: string): Draft {
  const id = randomUUID();
  const chunks: Uint8Array[] = [];
  return {
    write: (chunk) => {
      chunks.push(chunk);
      return Promise.resolve();
    },
    commit: async (name) => {
      const key = folder + name;
      const body = Buffer.concat(chunks);
      const headers = { 'if-none-match': '*', 'content-type': 'application/zstd', [draftField]: id };
      const { status } = await client.send({ method: 'PUT', key, headers, body, expected: [412] });
      if (status !== 412) return true;
      // Ours too, when it was the answer to an earlier attempt that was lost.
      const found = await client.send({ method: 'HEAD', key, expected: [404] });
      if (found.status === 404) throw new Error(`the storage refuses ${name} as if there were one`);
      return found.headers[draftField] === id;
    },
    discard: () => {
      chunks.length = 0;
      return Promise.resolve();
    },
  };
}

const proof = Buffer.from('Rebound learns by this object whether the storage refuses to overwrite one (If-None-Match: *).\n');

/** Storage that takes no notice of the condition would let two archivers overwrite each other's records: of two writes at once one must be refused. */
async function proveConditionalWrites(client: S3Client, folder: string): Promise<void> {
  const put = {
    method: 'PUT',
    key: `${folder}conditional-writes.txt`,
    headers: { 'if-none-match': '*' },
    body: proof,
    expected: [412, 501],
  } as const;
  const answers = await Promise.all([client.send(put), client.send(put)]);
  if (answers.some(({ status }) => status === 412) && answers.every(({ status }) => status !== 501)) return;
  throw new Error(
    'the storage does not honour conditional writes (If-None-Match: *), without which two archivers could overwrite each other: take one that does, or set archive.driver to disk; see docs/log.md',
  );
}
