import { createHmac, timingSafeEqual } from 'node:crypto';

/** Is this body one that Rebound has signed with `secret` within the last five minutes? `header`: Rebound-Signature. */
export function isFromRebound(secret: string, header: string, body: Uint8Array, now: number = Date.now()): boolean {
  const [, seconds = '', signature = ''] = /^t=(\d{1,12}),v1=([0-9a-f]{64})$/.exec(header) ?? [];
  if (signature === '' || Math.abs(now / 1000 - Number(seconds)) > 300) return false;
  const expected = createHmac('sha256', secret).update(`${seconds}.`).update(body).digest();
  return timingSafeEqual(expected, Buffer.from(signature, 'hex'));
}
