import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';
import type { DispositionRecord } from '../../shared/core/disposition.ts';
import { cleanUp } from './cleanup.ts';

export interface EndpointRequest {
  method: string;
  path: string;
  headers: IncomingHttpHeaders;
  body: Buffer;
  records: DispositionRecord[];
  /** Epoch ms. */
  at: number;
}

/** A status, with fields if need be; `isOpen`: its body never ends. `hang` never answers. */
export type EndpointAnswer = number | { status: number; headers: Record<string, string>; body?: string; isOpen?: true } | 'hang';

export interface Endpoint {
  url: string;
  requests: EndpointRequest[];
  /** The event ids that came, each once. */
  seen(): Set<string>;
}

/** An HTTP server on loopback that takes records; ended after the test. Without `answer` it says 204. */
export async function startEndpoint(
  t: TestContext,
  answer: (request: EndpointRequest) => EndpointAnswer = () => 204,
  tls?: { key: string; cert: string },
): Promise<Endpoint> {
  const requests: EndpointRequest[] = [];
  const server = tls ? createTlsServer(tls) : createServer();
  server.on('request', (incoming, response) => {
    const parts: Buffer[] = [];
    incoming.on('error', () => undefined);
    incoming.on('data', (part: Buffer) => parts.push(part));
    incoming.on('end', () => {
      const body = Buffer.concat(parts);
      const records = JSON.parse(body.toString()) as DispositionRecord[];
      const request = { method: incoming.method ?? '', path: incoming.url ?? '', headers: incoming.headers, body, records, at: Date.now() };
      requests.push(request);
      const said = answer(request);
      if (said === 'hang') return;
      if (typeof said === 'number') response.writeHead(said).end();
      else if (said.isOpen) response.writeHead(said.status, said.headers).write(said.body ?? ' ');
      else response.writeHead(said.status, said.headers).end(said.body);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanUp(t, async () => {
    server.close();
    server.closeAllConnections();
    await once(server, 'close');
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: `${tls ? 'https' : 'http'}://127.0.0.1:${port}/rebound?key=k3y`,
    requests,
    seen: () => new Set(requests.flatMap(({ records }) => records.map(({ event_id }) => event_id))),
  };
}

/** Waits until something is so; rejects after twenty seconds. */
export async function until(isSo: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (!(await isSo())) {
    if (Date.now() > deadline) throw new Error(`not within 20 s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
