import type { DispositionRecord } from '../disposition.ts';
import { isPublicAddress } from '../public-address.ts';

/**
 * The record without what tells of the inside of the network (RFC 3464 §4.2, RFC 5321 §7.6): the client that handed the
 * message in, our id of it, and a next hop that nobody outside could reach. That a server spoke, and its words, stay.
 */
export function withoutInternals(record: DispositionRecord): DispositionRecord {
  const { received_from: _client, ehlo_domain: _name, ...meta } = record.meta;
  const { peer_address: peer } = record;
  const isInside = peer !== null && !isPublicAddress(peer.addr);
  return { ...record, id: '', meta, ...(isInside && { peer_address: { name: '', addr: '' } }) };
}
