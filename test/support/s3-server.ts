import { createHash, randomUUID } from 'node:crypto';
import { copyFile, link, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import type { TestContext } from 'node:test';
import type { ConfigInput } from '../../shared/core/config.ts';
import { cleanUp } from './cleanup.ts';
import { sha256, signatureOf } from './s3-signature.ts';

/** What goes wrong with a request. `lost`: it is done, and the answer does not arrive. `cut`: half of the answer arrives. */
export type Fault =
  | 'hang'
  | 'reset'
  | 'lost'
  | 'cut'
  | 'drip'
  | { status: number; code?: string; headers?: Record<string, string>; body?: string | Buffer }
  /** Changes the answer. */
  | { change: (answer: Answer) => Answer };

export interface Answer {
  status: number;
  headers: Record<string, string>;
  body: Buffer;
}

export interface Asked {
  method: string;
  /** Within the bucket. */
  key: string;
  query: URLSearchParams;
  headers: IncomingMessage['headers'];
}

/** An S3-compatible storage on real HTTP, which keeps the objects of its one bucket as files of a folder. */
export interface S3Server {
  settings: NonNullable<NonNullable<ConfigInput['archive']>['s3']>;
  /** Of all requests, in their order. */
  asked: Asked[];
  /** Octets of the bodies of answers. */
  sent: number;
  /** Looked at for each request; undefined: it goes well. */
  fault: (asked: Asked, n: number) => Fault | undefined;
  /** Called when a request is done, before it is answered. */
  onDone: (n: number) => void;
  honoursConditions: boolean;
  /** Its clock is so far ahead. Milliseconds. */
  skew: number;
  bucket: string;
  pageSize: number;
}

const accessKeyId = 'AKIDTEST';
export const secretAccessKey = 'wJalrXUtnFEMI/K7MDENG+very/secret';
const region = 'eu-test-1';

export async function startS3(t: TestContext, root: string, bucket = 'archive'): Promise<S3Server> {
  const server = createServer((request, response) => void answerTo(request, response).catch(() => response.destroy()));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  cleanUp(t, () => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  });
  const storage: S3Server = {
    settings: {
      endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      region,
      bucket,
      accessKeyId,
      secretAccessKey,
    },
    asked: [],
    sent: 0,
    fault: () => undefined,
    onDone: () => undefined,
    honoursConditions: true,
    skew: 0,
    bucket,
    pageSize: 3,
  };
  const metadata = new Map<string, Record<string, string>>();
  /** Of writes in one order, as a bucket has. */
  let last: Promise<unknown> = Promise.resolve();

  async function answerTo(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await bodyOf(request);
    const url = new URL(request.url ?? '', 'http://localhost');
    const [, name, key = ''] = /^\/([^/]*)\/?(.*)$/.exec(decodeURIComponent(url.pathname)) ?? [];
    const asked: Asked = { method: request.method ?? '', key, query: url.searchParams, headers: request.headers };
    storage.asked.push(asked);
    const n = storage.asked.length;
    const fault = storage.fault(asked, n);
    if (fault === 'hang') return;
    if (fault === 'reset') return void response.destroy();
    if (typeof fault === 'object' && 'status' in fault) {
      const content = fault.body ?? errorBody(fault.code ?? 'InternalError');
      return write(response, { status: fault.status, headers: fault.headers ?? {}, body: Buffer.from(content) });
    }
    let answer =
      refusal(request, body, storage.skew) ?? (name === storage.bucket ? await perform(asked, body) : error(404, 'NoSuchBucket'));
    storage.onDone(n);
    // An answer without a body cannot stop in the middle: it does not come.
    if (fault === 'drip' && answer.body.length === 0) return;
    if (fault === 'lost' || (fault === 'cut' && answer.body.length === 0)) return void response.destroy();
    if (typeof fault === 'object') answer = fault.change(answer);
    if (fault === 'cut' || fault === 'drip') {
      response.writeHead(answer.status, { 'content-length': answer.body.length, ...answer.headers });
      response.write(answer.body.subarray(0, answer.body.length / 2));
      if (fault === 'cut') setImmediate(() => response.destroy());
      return;
    }
    write(response, answer, request.method === 'HEAD');
  }

  function write(response: ServerResponse, { status, headers, body }: Answer, isHead = false): void {
    storage.sent += isHead ? 0 : body.length;
    response.writeHead(status, { 'content-length': body.length, ...headers });
    response.end(isHead ? undefined : body);
  }

  async function perform({ method, key, query, headers }: Asked, body: Buffer): Promise<Answer> {
    const path = join(root, key);
    if (method === 'GET' && key === '') return listing(query);
    if (method === 'GET' || method === 'HEAD') return read(path, headers);
    if (method === 'DELETE') {
      await rm(path, { force: true });
      return { status: 204, headers: {}, body: Buffer.alloc(0) };
    }
    if (method !== 'PUT') return error(405, 'MethodNotAllowed');
    const done = last.then(() => put(path, headers, body));
    last = done.catch(() => undefined);
    return done;
  }

  async function put(path: string, headers: IncomingMessage['headers'], body: Buffer): Promise<Answer> {
    await mkdir(dirname(path), { recursive: true });
    const source = headers['x-amz-copy-source'];
    if (typeof source === 'string') {
      await copyFile(join(root, decodeURIComponent(source).slice(`/${bucket}/`.length)), path);
      return { status: 200, headers: {}, body: Buffer.from('<CopyObjectResult></CopyObjectResult>') };
    }
    const draft = join(root, `.${randomUUID()}`);
    await writeFile(draft, body);
    try {
      if (storage.honoursConditions && headers['if-none-match'] === '*') await link(draft, path);
      else await writeFile(path, body);
    } catch (problem) {
      if ((problem as NodeJS.ErrnoException).code === 'EEXIST') return error(412, 'PreconditionFailed');
      throw problem;
    } finally {
      await rm(draft);
    }
    const meta = Object.entries(headers).filter(([field]) => field.startsWith('x-amz-meta-'));
    metadata.set(path, Object.fromEntries(meta.map(([field, value]) => [field, String(value)])));
    return { status: 200, headers: { etag: etagOf(body) }, body: Buffer.alloc(0) };
  }

  async function read(path: string, headers: IncomingMessage['headers']): Promise<Answer> {
    const content = await readFile(path).catch(() => undefined);
    if (!content) return error(404, 'NoSuchKey');
    const etag = etagOf(content);
    if (headers['if-match'] !== undefined && headers['if-match'] !== etag) return error(412, 'PreconditionFailed');
    const fields = { etag, ...metadata.get(path) };
    const range = /^bytes=(\d*)-(\d*)$/.exec(headers.range ?? '');
    if (!range) return { status: 200, headers: fields, body: content };
    const [from, to] = [range[1] ?? '', range[2] ?? ''];
    const start = from === '' ? Math.max(0, content.length - Number(to)) : Number(from);
    const end = from === '' || to === '' ? content.length : Math.min(content.length, Number(to) + 1);
    if (start >= content.length) return error(416, 'InvalidRange');
    return {
      status: 206,
      headers: { ...fields, 'content-range': `bytes ${start}-${end - 1}/${content.length}` },
      body: content.subarray(start, end),
    };
  }

  async function listing(query: URLSearchParams): Promise<Answer> {
    if (query.get('list-type') !== '2') return error(400, 'InvalidArgument');
    const prefix = query.get('prefix') ?? '';
    const names = await readdir(join(root, prefix)).catch(() => []);
    const after = Buffer.from(query.get('continuation-token') ?? '', 'base64')
      .toString()
      .slice(1);
    const found: { key: string; size: number }[] = [];
    for (const name of names.toSorted((a, b) => (a < b ? -1 : 1))) {
      const size = await stat(join(root, prefix, name)).then(
        (it) => (it.isFile() ? it.size : undefined),
        () => undefined,
      );
      if (size !== undefined && prefix + name > after) found.push({ key: prefix + name, size });
    }
    const page = found.slice(0, storage.pageSize);
    const isTruncated = found.length > page.length;
    const xml = [
      '<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">',
      `<Name>${bucket}</Name><Prefix>${prefix}</Prefix><KeyCount>${page.length}</KeyCount><IsTruncated>${isTruncated}</IsTruncated>`,
      // A token with letters that a query must encode.
      isTruncated ? `<NextContinuationToken>${Buffer.from(`?${page.at(-1)?.key}`).toString('base64')}</NextContinuationToken>` : '',
      ...page.map(
        ({ key, size }) => `<Contents><Key>${key.replaceAll('-', '&#45;')}</Key><Size>${size}</Size><ETag>&quot;x&quot;</ETag></Contents>`,
      ),
      '</ListBucketResult>\n',
    ];
    return { status: 200, headers: { 'content-type': 'application/xml' }, body: Buffer.from(xml.join('')) };
  }

  return storage;
}

