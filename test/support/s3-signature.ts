import { createHash, createHmac } from 'node:crypto';

/**
 * Signature Version 4 as the manual of AWS describes it ("Signature Calculations for the Authorization Header: Transferring
 * Payload in a Single Chunk"), written without a look at how the driver signs.
 */
export interface SignedRequest {
  method: string;
  /** As on the wire, query included. */
  target: string;
  /** Names in small letters. */
  headers: Readonly<Record<string, string>>;
  signedHeaders: readonly string[];
  payloadHash: string;
  /** `20130524T000000Z` */
  date: string;
  region: string;
}

export function signatureOf(secret: string, { method, target, headers, signedHeaders, payloadHash, date, region }: SignedRequest): string {
  const [path = '', query = ''] = target.split(/\?(.*)/s);
  const canonical = [
    method,
    decodeURIComponent(path).split('/').map(encode).join('/'),
    query
      .split('&')
      .filter((pair) => pair !== '')
      .map((pair) => {
        const [name = '', value = ''] = pair.split(/=(.*)/s).map((part) => encode(decodeURIComponent(part.replaceAll('+', '%20'))));
        return `${name}=${value}`;
      })
      .sort()
      .join('&'),
    ...signedHeaders.map((name) => `${name}:${(headers[name] ?? '').trim().replace(/ +/g, ' ')}`),
    '',
    signedHeaders.join(';'),
    payloadHash,
  ].join('\n');
  const day = date.slice(0, 8);
  const scope = `${day}/${region}/s3/aws4_request`;
  const key = [day, region, 's3', 'aws4_request'].reduce<Buffer | string>(
    (secretSoFar, part) => createHmac('sha256', secretSoFar).update(part).digest(),
    `AWS4${secret}`,
  );
  return createHmac('sha256', key)
    .update(`AWS4-HMAC-SHA256\n${date}\n${scope}\n${sha256(canonical)}`)
    .digest('hex');
}

export const sha256 = (content: string | Buffer): string => createHash('sha256').update(content).digest('hex');

const encode = (text: string): string =>
  [...Buffer.from(text)]
    .map((octet) => {
      const letter = String.fromCharCode(octet);
      return /[A-Za-z0-9_.~-]/.test(letter) ? letter : `%${octet.toString(16).toUpperCase().padStart(2, '0')}`;
    })
    .join('');
