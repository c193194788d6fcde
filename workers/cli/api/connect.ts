import { loadConfig } from '../../../shared/io/config-load.ts';
import { ReboundClient } from '../../../shared/io/client.ts';
import { UsageError, type Help } from '../command.ts';
import { warn } from '../log/warn.ts';

const text = { type: 'string' } as const;

/** The flags of every command that asks the API, for `parseArgs`. */
export const apiOptions = { url: text, token: text, config: text, json: { type: 'boolean', default: false } } as const;

export const apiHelp: NonNullable<Help['options']> = [
  ['--json', 'print JSON'],
  ['--url <url>', 'the admin role, if not REBOUND_URL or that of the settings; user:password@ in it is the login'],
  ['--token <token>', 'login; REBOUND_TOKEN is the better place, since all users of this machine see command lines'],
  ['--config <file>', 'settings (JSON or TypeScript)'],
];

export const exitCodes = 'Exit code 0: done; 1: it failed; 2: called wrongly; 3: the API cannot be reached, or refuses the login.';

export interface ApiFlags {
  url?: string;
  token?: string;
  config?: string;
}

export interface Place {
  /** Never to be printed: it may hold a login. */
  url: string;
  token?: string;
}

/** Where the API is and how to log in: flags before variables before settings. */
export async function findApi(flags: ApiFlags, env: NodeJS.ProcessEnv): Promise<Place> {
  const url = flags.url ?? (env['REBOUND_URL'] || undefined) ?? (await urlOfSettings(flags.config, env));
  const token = flags.token ?? (env['REBOUND_TOKEN'] || undefined);
  return { url, ...(token !== undefined && { token }) };
}

/** A client of the API. Throws UsageError for an address that is none. */
export async function openApi(flags: ApiFlags, signal?: AbortSignal): Promise<ReboundClient> {
  if (flags.token !== undefined) warn('--token is seen by all users of this machine: REBOUND_TOKEN is not');
  const place = await findApi(flags, process.env);
  try {
    return new ReboundClient({ ...place, ...(signal && { signal }) });
  } catch (error) {
    // Without the address and the token.
    if (error instanceof Error && error.message.startsWith('a token')) throw new UsageError(`--token or REBOUND_TOKEN: ${error.message}`);
    throw new UsageError('--url or REBOUND_URL must be an address such as http://127.0.0.1:8080');
  }
}

/** Addresses that mean "all of this machine" are reached by its loopback. */
async function urlOfSettings(file: string | undefined, env: NodeJS.ProcessEnv): Promise<string> {
  const { admin } = await loadConfig({ ...(file !== undefined && { file }), env });
  const host = admin.host === '0.0.0.0' ? '127.0.0.1' : admin.host === '::' ? '::1' : admin.host;
  return `http://${host.includes(':') ? `[${host}]` : host}:${admin.port}`;
}

/** Of commands that read Redis and files themselves, and go through the API when they are told where it is. */
export const throughApiOptions = { url: text, token: text } as const;

export const throughApiHelp: NonNullable<Help['options']> = [
  ['--url <url>', 'ask the admin role there, not Redis; REBOUND_URL does the same'],
  ['--token <token>', 'login there; REBOUND_TOKEN is the better place, since all users of this machine see command lines'],
];

/** Was it said where the API is? */
export const isThroughApi = (flags: ApiFlags, env: NodeJS.ProcessEnv): boolean => (flags.url ?? env['REBOUND_URL'] ?? '') !== '';
