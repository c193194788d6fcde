import { checkSegment, listSegments, type Damage } from '../../../shared/io/archive.ts';
import { printableJson } from '../../../shared/core/printable.ts';
import { StoreAway, type ArchiveStore } from '../../../shared/io/archive-store.ts';
import type { Output } from './output.ts';
import { warn } from './warn.ts';

/** Reads the whole archive and names what is damaged. Resolves with the exit code. */
export async function checkArchive(store: ArchiveStore, json: boolean, output: Output): Promise<number> {
  const cannotRead = (error: Error): 1 => {
    warn(`the archive in ${store.place} cannot be read: ${error.message}`);
    return 1;
  };
  const segments = await listSegments(store).catch(cannotRead);
  if (segments === 1) return segments;
  const damages: Damage[] = [];
  for (const { name } of segments) {
    const damage = await checkSegment(store, name).catch(storeAway);
    if (damage instanceof StoreAway) return cannotRead(damage);
    if (damage) damages.push(damage);
    if (damage && !json) await output.print(`${damage.segment}: ${damage.problem}`);
  }
  const bytes = segments.reduce((sum, { size }) => sum + size, 0);
  await output.print(
    json
      ? printableJson(JSON.stringify({ place: store.place, segments: segments.length, bytes, damaged: damages }))
      : `${segments.length} segments, ${bytes} octets in ${store.place}: ${damages.length === 0 ? 'all in order' : `${damages.length} damaged`}`,
  );
  return damages.length === 0 ? 0 : 1;
}

function storeAway(error: unknown): StoreAway {
  if (error instanceof StoreAway) return error;
  throw error;
}
