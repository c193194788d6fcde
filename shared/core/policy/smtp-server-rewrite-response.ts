import { parseReply, type Reply } from '../reply.ts';
import { typeNameOf } from './define.ts';

/** What is known of an SMTP connection to us, at the moment of the event. */
export interface ConnMeta {
  /** Also in the records of the mail that came this way, as `session_id`. */
  readonly sessionId: string;
  /** Our own name, as in the banner. */
  readonly hostname: string;
  /** The client, told by the proxy where there is one. */
  readonly clientAddress: string;
  readonly clientPort: number;
  /** The listener that it came to. */
  readonly listenerAddress: string;
  readonly listenerPort: number;
  /** The argument of EHLO or HELO, from its own reply on. */
  readonly ehloDomain?: string;
  /** Is the client in `ingress.trusted`? */
  readonly isTrusted: boolean;
  readonly tls?: { readonly protocol: string; readonly cipher: string };
  /** Who logged in. */
  readonly user?: { readonly name: string; readonly tenant?: string };
}

/** A new status, a new text, both (`undefined` and `null` keep what is there), or nothing. */
export type RewriteResponseResult = void | undefined | null | number | string | readonly [status?: number | null, response?: string | null];

/**
 * Called before every response of the SMTP server. `response` is the text without the status, its enhanced code
 * included, lines joined by `\n`. `command` is the line that failed, credentials masked; `DATA` for the answer to a
 * message; undefined for other successes and for what answers no command.
 */
export type SmtpServerRewriteResponse = (
  status: number,
  response: string,
  command: string | undefined,
  connMeta: ConnMeta,
) => RewriteResponseResult | Promise<RewriteResponseResult>;

/** The text of a reply as a handler sees it. */
export function responseText({ enhanced, lines }: Reply): string {
  const prefix = enhanced ? `${enhanced} ` : '';
  return lines.map((line) => prefix + line).join('\n');
}

/** A reply as the handler wants it; undefined: unchanged; `problem`: why what it returned cannot be used. */
export type Rewritten = { reply: Reply; text: string[] } | { problem: string } | undefined;

/** `eightBit`: may the text hold UTF-8 (RFC 6531 §3.7.4.2: only in a transaction with SMTPUTF8)? */
export function rewriteReply(original: Reply, result: unknown, eightBit: boolean): Rewritten {
  const parts = partsOf(result);
  if (typeof parts === 'string') return { problem: parts };
  const { status = original.code, response } = parts;
  const before = responseText(original);
  if (status === original.code && (response === undefined || response === before)) return undefined;
  const problem = statusProblem(original, status) ?? (response === undefined ? undefined : textProblem(response, eightBit));
  if (problem !== undefined) return { problem };
  const text = splitLines(response ?? before);
  const parsed = parseReply(text.map((line, i) => `${status}${i < text.length - 1 ? '-' : ' '}${line}`));
  if (!parsed) return { problem: 'gives no reply' };
  const { wire: _wire, ...reply } = parsed;
  return { reply: { ...reply, ...(original.command && { command: original.command }), ...(original.local && { local: true }) }, text };
}

/** RFC 5321 §4.5.3.1.5: 512 octets, of which status, space and CRLF take six. */
const maxLineOctets = 506;
const maxLines = 50;

interface Parts {
  status?: number;
  response?: string;
}

function partsOf(result: unknown): Parts | string {
  const [status, response, ...more] = Array.isArray(result)
    ? (result as unknown[])
    : typeof result === 'string'
      ? [undefined, result]
      : [result, undefined];
  if (more.length > 0) return 'expected a status and a text, found more';
  if (!isAbsent(status) && typeof status !== 'number') return `expected a number as status, found ${typeNameOf(status)}`;
  if (!isAbsent(response) && typeof response !== 'string') return `expected text, found ${typeNameOf(response)}`;
  return { ...(typeof status === 'number' && { status }), ...(typeof response === 'string' && { response }) };
}

const isAbsent = (value: unknown): value is null | undefined => value === null || value === undefined;

/**
 * Words may change, and how bad a refusal is. What a client does next with its octets may not: content after 354, TLS
 * after the 220 of STARTTLS. Nor may a refusal become a success: the client would let go of mail that nobody has.
 */
function statusProblem(original: Reply, status: number): string | undefined {
  if (!Number.isInteger(status) || status < 200 || status > 599) return `status ${status} is not one from 200 to 599`;
  const before = classOf(original.code);
  const after = classOf(status);
  if (before === after) return undefined;
  const isSwitch = original.command === 'STARTTLS' && original.code === 220;
  if (before === 3 || after === 3 || isSwitch) return `${original.code} cannot become ${status}: what the client sends next depends on it`;
  return before > 3 && after === 2 ? `${original.code} cannot become ${status}: what was refused was not done` : undefined;
}

const classOf = (code: number): number => Math.floor(code / 100);

function textProblem(response: string, eightBit: boolean): string | undefined {
  const lines = splitLines(response);
  if (response.trim() === '') return 'the text is empty';
  if (lines.length > maxLines) return `the text has more than ${maxLines} lines`;
  if (lines.some((line) => octetLength(line) > maxLineOctets)) return `a line of the text has more than ${maxLineOctets} octets`;
  if (/[\x00-\x08\x0a-\x1f\x7f-\x9f]/.test(lines.join('')) || !response.isWellFormed()) return 'the text holds control characters';
  if (!eightBit && /[^\x00-\x7f]/.test(response)) return 'the text is not ASCII, and the client has not asked for SMTPUTF8';
  return undefined;
}

/** The line end behind the last line is not one more line. */
const splitLines = (text: string): string[] => text.replace(/\r?\n$/, '').split(/\r?\n/);

const octetLength = (text: string): number => (/^[\x00-\x7f]*$/.test(text) ? text.length : new TextEncoder().encode(text).length);
