import { readFields, valuesOf, type ReadField } from './field.ts';
import { findFaults, latin1 } from './octets.ts';
import type { ReturnedContent } from './report.ts';

/** A larger header is neither searched nor returned. */
const headerLimit = 256 * 1024;
const LF = 10;
const CR = 13;
const COLON = 58;

/** The header of a message up to and with the line end before the first blank line; empty when it begins with no field. */
export function headerOf(content: Uint8Array): Uint8Array {
  let at = 0;
  while (at < content.length) {
    if (content[at] === LF || (content[at] === CR && content[at + 1] === LF)) break;
    const lineEnd = content.indexOf(LF, at);
    at = lineEnd < 0 ? content.length : lineEnd + 1;
  }
  const beginsWithField = /^[!-9;-~]+[ \t]*:/.test(latin1(content.subarray(0, Math.min(at, 1000, content.indexOf(COLON) + 1))));
  return beginsWithField ? content.subarray(0, at) : content.subarray(0, 0);
}

/** The fields of a header, each octet as one character. */
export const headerFields = (header: Uint8Array): ReadField[] => readFields(latin1(header.subarray(0, headerLimit)), 2000);

/** A message, or its beginning, with its header read. */
export interface Original {
  content: Uint8Array;
  header: Uint8Array;
  fields: ReadField[];
}

export function readOriginal(content: Uint8Array): Original {
  const header = headerOf(content);
  return { content, header, fields: headerFields(header) };
}

/** The one Message-ID, with its brackets, liberally read; undefined when there is none or more than one. */
export function messageIdOf(fields: readonly ReadField[]): string | undefined {
  const [value, another] = valuesOf(fields, 'Message-ID');
  if (value === undefined || another !== undefined || value.length > 800) return undefined;
  return /^<[^\s<>@\u0000-\u001f\u007f-\uffff]+@[^\s<>@\u0000-\u001f\u007f-\uffff]+>$/.test(value) ? value : undefined;
}

const atoms = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*";
const wellFormedId = new RegExp(`^<${atoms}@(?:${atoms}|\\[[!-Z^-~]*\\])>$`);

/** RFC 5322 §3.6.4: dot-atoms, or a literal in brackets for the domain. Only such an id may be written into a field. */
export const isWellFormedId = (id: string): boolean => id.length <= 800 && wellFormedId.test(id);

/** A thread this long is told by its first message and the last ones. */
const mostReferences = 20;
const longestReferences = 4000;

/**
 * What a reply puts before the message's own id in References (RFC 5322 §3.6.4): its References, else its In-Reply-To
 * where that names one message. Only well-formed ids.
 */
export function referencesOf(fields: readonly ReadField[]): string[] {
  const references = messageIds(valuesOf(fields, 'References'));
  const repliedTo = references.length > 0 ? [] : messageIds(valuesOf(fields, 'In-Reply-To'));
  const ids = references.length > 0 ? references : repliedTo.length === 1 ? repliedTo : [];
  const kept: string[] = [];
  let length = 0;
  for (const id of ids.slice(1).toReversed()) {
    length += id.length;
    if (kept.length >= mostReferences || length > longestReferences) break;
    kept.unshift(id);
  }
  return [...ids.slice(0, 1), ...kept];
}

const messageIds = (values: readonly string[]): string[] =>
  values.flatMap((value) => value.match(/<[^\s<>]*>/g) ?? []).filter(isWellFormedId);

export type IncludeOriginal = 'FullContent' | 'HeadersOnly' | 'No';

/**
 * Why less comes back than was asked for; the words are in `wording/`. `limit`: octets. `not-mail`: lines that mail cannot have;
 * `not-rfc822`: neither From nor Subject nor Date; `cut`: a part of it is lost; `eight-bit`: the next server takes none.
 */
export type ReturnNote =
  | { kind: 'too-large'; limit: number }
  | { kind: 'not-mail' | 'not-rfc822' | 'cut' | 'eight-bit' | 'header-too-large' | 'no-header' | 'gone' };

export interface ReturnChoice {
  returned?: ReturnedContent;
  /** For the human-readable part. */
  note?: ReturnNote;
}

/**
 * What a report gives back. The whole message only if it is small enough and all there, can be carried unchanged (RFC 3461
 * §6.2) and has the fields that message/rfc822 needs (RFC 2046 §5.2.1); else its header, in quoted-printable where it must be
 * (RFC 6522 §4); nothing of what has no header. `size`: octets of the message as it was received.
 */
export function chooseReturned(
  include: IncludeOriginal,
  original: Original | undefined,
  size: number,
  limit: number | undefined,
): ReturnChoice {
  if (include === 'No') return {};
  if (!original) return { note: { kind: 'gone' } };
  const { content, header, fields } = original;
  if (header.length === 0) return { note: { kind: 'no-header' } };
  if (include === 'HeadersOnly') return returnHeader(header);
  if (limit !== undefined && Math.max(size, content.length) > limit) return returnHeader(header, { kind: 'too-large', limit });
  // RFC 3461 §6.2: message/rfc822 is the message, not what is left of it.
  if (content.length < size) return returnHeader(header, { kind: 'cut' });
  const { isUnsafe, hasEightBit } = findFaults(content);
  if (isUnsafe) return returnHeader(header, { kind: 'not-mail' });
  const isRfc822 = fields.some((field) => /^(?:from|subject|date)$/i.test(field.name));
  if (!isRfc822) return returnHeader(header, { kind: 'not-rfc822' });
  return { returned: { kind: 'message', content, encoding: hasEightBit ? '8bit' : '7bit' } };
}

function returnHeader(header: Uint8Array, note?: ReturnNote): ReturnChoice {
  if (header.length >= headerLimit) return { note: { kind: 'header-too-large' } };
  const { isUnsafe, hasEightBit } = findFaults(header);
  const encoding = isUnsafe ? 'quoted-printable' : hasEightBit ? '8bit' : '7bit';
  return { returned: { kind: 'header', content: header, encoding }, ...(note && { note }) };
}
