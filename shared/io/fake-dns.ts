import dgram from 'node:dgram';

/** What is known of a name; a type that is missing is NODATA. `ttl` in seconds, default 300. */
export interface FakeRecords {
  mx?: [preference: number, exchange: string][];
  a?: string[];
  aaaa?: string[];
  ttl?: number;
}

export interface FakeDns {
  /** `127.0.0.1:port`, as `outbound.dnsServers` wants it. */
  readonly server: string;
  /** Names without trailing dot. Names that were never set are NXDOMAIN; `silence` gets no answer at all. */
  set(name: string, records: FakeRecords | 'NXDOMAIN' | 'SERVFAIL' | 'silence'): void;
  /** Every question so far: `MX example.test`. */
  readonly questions: string[];
  [Symbol.asyncDispose](): Promise<void>;
}

const typeNames: Record<number, keyof FakeRecords> = { 1: 'a', 15: 'mx', 28: 'aaaa' };
const rcodes = { NXDOMAIN: 3, SERVFAIL: 2 } as const;

/**
 * A DNS server on loopback that says what it is told to say, for the tests and the demo: UDP, one question, no compression
 * but to the question. `others` answers for names that were never set.
 */
export async function startFakeDns(others: (name: string) => FakeRecords | 'NXDOMAIN' = () => 'NXDOMAIN'): Promise<FakeDns> {
  const names = new Map<string, FakeRecords | 'NXDOMAIN' | 'SERVFAIL' | 'silence'>();
  const questions: string[] = [];
  const socket = dgram.createSocket('udp4');
  socket.on('message', (query, client) => {
    const { name, type, end } = readQuestion(query);
    questions.push(`${typeNames[type]?.toUpperCase() ?? type} ${name}`);
    const known = names.get(name) ?? others(name);
    if (known === 'silence') return;
    const answers = typeof known === 'string' ? [] : answersOf(known, type);
    const head = Buffer.alloc(12);
    head.writeUInt16BE(query.readUInt16BE(0), 0);
    // Response, recursion desired and available.
    head.writeUInt16BE(0x8180 | (typeof known === 'string' ? rcodes[known] : 0), 2);
    head.writeUInt16BE(1, 4);
    head.writeUInt16BE(answers.length, 6);
    socket.send(Buffer.concat([head, query.subarray(12, end), ...answers]), client.port, client.address);
  });
  await new Promise<void>((resolve) => void socket.bind(0, '127.0.0.1', resolve));
  return {
    server: `127.0.0.1:${socket.address().port}`,
    set: (name, records) => void names.set(name, records),
    questions,
    [Symbol.asyncDispose]: () => new Promise((resolve) => void socket.close(resolve)),
  };
}

function readQuestion(query: Buffer): { name: string; type: number; end: number } {
  const labels: string[] = [];
  let at = 12;
  for (let length = query.readUInt8(at); length > 0; length = query.readUInt8(at)) {
    labels.push(query.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
  return { name: labels.join('.').toLowerCase(), type: query.readUInt16BE(at + 1), end: at + 5 };
}

function answersOf(records: FakeRecords, type: number): Buffer[] {
  const data = {
    1: () => (records.a ?? []).map((address) => Buffer.from(address.split('.').map(Number))),
    28: () => (records.aaaa ?? []).map(ipv6Bytes),
    15: () =>
      (records.mx ?? []).map(([preference, exchange]) =>
        Buffer.concat([Buffer.of(preference >> 8, preference & 0xff), nameBytes(exchange)]),
      ),
  }[type];
  return (data?.() ?? []).map((rdata) => {
    const fixed = Buffer.alloc(12);
    fixed.writeUInt16BE(0xc00c, 0); // the name of the question
    fixed.writeUInt16BE(type, 2);
    fixed.writeUInt16BE(1, 4);
    fixed.writeUInt32BE(records.ttl ?? 300, 6);
    fixed.writeUInt16BE(rdata.length, 10);
    return Buffer.concat([fixed, rdata]);
  });
}

function nameBytes(name: string): Buffer {
  const labels = name
    .split('.')
    .filter(Boolean)
    .map((label) => Buffer.concat([Buffer.of(label.length), Buffer.from(label, 'latin1')]));
  return Buffer.concat([...labels, Buffer.of(0)]);
}

function ipv6Bytes(address: string): Buffer {
  const [head = '', tail] = address.split('::');
  const groups = (text: string) =>
    text
      .split(':')
      .filter(Boolean)
      .map((group) => Number.parseInt(group, 16));
  const before = groups(head);
  const after = groups(tail ?? '');
  const all = [...before, ...Array.from({ length: 8 - before.length - after.length }, () => 0), ...after];
  return Buffer.from(all.flatMap((group) => [group >> 8, group & 0xff]));
}
