/** A network: address bytes and prefix length in bits, always in the 128-bit form (IPv4 as ::ffff:a.b.c.d). */
export interface Cidr {
  bytes: Uint8Array;
  prefix: number;
}

/** Reads `10.0.0.0/8`, `::1`, `192.0.2.1`; undefined when it is neither address nor network. */
export function parseCidr(text: string): Cidr | undefined {
  const [address = '', length, extra] = text.trim().split('/');
  const bytes = parseIp(address);
  if (!bytes || extra !== undefined) return undefined;
  const bits = address.includes(':') ? 128 : 32;
  if (length !== undefined && !/^\d{1,3}$/.test(length)) return undefined;
  const n = length === undefined ? bits : Number(length);
  return n > bits ? undefined : { bytes, prefix: n + (128 - bits) };
}

/** Is the address (text) inside one of the networks? False for text that is no address. */
export function isInNetworks(address: string, networks: readonly Cidr[]): boolean {
  const bytes = parseIp(address);
  return bytes !== undefined && networks.some((network) => contains(network, bytes));
}

function contains({ bytes: net, prefix }: Cidr, bytes: Uint8Array): boolean {
  for (let bit = 0; bit < prefix; bit += 8) {
    const mask = prefix - bit >= 8 ? 0xff : (0xff00 >> (prefix - bit)) & 0xff;
    if (((net[bit / 8] ?? 0) & mask) !== ((bytes[bit / 8] ?? 0) & mask)) return false;
  }
  return true;
}

/** The 16 bytes of an IPv4 or IPv6 address; undefined when it is none. Scope ids (`%eth0`) are dropped. */
export function parseIp(text: string): Uint8Array | undefined {
  const address = text.replace(/%.*$/, '');
  const v4 = parseV4(address);
  if (v4) return new Uint8Array([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, ...v4]);
  const halves = address.split('::');
  if (halves.length > 2 || !address.includes(':')) return undefined;
  const isWhole = halves.length === 1;
  const head = parseGroups(halves[0] ?? '', isWhole);
  const tail = isWhole ? [] : parseGroups(halves[1] ?? '', true);
  if (!head || !tail) return undefined;
  const missing = 16 - head.length - tail.length;
  if (isWhole ? missing !== 0 : missing < 2) return undefined;
  return new Uint8Array([...head, ...Array.from({ length: missing }, () => 0), ...tail]);
}

// A leading zero is octal to some readers and decimal to others: such a text is no address (RFC 6943 §3.1.1).
function parseV4(text: string): number[] | undefined {
  const match = /^(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})$/.exec(text);
  const parts = match?.slice(1).map(Number);
  return parts?.every((n) => n <= 255) ? parts : undefined;
}

/** An IPv4 address may stand for the last two groups, at the end of the whole address only (RFC 4291 §2.2). */
function parseGroups(text: string, isAtEnd: boolean): number[] | undefined {
  if (text === '') return [];
  const bytes: number[] = [];
  const groups = text.split(':');
  for (const [i, group] of groups.entries()) {
    const v4 = isAtEnd && i === groups.length - 1 ? parseV4(group) : undefined;
    if (v4) bytes.push(...v4);
    else if (/^[0-9a-f]{1,4}$/i.test(group)) bytes.push(Number.parseInt(group, 16) >> 8, Number.parseInt(group, 16) & 0xff);
    else return undefined;
  }
  return bytes.length <= 16 ? bytes : undefined;
}
