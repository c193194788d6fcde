import { randomFillSync } from 'node:crypto';

const pool = new Uint8Array(1600);
let used = pool.length;

/** A new message id: UUIDv7 (RFC 9562 §5.7) as 32 hex digits, so that ids sort by time of reception. */
export function newMessageId(now: number = Date.now()): string {
  if (used === pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  const random = pool.subarray(used, (used += 10));
  random[0] = ((random[0] ?? 0) & 0x0f) | 0x70; // version 7
  random[2] = ((random[2] ?? 0) & 0x3f) | 0x80; // variant 10
  return now.toString(16).padStart(12, '0') + Buffer.from(random).toString('hex');
}
