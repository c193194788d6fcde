import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';
import { cleanUp } from './cleanup.ts';

export interface CollectedSpan {
  name: string;
  kind: number;
  traceId: string;
  spanId: string;
  parentSpanId: string | undefined;
  links: { traceId: string; spanId: string }[];
  attributes: Record<string, unknown>;
  status: { code?: number; message?: string };
  /** Of the resource. */
  role: unknown;
  instance: unknown;
}

export interface Collector {
  url: string;
  /** Each once, whatever was sent again. */
  spans(): CollectedSpan[];
  requests: { path: string; headers: IncomingHttpHeaders; body: string }[];
}

type Value = {
  stringValue?: string;
  intValue?: string | number;
  boolValue?: boolean;
  doubleValue?: number;
  arrayValue?: { values?: Value[] };
};
type Attribute = { key: string; value: Value };
interface Otlp {
  resourceSpans: {
    resource: { attributes: Attribute[] };
    scopeSpans: { spans: (Omit<CollectedSpan, 'attributes' | 'links'> & { attributes?: Attribute[]; links?: CollectedSpan['links'] })[] }[];
  }[];
}

/** A collector of OpenTelemetry (OTLP over HTTP, JSON) on loopback, closed after the test. `answer` takes the place of its 200. */
export async function startCollector(t: TestContext, answer?: (response: ServerResponse) => void): Promise<Collector> {
  const requests: Collector['requests'] = [];
  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('error', () => undefined);
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      requests.push({ path: request.url ?? '', headers: request.headers, body: Buffer.concat(parts).toString() });
      if (answer) answer(response);
      else response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanUp(t, async () => {
    server.close();
    server.closeAllConnections();
    await once(server, 'close');
  });
  const spans = new Map<string, CollectedSpan>();
  let read = 0;
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    spans: () => {
      for (; read < requests.length; read++) {
        for (const span of spansOf(JSON.parse(requests[read]?.body ?? '{"resourceSpans":[]}') as Otlp)) spans.set(span.spanId, span);
      }
      return [...spans.values()];
    },
  };
}

const spansOf = ({ resourceSpans }: Otlp): CollectedSpan[] =>
  resourceSpans.flatMap(({ resource, scopeSpans }) => {
    const of = valuesOf(resource.attributes);
    return scopeSpans.flatMap(({ spans }) =>
      spans.map(({ attributes = [], links = [], ...span }) => ({
        ...span,
        links,
        attributes: valuesOf(attributes),
        role: of['rebound.role'],
        instance: of['service.instance.id'],
      })),
    );
  });

const valuesOf = (attributes: Attribute[]): Record<string, unknown> =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, plain(value)]));

const plain = ({ arrayValue, intValue, ...value }: Value): unknown =>
  arrayValue ? (arrayValue.values ?? []).map(plain) : intValue === undefined ? Object.values(value)[0] : Number(intValue);
