/**
 * A Bloom filter: a set of strings in few bits, which may say yes wrongly and never says no wrongly. Twelve bits a
 * string and eight probes say yes wrongly about three times in a thousand.
 */
const bitsPerToken = 12;
const probes = 8;

/** The bits of a set. */
export function bloomOf(tokens: ReadonlySet<string>): Uint8Array {
  const bits = new Uint8Array(Math.max(1, Math.ceil((tokens.size * bitsPerToken) / 8)));
  for (const token of tokens) {
    for (const bit of probesOf(token, bits.length * 8)) bits[bit >> 3] = (bits[bit >> 3] ?? 0) | (1 << (bit & 7));
  }
  return bits;
}

/** False: certainly not in the set. */
export function mayContain(bits: Uint8Array, token: string): boolean {
  return bits.length > 0 && probesOf(token, bits.length * 8).every((bit) => ((bits[bit >> 3] ?? 0) & (1 << (bit & 7))) !== 0);
}

// Two 32-bit hashes give all probes (Kirsch and Mitzenmacher). They are part of the file format: a change makes a new version of it.
function probesOf(token: string, size: number): number[] {
  let a = 0x811c9dc5;
  let b = 0x9747b28c;
  for (let i = 0; i < token.length; i++) {
    const code = token.charCodeAt(i);
    a = Math.imul(a ^ code, 0x01000193);
    b = Math.imul(b ^ code, 0x5bd1e995);
    b ^= b >>> 15;
  }
  a = mix(a);
  b = mix(b) | 1;
  return Array.from({ length: probes }, (_, i) => ((a + Math.imul(i, b)) >>> 0) % size);
}

function mix(hash: number): number {
  let h = hash ^ (hash >>> 16);
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return h ^ (h >>> 16);
}
