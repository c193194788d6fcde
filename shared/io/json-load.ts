import { open } from 'node:fs/promises';
import { parseJsonc } from '../core/rules/jsonc.ts';

/** A file that cannot be read, or says nothing that can be understood; the message names it, and the place in it. */
export class JsonFileError extends Error {
  override readonly name = 'JsonFileError';
}

/** More is no file of rules or settings, and would hold up whoever reads it. Octets. */
const maxSize = 32 << 20;

/**
 * Reads a JSON file that may have comments (`//`, `#`, `/* *\/`) and trailing commas. Rejects with JsonFileError:
 * `rules.json:3:7: expected ","`.
 */
export async function jsonLoad(path: string): Promise<unknown> {
  const json = parseJsonc(await textLoad(path));
  if ('value' in json) return json.value;
  const { line, column, message } = json.problem;
  throw new JsonFileError(`${path}:${line}:${column}: ${message}`);
}

/** A file as text. Rejects with JsonFileError when it cannot be read, is too large or is not UTF-8. */
export async function textLoad(path: string): Promise<string> {
  try {
    await using file = await open(path, 'r');
    const stat = await file.stat();
    if (!stat.isFile()) throw new Error('it is no file');
    if (stat.size > maxSize) throw new Error(`${stat.size} octets are too many; at most ${maxSize}`);
    return new TextDecoder('utf-8', { fatal: true }).decode(await file.readFile());
  } catch (error) {
    throw new JsonFileError(`${path} cannot be read: ${(error as Error).message}`, { cause: error });
  }
}
