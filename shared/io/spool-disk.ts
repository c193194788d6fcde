import { createReadStream } from 'node:fs';
import { mkdir, open, readdir, rename, stat, statfs, unlink, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { ContentGone, type SpoolTier, type TierWriter } from './spool-tier.ts';

const draftSuffix = '.draft';
/** Files younger than this may belong to a message that is being committed. Milliseconds. */
const orphanAge = 3_600_000;

/**
 * Large messages as files, `<dir>/<last two digits of the id>/<id>`: written beside, synced and renamed, so that a name
 * without the draft suffix is a whole message.
 */
export function diskTier(dir: string, minFreeBytes: number): SpoolTier {
  const free = async (): Promise<number> => {
    await mkdir(dir, { recursive: true });
    const { bavail, bsize } = await statfs(dir);
    return bavail * bsize;
  };
  return {
    name: 'disk',
    open: (id) => openWriter(dir, id),
    // Opened by the first read: most refusals come before any content is asked for.
    read: async function* (id) {
      try {
        yield* createReadStream(pathOf(dir, id), { highWaterMark: 256 * 1024 });
      } catch (error) {
        throw (error as NodeJS.ErrnoException).code === 'ENOENT' ? new ContentGone(String(error)) : error;
      }
    },
    remove: (id) => unlinkIfThere(pathOf(dir, id)),
    free,
    full: async () => ((await free()) < minFreeBytes ? `less than ${minFreeBytes} bytes are free in ${dir}` : undefined),
    sweep: async (isHeld) => {
      for (const folder of await readdir(dir).catch(() => [])) {
        for (const name of await readdir(join(dir, folder)).catch(() => [])) {
          const path = join(dir, folder, name);
          const found = await stat(path).catch(() => undefined);
          if (!found || Date.now() - found.mtimeMs < orphanAge) continue;
          if (name.endsWith(draftSuffix) || !(await isHeld(name))) await unlinkIfThere(path);
        }
      }
    },
  };
}

const folderOf = (dir: string, id: string): string => join(dir, id.slice(-2));
const pathOf = (dir: string, id: string): string => join(folderOf(dir, id), id);

async function unlinkIfThere(path: string): Promise<void> {
  await unlink(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
  });
}

function openWriter(dir: string, id: string): TierWriter {
  const path = pathOf(dir, id);
  let file: FileHandle | undefined;
  const opened = async (): Promise<FileHandle> => {
    if (!file) {
      await mkdir(folderOf(dir, id), { recursive: true });
      file = await open(path + draftSuffix, 'w', 0o600);
    }
    return file;
  };
  return {
    write: async (chunk) => {
      await (await opened()).writeFile(chunk);
    },
    seal: async () => {
      const handle = await opened();
      await handle.datasync();
      await handle.close();
      file = undefined;
      await rename(path + draftSuffix, path);
      // The new name must survive a power failure too.
      const folder = await open(folderOf(dir, id), 'r');
      try {
        await folder.sync();
      } finally {
        await folder.close();
      }
    },
    discard: async () => {
      await file?.close().catch(() => undefined);
      file = undefined;
      await unlinkIfThere(path + draftSuffix);
      await unlinkIfThere(path);
    },
  };
}
