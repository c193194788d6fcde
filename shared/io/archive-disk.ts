import { randomUUID } from 'node:crypto';
import { link, mkdir, open, readdir, rename, stat, statfs, unlink, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { segmentSuffix, type ArchiveStore, type Draft, type OpenSegment, type StoredSegment } from './archive-store.ts';

const draftSuffix = '.draft';
const damagedSuffix = '.damaged';

/** Segments as files of one folder. Several hosts may share the folder where it has hard links. */
export function diskArchive(dir: string, minFreeBytes: number): ArchiveStore {
  return {
    place: dir,
    list: async () => {
      const names = await readdir(dir).catch(orIfMissing<string[]>([]));
      const found = await Promise.all(
        names
          .filter((name) => name.endsWith(segmentSuffix))
          .map(async (name) => sized(name, await stat(join(dir, name)).catch(orIfMissing(undefined)))),
      );
      return found.filter((segment) => segment !== undefined);
    },
    open: async (name) => {
      const file = await open(join(dir, name), 'r').catch(orIfMissing(undefined));
      return file && opened(file, (await file.stat()).size);
    },
    create: () => createDraft(dir, minFreeBytes),
    remove: (name) => unlink(join(dir, name)).catch(orIfMissing(undefined)),
    setAside: (name) => rename(join(dir, name), join(dir, name + damagedSuffix)),
    prepare: async () => {
      for (const name of await readdir(dir).catch(orIfMissing<string[]>([]))) {
        if (name.endsWith(draftSuffix)) await unlink(join(dir, name)).catch(orIfMissing(undefined));
      }
    },
  };
}

const sized = (name: string, found: { size: number } | undefined): StoredSegment | undefined => found && { name, size: found.size };

const opened = (file: FileHandle, size: number): OpenSegment => ({
  size,
  read: async (offset, length) => {
    const buffer = Buffer.allocUnsafe(Math.max(0, Math.min(length, size - offset)));
    const { bytesRead } = await file.read(buffer, 0, buffer.length, offset);
    return buffer.subarray(0, bytesRead);
  },
  close: () => file.close(),
});

/** Whom it is written about is nobody else's business: only the owner may read it. */
async function createDraft(dir: string, minFreeBytes: number): Promise<Draft> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const { bavail, bsize } = await statfs(dir);
  if (bavail * bsize < minFreeBytes) throw new Error(`less than ${minFreeBytes} bytes are free in ${dir}`);
  const path = join(dir, randomUUID() + draftSuffix);
  const file = await open(path, 'wx', 0o600);
  let isOpen = true;
  const close = async (): Promise<void> => {
    if (isOpen) await file.close();
    isOpen = false;
  };
  return {
    write: async (chunk) => {
      await file.writeFile(chunk);
    },
    commit: async (name) => {
      await file.datasync();
      await close();
      // Unlike a rename, a link never replaces: of two archivers that go on from the same record one is told so here.
      const isFirst = await link(path, join(dir, name)).then(
        () => true,
        (error: NodeJS.ErrnoException) => {
          // ENOENT: another archiver has cleared our draft away, so it leads now.
          if (error.code === 'EEXIST' || error.code === 'ENOENT') return false;
          throw error;
        },
      );
      await unlink(path).catch(orIfMissing(undefined));
      if (isFirst) await syncFolder(dir);
      return isFirst;
    },
    discard: async () => {
      await close();
      await unlink(path).catch(orIfMissing(undefined));
    },
  };
}

/** The new name must survive a power failure too. */
async function syncFolder(dir: string): Promise<void> {
  const folder = await open(dir, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

const orIfMissing =
  <T>(value: T) =>
  (error: NodeJS.ErrnoException): T => {
    if (error.code === 'ENOENT') return value;
    throw error;
  };
