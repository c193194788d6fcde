import { isInNetworks, parseCidr, type Cidr } from './cidr.ts';

/**
 * Networks that no mail exchanger on the Internet has (RFC 6890 and successors). Whoever owns a domain chooses the
 * addresses of its mail exchangers: without this list a relay could be made to talk to the inside of its own network.
 */
const specialNetworks: readonly Cidr[] = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '224.0.0.0/4',
  '240.0.0.0/4',
  '::/96',
  '100::/64',
  'fc00::/7',
  'fe80::/10',
  'fec0::/10',
  'ff00::/8',
  // The same IPv4 networks behind NAT64 (RFC 6052, RFC 8215) and 6to4 (RFC 3056).
  '64:ff9b::/104',
  '64:ff9b::a00:0/104',
  '64:ff9b::7f00:0/104',
  '64:ff9b::6440:0/106',
  '64:ff9b::a9fe:0/112',
  '64:ff9b::ac10:0/108',
  '64:ff9b::c0a8:0/112',
  '64:ff9b:1::/48',
  '2002::/24',
  '2002:a00::/24',
  '2002:7f00::/24',
  '2002:6440::/26',
  '2002:a9fe::/32',
  '2002:ac10::/28',
  '2002:c0a8::/32',
].flatMap((text) => parseCidr(text) ?? []);

/** Is this an address of the Internet at large? False for text that is no address. */
export const isPublicAddress = (address: string): boolean => parseCidr(address) !== undefined && !isInNetworks(address, specialNetworks);
