import { createHash } from 'node:crypto';
import { Agent as HttpAgent, request as httpRequest, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import { AwsV4Signer } from 'aws4fetch';
import type { Config } from '../core/config.ts';
import { parseS3Error } from '../core/s3-answers.ts';
import { backoffDelay } from '../core/webhook.ts';
import { StoreAway } from './archive-store.ts';
import { loadSecret } from './secret-file.ts';

type Settings = Config['archive']['s3'];

export interface S3Request {
  method: 'GET' | 'HEAD' | 'PUT' | 'DELETE';
  /** Of letters that a URL leaves alone; empty: the bucket itself. */
  key: string;
  query?: Readonly<Record<string, string>>;
  headers?: Readonly<Record<string, string>>;
  body?: Buffer;
  /** More of an answer is not read. Octets. */
  longest?: number;
  /** Statuses besides 2xx that are answers. */
  expected?: readonly number[];
}

export interface S3Answer {
  status: number;
  headers: IncomingHttpHeaders;
  body: Buffer;
}

export interface S3Client {
  /** Throws StoreAway when it had no answer by the last attempt, Error when that is a no. */
  send(request: S3Request): Promise<S3Answer>;
}

/** A failed request is repeated so soon. Milliseconds. */
const pauses = { first: 200, max: 5000 };
const attempts = 4;
/** Of errors. Octets. */
const longestRefusal = 64 * 1024;

// One pair for all stores: a store is opened for a request of the API, and connections outlive it. node:http and not `fetch`, as for webhooks.
const connections = { keepAlive: true, timeout: 4000, maxSockets: 16 };
const agents = { 'http:': new HttpAgent(connections), 'https:': new HttpsAgent(connections) };

export function openS3(settings: Settings): S3Client {
  const send = async (request: S3Request): Promise<S3Answer> => {
    for (let attempt = 1; ; attempt++) {
      const problem = await tryOnce(settings, request);
      if (typeof problem !== 'string') return problem;
      // The number of attempts is told, not that of this one: who repeats it all says the same words.
      if (attempt === attempts) throw new StoreAway(`${problem}, at each of ${attempts} attempts`);
      await sleep(backoffDelay(pauses, attempt, Math.random()));
    }
  };
  return { send };
}

/** The answer, or what went wrong that may pass. Throws Error for what will not. */
async function tryOnce(settings: Settings, request: S3Request): Promise<S3Answer | string> {
  const signed = await sign(settings, request);
  let answer: S3Answer;
  try {
    answer = await exchange(signed, request, settings.timeout);
  } catch (error) {
    return describe(error, settings.timeout);
  }
  const { status, headers, body } = answer;
  if (status >= 200 && status < 300) return answer;
  const { code, region } = parseS3Error(body.toString('latin1'));
  // Nothing is in a bucket that there is not, which is not what 404 was asked for.
  if (request.expected?.includes(status) && code !== 'NoSuchBucket') return answer;
  const words = `HTTP ${status}${code === undefined ? '' : ` ${code}`}`;
  if (doesPass(status, code)) return words;
  throw new Error(`${words}${hint(code, region ?? headers['x-amz-bucket-region'])}`);
}

// 409: another write of the same name was under way (ConditionalRequestConflict).
const doesPass = (status: number, code: string | undefined): boolean =>
  (status >= 500 && status !== 501) || [408, 409, 429].includes(status) || code === 'RequestTimeout';

const hints: Readonly<Record<string, string>> = {
  AccessDenied: 'the key needs the rights that docs/log.md lists',
  InvalidAccessKeyId: 'is archive.s3.accessKeyId right?',
  SignatureDoesNotMatch: 'is archive.s3.secretAccessKey right?',
  RequestTimeTooSkewed: 'is the clock of this machine right?',
  NoSuchBucket: 'make the bucket first, or set archive.s3.bucket',
  InvalidObjectState: 'it was moved to storage that cannot be read at once',
};

function hint(code: string | undefined, region: unknown): string {
  if (typeof region === 'string' && /^[a-z0-9-]{1,64}$/.test(region)) return `: the bucket is in the region ${region} (archive.s3.region)`;
  const words = hints[code ?? ''];
  return words === undefined ? '' : `: ${words}`;
}

interface Signed {
  url: URL;
  headers: Record<string, string>;
}

async function sign(settings: Settings, { method, key, query = {}, headers = {}, body }: S3Request): Promise<Signed> {
  const url = new URL(`${bucketUrl(settings)}${key}`);
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
  const content = body ?? Buffer.alloc(0);
  const signer = new AwsV4Signer({
    ...(await readCredentials(settings)),
    method,
    url: url.href,
    // Without TLS it is what tells that nobody has changed the content.
    headers: { ...headers, 'x-amz-content-sha256': createHash('sha256').update(content).digest('hex') },
    service: 's3',
    region: settings.region,
  });
  const signed = await signer.sign();
  return {
    url: signed.url,
    headers: { 'user-agent': 'Rebound', ...Object.fromEntries(signed.headers), ...(body && { 'content-length': String(body.length) }) },
  };
}

/** With the slash that keys follow. */
export function bucketUrl({ endpoint, region, bucket, pathStyle }: Pick<Settings, 'endpoint' | 'region' | 'bucket' | 'pathStyle'>): string {
  const url = new URL(endpoint || `https://s3.${region}.amazonaws.com`);
  const path = url.pathname.replace(/\/*$/, '/');
  return pathStyle ? `${url.origin}${path}${bucket}/` : `${url.protocol}//${bucket}.${url.host}${path}`;
}

/** Read each time, so that a secret which is changed holds at once. */
async function readCredentials({ accessKeyId, secretAccessKey, secretFile }: Settings) {
  if (accessKeyId !== '')
    return { accessKeyId, secretAccessKey: secretFile === '' ? secretAccessKey : await loadSecret('archive.s3.secretFile', secretFile) };
  const { AWS_ACCESS_KEY_ID: id, AWS_SECRET_ACCESS_KEY: secret, AWS_SESSION_TOKEN: sessionToken } = process.env;
  if (!id || !secret) {
    throw new Error(
      'there is no access key: set archive.s3.accessKeyId and secretAccessKey, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY',
    );
  }
  return { accessKeyId: id, secretAccessKey: secret, ...(sessionToken && { sessionToken }) };
}

/** Redirects are not followed: what is signed for one host is nothing for another. */
function exchange({ url, headers }: Signed, { method, body, longest = 0 }: S3Request, timeout: number): Promise<S3Answer> {
  return new Promise((resolve, reject) => {
    const isTls = url.protocol === 'https:';
    const options = { method, headers, agent: agents[isTls ? 'https:' : 'http:'], signal: AbortSignal.timeout(timeout) };
    const request = (isTls ? httpsRequest : httpRequest)(url, options, (response) => {
      readBody(response, Math.max(longest, longestRefusal)).then(
        (content) => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: content }),
        reject,
      );
    });
    // A 101 comes as neither an answer nor an error, and nobody would ever be told.
    request.on('upgrade', (_, socket) => {
      socket.destroy();
      reject(new Error('HTTP 101'));
    });
    request.on('error', reject);
    request.end(body);
  });
}

/** Rejects when it is longer, and when it ends before the length that it was said to have. */
async function readBody(response: IncomingMessage, longest: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length;
    // Leaving the loop destroys the response.
    if (size > longest) throw new Error(`an answer of more than ${longest} octets`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** `ECONNREFUSED`, or the words of an error that has no code. */
function describe(error: unknown, timeout: number): string {
  const { code, message, name } = error as NodeJS.ErrnoException;
  if (name === 'TimeoutError' || name === 'AbortError') return `no answer within ${timeout} ms`;
  return (code ?? message).slice(0, 200);
}
