import { createHash, randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';

const derive = promisify<string, Buffer, number, { N: number; r: number; p: number; maxmem: number }, Buffer>(scrypt);

// RFC 7914 §2: 16 MB and some 40 ms a guess; a login costs that once.
const cost = { N: 16_384, r: 8, p: 1 };
const keyBytes = 32;
const hashForm = /^scrypt\$(\d{1,7})\$(\d{1,2})\$(\d{1,2})\$([\w-]{16,})\$([\w-]{40,})$/;
/** A stored hash may ask for no more memory than this. Octets. */
const maxMemory = 256 * 1024 * 1024;

/** `scrypt$N$r$p$salt$hash`, salt and hash in base64url: the form that settings take instead of a password. */
export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(16);
  const hash = await derive(password.normalize('NFKC'), salt, keyBytes, { ...cost, maxmem: maxMemory });
  return ['scrypt', cost.N, cost.r, cost.p, salt.toString('base64url'), hash.toString('base64url')].join('$');
}

/** Is it the password? `stored` is a hash of `hashPassword` or the password itself. The time taken does not tell. */
export async function verifyPassword(password: string, stored: string): Promise<boolean> {
  const match = hashForm.exec(stored);
  if (!match) return timingSafeEqual(digest(password), digest(stored));
  const [, n, r, p, salt = '', hash = ''] = match;
  const expected = Buffer.from(hash, 'base64url');
  const parameters = { N: Number(n), r: Number(r), p: Number(p), maxmem: maxMemory };
  try {
    const given = await derive(password.normalize('NFKC'), Buffer.from(salt, 'base64url'), expected.length, parameters);
    return timingSafeEqual(given, expected);
  } catch {
    return false; // the stored hash has impossible parameters
  }
}

/** Of equal length whatever the password, as `timingSafeEqual` wants. */
const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
