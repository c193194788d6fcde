import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { cleanUp } from './cleanup.ts';

export const pemOf = (key: KeyObject): string => key.export({ type: 'pkcs8', format: 'pem' }).toString();
export const rsaKey = (modulusLength: number): KeyObject => generateKeyPairSync('rsa', { modulusLength }).privateKey;
export const ed25519Key = (): KeyObject => generateKeyPairSync('ed25519').privateKey;

/** Writes texts to files of a folder that goes with the test; their paths. */
export async function storeFiles(t: TestContext, texts: readonly (string | Buffer)[]): Promise<string[]> {
  const folder = await mkdtemp(join(tmpdir(), 'rebound-dkim-'));
  cleanUp(t, () => rm(folder, { recursive: true, force: true }));
  const files = texts.map((_, i) => join(folder, String(i)));
  await Promise.all(files.map((file, i) => writeFile(file, texts[i] ?? '')));
  return files;
}

/** One RSA and one Ed25519 key of a domain, as `bounce.dkim` names them. */
export async function dkimSettings(t: TestContext, domain: string): Promise<{ domain: string; selector: string; keyFile: string }[]> {
  const [rsa = '', ed25519 = ''] = await storeFiles(t, [pemOf(rsaKey(2048)), pemOf(ed25519Key())]);
  return [
    { domain, selector: 'rsa1', keyFile: rsa },
    { domain, selector: 'ed1', keyFile: ed25519 },
  ];
}

/** A TXT record as `dkimRecord` prints it, by its name. */
export function readRecord(line: string): [name: string, text: string] {
  const [name = '', data = ''] = line.split('. IN TXT ');
  return [name, Array.from(data.matchAll(/"([^"]*)"/g), (match) => match[1]).join('')];
}
