import assert from 'node:assert/strict';
import net from 'node:net';
import tls from 'node:tls';

/** A client that says exactly what a test wants. */
export interface Dialogue {
  /** Sends the octets as they are (text as latin1). */
  send(octets: string | Buffer): void;
  /** The next reply, its lines joined with `\n`; `closed` when the server ended the connection instead. */
  reply(): Promise<string>;
  /** Sends each line with CRLF, then wants a reply that starts as said. */
  expect(steps: readonly Step[]): Promise<void>;
  /** Goes on over TLS. */
  startTls(): Promise<void>;
  /** Half-closes. */
  end(): void;
  /** Disappears. */
  destroy(): void;
}

/** What is sent, CRLF left out, or `undefined` for nothing; and how the reply starts. */
export type Step = readonly [line: string | undefined, reply: string];

export interface DialogueOptions {
  port: number;
  /** Local address, so that one machine can be many clients. */
  from?: string;
  tls?: boolean;
}

export async function openDialogue({ port, from = '127.0.0.1', tls: isTls = false }: DialogueOptions): Promise<Dialogue> {
  const raw = net.connect({ port, host: '127.0.0.1', localAddress: from });
  await new Promise<void>((resolve) =>
    raw
      .once('connect', resolve)
      .once('close', resolve)
      .on('error', () => undefined),
  );
  let socket: net.Socket = isTls ? tls.connect({ socket: raw, rejectUnauthorized: false }) : raw;
  let lines: string[] = [];
  let partial = '';
  let isClosed = false;
  let wake = (): void => undefined;
  const read = (chunk: Buffer): void => {
    const parts = (partial + chunk.toString('latin1')).split('\r\n');
    partial = parts.pop() ?? '';
    lines.push(...parts);
    wake();
  };
  const listen = (): void => {
    socket.on('data', read).on('error', () => undefined);
    const closed = (): void => {
      isClosed = true;
      wake();
    };
    if (socket.destroyed) closed();
    else socket.once('close', closed);
  };
  listen();
  const takeReply = (): string | undefined => {
    const last = lines.findIndex((line) => !/^\d{3}-/.test(line));
    if (last < 0) return isClosed ? 'closed' : undefined;
    const reply = lines.slice(0, last + 1);
    lines = lines.slice(last + 1);
    return reply.join('\n');
  };
  const reply = async (): Promise<string> => {
    for (let found = takeReply(); ; found = takeReply()) {
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  };
  const send = (octets: string | Buffer): void => void socket.write(typeof octets === 'string' ? Buffer.from(octets, 'latin1') : octets);
  return {
    send,
    reply,
    expect: async (steps) => {
      for (const [line, want] of steps) {
        if (line !== undefined) send(`${line}\r\n`);
        const got = await reply();
        assert.ok(got.startsWith(want), `after ${JSON.stringify(line)}: wanted ${JSON.stringify(want)}, got ${JSON.stringify(got)}`);
      }
    },
    startTls: async () => {
      raw.off('data', read);
      socket = tls.connect({ socket: raw, rejectUnauthorized: false });
      await new Promise((resolve, reject) => socket.once('secureConnect', resolve).once('error', reject));
      listen();
    },
    end: () => void socket.end(),
    destroy: () => void raw.destroy(),
  };
}
