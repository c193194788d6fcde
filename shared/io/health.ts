import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Config } from '../core/config.ts';

export interface HealthSource {
  /** Can the process do its work just now? */
  isReady(): Promise<boolean>;
  metrics(): Promise<string>;
}

/**
 * The listener of one process for orchestrators and Prometheus. `/healthz` answers 200 while the process runs: it does
 * not look at Redis, since a restart would not bring that back. `/readyz` answers 503 while Redis is away.
 */
export async function startHealth(
  { host, port }: Config['health'],
  source: HealthSource,
): Promise<{ port: number; close(): Promise<void> }> {
  const server = createServer((request, response) => {
    void answer(request.url ?? '', source).then(({ status, type, body }) => {
      response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store' }).end(body);
    });
  });
  server.listen(port, host);
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    close: async () => {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

const text = 'text/plain; charset=utf-8';

async function answer(url: string, source: HealthSource): Promise<{ status: number; type: string; body: string }> {
  switch (url.replace(/\?.*/, '')) {
    case '/healthz':
      return { status: 200, type: text, body: 'ok\n' };
    case '/readyz':
      return (await source.isReady()) ? { status: 200, type: text, body: 'ready\n' } : { status: 503, type: text, body: 'Redis is away\n' };
    case '/metrics':
      return source.metrics().then(
        (body) => ({ status: 200, type: 'text/plain; version=0.0.4; charset=utf-8', body }),
        () => ({ status: 500, type: text, body: 'metrics failed\n' }),
      );
    default:
      return { status: 404, type: text, body: 'not found\n' };
  }
}
