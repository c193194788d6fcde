/** One MX record. */
export interface MxRecord {
  /** Host name as DNS gave it; empty or `.` says that the domain takes no mail (RFC 7505 §3). */
  exchange: string;
  preference: number;
}

/** What the MX records of a domain come to. */
export type MxPlan =
  | { kind: 'hosts'; hosts: MxRecord[] }
  /** RFC 7505: the domain takes no mail. */
  | { kind: 'null' }
  /** Every host left is ourselves or behind us: delivering would loop (RFC 5321 §5.1). */
  | { kind: 'loop' }
  /** None of the records names a host. */
  | { kind: 'none' };

/** A message is not worth more attempts than this in one go; nobody has so many exchangers but to keep us busy. */
const maxHosts = 20;

/**
 * The hosts to use, names in lower case without trailing dot, lowest preference first. `ownName`: our own host name;
 * a host of that name takes those of equal or higher preference with it (RFC 5321 §5.1).
 */
export function planMx(records: readonly MxRecord[], ownName: string): MxPlan {
  const named = records.map((r) => ({ exchange: r.exchange.toLowerCase().replace(/\.$/, ''), preference: r.preference }));
  if (named.length > 0 && named.every((r) => r.exchange === '')) return { kind: 'null' };
  // RFC 5321 §5.1: an MX names a host. An address in its place, or characters that no host name has, are no route.
  const hosts = named.filter((r) => isHostName(r.exchange)).toSorted(byPreference);
  if (hosts.length === 0) return { kind: 'none' };
  const own = hosts.find((r) => r.exchange === ownName.toLowerCase());
  const usable = own ? hosts.filter((r) => r.preference < own.preference) : hosts;
  return usable.length > 0 ? { kind: 'hosts', hosts: usable.slice(0, maxHosts) } : { kind: 'loop' };
}

/** RFC 5321 §5.1: hosts of equal preference are tried in random order. `random`: as Math.random. */
export function shuffleEqual(hosts: readonly MxRecord[], random: () => number): MxRecord[] {
  return hosts
    .map((host) => ({ host, lot: random() }))
    .toSorted((a, b) => a.host.preference - b.host.preference || a.lot - b.lot)
    .map(({ host }) => host);
}

/** Letters, digits, `-`, `_` in labels of at most 63; the last label is not a number, so it is no address (RFC 3696 §2). */
export function isHostName(name: string): boolean {
  return name.length <= 253 && /^(?:[a-z0-9_-]{1,63}\.)*(?=[a-z0-9_-]*[a-z_-])[a-z0-9_-]{1,63}$/i.test(name);
}

function byPreference(a: MxRecord, b: MxRecord): number {
  if (a.preference !== b.preference) return a.preference - b.preference;
  return a.exchange < b.exchange ? -1 : Number(a.exchange > b.exchange);
}
