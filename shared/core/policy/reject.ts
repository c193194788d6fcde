import { parseReply, type Reply } from '../reply.ts';
import { typeNameOf } from './define.ts';

/** A refusal as plain data, as it passes between the threads; a handler may also return it in this form. */
export interface Rejected {
  readonly reject: { readonly code: number; readonly text: string };
}

/**
 * Refuses what the event is about and ends the handler: it throws, so that no forgotten `return` lets mail in. `code` is
 * 400 to 599; 421 also closes the connection. `text` may begin with an enhanced code; without one it gets X.7.1.
 */
export function reject(code: number, text: string): never {
  throw new PolicyReject({ reject: { code, text } });
}

/** What `reject` throws; the thread passes on its value as if the handler had returned it. */
export class PolicyReject extends Error {
  override readonly name = 'PolicyReject';
  readonly value: Rejected;

  constructor(value: Rejected) {
    super(`rejected with ${String(value.reject.code)}`);
    this.value = value;
  }
}

/**
 * The refusal in a handler's result; undefined: it does not refuse. `fault`: it does, but not in these words; `problem`:
 * what it means cannot be told.
 */
export function readRejection(result: unknown): { reply: Reply; fault?: string } | { problem: string } | undefined {
  if (typeof result !== 'object' || result === null || !('reject' in result)) return undefined;
  const { reject: refusal } = result;
  if (typeof refusal !== 'object' || refusal === null) return { problem: `expected code and text in reject, found ${typeNameOf(refusal)}` };
  const { code, text } = refusal as { code?: unknown; text?: unknown };
  if (typeof code !== 'number' || !Number.isInteger(code) || code < 400 || code > 599) {
    return { problem: `a rejection has a code from 400 to 599, not ${typeof code === 'number' ? code : typeNameOf(code)}` };
  }
  const reply = typeof text === 'string' ? replyOf(code, text) : `expected text, found ${typeNameOf(text)}`;
  // Whoever says 550 wants it refused, whatever is wrong with the words.
  return typeof reply === 'string' ? { reply: { ...fallback, code, enhanced: defaultCode(code) }, fault: reply } : { reply };
}

/** RFC 5321 §4.5.3.1.5: 512 octets, of which status, space, enhanced code and CRLF take sixteen at most. */
const maxLine = 496;
const maxLines = 20;
const fallback = { lines: ['Refused by the policy of this system'], local: true };
const defaultCode = (code: number): string => `${Math.floor(code / 100)}.7.1`;

function replyOf(code: number, text: string): Reply | string {
  const lines = text.replace(/\r?\n$/, '').split(/\r?\n/);
  if (text.trim() === '') return 'the text of the rejection is empty';
  if (lines.length > maxLines) return `the text of the rejection has more than ${maxLines} lines`;
  if (lines.some((line) => line.length > maxLine)) return `a line of the rejection has more than ${maxLine} octets`;
  if (lines.some((line) => /[^\t -~]/.test(line))) return 'the text of the rejection is not printable ASCII';
  const parsed = parseReply(lines.map((line, i) => `${code}${i < lines.length - 1 ? '-' : ' '}${line}`));
  if (!parsed) return 'the rejection gives no reply';
  return { code, enhanced: parsed.enhanced ?? defaultCode(code), lines: parsed.lines, local: true };
}
