import { readFile } from 'node:fs/promises';
import { packageRoot } from './own-files.ts';

/** The version of this program. */
export async function readVersion(): Promise<string> {
  const text = await readFile(new URL('package.json', packageRoot), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
