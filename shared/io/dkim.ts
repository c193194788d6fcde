import { createHash, createPrivateKey, createPublicKey, sign, verify, type KeyObject } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import type { BounceConfig } from '../core/config.ts';
import { authorDomain, canonicalise, doesAlign, finishSignature, prepareSignature, type DkimIdentity } from '../core/dkim.ts';
import type { Problem } from './config-load.ts';

/** A private key and the name under which its public half is found (`selector._domainkey.domain`). */
export interface DkimKey extends DkimIdentity {
  key: KeyObject;
}

/** Gives the DKIM-Signature fields to put in front of a message, one of each key that aligns with its From. `now`: epoch ms. Rejects when one cannot be made. */
export type DkimSigner = (content: Uint8Array, now: number) => Promise<string>;

export interface LoadedKeys {
  keys: DkimKey[];
  problems: Problem[];
  /** What works and should be better. */
  warnings: Problem[];
}

/** Reads the keys of `bounce.dkim`. Never rejects: what is wrong with a file is a problem, and never shows what is in it. */
export async function loadDkimKeys(settings: BounceConfig['dkim']): Promise<LoadedKeys> {
  const loaded: LoadedKeys = { keys: [], problems: [], warnings: [] };
  for (const [i, { domain, selector, keyFile }] of settings.entries()) {
    const complain = (list: Problem[], message: string): void =>
      void list.push({ source: `bounce.dkim.${i}.keyFile`, value: JSON.stringify(keyFile), message });
    const key = await readKey(keyFile);
    const fault = typeof key === 'string' ? key : faultOf(key);
    if (typeof key === 'string' || fault !== undefined) {
      complain(loaded.problems, fault ?? '');
      continue;
    }
    const bits = bitsOf(key);
    if (bits !== undefined && bits < 2048) complain(loaded.warnings, `an RSA key of ${bits} bits: use one of 2048 (RFC 8301)`);
    loaded.keys.push({ domain, selector, key, algorithm: bits === undefined ? 'ed25519-sha256' : 'rsa-sha256' });
  }
  return loaded;
}

/** Signs with every key of the author (RFC 8463 §3: a verifier takes the one it understands); those of other tenants would say nothing. */
export function dkimSigner(keys: readonly DkimKey[]): DkimSigner {
  return async (content, now) => {
    const message = canonicalise(content);
    const author = authorDomain(message);
    const bodyHash = createHash('sha256').update(message.body, 'latin1').digest('base64');
    const fields = await Promise.all(
      keys
        .filter(({ domain }) => doesAlign(author, domain))
        .map(async ({ key, ...identity }) => {
          const { field, input } = prepareSignature(message, identity, bodyHash, now);
          return finishSignature(field, (await signOctets(Buffer.from(input, 'latin1'), key)).toString('base64'));
        }),
    );
    return fields.join('');
  };
}

/** The TXT record of a key as a zone file has it: strings of at most 255 octets (RFC 1035 §3.3, RFC 6376 §3.6.2.2). */
export function dkimRecord({ domain, selector, key, algorithm }: DkimKey): string {
  const publicKey = createPublicKey(key);
  const spki = publicKey.export({ type: 'spki', format: 'der' });
  // RFC 8463 §4.2: of Ed25519 the 32 octets alone, which end its SPKI form.
  const data = algorithm === 'rsa-sha256' ? spki : spki.subarray(-32);
  const text = `v=DKIM1; k=${algorithm.replace('-sha256', '')}; p=${data.toString('base64')}`;
  return `${selector}._domainkey.${domain}. IN TXT ( ${(text.match(/.{1,255}/g) ?? []).map((part) => `"${part}"`).join(' ')} )`;
}

// With a callback the signature is made off the main thread: an RSA one takes most of a millisecond.
const signAsync = promisify<string | null, Buffer, KeyObject, Buffer>(sign);

/** RFC 8463 §3: Ed25519 signs the hash. */
function signOctets(input: Buffer, key: KeyObject): Promise<Buffer> {
  return key.asymmetricKeyType === 'rsa'
    ? signAsync('sha256', input, key)
    : signAsync(null, createHash('sha256').update(input).digest(), key);
}

/** The key, or why there is none. The parser's own words may quote the file: they are not passed on. */
async function readKey(file: string): Promise<KeyObject | string> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    return `cannot be read: ${error instanceof Error ? error.message : String(error)}`;
  }
  try {
    return createPrivateKey(text);
  } catch {
    return 'expected a private key in PEM without a passphrase';
  }
}

/** Length of an RSA key; undefined for Ed25519. */
const bitsOf = (key: KeyObject): number | undefined => key.asymmetricKeyDetails?.modulusLength;

function faultOf(key: KeyObject): string | undefined {
  const { asymmetricKeyType: type } = key;
  if (type !== 'rsa' && type !== 'ed25519') return `expected an RSA or Ed25519 key, this is ${type}`;
  // RFC 8301 §3.2: shorter ones must not be believed.
  const bits = bitsOf(key);
  if (bits !== undefined && bits < 1024) return `an RSA key of ${bits} bits is too short: use one of 2048`;
  return doesSign(key) ? undefined : 'the key is damaged: it does not verify what it signs';
}

function doesSign(key: KeyObject): boolean {
  const algorithm = key.asymmetricKeyType === 'rsa' ? 'sha256' : null;
  const text = Buffer.from('test');
  try {
    return verify(algorithm, text, createPublicKey(key), sign(algorithm, text, key));
  } catch {
    return false;
  }
}
