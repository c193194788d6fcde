import { readFields, valuesOf, type ReadField } from './field.ts';
import { findFaults, latin1 } from './octets.ts';
import type { ReturnedContent } from './report.ts';

/** A larger header is neither searched nor returned. */
const headerLimit = 256 * 1024;
const LF = 10;
const CR = 13;

/** The header of a message up to and with the line end before the first blank line; empty when it begins with no field. */
export function headerOf(content: Uint8Array): Uint8Array {
  let at = 0;
  while (at < content.length) {
    if (content[at] === LF || (content[at] === CR && content[at + 1] === LF)) break;
    const lineEnd = content.indexOf(LF, at);
    at = lineEnd < 0 ? content.length : lineEnd + 1;
  }
  const beginsWithField = /^[!-9;-~]+[ \t]*:/.test(latin1(content.subarray(0, Math.min(at, 1000))));
  return beginsWithField ? content.subarray(0, at) : content.subarray(0, 0);
}

/** The fields of a header, each octet as one character. */
export const headerFields = (header: Uint8Array): ReadField[] => readFields(latin1(header.subarray(0, headerLimit)), 2000);

/** The one well-formed Message-ID (RFC 5322 §3.6.4), with its brackets; undefined when there is none or more than one. */
export function messageIdOf(fields: readonly ReadField[]): string | undefined {
  const [value, another] = valuesOf(fields, 'Message-ID');
  if (value === undefined || another !== undefined || value.length > 800) return undefined;
  return /^<[^\s<>@\u0000-\u001f\u007f-\uffff]+@[^\s<>@\u0000-\u001f\u007f-\uffff]+>$/.test(value) ? value : undefined;
}

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
  values
    .flatMap((value) => value.match(/<[^\s<>@\u0000-\u001f\u007f-\uffff]+@[^\s<>@\u0000-\u001f\u007f-\uffff]+>/g) ?? [])
    .filter((id) => id.length <= 800);

export type IncludeOriginal = 'FullContent' | 'HeadersOnly' | 'No';

/** Why less comes back than was asked for; the words are in `wording/`. `limit`: octets. */
export type ReturnNote = { kind: 'too-large'; limit: number } | { kind: 'not-mail' } | { kind: 'header-too-large' };

export interface ReturnChoice {
  returned?: ReturnedContent;
  /** For the human-readable part. */
  note?: ReturnNote;
}

/**
 * What a report gives back. The whole message only if it is small enough, can be carried unchanged (RFC 3461 §6.2) and
 * has the fields that message/rfc822 needs (RFC 2046 §5.2.1); else its header, in quoted-printable where it must be
 * (RFC 6522 §4); nothing of what has no header. `size`: octets of the message, of which `content` may be the beginning.
 */
export function chooseReturned(include: IncludeOriginal, content: Uint8Array, size: number, limit: number | undefined): ReturnChoice {
  if (include === 'No') return {};
  const header = headerOf(content);
  if (header.length === 0) return {};
  if (include === 'FullContent') {
    const fault = limit !== undefined && size > limit ? ({ kind: 'too-large', limit } as const) : faultOf(content, header);
    if (fault === undefined) return { returned: { kind: 'message', content, encoding: findFaults(content).hasEightBit ? '8bit' : '7bit' } };
    return { ...(fault !== 'obvious' && { note: fault }), ...returnHeader(header) };
  }
  return returnHeader(header);
}

/** Why the message cannot be returned whole; `obvious` needs no words; undefined when it can. */
function faultOf(content: Uint8Array, header: Uint8Array): ReturnNote | 'obvious' | undefined {
  if (findFaults(content).isUnsafe) return { kind: 'not-mail' };
  const isRfc822 = headerFields(header).some((field) => /^(?:from|subject|date)$/i.test(field.name));
  return isRfc822 ? undefined : 'obvious';
}

function returnHeader(header: Uint8Array): ReturnChoice {
  if (header.length >= headerLimit) return { note: { kind: 'header-too-large' } };
  const { isUnsafe, hasEightBit } = findFaults(header);
  return { returned: { kind: 'header', content: header, encoding: isUnsafe ? 'quoted-printable' : hasEightBit ? '8bit' : '7bit' } };
}
