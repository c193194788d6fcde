import { readFile } from 'node:fs/promises';
import { ConfigError } from './config-load.ts';

/** The secret in the file that a setting names. Rejects with ConfigError: also for an empty file, with which requests would go out unsigned. */
export async function loadSecret(setting: string, file: string): Promise<string> {
  const complain = (message: string): never => {
    throw new ConfigError([{ source: setting, value: JSON.stringify(file), message }]);
  };
  const text = await readFile(file, 'utf8').catch((error: Error) => complain(error.message));
  return text.trim() || complain('it is empty');
}