const etagOf = (content: Buffer): string => `"${createHash('md5').update(content).digest('hex')}"`;

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** As real ones do, it tells too much: what it was sent, and what it was to be signed with. */
const errorBody = (code: string, more = ''): string =>
  `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code><Message>told by ${accessKeyId}</Message>${more}<RequestId>${randomUUID()}</RequestId></Error>`;

const error = (status: number, code: string, more = ''): Answer => ({ status, headers: {}, body: Buffer.from(errorBody(code, more)) });

/** What is wrong with who asks; undefined when nothing is. */
function refusal(request: IncomingMessage, body: Buffer, skew: number): Answer | undefined {
  const { headers } = request;
  const form =
    /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/s3\/aws4_request, ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$/;
  const [, id, day = '', signedRegion = '', names = '', signature] = form.exec(headers.authorization ?? '') ?? [];
  const date = String(headers['x-amz-date']);
  if (id === undefined) return error(403, 'AccessDenied');
  if (signedRegion !== region) return error(400, 'AuthorizationHeaderMalformed', `<Region>${region}</Region>`);
  if (id !== accessKeyId) return error(403, 'InvalidAccessKeyId');
  const time = Date.parse(date.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z'));
  if (!(Math.abs(Date.now() + skew - time) < 900_000) || !date.startsWith(day)) return error(403, 'RequestTimeTooSkewed');
  const signedHeaders = names.split(';');
  const needed = Object.keys(headers).filter((name) => name === 'host' || name.startsWith('x-amz-') || name.startsWith('if-'));
  const payloadHash = String(headers['x-amz-content-sha256']);
  const flat = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]));
  const target = request.url ?? '';
  const right = signatureOf(secretAccessKey, {
    method: request.method ?? '',
    target,
    headers: flat,
    signedHeaders,
    payloadHash,
    date,
    region,
  });
  if (signature !== right || needed.some((name) => !signedHeaders.includes(name))) {
    return error(403, 'SignatureDoesNotMatch', `<StringToSign>${headers.authorization}</StringToSign>`);
  }
  return payloadHash === sha256(body) ? undefined : error(400, 'XAmzContentSHA256Mismatch');
}
