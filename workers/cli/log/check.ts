import { checkSegment, listSegments, type Damage } from '../../../shared/io/archive.ts';
import { printableJson } from '../../../shared/core/printable.ts';
import type { ArchiveStore } from '../../../shared/io/archive-store.ts';
import type { Output } from './output.ts';

/** Reads the whole archive and names what is damaged. Resolves with the exit code. */
export async function checkArchive(store: ArchiveStore, json: boolean, output: Output): Promise<number> {
  const segments = await listSegments(store);
  const damages: Damage[] = [];
  for (const { name } of segments) {
    const damage = await checkSegment(store, name);
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
