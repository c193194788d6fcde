import { createHash, createHmac } from 'node:crypto';
import { Agent as HttpAgent, request as httpRequest } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import type { WebhookConfig } from '../core/config.ts';
import type { DispositionRecord } from '../core/disposition.ts';
import { judgeAnswer, type WebhookVerdict } from '../core/webhook.ts';

export interface Poster {
  /** Posts records and says what the answer means; never rejects. */
  post(records: readonly DispositionRecord[]): Promise<WebhookVerdict>;
  /** Ends the requests under way. */
  close(): void;
}

/** More of an answer's body than this is not read. Octets. */
const longestBody = 64 * 1024;
/** One that has not ended by then is not waited for: its status was all that counts. Milliseconds. */
const bodyTimeout = 250;
/** A connection left idle is closed by us before most servers do, so that no request meets a closed one. Milliseconds. */
const keepAlive = 4000;

/**
 * The connections to one endpoint, of its own so that no other waits for them. node:https and not `fetch`: that can neither leave a certificate
 * unchecked nor keep connections per endpoint without a package. Redirects are not followed.
 */
export function openPoster(
  webhook: Pick<WebhookConfig, 'url' | 'headers' | 'timeout' | 'concurrency' | 'tlsVerify'>,
  secret: string,
): Poster {
  const url = new URL(webhook.url);
  const isTls = url.protocol === 'https:';
  const options = { keepAlive: true, timeout: keepAlive, maxSockets: webhook.concurrency };
  const agent = isTls ? new HttpsAgent({ ...options, rejectUnauthorized: webhook.tlsVerify }) : new HttpAgent(options);
  const closing = new AbortController();

  const send = (body: Buffer, headers: Record<string, string>): Promise<WebhookVerdict> =>
    new Promise((resolve, reject) => {
      const signal = AbortSignal.any([closing.signal, AbortSignal.timeout(webhook.timeout)]);
      const settle = (status: number, retryAfter?: string): void => resolve(judgeAnswer(status, retryAfter, Date.now()));
      const request = (isTls ? httpsRequest : httpRequest)(url, { method: 'POST', headers, agent, signal }, (response) => {
        let size = 0;
        response.on('data', (chunk: Buffer) => {
          size += chunk.length;
          if (size > longestBody) response.destroy();
        });
        response.on('error', () => undefined); // its status was said
        const timer = setTimeout(() => response.destroy(), bodyTimeout).unref();
        response.once('close', () => clearTimeout(timer));
        settle(response.statusCode ?? 0, response.headers['retry-after']);
      });
      // A 101 comes as neither an answer nor an error, and nobody would ever be told.
      request.on('upgrade', (response, socket) => {
        socket.destroy();
        settle(response.statusCode ?? 0);
      });
      request.on('error', (error) => reject(signal.aborted ? new Error(`no answer within ${webhook.timeout} ms`) : error));
      request.end(body);
    });

  return {
    post: async (records) => {
      const body = Buffer.from(JSON.stringify(records));
      try {
        return await send(body, {
          'user-agent': 'Rebound',
          ...webhook.headers,
          'content-type': 'application/json',
          'content-length': String(body.length),
          'idempotency-key': idempotencyKey(records),
          ...replayField(records),
          ...(secret && { 'rebound-signature': sign(secret, Math.floor(Date.now() / 1000), body) }),
        });
      } catch (error) {
        return { kind: 'later', reason: describe(error) };
      }
    },
    close: () => {
      closing.abort();
      agent.destroy();
    },
  };
}

/** The same for the same records in the same order, replayed or not; records that are sent again by force have another. */
const idempotencyKey = (records: readonly DispositionRecord[]): string =>
  createHash('sha256')
    .update(records.map(({ event_id, replay }) => (replay?.force ? `${event_id} ${replay.id}` : event_id)).join('\n'))
    .digest('hex')
    .slice(0, 32);

/** A field is not as long as a request may have records. */
const mostReplays = 10;

/** The replays that records of the request belong to. */
function replayField(records: readonly DispositionRecord[]): Record<string, string> {
  const ids = new Set(records.flatMap(({ replay }) => replay?.id ?? []));
  return ids.size === 0 ? {} : { 'rebound-replay': [...ids].slice(0, mostReplays).join(', ') };
}

/** `t=<seconds since 1970>,v1=<hex HMAC-SHA-256 of "<seconds>.<body>">`: with the time in it, an old request cannot be played again. */
const sign = (secret: string, seconds: number, body: Buffer): string =>
  `t=${seconds},v1=${createHmac('sha256', secret).update(`${seconds}.`).update(body).digest('hex')}`;

/** `ECONNREFUSED`, or the words of an error that has no code; an address may be in it, the path of the URL is not. */
const describe = (error: unknown): string => {
  const { code, message } = error as NodeJS.ErrnoException;
  return (code === undefined || code === 'ABORT_ERR' ? message : code).slice(0, 200);
};
