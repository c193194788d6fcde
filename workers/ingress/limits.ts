import { parseIp } from '../../shared/core/cidr.ts';

const windowMs = 60_000;

interface Usage {
  connections: number;
  messages: number;
  /** Epoch ms of the start of the minute that `messages` counts. */
  since: number;
}

/** Counts connections, and messages per minute, of each client address of one process. */
export interface ClientLimits {
  /** Counts a connection; false, and not counted, when the address has `max` already. */
  connect(address: string, max: number): boolean;
  disconnect(address: string): void;
  /** False when the address had its messages for this minute. */
  message(address: string): boolean;
  close(): void;
}

export function openClientLimits(maxMessages: number): ClientLimits {
  const usage = new Map<string, Usage>();
  const usageOf = (address: string): Usage => {
    const key = clientKey(address);
    const known = usage.get(key) ?? { connections: 0, messages: 0, since: Date.now() };
    usage.set(key, known);
    return known;
  };
  const sweep = (): void => {
    const old = Date.now() - windowMs;
    for (const [key, { connections, since }] of usage) if (connections === 0 && since < old) usage.delete(key);
  };
  const sweeping = setInterval(sweep, windowMs).unref();
  return {
    connect: (address, max) => {
      const client = usageOf(address);
      const isWithin = client.connections < max;
      if (isWithin) client.connections++;
      return isWithin;
    },
    disconnect: (address) => {
      usageOf(address).connections--;
    },
    message: (address) => {
      const client = usageOf(address);
      const now = Date.now();
      if (now - client.since >= windowMs) Object.assign(client, { messages: 0, since: now });
      return ++client.messages <= maxMessages;
    },
    close: () => clearInterval(sweeping),
  };
}

/** One IPv6 client has a /64 at least, so that is what is counted. */
function clientKey(address: string): string {
  if (!address.includes(':')) return address;
  return parseIp(address)?.subarray(0, 8).join('.') ?? address;
}
