/** What the answers of an S3-compatible storage say. They come from a machine that may be anybody's: nothing in them is believed further than it is looked at. */
export interface Listing {
  objects: { key: string; size: number }[];
  /** Where the next page begins; undefined on the last one. */
  next: string | undefined;
}

/** Of ListObjectsV2. Throws Error when it is none, or not a whole one. */
export function parseListing(xml: string): Listing {
  const isWhole = xml.includes('<ListBucketResult') && xml.trimEnd().endsWith('</ListBucketResult>');
  const isTruncated = contentOf(xml, 'IsTruncated');
  if (!isWhole || (isTruncated !== 'true' && isTruncated !== 'false')) throw new Error('the storage answered with no list of objects');
  const next = contentOf(xml, 'NextContinuationToken');
  if (isTruncated === 'true' && !next) throw new Error('the storage answered with a list that does not go on');
  const objects: Listing['objects'] = [];
  for (const element of elements(xml, 'Contents')) {
    const key = contentOf(element, 'Key');
    const size = contentOf(element, 'Size') ?? '';
    if (key === undefined || !/^\d{1,15}$/.test(size))
      throw new Error('the storage answered with a list of objects without names or sizes');
    objects.push({ key: decodeEntities(key), size: Number(size) });
  }
  return { objects, next: isTruncated === 'true' ? decodeEntities(next ?? '') : undefined };
}

/** The code of an error, and the region where the bucket is when it tells: the only parts that neither quote the request nor are prose. */
export function parseS3Error(xml: string): { code?: string; region?: string } {
  const code = /<Code>([A-Za-z0-9.]{1,64})<\/Code>/.exec(xml)?.[1];
  const region = /<Region>([a-z0-9-]{1,64})<\/Region>/.exec(xml)?.[1];
  return { ...(code !== undefined && { code }), ...(region !== undefined && { region }) };
}

/** Storage writes both halves of the tag without attributes. One pass, whatever the text is. */
function* elements(xml: string, name: string): Generator<string> {
  const [open, close] = [`<${name}>`, `</${name}>`];
  for (let at = xml.indexOf(open); at >= 0;) {
    const end = xml.indexOf(close, at);
    if (end < 0) return;
    yield xml.slice(at + open.length, end);
    at = xml.indexOf(open, end);
  }
}

const contentOf = (xml: string, name: string): string | undefined => {
  for (const content of elements(xml, name)) return content;
  return undefined;
};

const named: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

const decodeEntities = (text: string): string =>
  text.replace(/&(?:#x([0-9a-fA-F]{1,6})|#(\d{1,7})|(amp|lt|gt|quot|apos));/g, (whole, hex?: string, decimal?: string, name?: string) => {
    if (name !== undefined) return named[name] ?? whole;
    const code = hex === undefined ? Number(decimal) : Number.parseInt(hex, 16);
    return code > 0x10ffff ? whole : String.fromCodePoint(code);
  });
