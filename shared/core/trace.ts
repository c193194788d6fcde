import { isInNetworks, parseCidr } from './cidr.ts';
import type { ConversationLine } from './conversation.ts';
import { parseLaneName } from './lane.ts';

/** A line of a conversation that goes on just now. */
export interface TracedLine extends ConversationLine {
  /** The process that talks: `delivery-host-pid`. */
  process: string;
  /** `inbound`: a client talks to us, `outbound`: we to a server. */
  way: 'inbound' | 'outbound';
  /** The same in all lines of a connection. */
  connection: string;
  /** Who is at the other end; `name`: HELO of a client, host of a server. */
  peer: { name: string; address: string } | null;
  /** The egress path `source->site` of outbound conversations. */
  lane?: string;
  /** Domains of the recipients, as far as they are known. */
  domains: readonly string[];
  /** The message that the line is about, once that is known. */
  message?: string;
}

/** Which lines somebody watches; a field that is absent wants all. Plain values: it lies in Redis as JSON. */
export interface TraceFilter {
  direction?: 'inbound' | 'outbound';
  lane?: string;
  site?: string;
  domain?: string;
  /** Address or network of a client: inbound only. */
  client?: string;
  message?: string;
}

/** Made once for many lines. */
export function traceMatcher({ direction, lane, site, domain, client, message }: TraceFilter): (line: TracedLine) => boolean {
  const network = client === undefined ? undefined : parseCidr(client);
  return (line) =>
    (direction === undefined || line.way === direction) &&
    (lane === undefined || line.lane === lane) &&
    (site === undefined || siteOf(line) === site.toLowerCase()) &&
    (domain === undefined || line.domains.includes(domain.toLowerCase())) &&
    (client === undefined || (line.way === 'inbound' && network !== undefined && isInNetworks(line.peer?.address ?? '', [network]))) &&
    (message === undefined || line.message === message);
}

const siteOf = ({ lane }: TracedLine): string | undefined => (lane === undefined ? undefined : parseLaneName(lane)?.site.toLowerCase());
